"""Learn a template's mouth, once: where it is in each frame, its lip line and colours.

Up to a thousand frames are looked at; of each only a small picture of the lower face is kept meanwhile.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from core.engines.builtin.mouth.plain.find import Spot, find_mouth, mouth_patch, swatch
from core.engines.builtin.mouth.plain.inside import draw_inside, palette
from core.engines.builtin.mouth.plain.line import find_line
from core.engines.builtin.mouth.plain.path import Rows, every_frame, in_crop, steady
from core.types import Arrays, FaceTrack, Image

_LOOKS = 1000
_TEETH_LIGHT, _TEETH_GAP = -8.0, 0.15
"""Lightness against skin, and height, from which on what shows between the lips is teeth."""


def survey(track: FaceTrack, crops: Sequence[Image], report: Callable[[int], None]) -> Arrays:
    """What `WarpedMouth.draw` needs of a template.

    geometry: float32 (frames, 4), the mouth's centre and half width in crop pixels, angle in radians.
    line: float32 (frames, 4), c0, c1, c2 and rest of its `LipLine`. teeth, jaw: see `inside`.
    shows_teeth: bool ().
    """
    at = np.flatnonzero(track.found)
    at = at[:: 1 + len(at) // _LOOKS]
    pictures, spots = _looks(track, crops, at, report)
    if not pictures:
        return {
            "geometry": np.zeros((len(track), 4), np.float32),
            "line": np.zeros((len(track), 4), np.float32),
        }
    calm = steady(spots, at)
    calm[:, 3] = np.median(spots[:, 3])
    patches = [mouth_patch(picture, _spot(row)) for picture, row in zip(pictures, calm, strict=True)]
    found = [find_line(patch) for patch in patches]
    raw = np.array([(line.c0, line.c1, line.c2, line.rest, line.bright) for line in found])
    geometry = in_crop(every_frame(calm, at, len(track)), track.poses)
    lines = steady(raw, at)
    middle = np.median(lines, axis=0)
    some = np.unique(np.linspace(0, len(at) - 1, min(len(at), 5)).astype(int)).tolist()
    colours = palette([patches[k] for k in some], float(middle[0]))
    teeth, jaw = draw_inside(colours, int(np.clip(np.round(np.median(geometry[:, 2])), 16, 96)))
    return {
        "geometry": geometry,
        "line": every_frame(lines[:, :4], at, len(track)).astype(np.float32),
        "shows_teeth": np.array(middle[4] > _TEETH_LIGHT and middle[3] >= _TEETH_GAP),
        "teeth": teeth,
        "jaw": jaw,
    }


def _looks(
    track: FaceTrack, crops: Sequence[Image], at: NDArray[np.intp], report: Callable[[int], None]
) -> tuple[list[Image], Rows]:
    """A picture of the lower face of each frame in `at`, and the mouth in it: (n, 4) x, y, angle, half."""
    pictures, spots = [], np.zeros((len(at), 4))
    for k, frame in enumerate(at.tolist()):
        pictures.append(swatch(crops[frame], track.poses[frame]))
        spot = find_mouth(pictures[-1])
        spots[k] = spot.x, spot.y, spot.angle, spot.half
        report(frame + 1)
    return pictures, spots


def _spot(row: NDArray[np.float64]) -> Spot:
    x, y, angle, half = row.tolist()
    return Spot(x, y, half, angle)
