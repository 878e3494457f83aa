"""Find the inner edges of the lips to a pixel: near where the mesh has them, where the lips' colour ends.

The mesh alone is off by up to a tenth of half a mouth, more in mouths that are not alike on both sides: teeth
would be left on lips that are shut, and a mouth would open in its upper lip. Of an open mouth the edges are
looked for from the lips inwards; of one that is all but shut from the dark line between them outwards.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from core.engines.builtin.mouth.shape import Rows, Shape
from core.types import Image

_SAMPLES = 24
_LEAST = 16.0
"""Difference of colour (CIE Lab) that is none yet."""
_OUT, _IN = 0.10, 0.05
"""How far the edge of an open mouth may lie from the mesh's, into the lip and into the opening, in half
mouths."""
_NEARLY_SHUT = (0.12, 0.2)
"""The mesh's gap up to which the line between the lips is looked for, and from which on the edges."""
_ROWS, _COLUMNS = 57, 25
_REACH = 0.28
"""What is looked at of lips that are shut: so far above and below the mesh's line, in half mouths."""
_LINE = 0.14
"""How wide a dark line may be, in half mouths."""
_STRAIGHT, _NEAR = 1.5, 6.0
"""What it costs the line to leave its row for the next, and to lie `_REACH` off the mesh's, in L*."""
_FAINT = 3.0
"""How much darker than the lips a line is that counts, in L*."""
_WIDEST, _TEETH = 0.09, 0.16
"""How far from the line an edge may lie: more than the mesh has it from its own, where the mouth is open, but
not in lips that are shut, which are dark near the line, too; where teeth are seen. In half mouths."""
_TOOTH, _SOON = 6.0, 0.06
"""How much lighter than a lip a tooth is, in L*, and how near the line they begin, in half mouths."""
_PALE, _LATER = 14.0, 0.14
"""How much less colour than a lip a tooth has for certain, and how near the line such a one begins."""
_UNEVEN = 14.0
"""How much the colour of one lip may change from corner to corner: what differs more is no lip."""

Plane = NDArray[np.float32]


def edge_offsets(crop: Image, points: Rows, half: float, shape: Shape) -> Rows:
    """How much further into the lips the edges of the opening lie than `points` (m, 2), in pixels of `crop`,
    say: (2, 11) in half mouths, upper and lower lip, from corner to corner; the corners themselves only go up
    or down, one with the other."""
    up, low = points[shape.ring[:, 5]]
    gap = float(np.hypot(*(low - up))) / max(half, 1e-6)
    open_ = float(np.clip((gap - _NEARLY_SHUT[0]) / (_NEARLY_SHUT[1] - _NEARLY_SHUT[0]), 0, 1))
    offsets = np.zeros((2, 11))
    if open_ > 0:
        offsets[:, 1:-1] += open_ * _of_open_lips(crop, points, half, shape)
    if open_ < 1:
        offsets += (1 - open_) * _of_shut_lips(crop, points, half, shape)
    return offsets


