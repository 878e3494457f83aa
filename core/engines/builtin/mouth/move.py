"""Move a face's lower half: where each point of the picture is fetched from when its mouth is shaped anew.

Control points on the face (`shape`) are brought to where they shall be; a grid over the face follows, once
with the upper lip and once with the lower, so that the two layers part along the lips. The grid's way is
then undone on an upright coarse grid of the picture: there it is smooth, but for the parting itself.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from core.engines.builtin.mouth.shape import Rows, Shape, far_points

Plane = NDArray[np.float32]

_GRID = 7
"""Points of the coarse grid to half a mouth."""
_TURNS = 7
"""Steps to undo the grid's way: each leaves less than half of the error."""
_ROWS = 200
"""Of the grid, multiplied at once. With more OpenBLAS, numpy's or OpenCV's, calls threads, which then spin
until the next call: that costs more than all the drawing."""
_INTO = 0.05
"""How far inside an open mouth's lips their edges are taken from, in half mouths: landmarks are a little off,
and a sliver of teeth on shut lips is seen at once."""


@dataclass(frozen=True, slots=True)
class Mouth:
    """A mouth in a picture, as it is.

    points: float64 (m, 2), the control points in pixels; where lips are shut their edges meet.
    turn: float64 (2, 3), from half mouths on a face that looks straight ahead to pixels.
    gap, width: how far it is open, and wider than at rest.
    """

    points: Rows
    turn: Rows
    gap: float
    width: float

    @property
    def half(self) -> float:
        """Half its width, in pixels."""
        return float(np.hypot(*self.turn[:, 1]))


@dataclass(frozen=True, slots=True)
class Field:
    """What is fetched from where, on a coarse grid: float32 (rows, columns) each, in pixels.

    step: pixels from point to point. left, top: pixel that the grid begins at. x, y: where from with the
    upper lip's layer; away_x, away_y: how much further off with the lower's. under: how far below the line
    between the lips; along: how far from their middle, in half mouths. soft: over how many pixels the layers
    change there. upper, lower: how far below the upper and the lower edge of the opening.
    """

    step: int
    left: int
    top: int
    x: Plane
    y: Plane
    away_x: Plane
    away_y: Plane
    under: Plane
    along: Plane
    soft: Plane
    upper: Plane
    lower: Plane


def aimed(shape: Shape, mouth: Mouth, gap: float, width: float) -> Rows:
    """Where the control points go when the mouth shall be open by `gap`, wider by `width`: (m, 2)."""
    way = (gap - mouth.gap) * shape.gap + (width - mouth.width) * shape.width
    there = mouth.points + way @ mouth.turn.T
    # A mouth's own opening has its own outline: what the mean of people leaves open is shut here.
    up, low = shape.ring
    wanted = gap * (shape.gap[low] - shape.gap[up]) @ mouth.turn.T
    left = (there[low] - there[up] - wanted)[1:-1]
    for share, over, under in zip((0.1, 0.35, 0.7, 1.0), shape.upper, shape.lower, strict=True):
        there[over] += 0.4 * share * left
        there[under] -= 0.6 * share * left
    return there


def taken(shape: Shape, mouth: Mouth) -> Rows:
    """Where the control points are taken from: open lips a little inside their edges."""
    here = mouth.points.copy()
    up, low = shape.ring[:, 1:-1]
    across = here[low] - here[up]
    length = np.hypot(*across.T)[:, None]
    inset = np.minimum(_INTO * mouth.half, 0.5 * length) * across / np.maximum(length, 1e-6)
    here[up] -= inset
    here[low] += inset
    return here


