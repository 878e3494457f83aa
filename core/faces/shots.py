"""Cut a video into stretches of one shot, and find and follow every face in each.

A stretch is as long as memory for its frames allows; faces are followed across its ends. Where there is no
face there is nothing to do.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import cv2
import numpy as np

from core.faces.people import WORKING_SIDE, working_picture
from core.media.foreign import Frame
from core.media.planes import Planes, to_bgr
from core.protocols import FaceFinder
from core.serving.loaded import LoadedEngine
from core.types import FaceTrack, Image

if TYPE_CHECKING:
    from core.tracking.crowd import Followed, Known

_BYTES = 64 << 20
_FEWEST, _MOST = 8, 48
"""What the frames of one stretch may take; and how many they are at least, and at most."""


@dataclass(frozen=True, slots=True)
class Shot:
    """Consecutive frames of one shot. tracks: every face in them, frame k of a track being frame k here."""

    frames: Sequence[Frame]
    tracks: Sequence[FaceTrack]

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(slots=True)
class _Gathered:
    """A stretch that grows. before: the picture before its first frame, if the shot began earlier.

    pictures: its frames as faces are sought in them.
    """

    before: Image | None = None
    frames: list[Frame] = field(default_factory=list)
    pictures: list[Image] = field(default_factory=list)


async def find_shots(
    frames: AsyncIterator[Frame], face: LoadedEngine[FaceFinder]
) -> AsyncGenerator[Shot, None]:
    """Yield stretches of 8, 16, 32 ... frames, as many as memory allows: the first picture is soon out."""
    gathered, size = _Gathered(), _FEWEST
    known: list[Known] = []
    async for frame in frames:
        picture = await asyncio.to_thread(working_picture, frame.planes)
        last = gathered.pictures[-1] if gathered.pictures else gathered.before
        cut = last is not None and await asyncio.to_thread(_is_cut, last, picture)
        full = len(gathered.frames) >= min(size, max(_FEWEST, min(_MOST, _BYTES // frame.nbytes)))
        if gathered.frames and (cut or full):
            shot, known = await _followed(gathered, known, face)
            yield shot
            gathered, size = _Gathered(gathered.pictures[-1]), size * 2
        if cut:
            gathered.before, known = None, []
        gathered.frames.append(frame)
        gathered.pictures.append(picture)
    if gathered.frames:
        shot, _ = await _followed(gathered, known, face)
        yield shot


async def _followed(
    gathered: _Gathered, known: "Sequence[Known]", face: LoadedEngine[FaceFinder]
) -> "tuple[Shot, list[Known]]":
    """The stretch with the faces in it, and those that go on after it."""
    overlap = gathered.before is not None
    pictures = [gathered.before, *gathered.pictures] if gathered.before is not None else gathered.pictures
    found: list[Followed] = []
    # Step by step: one face through a stretch takes a tenth of a second, and others share the finder.
    async with aclosing(face.steps(_follow, pictures, known)) as steps:
        async for one in steps:
            if one is not None:
                found.append(one)
    height, width = gathered.frames[0].planes.shape[0] * 2 // 3, gathered.frames[0].planes.shape[1]
    tracks = await asyncio.to_thread(_tracks, found, overlap, width, height)
    return Shot(gathered.frames, tracks), [one.after for one in found if one.after is not None]


# Below, imports wait for the first stretch: they bring scipy, which takes half a second.


def _is_cut(before: Image, after: Image) -> bool:
    from core.tracking.tracker import is_cut, thumbnail

    greys = [np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8) for image in (before, after)]
    return is_cut(thumbnail(greys[0]), thumbnail(greys[1]))


def _follow(
    finder: FaceFinder, pictures: Sequence[Image], known: "Sequence[Known]"
) -> "Iterator[Followed | None]":
    from core.tracking.crowd import follow_all

    yield from follow_all(pictures, finder, known)


def _tracks(found: "Sequence[Followed]", overlap: bool, width: int, height: int) -> list[FaceTrack]:
    """Tracks in whole frames, without the picture before the first."""
    from core.tracking.fit import crop_track, enlarged

    factor = max(1.0, max(width, height) / WORKING_SIDE)
    whole = [crop_track(enlarged(one.track, factor), width, height) for one in found]
    own = slice(int(overlap), None)
    tracks = [
        FaceTrack(
            track.side,
            track.corners[own],
            track.poses[own],
            track.found[own],
            None if track.landmarks is None else track.landmarks[own],
        )
        for track in whole
    ]
    return [track for track in tracks if track.found.any()]


def crop(planes: Planes, track: FaceTrack, number: int) -> Image:
    """The crop of frame `number` of a track: uint8 (side, side, 3) BGR."""
    x, y = track.corners[number].tolist()
    return to_bgr(planes, x, y, track.side)
