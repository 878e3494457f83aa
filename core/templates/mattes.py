"""The mattes of a prepared template: made once, frame by frame, kept beside its video as a clip in grey."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput, Stopped
from core.media.clip import new_clip
from core.media.planes import grey_planes, whole_bgr
from core.protocols import Matte, Matting
from core.templates.template import StepReport, Template
from core.types import FaceTrack, Image

_FULL, _NOBODY = 0.97, 0.3
"""Share of the frame from which a person fills it; share of the face below which nobody was found."""


def face_boxes(track: FaceTrack) -> list[NDArray[np.float32]]:
    """Where the face is in each frame: float32 (4,), x, y, width, height, in pixels, upright."""
    centres = track.poses @ np.array([0.5, 0.5, 1.0]) + track.corners
    sides = np.hypot(track.poses[:, 0, 0], track.poses[:, 1, 0])
    return [
        np.array([x - side / 2, y - side / 2, side, side], np.float32)
        for (x, y), side in zip(centres, sides, strict=True)
    ]


def make_mattes(
    matting: Matting, template: Template, path: Path, report: StepReport, stopped: Callable[[], bool]
) -> None:
    """Write `path`, the template's mattes. Blocking; one frame at a time is in memory.

    Raises BadInput `person_fills_frame` or `no_person` for a template that cannot be cut out, and Stopped
    after `stopped` says yes; then nothing is left behind.
    """
    faces = face_boxes(template.track)
    with new_clip(path, template.width, template.height, template.fps) as clip:
        for number, matte in enumerate(matting.mattes(_pictures(template), faces)):
            if stopped():
                raise Stopped("cutting out was stopped")
            if number == 0:
                check(matte, faces[0], found=bool(template.track.found[0]))
            clip.add_planes(grey_planes(matte))
            report("matte", number + 1, len(template))


def first_matte(matting: Matting, template: Template) -> Matte:
    """The matte of the first frame alone. Blocking. Raises BadInput like `make_mattes`."""
    faces = face_boxes(template.track)[:1]
    matte = next(matting.mattes([whole_bgr(template.planes(0))], faces))
    check(matte, faces[0], found=bool(template.track.found[0]))
    return matte


def check(matte: Matte, face: NDArray[np.float32], *, found: bool) -> None:
    """Raises BadInput if `matte` shows nobody, or nothing else. found: whether a face was seen there."""
    x, y, width, height = (round(float(value)) for value in face)
    inside = matte[max(0, y) : max(0, y + height), max(0, x) : max(0, x + width)]
    if found and (not inside.size or inside.mean() < 255 * _NOBODY):
        raise BadInput(
            "no_person",
            "the person cannot be told from this template's background; choose another way with matte "
            "(key, flat, selfie, grabcut, rvm), or film before a plain wall",
            "matte",
        )
    if matte.mean() > 255 * _FULL:
        raise BadInput(
            "person_fills_frame",
            "the person fills the whole frame: there is no background to replace; use a wider shot",
            "template",
        )


def _pictures(template: Template) -> Iterator[Image]:
    for number in range(len(template)):
        yield whole_bgr(template.planes(number))