def field_of(shape: Shape, mouth: Mouth, source: Rows, target: Rows) -> Field:
    """The field that brings control points from `source` to `target`."""
    far = far_points(mouth.points, shape.oval)
    here, way = np.concatenate([source, far]), np.concatenate([target - source, 0 * far])
    held = np.hstack([here, way]).astype(np.float32)
    grid = np.concatenate([shape.grid[k : k + _ROWS] @ held for k in range(0, len(shape.grid), _ROWS)])
    layers = [
        (layer[..., :2], layer[..., 2:] * shape.window[..., None])
        for layer in grid.reshape(2, *shape.window.shape, 4)
    ]
    step = max(2, round(mouth.half / _GRID))
    places = cv2.split(layers[0][0])
    left, top = (math.floor(plane.min()) for plane in places)
    right, bottom = (float(plane.max()) for plane in places)
    x = (np.arange(left, right + step, step) + (step - 1) / 2).astype(np.float32)
    y = (np.arange(top, bottom + step, step) + (step - 1) / 2).astype(np.float32)
    picture = np.stack(np.meshgrid(x, y), axis=-1)
    over, under = (picture - _moves_at(picture, *layer) for layer in layers)
    u, v, edges = _lips(shape, mouth, target, picture)
    upper, lower = v - edges[0], v - edges[1]
    beside = np.clip((np.abs(u) - 0.85) / 0.4, 0, 1)
    soft = np.float32(1.2) + np.float32(0.5 * mouth.half) * beside
    return Field(
        step, left, top,
        over[..., 0], over[..., 1], under[..., 0] - over[..., 0], under[..., 1] - over[..., 1],
        ((upper + lower) / 2).astype(np.float32), u, soft.astype(np.float32), upper, lower,
    )  # fmt: skip


def _moves_at(picture: Plane, at: Plane, moves: Plane) -> Plane:
    """How far what comes to lie at each point of `picture` has moved, for a grid at `at` that moves so."""
    rows, columns = at.shape[:2]
    # The grid as one affine map: by it all is counted in the grid's rows and columns.
    middle = at[rows // 4 : 3 * rows // 4, columns // 4 : 3 * columns // 4]
    across = (middle[:, -1] - middle[:, 0]).mean(axis=0) / (middle.shape[1] - 1)
    down = (middle[-1] - middle[0]).mean(axis=0) / (middle.shape[0] - 1)
    back = np.linalg.inv(np.array([across, down], np.float64).T)
    shift = np.array([columns // 2, rows // 2]) - back @ at[rows // 2, columns // 2]
    counted = np.column_stack([back, shift]).astype(np.float32)
    # How far from its place each point of the grid ends. Where this moves one to `picture` is what is sought:
    # a fixed point.
    off = np.asarray(cv2.transform(at + moves, counted), np.float32)
    off[..., 0] -= np.arange(columns, dtype=np.float32)
    off[..., 1] -= np.arange(rows, dtype=np.float32)[:, None]
    here = np.asarray(cv2.transform(picture, counted), np.float32)
    found = here
    for _ in range(_TURNS):
        found = here - _between(off, found)
    return _between(moves, found)


def _between(grid: Plane, places: Plane) -> Plane:
    """The grid's values at `places`, columns and rows; beyond its edge those of the edge."""
    border = cv2.BORDER_REPLICATE
    return np.asarray(cv2.remap(grid, places, None, cv2.INTER_LINEAR, borderMode=border), np.float32)  # type: ignore[call-overload]  # the stub wants a second map


def _lips(shape: Shape, mouth: Mouth, target: Rows, picture: Plane) -> tuple[Plane, Plane, list[Plane]]:
    """Along the mouth (half mouths) and across it (pixels) from its middle; how far across its edges lie."""
    up, low = target[shape.ring[0]], target[shape.ring[1]]
    along = up[-1] - up[0]
    length = max(float(np.hypot(*along)), 1e-3)
    along = along / length
    turned = np.array([along, [-along[1], along[0]]]).T
    middle = (up[0] + up[-1]) / 2
    uv = np.asarray(
        cv2.transform(picture - middle.astype(np.float32), turned.T.astype(np.float32)), np.float32
    )
    edges: list[Plane] = []
    for ring in (up, low):
        at = (ring - middle) @ turned
        order = np.argsort(at[:, 0])
        edges.append(np.interp(uv[..., 0], at[order, 0], at[order, 1]).astype(np.float32))
    u: Plane = (uv[..., 0] / np.float32(0.5 * length)).astype(np.float32)
    return u, uv[..., 1], edges
