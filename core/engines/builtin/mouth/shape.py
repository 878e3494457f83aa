"""What moves how when a mouth opens or widens, on a face that looks straight ahead with its lips shut.

Lengths are in half mouth widths from the middle between the corners: u to the right, v down, w away from
the camera. The figures follow people who were filmed while they talked: per gap the chin comes down by 0.43
and the corners by 0.12, the upper lip makes 0.18 of the opening, and round lips draw the cheeks along.
"""

from dataclasses import dataclass
from functools import cache
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from core.models import stored

Rows = NDArray[np.float64]

UPPER = (
    (185, 40, 39, 37, 0, 267, 269, 270, 409),
    (184, 74, 73, 72, 11, 302, 303, 304, 408),
    (183, 42, 41, 38, 12, 268, 271, 272, 407),
    (191, 80, 81, 82, 13, 312, 311, 310, 415),
)
LOWER = (
    (146, 91, 181, 84, 17, 314, 405, 321, 375),
    (77, 90, 180, 85, 16, 315, 404, 320, 307),
    (96, 89, 179, 86, 15, 316, 403, 319, 325),
    (95, 88, 178, 87, 14, 317, 402, 318, 324),
)
"""The lips between their corners, ring by ring from the red's edge inwards, from the viewer's left."""
ENDS = (61, 291, 76, 306, 62, 292, 78, 308)
"""The same rings' ends."""
_INNER_ENDS = (78, 308)
_OVAL = (
    *(234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152),
    *(377, 400, 378, 379, 365, 397, 288, 361, 323, 454),
)
"""The face's outline from cheek to chin to cheek."""
_NOSE_FOOT = 2
_FAR = (1.65, 2.1)
"""Where nothing moves any more: the outline, so many times as far from the mouth."""
_APART = 0.16
"""Least distance of control points off the lips."""
_TOP = -2.0
"""Nothing above this moves."""

LEFT, RIGHT, ABOVE, BELOW, STEP = -2.7, 2.7, -1.75, 3.05, 0.16
"""The grid on which a face is moved, and the distance of its points."""
_RIM = 0.4
"""How far from the grid's edge what moves comes to rest."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The control points and how they hold the grid.

    numbers: (m,) which of the mesh's points are control points, the lips first. upper, lower: (4, 9) where
    in `numbers` the rings of the lips are; ring: (2, 11) the inner edges of upper and lower lip, from corner
    to corner; corners: (8,) all the rings' ends, left and right in turn. oval: (21,) where in `numbers` the
    outline is. nose: where its foot is; behind_nose: how much further from the camera the lips' edges are.
    still: (m, 2) u, v of the points.
    gap, width: (m, 3), how far each goes for one unit of opening or of widening.
    grid: float32 (2 * rows * columns, m + far points), the grid's points as sums of control points: as the
    upper lip takes them along, then as the lower lip does. window: (rows, columns), 0 at the edge, 1 inside.
    """

    numbers: NDArray[np.intp]
    upper: NDArray[np.intp]
    lower: NDArray[np.intp]
    ring: NDArray[np.intp]
    corners: NDArray[np.intp]
    oval: NDArray[np.intp]
    nose: int
    behind_nose: float
    still: Rows
    gap: Rows
    width: Rows
    grid: NDArray[np.float32]
    window: NDArray[np.float32]


@cache
def canonical() -> Rows:
    """All 468 points of a face at rest, (468, 3): read off the drawn presenter, both halves alike."""
    points: Rows = np.load(BytesIO(stored("canonical_face.npy"))).astype(np.float64)
    return points


@cache
def shape() -> Shape:
    """The one there is; 30 ms the first time."""
    points = canonical()
    lips = [*(n for ring in (*UPPER, *LOWER) for n in ring), *ENDS]
    numbers = np.array([*lips, *_others(points, lips)], np.intp)
    where = {number: k for k, number in enumerate(numbers.tolist())}

    def places(rings: object) -> NDArray[np.intp]:
        return np.asarray(np.vectorize(where.__getitem__, otypes=[np.intp])(rings), np.intp)

    upper, lower = places(UPPER), places(LOWER)
    first, last = (where[n] for n in _INNER_ENDS)
    ring = np.array([[first, *rings[3], last] for rings in (upper, lower)], np.intp)
    oval = places(_OVAL)
    still = points[numbers, :2]
    held = np.concatenate([still, far_points(still, oval)])
    grid = grid_points().reshape(-1, 2)
    return Shape(
        numbers=numbers,
        upper=upper,
        lower=lower,
        ring=ring,
        corners=places(ENDS),
        oval=oval,
        nose=where[_NOSE_FOOT],
        behind_nose=float(points[UPPER[3][4], 2] - points[_NOSE_FOOT, 2]),
        still=still,
        gap=_opened(points, numbers, upper, lower),
        width=_widened(points[numbers]),
        grid=np.concatenate([_weights(held, lips.ravel(), grid) for lips in (lower, upper)]),
        window=_window(),
    )


def grid_points() -> Rows:
    """u and v of the grid's points, (rows, columns, 2)."""
    u = np.arange(LEFT, RIGHT + 1e-6, STEP)
    v = np.arange(ABOVE, BELOW + 1e-6, STEP)
    return np.stack(np.meshgrid(u, v), axis=-1)


