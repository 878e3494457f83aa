"""Look who is to be seen in a video or picture before it becomes a template, so that one can be chosen."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from core.errors import BadInput
from core.faces.choice import from_left
from core.media.clip import Frames
from core.media.foreign import normalise
from core.media.planes import Planes
from core.protocols import FaceFinder
from core.serving.loaded import LoadedEngine
from core.types import Face, Image

WORKING_SIDE = 640
"""Faces are sought in pictures no larger than this on their longer side: enough for a tracker, not for 4K."""

LOOK_S = 10.0
"""Seconds of a video in which people are looked for; once a second."""

_CACHE_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class People:
    """The picture of a video in which most people are seen, and their faces, from the left.

    picture: at most `WORKING_SIDE` pixels on its longer side; boxes count in its pixels.
    """

    picture: Image
    faces: tuple[Face, ...]


async def look(source: Path, finder: LoadedEngine[FaceFinder], folder: Path | None = None) -> People:
    """Who is to be seen in the first seconds of `source`.

    folder: where a few seconds of video may lie meanwhile; None is the system's place for such.
    Raises BadInput for a file that cannot be used, or `no_face`.
    """
    with tempfile.TemporaryDirectory(prefix=".look-", dir=folder) as scratch:
        clip = Path(scratch) / "video.mp4"
        await normalise(source, clip, fps=None, size=None, report=lambda _done, _total: None, until_s=LOOK_S)
        found = await finder.call(_most, clip)
    if found is None:
        raise BadInput(
            "no_face",
            f"no face was found in the first {LOOK_S:g} s of {source.name}; it must show a person who looks "
            "into the camera",
        )
    return found


def working_pictures(frames: Frames, numbers: range) -> Iterator[Image]:
    """Those frames of a clip, uint8 BGR, as small as faces are sought in. Blocking."""
    for number in numbers:
        yield working_picture(frames.planes(number))


def working_picture(planes: Planes) -> Image:
    """A frame, uint8 BGR, as small as faces are sought in."""
    # BT.601 conversion of BT.709 planes: a slight tint, of no matter to a face finder, and fast.
    picture = cv2.cvtColor(planes, cv2.COLOR_YUV2BGR_I420)
    height, width = picture.shape[:2]
    scale = min(1.0, WORKING_SIDE / max(height, width))
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return np.asarray(picture, np.uint8)


def _most(finder: FaceFinder, clip: Path) -> People | None:
    """The first picture with the most faces. Blocking."""
    frames = Frames(clip, _CACHE_BYTES)
    best: People | None = None
    try:
        for picture in working_pictures(frames, range(0, frames.count, frames.fps)):
            faces = from_left(finder.find(picture))
            if len(faces) > (len(best.faces) if best else 0):
                best = People(picture, tuple(faces))
    finally:
        frames.close()
    return best
