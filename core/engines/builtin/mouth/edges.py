"""Find the inner edges of open lips to a pixel: near where the mesh has them, where the lips end by colour.

The mesh alone is off by up to a tenth of half a mouth, which leaves teeth on lips that are shut.
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
"""How far an edge may lie from the mesh's, into the lip and into the opening, in half mouths."""


def edge_offsets(crop: Image, points: Rows, half: float, shape: Shape) -> Rows:
    """How much further into the lips the edges of the opening lie than `points` (m, 2), in pixels of `crop`,
    say: (2, 9) in half mouths, upper and lower lip."""
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
