"""A prepared video of a person: constant frames, where the face is in each, and what engines learnt of it.

Here it is opened, which takes only our own files; `core.templates.preparation` makes it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from core.errors import BadInput
from core.media.arrays import load
from core.media.clip import Frames
from core.media.planes import to_bgr
from core.templates.matte_clip import Mattes
from core.templates.walk import Actions, Walk
from core.types import Arrays, FaceTrack, Image

StepReport = Callable[[str, int, int | None], None]
"""Called with (step, done, total or None) while a template is prepared."""


class Template:
    """A prepared template, open for jobs. Safe to share between threads and jobs.

    prepared: what each engine learnt of it, by `LoadedEngine.key`; whoever opens it may still add to that.
    remarks: what those engines have to say against it, for people. mattes: how much of each pixel is the
    person, where that is to be known; else None. actions: what its frames show.
    """

    def __init__(
        self,
        name: str,
        frames: Frames,
        track: FaceTrack,
        prepared: dict[str, Arrays],
        mattes: Mattes | None = None,
        actions: Actions | None = None,
    ) -> None:
        self.name = name
        self.track = track
        self.prepared = prepared
        self.mattes = mattes
        self.actions = actions or Actions(len(track))
        self.remarks: tuple[str, ...] = ()
        self._frames = frames

    @property
    def folder(self) -> Path:
        """Where what was prepared of it lies."""
        return self._frames.path.parent

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

    def walk(self) -> Walk:
        """One video's way through its frames."""
        return Walk(self.actions, self.fps)

    def planes(self, number: int) -> Image:
        """Template frame `number`: uint8 (height * 3 // 2, width), I420, BT.709 limited; read-only."""
        return self._frames.planes(number)

    def crop(self, number: int) -> Image:
        """Its face crop: uint8 (side, side, 3) BGR."""
        x, y = self.track.corners[number]
        return to_bgr(self.planes(number), int(x), int(y), self.track.side)

    def close(self) -> None:
        """Let go of the decoders and their caches."""
        self._frames.close()
        if self.mattes is not None:
            self.mattes.close()


def check_shape(fps: int | None, size: tuple[int, int] | None) -> None:
    """Raises BadInput `out_of_range` for a rate or size no video is made at."""
    if fps is not None and not 1 <= fps <= 60:
        raise BadInput("out_of_range", f"fps {fps} is outside 1 to 60", "fps")
    if size is not None and not all(64 <= side <= 4096 and side % 2 == 0 for side in size):
        sides = "x".join(map(str, size))
        raise BadInput("out_of_range", f"size {sides}: width and height must be even, 64 to 4096", "size")


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
    prepared = {key: load(folder / f"{key}.npz") for key in keys}
    frames = Frames(folder / "video.mp4", cache_bytes=cache_bytes)
    return Template(name, frames, track, prepared)
