"""Tell whether a mouth can be seen: not where a head is turned too far, where a mask, a hand or a microphone
covers the lips, where the picture's edge cuts them off, nor where two readings of the landmarks have it in
two places. Such frames are left as they are, softly in and out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from core.engines.builtin.mouth.move import Mouth
from core.engines.builtin.mouth.shape import Rows, Shape
from core.types import Image

SEEN, TURNED, COVERED, CUT, ASTRAY, DARK = range(6)
"""Why a frame is left as it is."""
_REASONS = (
    (TURNED, "the face is turned away"),
    (COVERED, "something covers the mouth, or it is too soft to be seen"),
    (CUT, "the picture's edge cuts the mouth off"),
    (ASTRAY, "it is not clear where the mouth is, as in a face upside down or out of proportion"),
    (DARK, "it is too dark"),
)

_LARGE_ENOUGH = 16
"""Pixels of the narrowest mouth that people see speak: of a face that is some 45 wide."""
_PIXELS = 24
"""To half a mouth, of the picture that is looked at: u in [-1.4, 1.4], v in [-1.1, 1.1]."""
_U, _V = np.meshgrid(
    (np.arange(round(2.8 * _PIXELS)) + 0.5) / _PIXELS - 1.4,
    (np.arange(round(2.2 * _PIXELS)) + 0.5) / _PIXELS - 1.1,
)
_LIPS = (_U / 0.85) ** 2 + (_V / 0.3) ** 2 < 1
_WHOLE = (_U / 1.3) ** 2 + (_V / 1.05) ** 2 < 1
_AROUND = ((_U / 1.35) ** 2 + (_V / 1.0) ** 2 < 1) & ((_U / 1.15) ** 2 + (_V / 0.62) ** 2 > 1)
_EDGE = (5.0, 6.6)
"""How much lightness (L*) changes over lips, going down, up to which there are none, and from which on there
are: 6.8 on the softest of 16 photographs, at most 5.2 on masks and hands."""
_CALMED, _AGAIN, _STRONG = 1.5, 3.0, 90
"""What the blur is read at: a picture blurred by so many pixels, as noise and blocks are sharp; how much it
is blurred once more; the steepest edges, from this percentile on."""
_BLUR, _SHARP, _SOFTEST = 2.0, 0.02, 0.15
"""How much softer than the steepest edges lips are (by eye, on seven soft photographs); blur of a sharp
picture; at most so much, as who speaks through a softer mouth says nothing. In half mouths."""
_WORN = (0.2, 0.3)
"""The same against the shot's own lips."""
_APART, _APART_MOST, _RED = 0.8, 18.0, (0.75, 1.0)
"""How far the colours of both lips together are from what is around them (CIE Lab), for the edges that lips
have and at most; up to which share of it there are folds or fingers, and from which on there are lips. It is
25 and more in sharp pictures, 12 in the softest, at most 12 on hands of many edges and 5 on masks."""
_BLACK = (9.0, 16.0)
"""How much darker (L*) than the upper lip the lower one is, up to which it is one, and from which on it is a
microphone: lower lips look up into the light."""
_OTHER, _MUCH = 16.0, (0.3, 0.5)
"""Difference of colour (CIE Lab) of what is around the lips from the shot's own, and the share of it that
differs so where something is before the mouth."""
_TINT = (10.0, 16.0)
"""How far (a* and b* of CIE Lab) the colour below the mouth is from any shade or grey of the one above it: a
beard is one, a scarf and a cup are not."""
_ROOM = (-0.12, 0.0)
"""How far the picture's edge is outside of the lips, in half mouths: below 0 it cuts them."""
_APART_READ = (0.25, 0.4)
"""How far two readings have the mouth from one another, in half mouths: up to 0.15 on 18 faces, 0.34 and more
on faces upside down or twice as high as they are."""
_NIGHT = 12.0
"""Lightness (L*) of a face in the dark."""
_SCORE = (0.5, 0.9)
_SURE = (0.5, 1.0)
"""The least of all these up to which nothing is drawn: half a mouth on a hand is worse than none."""
_AWAY = (0.95, 0.7)
"""Yaw in radians from which on a mouth cannot be seen, and up to which it can wholly."""


@dataclass(frozen=True, slots=True)
class Glance:
    """A mouth in one frame. edges: how much lightness changes over the lips, going down. blur: how soft the
    picture is there, room: how far its edge is from them, in half mouths. around: float32 (k, 3), the colours
    around them, CIE Lab, from above to below. lips: float32 (2, 3), those of the upper and the lower lip."""

    edges: float
    blur: float
    room: float
    around: NDArray[np.float32]
    lips: NDArray[np.float32]


