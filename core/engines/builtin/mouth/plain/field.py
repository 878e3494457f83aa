"""How lips, jaw and chin move when a mouth opens: where each point of the picture is fetched from.

Two layers part along the lip line: the upper lip rises a little, jaw and chin drop. Worked out on a coarse
grid, for all of it is smooth but the parting itself. Lengths are in half mouth widths: u runs along the
mouth, d down from the lip line.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

_REACH, _ABOVE, _BELOW = 2.35, 1.4, 3.15
"""How far from the mouth anything moves: to the sides, above and below the lip line."""
_LIFT = 0.16
"""How much of the gap the upper lip makes."""
_GRID = 7
"""Points of the coarse grid to half a mouth."""


@dataclass(frozen=True, slots=True)
class Mouth:
    """A mouth in a picture: centre, half width (pixels), angle; lip line as in `mouth_line.LipLine`."""

    x: float
    y: float
    half: float
    angle: float
    c0: float
    c1: float
    c2: float
    rest: float


@dataclass(frozen=True, slots=True)
class Field:
    """Displacements on the coarse grid, float32 (rows, columns) each. step: pixels from point to point.

    left, top: pixel that the grid begins at. x, y: where the upper layer is fetched from. apart: how much
    further down the mouth's axis the lower layer is. upper, lower: pixels down from the upper and from the
    lower edge of the opening.
    """

    step: int
    left: int
    top: int
    x: Plane
    y: Plane
    apart: Plane
    upper: Plane
    lower: Plane


def field_of(mouth: Mouth, gap: float, width: float) -> Field:
    """What moves where when `mouth` opens by `gap` (below zero: is pressed shut) and widens by `width`."""
    step = max(2, round(mouth.half / _GRID))
    left, top, columns, rows = _extent(mouth, step)
    c, s = np.cos(mouth.angle), np.sin(mouth.angle)
    dx = (left - mouth.x + (step - 1) / 2 + step * np.arange(columns)) / mouth.half
    dy = (top - mouth.y + (step - 1) / 2 + step * np.arange(rows)) / mouth.half
    u = ((c * dx)[None, :] + (s * dy)[:, None]).astype(np.float32)
    d = ((-s * dx)[None, :] + (c * dy)[:, None]).astype(np.float32) - _line(mouth, u)
    if width:
        stretch = _bell(u, 1.9) * _bell(d - np.float32(0.1), 1.5)
        stretch *= np.float32(width)
        u = u / (stretch + 1)
    lens = np.maximum(1 - u * u, 0)
    bump = _arch(lens) if gap > 0 else lens
    lift = np.float32(_LIFT * max(gap, 0.0))
    below = _lowered(u, d, gap)
    above = d + lift * bump * np.clip(1 + d / 1.4, 0, 1) ** 3
    if gap > 0:
        np.maximum(below, np.float32(-0.02), out=below)
        np.minimum(above, np.float32(0.02), out=above)
    v = above + _line(mouth, u)
    half = np.float32(mouth.half)
    return Field(
        step,
        left,
        top,
        np.float32(c * half) * u - np.float32(s * half) * v + np.float32(mouth.x),
        np.float32(s * half) * u + np.float32(c * half) * v + np.float32(mouth.y),
        (below - above) * half,
        (d + lift * bump) * half,
        (d - np.float32(gap) * bump) * half,
    )


def _extent(mouth: Mouth, step: int) -> tuple[int, int, int, int]:
    """Pixel the field grid begins at, and its columns and rows: all that moves lies inside."""
    c, s = abs(np.cos(mouth.angle)), np.sin(mouth.angle)
    line = _line(mouth, np.array([-1.15, 0.0, 1.15], np.float32))
    up, down = _ABOVE - min(0.0, float(line.min())), _BELOW + max(0.0, float(line.max()))
    reach = _REACH * c + down * abs(s)
    columns, rows = (
        int(np.ceil(size * mouth.half / step)) + 1
        for size in (2 * reach, (up + down) * c + 2 * _REACH * abs(s))
    )
    left = int(np.floor(mouth.x - columns * step / 2))
    top = int(np.floor(mouth.y - (up * c + _REACH * abs(s)) * mouth.half))
    return left, top, columns, rows


def _line(mouth: Mouth, u: Plane) -> Plane:
    """The lip line's height at `u`; level beyond the corners."""
    inside = np.clip(u, np.float32(-1.15), np.float32(1.15))
    return np.float32(mouth.c0) + inside * (np.float32(mouth.c1) + np.float32(mouth.c2) * inside)


def _arch(lens: Plane) -> Plane:
    """Shape of the lips' edges from corner to corner; `lens` is 1 - u^2, or 0 beyond the corners."""
    arch: Plane = lens * np.sqrt(np.sqrt(lens))
    return arch


def _bell(x: Plane, reach: float) -> Plane:
    """About a Gaussian of deviation reach / 2, but zero from `reach` on."""
    t = np.maximum(1 - (x * np.float32(1 / reach)) ** 2, 0)
    bell: Plane = t * t
    return bell


def _lowered(u: Plane, d: Plane, gap: float) -> Plane:
    """Where the lower layer is fetched from: solves  e + gap * drop(u, e) = d  for e."""
    g = np.float32(gap)
    e = d - np.float32(0.7) * g * _drop(u, d, gap)
    for _ in range(4):
        e = np.float32(0.5) * (e + d - g * _drop(u, e, gap))
    return e


def _drop(u: Plane, d: Plane, gap: float) -> Plane:
    """How far a point goes down with the jaw, per gap: all in the lip's middle, none at corners and neck."""
    deep = np.maximum(d, 0)
    across = u / (1 + np.float32(0.62) * np.minimum(deep, np.float32(1.9)))
    lens = np.maximum(1 - across * across, 0)
    if gap <= 0:
        pressed: Plane = lens * np.exp(np.float32(-3.3) * deep * deep)
        return pressed
    t = np.clip((np.float32(3.05) - deep) * np.float32(1 / 1.7), 0, 1)
    jaw: Plane = (
        _arch(lens) * (1 - np.float32(0.1) * np.minimum(deep, np.float32(1.35))) * t * t * (3 - 2 * t)
    )
    return jaw


def anchored(field: Field, width: int, height: int, half: float) -> Field:
    """The same, but nothing moves at the border of the picture, beyond which somebody else paints."""
    rows, columns = field.x.shape
    x = field.left + (field.step - 1) / 2 + field.step * np.arange(columns)
    y = field.top + (field.step - 1) / 2 + field.step * np.arange(rows)
    free = np.clip(np.minimum(y, height - 1 - y) / (0.5 * half), 0, 1)[:, None]
    free = (free * np.clip(np.minimum(x, width - 1 - x) / (0.5 * half), 0, 1)).astype(np.float32)
    x, y = x.astype(np.float32), y.astype(np.float32)[:, None]
    return replace(field, x=x + free * (field.x - x), y=y + free * (field.y - y), apart=free * field.apart)