def far_points(points: Rows, oval: NDArray[np.intp]) -> Rows:
    """Points around the face that never move, for control points (m, k): (2 * 21, k)."""
    middle = points[oval].mean(axis=0)
    return np.concatenate([middle + (points[oval] - middle) * grown for grown in _FAR])


def _others(points: Rows, lips: list[int]) -> list[int]:
    """Points off the lips that are control points: the nearer first, none too near another; the outline."""
    kept = [*lips, *_OVAL, _NOSE_FOOT]
    away = np.hypot(points[:, 0], points[:, 1])
    for number in np.argsort(away, kind="stable").tolist():
        flat = points[kept, :2] - points[number, :2]
        if points[number, 1] > _TOP and np.hypot(*flat.T).min() > _APART:
            kept.append(number)
    return kept[len(lips) :]


def _lens(u: Rows) -> Rows:
    """How high the opening is at u, against its middle."""
    lens: Rows = np.clip(1 - (u / 0.87) ** 2, 0, 1) ** 0.64
    return lens


def _opened(
    points: Rows, numbers: NDArray[np.intp], upper: NDArray[np.intp], lower: NDArray[np.intp]
) -> Rows:
    """How far each control point goes for a gap of 1."""
    u, v = points[numbers, 0], points[numbers, 1]
    depths = (-0.2, 0.0, 0.25, 0.4, 0.65, 0.9, 1.1, 1.3, 1.5, 1.7, 2.2)
    down = np.interp(v, depths, (0.0, 0.82, 0.96, 0.95, 0.82, 0.72, 0.61, 0.53, 0.47, 0.43, 0.27))
    across = np.clip(1 - (u / 1.45) ** 2, 0, 1) ** 1.5
    t = np.clip((v + 0.15) / 0.35, 0, 1)
    drop = down * across * t * t * (3 - 2 * t)
    # Above the mouth the lip's lift fades towards the nose.
    lift = -0.2 * np.clip(1 - (u / 1.05) ** 2, 0, 1) * np.clip((v + 1.0) / 0.7, 0, 1)
    dy = np.where(v < -0.1, lift, drop)
    corner = 0.12 * np.exp(-(((np.abs(u) - 1) / 0.3) ** 2) - (v / 0.4) ** 2)
    dy = np.where(np.abs(u) > 0.95, np.maximum(drop, corner), dy)
    for share, rings in zip((0.0, 0.4, 0.75, 1.0), zip(upper, lower, strict=True), strict=True):
        for ring, sign in zip(rings, (-1, 1), strict=True):
            edge = 0.12 + (-0.30 if sign < 0 else 0.70) * _lens(u[ring])
            outer = -0.2 * np.clip(1 - u[ring] ** 2, 0, 1) + 0.1 * u[ring] ** 8 if sign < 0 else drop[ring]
            dy[ring] = share * edge + (1 - share) * outer
    ends = np.isin(numbers, ENDS)
    dy[ends] = 0.12
    away = 0.3 * np.where(v > 0.15, dy, 0)
    return np.column_stack([np.zeros_like(dy), dy, away])


def _widened(points: Rows) -> Rows:
    """How far each control point goes where the mouth is wider by its whole width."""
    u, v = points[:, 0], points[:, 1]
    beyond = np.exp(-np.clip(np.abs(u) - 1, 0, None) / 0.45)
    height = np.exp(-((np.where(v > 0, v / 0.95, v / 1.3)) ** 2)) * np.clip((v - _TOP) / 0.6, 0, 1)
    corner = np.exp(-(((np.abs(u) - 1) / 0.45) ** 2) - (v / 0.6) ** 2)
    inside = np.where(np.abs(u) < 0.9, 1.1, 1.0)
    return np.column_stack([u * inside * beyond * height, -0.45 * corner, 0.8 * corner])


def _weights(held: Rows, without: NDArray[np.intp], grid: Rows) -> NDArray[np.float32]:
    """The grid's points as sums of the points that are held, but for those `without`: thin plates, a little
    stiff, as landmarks are a little off (Wahba, 1990). float32 (grid, held)."""
    used = np.setdiff1d(np.arange(len(held)), without)
    at = held[used]
    count = len(at)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _plate(at, at) + 0.01 * np.eye(count)
    system[:count, count:] = np.column_stack([np.ones(count), at])
    system[count:, :count] = system[:count, count:].T
    asked = np.column_stack([_plate(grid, at), np.ones(len(grid)), grid])
    weights = np.zeros((len(grid), len(held)), np.float32)
    weights[:, used] = np.linalg.solve(system, asked.T).T[:, :count]
    return weights


def _plate(here: Rows, there: Rows) -> Rows:
    square = ((here[:, None] - there[None]) ** 2).sum(axis=2)
    plate: Rows = 0.5 * square * np.log(square + 1e-12)
    return plate


def _window() -> NDArray[np.float32]:
    grid = grid_points()
    u, v = grid[..., 0], grid[..., 1]
    edge = np.minimum(np.minimum(u - LEFT, RIGHT - u), np.minimum(v - ABOVE, BELOW - v))
    t = np.clip(edge / _RIM, 0, 1)
    window: NDArray[np.float32] = (t * t * (3 - 2 * t)).astype(np.float32)
    return window