def _of_open_lips(crop: Image, points: Rows, half: float, shape: Shape) -> Rows:
    outer = np.stack([points[shape.upper[1]], points[shape.lower[1]]])
    edge = np.stack([points[shape.upper[3]], points[shape.lower[3]]])
    middle = (edge[0] + edge[1]) / 2
    low, high = np.floor(outer.min(axis=(0, 1))) - 3, np.ceil(outer.max(axis=(0, 1))) + 4
    x0, y0 = np.maximum(low, 0).astype(int).tolist()
    x1, y1 = np.minimum(high, crop.shape[1::-1]).astype(int).tolist()
    if x1 - x0 < 4 or y1 - y0 < 4:
        return np.zeros((2, 9))
    lab = cv2.cvtColor(crop[y0:y1, x0:x1].astype(np.float32) / np.float32(255), cv2.COLOR_BGR2Lab)
    t = np.linspace(0, 1, _SAMPLES)[:, None, None, None]
    at = (outer + t * (middle - outer) - (x0, y0)).reshape(_SAMPLES, 18, 2).astype(np.float32)
    colours = cv2.remap(lab, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    lip = np.median(colours[: _SAMPLES // 4], axis=0)
    away = np.linalg.norm(colours - lip, axis=2)
    limit = np.maximum(_LEAST, 0.45 * away.max(axis=0))
    beyond = away > limit
    first = np.where(beyond.any(axis=0), beyond.argmax(axis=0), -1)
    length = np.linalg.norm(middle - outer, axis=2).ravel()
    inner = np.linalg.norm(edge - outer, axis=2).ravel()
    offset = np.where(first < 0, 0.0, inner - length * (first - 0.5) / (_SAMPLES - 1)) / max(half, 1e-6)
    offset = np.clip(offset, -_IN, _OUT).reshape(2, 9)
    padded = np.pad(offset, ((0, 0), (1, 1)), mode="edge")
    steadied: NDArray[np.float64] = np.median(
        np.stack([padded[:, :-2], padded[:, 1:-1], padded[:, 2:]]), axis=0
    )
    return steadied


def _of_shut_lips(crop: Image, points: Rows, half: float, shape: Shape) -> Rows:
    """Along the line between the lips: where upper and lower lip end at it."""
    upper, lower = points[shape.ring[0]], points[shape.ring[1]]
    line = (upper + lower) / 2
    along = (line[-1] - line[0]) / max(float(np.hypot(*(line[-1] - line[0]))), 1e-6)
    down = np.array([-along[1], along[0]])
    u = (line - line[0]) @ along / max(half, 1e-6)
    if half < 4 or (np.diff(u) <= 0).any():
        return np.zeros((2, 11))
    columns = np.linspace(u[0] + 0.06, u[-1] - 0.06, _COLUMNS)
    rows = np.linspace(-_REACH, _REACH, _ROWS)
    middle = np.stack([np.interp(columns, u, part) for part in line.T], axis=1)
    at = (middle[None] + rows[:, None, None] * half * down).astype(np.float32)
    picture = crop.astype(np.float32) / np.float32(255)
    seen = cv2.remap(picture, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    blurred = cv2.GaussianBlur(cv2.cvtColor(seen, cv2.COLOR_BGR2Lab), (3, 3), 0.8)
    lab = np.asarray(blurred, np.float32)
    dark = _darker(lab[..., 0])
    path = _path(dark, rows)
    strength = float(np.median(dark[path, np.arange(_COLUMNS)]))
    sure = float(np.clip(strength / _FAINT - 1, 0, 1))
    # The mesh's edges, against its line, at these columns: rows of the strip.
    edges = [np.interp(columns, u, (ring - line) @ down / max(half, 1e-6)) for ring in (upper, lower)]
    ends = _ends(lab, path, rows, edges)
    shifts = np.array([sign * (end - edge) for sign, end, edge in zip((-1, 1), ends, edges, strict=True)])
    shifts = np.array([np.interp(u, columns, _calm(shift)) for shift in shifts])
    shifts[:, [0, -1]] = np.array([[-0.5], [0.5]]) * (shifts[1] - shifts[0])[[0, -1]]
    found: Rows = sure * shifts
    return found


def _darker(light: Plane) -> Plane:
    """How much darker each place of a strip is than the lightest a little above and a little below."""
    reach = round(_LINE / 2 / (2 * _REACH / (_ROWS - 1)))
    ones = np.ones((reach + 1, 1), np.uint8)
    above = cv2.dilate(light, ones, anchor=(0, reach))
    below = cv2.dilate(light, ones, anchor=(0, 0))
    return np.asarray(np.minimum(above, below) - light, np.float32)


def _path(dark: Plane, rows: Rows) -> NDArray[np.intp]:
    """The row of the dark line in each column: dark, near the middle, without jumps (dynamic programming)."""
    cost = _NEAR * (rows[:, None] / _REACH) ** 2 * 4 - dark
    total = np.zeros_like(cost)
    came = np.zeros(cost.shape, np.intp)
    steps = np.arange(-2, 3)
    total[:, 0] = cost[:, 0]
    for k in range(1, cost.shape[1]):
        padded = np.pad(total[:, k - 1], 2, constant_values=np.inf)
        ways = np.stack([padded[2 + s : 2 + s + len(rows)] + _STRAIGHT * abs(s) for s in steps])
        came[:, k] = ways.argmin(axis=0)
        total[:, k] = cost[:, k] + ways.min(axis=0)
    path = np.zeros(cost.shape[1], np.intp)
    path[-1] = total[:, -1].argmin()
    for k in range(cost.shape[1] - 1, 0, -1):
        path[k - 1] = path[k] + steps[came[path[k], k]]
    return path


def _ends(lab: Plane, path: NDArray[np.intp], rows: Rows, edges: list[Rows]) -> list[Rows]:
    """From the line outwards, where the colour of the upper and of the lower lip begins, in half mouths.

    edges: the mesh's, which say how far that may be.
    """
    gap = float((edges[1] - edges[0])[len(path) // 2])
    widest = _WIDEST * float(np.clip((gap - 0.04) / 0.06, 0, 1))
    step = float(rows[1] - rows[0])
    line = rows[path]
    ends = []
    for sign, edge in zip((-1, 1), edges, strict=True):
        # A lip's colour is that of it a little off the line, over some columns; the lower one is thicker.
        off = [path + sign * round(r / step) for r in ((0.09, 0.12, 0.15) if sign < 0 else (0.14, 0.17, 0.2))]
        own = np.array([lab[np.clip(o, 0, len(rows) - 1), np.arange(len(path))] for o in off])
        lip = np.median(own, axis=0)
        colourful = np.hypot(own[..., 1], own[..., 2])
        usual = np.median(own[colourful >= np.percentile(colourful, 60)], axis=0)
        lip[np.linalg.norm(lip - usual, axis=1) > _UNEVEN] = usual
        lip = np.stack([_calm(part) for part in lip.T], axis=1)
        end = line.copy()
        for k, row in enumerate(path.tolist()):
            outwards = lab[row:, k] if sign > 0 else lab[row::-1, k]
            outwards = outwards[: round((_LATER + _TEETH) / step) + 1]
            away = np.linalg.norm(outwards - lip[k], axis=1)
            lips = away < max(0.5 * _LEAST, 0.45 * float(away[0]))
            begin = _first_tooth(outwards, lip[k], lips, step)
            length = (begin or 0) + int(np.append(lips[begin:], True).argmax())
            furthest = abs(float(edge[k])) + widest if begin is None else begin * step + _TEETH
            end[k] = line[k] + sign * min(length * step, furthest)
        ends.append(end)
    return ends


def _first_tooth(column: Plane, lip: Rows, lips: NDArray[np.bool_], step: float) -> int | None:
    """The row of a column, which goes outwards from the line, at which a tooth begins; None where none does.

    lips: where the column has the colour of the `lip`.
    """
    near, later = round(_SOON / step) + 1, round(_LATER / step) + 1
    light = (column[:later, 0] > lip[0] + _TOOTH) & ~lips[:later]
    if light.any() and not light[:near].any():
        # Skin is pale, too, but has no lip beyond it.
        pale = np.hypot(column[:later, 1], column[:later, 2]) < float(np.hypot(lip[1], lip[2])) - _PALE
        light &= pale & np.logical_or.accumulate(lips[::-1])[::-1][:later]
    return int(light.argmax()) if light.any() else None


def _calm(values: Rows) -> Rows:
    """A running median of five, then a mean of three."""
    padded = np.pad(np.asarray(values, np.float64), 2, mode="edge")
    middle = np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1)
    calm: Rows = np.convolve(np.pad(middle, 1, mode="edge"), np.ones(3) / 3, "valid")
    return calm