def glance(crop: Image, shape: Shape, mouth: Mouth) -> Glance:
    """Look at a mouth as it would be straight ahead."""
    middle = mouth.points[shape.ring[:, 5]].mean(axis=0)
    turn = mouth.turn[:, :2]
    corner = middle + turn @ (np.array([-1.4, -1.1]) + 0.5 / _PIXELS)
    matrix = np.column_stack([turn / _PIXELS, corner])
    upper, lower = (
        (mouth.points[rings[1:3, 2:7]].reshape(-1, 2) - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
        for rings in (shape.upper, shape.lower)
    )
    outline = mouth.points[[*shape.upper[0], *shape.lower[0], *shape.corners]]
    room = float(min(outline.min(), (crop.shape[1::-1] - outline).min())) / max(mouth.half, 1e-6)
    shrink = mouth.half / _PIXELS
    if shrink > 1.3:  # samples would lie so far apart that they see noise
        crop, matrix = _part(crop, matrix, shrink)
    flat = cv2.warpAffine(
        crop,
        matrix,
        _U.shape[::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    lab = np.asarray(cv2.cvtColor(flat.astype(np.float32) / np.float32(255), cv2.COLOR_BGR2Lab), np.float32)
    light = cv2.GaussianBlur(lab[..., 0], (0, 0), 0.8)
    edges = np.abs(cv2.Sobel(light, cv2.CV_32F, 0, 1))
    lips = np.array([_colour(lab, at) for at in (upper, lower)], np.float32)
    around = np.asarray(lab[_AROUND][::4], np.float32)
    return Glance(float(edges[_LIPS].mean()), _blur(lab[..., 0]), room, around, lips)


def _blur(light: NDArray[np.float32]) -> float:
    """How blurred a picture is at its steepest edges, in half mouths: by how much less steep they get where
    it is blurred once more (Zhuo and Sim, 2011)."""
    calm = cv2.GaussianBlur(light, (0, 0), _CALMED)
    once, twice = (
        np.hypot(cv2.Sobel(plane, cv2.CV_32F, 1, 0), cv2.Sobel(plane, cv2.CV_32F, 0, 1))[_WHOLE]
        for plane in (calm, cv2.GaussianBlur(calm, (0, 0), _AGAIN))
    )
    steep = once >= np.percentile(once, _STRONG)
    less = np.median(once[steep] / np.maximum(twice[steep], 1e-6))
    square = _AGAIN**2 / max(float(less) ** 2 - 1, 1e-2) - _CALMED**2
    return float(np.sqrt(max(square, 0.0))) / _PIXELS


def _colour(lab: NDArray[np.float32], at: Rows) -> NDArray[np.float32]:
    """The median colour of a picture at some points, x and y."""
    x, y = np.clip(np.round(at), 0, np.array(lab.shape[1::-1]) - 1).astype(int).T
    colour: NDArray[np.float32] = np.median(lab[y, x], axis=0).astype(np.float32)
    return colour


def _part(crop: Image, matrix: Rows, shrink: float) -> tuple[Image, Rows]:
    """What `matrix` looks at, smaller, and the matrix that looks at it there."""
    ends = np.array([[0, 0, 1], [_U.shape[1], 0, 1], [0, _U.shape[0], 1], [*_U.shape[::-1], 1]]) @ matrix.T
    x0, y0 = np.maximum(np.floor(ends.min(axis=0)).astype(int) - 2, 0).tolist()
    x1, y1 = np.minimum(np.ceil(ends.max(axis=0)).astype(int) + 3, crop.shape[1::-1]).tolist()
    if x1 - x0 < 2 or y1 - y0 < 2:
        return crop, matrix
    part = cv2.resize(crop[y0:y1, x0:x1], None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA)
    moved = matrix.copy()
    moved[:, 2] -= x0, y0
    moved /= shrink
    moved[:, 2] += 0.5 / shrink - 0.5
    return np.asarray(part, np.uint8), moved


def how_seen(glances: list[Glance], score: Rows, yaw: Rows, astray: float) -> tuple[Rows, NDArray[np.uint8]]:
    """How much of each frame of a stretch may be redrawn, 0 ... 1, and why not more.

    score: the mesh's. yaw: of the head, in radians. astray: how far apart two readings have the mouth, in
    half mouths, where they agree: what covers a mouth parts them, too.
    """
    around = np.array([one.around for one in glances])
    lit = np.median(around[..., 0], axis=1)
    shares = {  # where several are 0 the first is told
        CUT: _ramp(np.array([one.room for one in glances]), _ROOM),
        ASTRAY: 1 - _ramp(np.full(len(score), astray), _APART_READ),
        TURNED: _ramp(-np.abs(yaw), (-_AWAY[0], -_AWAY[1])),
        COVERED: _ramp(np.minimum(_uncovered(glances, around), _ramp(score, _SCORE)), _SURE),
    }
    soft = np.array([_softly(share) for share in shares.values()])
    seen: Rows = soft.min(axis=0)
    why = np.array([*shares], np.uint8)[soft.argmin(axis=0)]
    why = np.where((why == COVERED) & (lit < _NIGHT), DARK, why)
    return seen, np.where(seen >= 0.5, SEEN, why).astype(np.uint8)


def _uncovered(glances: list[Glance], around: NDArray[np.float32]) -> Rows:
    """How surely nothing is before the lips of each frame, 0 ... 1."""
    edges = np.array([one.edges for one in glances])
    strong = float(np.percentile(edges, 75))
    usual = np.median(around[edges >= np.median(edges)], axis=0)
    other = (np.linalg.norm(around - usual, axis=2) > _OTHER).mean(axis=1)
    lips = np.array([one.lips for one in glances])
    apart = np.linalg.norm(lips - np.median(around, axis=1)[:, None], axis=2).sum(axis=1)
    least: Rows = np.min(
        [
            _ramp(edges, _EDGE),
            _ramp(edges / max(strong, 1e-6), _WORN),
            _ramp(apart / np.clip(_APART * edges, 1e-6, _APART_MOST), _RED),
            _ramp(apart / max(float(np.percentile(apart, 75)), 1e-6), _WORN),
            1 - _ramp(lips[:, 0, 0] - lips[:, 1, 0], _BLACK),
            1 - _ramp(other, _MUCH),
            1 - _ramp(_tint(around), _TINT),
        ],
        axis=0,
    )
    return least


def _tint(around: NDArray[np.float32]) -> Rows:
    """How far the colour below each mouth is from all shades and greys of the one above it."""
    third = around.shape[1] // 3
    above, below = (np.median(around[:, part, 1:], axis=1) for part in (np.s_[:third], np.s_[-third:]))
    much = (above * below).sum(axis=1) / np.maximum((above**2).sum(axis=1), 1e-6)
    off: Rows = np.linalg.norm(below - np.clip(much, 0, 1.5)[:, None] * above, axis=1)
    return off


def softness(glances: list[Glance]) -> float:
    """How blurred a stretch is at the lips, in half mouths: 0 where it is sharp, at most 0.15."""
    blur = float(np.median([one.blur for one in glances]))
    return min(_BLUR * max(blur - _SHARP, 0.0), _SOFTEST)


def _softly(seen: Rows) -> Rows:
    """Never more than just before and after, so that nothing is drawn on a hand that comes."""
    if len(seen) < 3:
        return seen
    from scipy.ndimage import gaussian_filter1d, minimum_filter1d  # slow to import

    soft: Rows = gaussian_filter1d(minimum_filter1d(seen, 7, mode="nearest"), 1.3, mode="nearest")
    return np.where(soft < 0.02, 0.0, np.minimum(soft, seen))


def _ramp(values: Rows, ends: tuple[float, float]) -> Rows:
    ramp: Rows = np.clip((values - ends[0]) / (ends[1] - ends[0]), 0, 1)
    return ramp


def remarks(seen: NDArray[np.float32], why: NDArray[np.uint8], found: NDArray[np.bool_]) -> list[str]:
    """What to tell people of a template of which more than a tenth is left as it is."""
    left = found & (seen < 0.5)
    if left.sum() <= 0.1 * len(found):
        return []
    reasons = [
        f"{what} in {count}" for code, what in _REASONS if (count := int((left & (why == code)).sum()))
    ]
    return [
        f"lips are left as they are in {int(left.sum())} of {len(found)} frames: {' and '.join(reasons)}; "
        "use a part in which the mouth can be seen"
    ]


def size_remarks(wide: Sequence[float], least: float) -> list[str]:
    """What to tell people of a template whose mouth is too small. wide: its width in some frames, in pixels.

    least: the smallest that is drawn on.
    """
    if not wide or (width := float(np.median(wide))) >= _LARGE_ENOUGH:
        return []
    seen = "so its lips are left as they are" if width < least else "so that hardly anybody sees it speak"
    return [
        f"the mouth is {width:.0f} pixels wide, {seen}; use a larger picture, or one taken closer, in which "
        f"it has {_LARGE_ENOUGH} or more"
    ]
