"""A prepared video of a person: constant frames, where the face is in each, and what engines learnt of it.

Preparation happens once and is cached by content, parameters and code version; no job pays for it
again. Foreign media is decoded by `core.media.foreign` in a child process; here only our own files are
opened.
"""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput
from core.faces.choice import ChosenFace
from core.faces.people import WORKING_SIDE
from core.media.clip import Frames
from core.media.foreign import Show, normalise
from core.media.paste import Crops
from core.media.planes import to_bgr
from core.protocols import FaceEnhancer, FaceFinder, LipsyncEngine, Remarks
from core.runtime.worker import Worker, on_loop
from core.serving.loaded import LoadedEngine, prepare
from core.types import Arrays, FaceTrack, Image

if TYPE_CHECKING:
    from core.tracking.tracker import Tracker

PREPARATION = "3"
"""Version of the preparation code; part of every cache key. Raise it when the result would differ."""

StepReport = Callable[[str, int, int | None], None]
"""Called with (step, done, total or None) while a template is prepared."""


def giving_way(worker: Worker, report: StepReport) -> StepReport:
    """`report` for a call on the worker's thread, which lets running jobs in at every report."""
    told = on_loop(report)

    def tell(step: str, done: int, total: int | None) -> None:
        told(step, done, total)
        worker.give_way()

    return tell


class Template:
    """A prepared template, open for jobs. Safe to share between threads and jobs.

    prepared: what each engine learnt of it, by `LoadedEngine.key`; whoever opens it may still add to that.
    """

    def __init__(self, name: str, frames: Frames, track: FaceTrack, prepared: dict[str, Arrays]) -> None:
        self.name = name
        self.track = track
        self.prepared = prepared
        self._frames = frames

    @property
    def width(self) -> int:
        """Pixels; even."""
        return self._frames.width

    @property
    def height(self) -> int:
        """Pixels; even."""
        return self._frames.height

    @property
    def fps(self) -> int:
        """Frames a second."""
        return self._frames.fps

    def __len__(self) -> int:
        return len(self.track)

    def number(self, frame: int) -> int:
        """The template frame shown in frame `frame` of a video: forwards, then backwards, so nothing jumps.

        With 3 frames: 0 1 2 1 0 1 2 1 ...
        """
        last = len(self) - 1
        if last == 0:
            return 0
        place = frame % (2 * last)
        return min(place, 2 * last - place)

    def planes(self, number: int) -> Image:
        """Template frame `number`: uint8 (height * 3 // 2, width), I420, BT.709 limited; read-only."""
        return self._frames.planes(number)

    def crop(self, number: int) -> Image:
        """Its face crop: uint8 (side, side, 3) BGR."""
        x, y = self.track.corners[number]
        return to_bgr(self.planes(number), int(x), int(y), self.track.side)

    def close(self) -> None:
        """Let go of the decoder and its cache."""
        self._frames.close()


def check_shape(fps: int | None, size: tuple[int, int] | None) -> None:
    """Raises BadInput `out_of_range` for a rate or size no video is made at."""
    if fps is not None and not 1 <= fps <= 60:
        raise BadInput("out_of_range", f"fps {fps} is outside 1 to 60", "fps")
    if size is not None and not all(64 <= side <= 4096 and side % 2 == 0 for side in size):
        sides = "x".join(map(str, size))
        raise BadInput("out_of_range", f"size {sides}: width and height must be even, 64 to 4096", "size")


async def prepare_frames(
    source: Path,
    folder: Path,
    finder: FaceFinder,
    worker: Worker,
    *,
    fps: int | None,
    size: tuple[int, int] | None,
    report: StepReport,
) -> None:
    """Write `source` into `folder` as `video.mp4`: constant frame rate, even size, upright; and beside it
    where the face is, which is sought in each frame as soon as it is written.

    worker: the finder's. Raises BadInput for what is not a usable picture or video, or `no_face` if no frame
    has one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    frames: int | None = None
    tracker = await worker.patiently(_tracker, finder)

    def told(done: int, total: int | None) -> None:
        nonlocal frames
        frames = total
        report("decode", done, total)

    async def seen(picture: Image) -> None:
        await worker.patiently(tracker.look, picture)
        report("faces", len(tracker.shots), frames)

    video = folder / "video.mp4"
    info = await normalise(source, video, fps=fps, size=size, report=told, show=Show(WORKING_SIDE, seen))
    await worker.patiently(_keep_track, tracker, info.width, info.height, folder)


# Here, and only once called, because it brings scipy, which takes half a second, and jobs on prepared
# templates need neither.
def _tracker(finder: FaceFinder) -> "Tracker":
    from core.tracking.tracker import EVERY, Tracker

    return Tracker(finder, EVERY, finder.recognise if isinstance(finder, ChosenFace) else None)


def _keep_track(tracker: "Tracker", width: int, height: int, folder: Path) -> None:
    """Write what was seen of a video of this size into its `folder`. Raises BadInput `no_face`."""
    from core.tracking.fit import enlarged
    from core.tracking.tracker import crop_track, tracked

    scale = min(1.0, WORKING_SIDE / max(width, height))
    track = crop_track(enlarged(tracked(tracker), 1 / scale), width, height)
    saved: dict[str, NDArray[np.generic]] = {
        "side": np.array(track.side),
        "corners": track.corners,
        "poses": track.poses,
        "found": track.found,
    }
    if track.landmarks is not None:
        saved["landmarks"] = track.landmarks
    if track.shots is not None:
        saved["shots"] = track.shots
    _save(folder / "track.npz", saved)


async def consult(
    template: Template, loaded: LoadedEngine[LipsyncEngine | FaceEnhancer], path: Path, report: StepReport
) -> Arrays:
    """Let an engine learn the template; keeps what it says at `path`."""
    crops = Crops(len(template), template.crop)
    learnt = await loaded.patiently(
        prepare, lambda done: report(loaded.kind, done, len(crops)), template.track, crops
    )
    report(loaded.kind, len(crops), len(crops))  # an engine in another process was not heard
    await asyncio.to_thread(_save, path, learnt)
    return learnt


def remarks(
    template: Template, engines: Sequence[LoadedEngine[LipsyncEngine | FaceEnhancer]]
) -> tuple[str, ...]:
    """What the engines that learnt a template have to say against it."""
    return tuple(
        remark
        for loaded in engines
        if isinstance(loaded.engine, Remarks) and loaded.key in template.prepared
        for remark in loaded.engine.remarks(template.track, template.prepared[loaded.key])
    )


def _save(path: Path, arrays: Arrays) -> None:
    """Write `arrays` so that the file is there whole or not at all."""
    draft = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}.npz")
    np.savez(draft, **arrays)  # type: ignore[arg-type]  # numpy's stub takes the names for its own options
    draft.replace(path)


def open_prepared(folder: Path, name: str, keys: Sequence[str], cache_bytes: int) -> Template:
    """The prepared template in `folder` with what the engines of `keys` learnt of it. Blocking.

    cache_bytes: how much of it may stay decoded in memory.
    """
    with np.load(folder / "track.npz") as saved:
        track = FaceTrack(
            side=int(saved["side"]),
            corners=saved["corners"],
            poses=saved["poses"],
            found=saved["found"],
            landmarks=saved.get("landmarks"),
            shots=saved.get("shots"),
        )
    prepared: dict[str, Arrays] = {}
    for key in keys:
        with np.load(folder / f"{key}.npz") as arrays:
            prepared[key] = dict(arrays)
    frames = Frames(folder / "video.mp4", cache_bytes=cache_bytes)
    return Template(name, frames, track, prepared)
