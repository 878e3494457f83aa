"""Read 468 landmarks off a face with MediaPipe's face mesh (Google, Apache-2.0), run by `cv2.dnn`.

Points are numbered as MediaPipe numbers them. x and y are pixels of the picture that is read, z is depth in
the same unit, smaller towards the camera. A point of a still face jitters by 0.15 to 0.3 pixels at 35 pixels
to half a mouth, so whoever looks at a clip smooths over time.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from core.models import MESH, network
from core.tracking.pose import Matrix
from core.types import Image

Points = NDArray[np.float64]
"""float64 (468, 3), or (n, 468, 3)."""

INPUT = 192
_GROWN = 1.5
"""Side of what the network is shown, in sides of the box around all points."""
SURE = 0.5
"""Score from which on there is a face."""

EYES = ((33, 133), (362, 263))
"""Outer and inner corner of the eye on the viewer's left, inner and outer of the other."""
NOSE_TIP, CHIN, FOREHEAD = 1, 152, 10
CORNERS = (61, 291)
UPPER_LIP, LOWER_LIP = 13, 14
"""Inner edges of the lips, in the middle."""
CHEEKS = (234, 454)
STEADY = (
    *(33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 1, 2, 98, 327, 10, 151, 9, 8),
    *(127, 356, 162, 389, 21, 251, 54, 284),
)
"""Points that move with the skull, whatever the face does."""


@dataclass(frozen=True, slots=True)
class Region:
    """The square that the network is shown: centre and side in pixels, roll in radians."""

    x: float
    y: float
    side: float
    angle: float


class Mesh:
    """The network, loaded. Not to be shared between threads."""

    def __init__(self) -> None:
        """Raises EngineUnavailable where it cannot run."""
        self._net = network(MESH)
        self._outputs = self._net.getUnconnectedOutLayersNames()

    def read(self, picture: Image, region: Region) -> tuple[Points, float]:
        """The points of the face in `region` of `picture`, and how sure it is that there is one, 0 ... 1."""
        matrix = _to_picture(region)
        shrink = region.side / INPUT
        if shrink > 1.5:  # samples would lie so far apart that they miss what is between them
            picture, matrix = _part(picture, matrix, shrink)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        shown = cv2.warpAffine(picture, matrix, (INPUT, INPUT), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        self._net.setInput(cv2.dnn.blobFromImage(shown, 1 / 255, swapRB=True))
        outputs = sorted(self._net.forward(self._outputs), key=lambda output: output.size)
        score, points = float(outputs[0].ravel()[0]), outputs[1].reshape(468, 3).astype(np.float64)
        there = points[:, :2] @ _to_picture(region)[:, :2].T + _to_picture(region)[:, 2]
        found = np.column_stack([there, points[:, 2] * shrink])
        return found, float(1 / (1 + np.exp(-np.clip(score, -60, 60))))


def region_of(points: Points) -> Region:
    """What to show the network of the next picture of this face: level by the eyes, half as large again."""
    across = points[EYES[1][1], :2] - points[EYES[0][0], :2]
    angle = float(np.arctan2(across[1], across[0]))
    c, s = np.cos(angle), np.sin(angle)
    level = points[:, :2] @ np.array([[c, -s], [s, c]])
    low, high = level.min(axis=0), level.max(axis=0)
    x, y = np.array([[c, -s], [s, c]]) @ ((low + high) / 2)
    return Region(float(x), float(y), float((high - low).max()) * _GROWN, angle)


def _to_picture(region: Region) -> Matrix:
    """From pixels that the network sees to pixels of the picture."""
    scale = region.side / INPUT
    c, s = np.cos(region.angle) * scale, np.sin(region.angle) * scale
    middle = INPUT / 2
    return np.array(
        [[c, -s, region.x - (c - s) * middle], [s, c, region.y - (s + c) * middle]],
    )


def _part(picture: Image, matrix: Matrix, shrink: float) -> tuple[Image, Matrix]:
    """The part of `picture` that `matrix` looks at, smaller, and the matrix that looks at it there."""
    corners = np.array([[0, 0], [INPUT, 0], [0, INPUT], [INPUT, INPUT]]) @ matrix[:, :2].T + matrix[:, 2]
    height, width = picture.shape[:2]
    x0, y0 = (int(max(0, v)) for v in np.floor(corners.min(axis=0)) - 2)
    x1, y1 = (int(v) for v in np.minimum(np.ceil(corners.max(axis=0)) + 3, (width, height)))
    if x1 - x0 < 2 or y1 - y0 < 2:
        return picture, matrix
    part = picture[y0:y1, x0:x1]
    size = max(1, round((x1 - x0) / shrink)), max(1, round((y1 - y0) / shrink))
    small = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
    fx, fy = size[0] / (x1 - x0), size[1] / (y1 - y0)
    moved = matrix.copy()
    moved[:, 2] -= x0, y0
    moved[0] *= fx
    moved[1] *= fy
    moved[:, 2] += 0.5 * fx - 0.5, 0.5 * fy - 0.5
    return small, moved


def spread(points: Points, pairs: tuple[int, int]) -> NDArray[np.float64]:
    """Distance in space of two points: (468, 3) -> (), (n, 468, 3) -> (n,)."""
    away: NDArray[np.float64] = np.linalg.norm(points[..., pairs[0], :] - points[..., pairs[1], :], axis=-1)
    return away
