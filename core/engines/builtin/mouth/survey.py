"""Learn a template's mouth, once: where it is in each frame, its lip line and colours, whether it talks.

Up to a thousand frames are looked at; of each only a small picture of the lower face is kept meanwhile.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from core.engines.builtin.mouth.find import Spot, find_mouth, mouth_patch, swatch
from core.engines.builtin.mouth.freeze import frozen
from core.engines.builtin.mouth.inside import draw_inside, palette
from core.engines.builtin.mouth.line import find_line
from core.engines.builtin.mouth.path import Rows, every_frame, in_crop, steady
from core.types import Arrays, FaceTrack, Image

_LOOKS = 1000
_TALKS = 0.032
"""How lively a mouth is (see `_liveliness`) whose owner talks: idle ones had up to 0.02, talking ones from
0.043 on."""
_TEETH_LIGHT, _TEETH_GAP = -8.0, 0.15
"""Lightness against skin, and height, from which on what shows between the lips is teeth."""


def survey(track: FaceTrack, crops: Sequence[Image], report: Callable[[int], None]) -> Arrays:
    """What `WarpedMouth.draw` needs of a template.

    geometry: float32 (frames, 4), the mouth's centre and half width in crop pixels, angle in radians.
    line: float32 (frames, 4), c0, c1, c2 and rest of its `LipLine`. teeth, jaw: see `inside`.
    shows_teeth: bool (). Of a template whose speaker talks himself also what `mouth_freeze.frozen` gives.
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
    hold: Arrays = {}
    if len(at) > 10 and _liveliness(raw, at) > _TALKS:
        best, hold = frozen(track, crops, at, spots, raw[:, 3])
        geometry = _carried(geometry[at[best]], np.asarray(hold["carry"], np.float64))
        lines = np.repeat(np.median(raw[max(0, best - 1) : best + 2], axis=0)[None], len(at), axis=0)
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
        **hold,
    }


def _liveliness(lines: Rows, at: NDArray[np.intp]) -> float:
    """How much the lower lip and the lips' distance both move, faster than a smile comes and goes.

    Half mouth widths. Both, because where lips are ajar their distance alone is now and then misread.
    """
    moving = lines[:, [0, 3]]
    spread = (moving - steady(moving, at, 1, 12.0)).std(axis=0)
    return float(np.sqrt(spread[0] * spread[1]))


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


def _carried(mouth: NDArray[np.float32], carry: NDArray[np.float64]) -> NDArray[np.float32]:
    """A mouth (4,) moved by similarities (n, 2, 3) -> (n, 4)."""
    centre = carry[:, :, :2] @ mouth[:2].astype(np.float64) + carry[:, :, 2]
    grown = np.hypot(carry[:, 0, 0], carry[:, 1, 0])
    turned = np.arctan2(carry[:, 1, 0], carry[:, 0, 0])
    return np.stack([*centre.T, mouth[2] * grown, mouth[3] + turned], axis=1).astype(np.float32)
