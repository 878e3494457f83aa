"""Prepare a template: decode it once, find the face in every frame, have engines learn it.

Done once and kept by content, parameters and code version (`Wanted.key`), under another name until it is
whole; no job pays for it again. Foreign media is decoded by `core.media.foreign` in a child process.
"""

import asyncio
import hashlib
import json
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.faces.choice import AUTO, ChosenFace, choice_version, person
from core.faces.people import WORKING_SIDE, look
from core.media.arrays import load, save
from core.media.foreign import Show, normalise
from core.media.paste import Crops
from core.protocols import FaceEnhancer, FaceFinder, LipsyncEngine, Remarks
from core.serving.loaded import LoadedEngine
from core.serving.loaded import prepare as learn
from core.templates.info import TemplateInfo
from core.templates.template import StepReport, Template, open_prepared
from core.types import Arrays, Image

if TYPE_CHECKING:
    from core.tracking.tracker import Tracker

PREPARATION = "4"
"""Version of the preparation code; part of every cache key. Raise it when the result would differ."""

Learner = LoadedEngine[LipsyncEngine | FaceEnhancer]
"""An engine that keeps what it learns of a template."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A preparation that is wanted: of `source`, in `folder`, at this rate and size."""

    info: TemplateInfo
    source: Path
    folder: Path
    fps: int | None
    size: tuple[int, int] | None

    def key(self, face: LoadedEngine[FaceFinder]) -> str:
        """Its name: by content, parameters and the versions of the code that makes it."""
        finder = face.key + choice_version(self.info.face)
        parts = [self.info.sha256, PREPARATION, finder, self.fps, self.size]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


async def prepare(
    wanted: Wanted,
    face: LoadedEngine[FaceFinder],
    engines: Sequence[Learner],
    *,
    cache_bytes: int,
    report: StepReport,
) -> Template:
    """Do whatever of the preparation is not done yet, then open it.

    engines: shall have learnt it. cache_bytes: how much of it may stay decoded in memory. Raises BadInput for
    what is not a usable picture or video, or has no face.
    """
    done = wanted.folder / "prepared" / wanted.key(face)
    if not done.exists():
        await _make(wanted, face, done, report)
    known = [loaded.key for loaded in engines if (done / f"{loaded.key}.npz").exists()]
    template = await asyncio.to_thread(open_prepared, done, wanted.info.id, known, cache_bytes)
    if wanted.info.actions is not None:
        template.actions = wanted.info.actions.at_rate(round(wanted.info.fps), template.fps)
    try:
        # Side by side, as most of it is decoding, which serves both, and then the first job.
        learning = {
            loaded.key: _consult(template, loaded, done / f"{loaded.key}.npz", report)
            for loaded in engines
            if loaded.key not in known
        }
        template.prepared.update(zip(learning, await asyncio.gather(*learning.values()), strict=True))
        template.remarks = await asyncio.to_thread(_remarks, template, engines)
    except BaseException:
        template.close()  # nobody else has it
        raise
    return template


async def _make(wanted: Wanted, face: LoadedEngine[FaceFinder], done: Path, report: StepReport) -> None:
    draft = done.with_name(f".{done.name}-{uuid.uuid4().hex[:8]}")
    size = wanted.size
    if size is None and wanted.info.recipe:  # made here: as large as it was made, however large
        size = wanted.info.width, wanted.info.height
    try:
        finder = await _finder(wanted, face)
        await _prepare_frames(wanted.source, draft, face, finder, fps=wanted.fps, size=size, report=report)
        _settle(draft, done)
    finally:
        await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)


async def _finder(wanted: Wanted, face: LoadedEngine[FaceFinder]) -> FaceFinder:
    """What finds the face that is meant, and it alone if it was chosen. Raises BadInput without it."""
    if wanted.info.face == AUTO:
        return face.engine
    people = await look(wanted.source, face, wanted.folder)
    return ChosenFace(face.engine, person(people.picture, people.faces, wanted.info.face))


def _settle(draft: Path, done: Path) -> None:
    """Give a finished preparation its name; if another process was first, its work is as good."""
    try:
        draft.rename(done)
    except OSError:
        if not done.exists():
            raise


async def _prepare_frames(
    source: Path,
    folder: Path,
    face: LoadedEngine[FaceFinder],
    finder: FaceFinder,
    *,
    fps: int | None,
    size: tuple[int, int] | None,
    report: StepReport,
) -> None:
    """Write `source` into `folder` as `video.mp4`: constant frame rate, even size, upright; and beside it
    where the face is, which is sought in each frame as soon as it is written.

    finder: `face`, or what asks it. Raises BadInput for what is not a usable picture or video, or `no_face`
    if no frame has one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    frames: int | None = None
    tracker = await face.alone(_tracker, finder)

    def told(done: int, total: int | None) -> None:
        nonlocal frames
        frames = total
        report("decode", done, total)

    async def seen(picture: Image) -> None:
        await face.alone(tracker.look, picture)
        report("faces", len(tracker.shots), frames)

    video = folder / "video.mp4"
    info = await normalise(source, video, fps=fps, size=size, report=told, show=Show(WORKING_SIDE, seen))
    await face.alone(_keep_track, tracker, info.width, info.height, folder)


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
    save(folder / "track.npz", saved)


async def _consult(template: Template, loaded: Learner, path: Path, report: StepReport) -> Arrays:
    """Let an engine learn the template; keeps what it says at `path`."""
    crops = Crops(len(template), template.crop)
    learnt = await loaded.patiently(
        learn, lambda done: report(loaded.kind, done, len(crops)), template.track, crops
    )
    report(loaded.kind, len(crops), len(crops))  # an engine in another process was not heard
    await asyncio.to_thread(save, path, learnt)
    return await asyncio.to_thread(load, path)


def _remarks(template: Template, engines: Sequence[Learner]) -> tuple[str, ...]:
    """What the engines that learnt a template have to say against it."""
    return tuple(
        remark
        for loaded in engines
        if isinstance(loaded.engine, Remarks) and loaded.key in template.prepared
        for remark in loaded.engine.remarks(template.track, template.prepared[loaded.key])
    )
