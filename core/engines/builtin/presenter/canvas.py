"""A float canvas to paint on with splines, soft edges and glows. Knows nothing of what is painted.

Coordinates are those of a 512 x 512 picture, whatever the canvas measures.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Plane = NDArray[np.float32]
"""float32 (n, n), mostly a mask in [0, 1]."""

SPAN = 512.0
AXIS = 256.0


class Canvas:
    """A picture being painted: a square of the whole, or a part of it.

    pixels: float32 (h, w, 3) BGR, 0 ... 255. x, y: float32 (h, w), coordinates of the pixel centres.
    scale: pixels per coordinate.
    """

    def __init__(self, side: int) -> None:
        self.scale = side / SPAN
        line = (np.arange(side, dtype=np.float32) + np.float32(0.5)) / np.float32(self.scale)
        self.x, self.y = np.meshgrid(line, line)
        self.pixels = np.zeros((side, side, 3), np.float32)

    def part(
        self, left: float, top: float, right: float, bottom: float
    ) -> tuple["Canvas", tuple[slice, slice]]:
        """A copy of a rectangle, to be painted on apart, and where it lies in `pixels`."""
        columns = slice(int(left * self.scale), int(right * self.scale))
        rows = slice(int(top * self.scale), int(bottom * self.scale))
        cut = object.__new__(Canvas)
        cut.scale = self.scale
        cut.x, cut.y, cut.pixels = (
            self.x[rows, columns],
            self.y[rows, columns],
            self.pixels[rows, columns].copy(),
        )
        return cut, (rows, columns)

    def mask(self, outline: ArrayLike, soft: float = 0.6) -> Plane:
        """The inside of a closed polygon (n, 2), its edge blurred by `soft`."""
        corner = np.array([self.x[0, 0], self.y[0, 0]], np.float64)
        points = (np.asarray(outline, np.float64) - corner) * self.scale
        margin = int(4 * soft * self.scale) + 3
        height, width = self.x.shape
        x0, y0 = np.clip(np.floor(points.min(axis=0)).astype(int) - margin, 0, (width, height))
        x1, y1 = np.clip(np.ceil(points.max(axis=0)).astype(int) + margin, 0, (width, height))
        whole = np.zeros((height, width), np.float32)
        if x1 > x0 and y1 > y0:
            inside = np.zeros((y1 - y0, x1 - x0), np.uint8)
            cv2.fillPoly(inside, [np.round((points - (x0, y0)) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
            whole[y0:y1, x0:x1] = blurred(inside.astype(np.float32) / np.float32(255), soft * self.scale)
        return whole

    def paint(self, mask: Plane, colour: ArrayLike, strength: float = 1.0) -> None:
        """Lay `colour` (3,) or (n, n, 3) over the picture where `mask` is set."""
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not len(rows):
            return
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        tint = np.asarray(colour, np.float32)
        tint = tint[part] if tint.ndim == 3 else tint
        self.pixels[part] += (mask[part] * np.float32(strength))[..., None] * (tint - self.pixels[part])

    def fill(self, outline: ArrayLike, colour: ArrayLike, strength: float = 1.0, soft: float = 0.6) -> None:
        """Fill a closed polygon."""
        self.paint(self.mask(outline, soft), colour, strength)

    def glow(self, x: float, y: float, rx: float, ry: float, turn: float = 0.0) -> Plane:
        """A Gaussian spot of height 1 with deviations rx, ry, turned by `turn` radians."""
        dx, dy = self.x - np.float32(x), self.y - np.float32(y)
        c, s = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        u, v = (c * dx + s * dy) / np.float32(rx), (c * dy - s * dx) / np.float32(ry)
        spot: Plane = np.exp(np.float32(-0.5) * (u * u + v * v))
        return spot

    def stroke(
        self,
        points: ArrayLike,
        width: float | Callable[[NDArray[np.float64]], NDArray[np.float64]],
        colour: ArrayLike,
        strength: float = 1.0,
        soft: float = 0.5,
    ) -> None:
        """Draw along a spline through `points`; `width` may depend on the way gone, 0 ... 1."""
        self.paint(self.mask(ribbon(points, width), soft), colour, strength)


def blurred(plane: Plane, deviation: float) -> Plane:
    """Gaussian blur; none for a deviation below a tenth of a pixel."""
    if deviation < 0.1:
        return plane
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), deviation), np.float32)


def spline(points: ArrayLike, closed: bool = False, steps: int = 24) -> NDArray[np.float64]:
    """Catmull-Rom curve through points (n, 2) -> (m, 2)."""
    knots = np.asarray(points, np.float64)
    count = len(knots)
    index = np.arange(count if closed else count - 1)[:, None] + np.arange(-1, 3)
    index = index % count if closed else np.clip(index, 0, count - 1)
    a, b, c, d = (knots[index[:, k], None] for k in range(4))
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    flat = curve.reshape(-1, 2)
    return flat if closed else np.vstack([flat, knots[-1:]])


def mirrored(half: Sequence[tuple[float, float]], axis: float) -> NDArray[np.float64]:
    """A closed spline from its right half, listed from top to bottom as (distance from the axis, y)."""
    right = [(axis + x, y) for x, y in half]
    left = [(axis - x, y) for x, y in reversed(half) if x]
    return spline(right + left, closed=True)


def ribbon(
    points: ArrayLike, width: float | Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Outline of a line of some width along a spline through `points`."""
    middle = spline(points)
    along = np.gradient(middle, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    t = np.linspace(0, 1, len(middle))
    half = (width(t) if callable(width) else np.full(len(t), width))[:, None] / 2
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) * half
    return np.vstack([middle + across, (middle - across)[::-1]])
