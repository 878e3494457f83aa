"""Find faces with MediaPipe's BlazeFace networks (Bazarevsky et al., 2019; Google, Apache-2.0), by `cv2.dnn`.

One is for faces that fill a good part of the picture, one for small ones; tilted, dark and cut-off faces are
found, too. Each is confirmed by the face mesh, which says how it lies.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from core.engines.builtin.mesh import CORNERS, EYES, NOSE_TIP, SURE, Mesh, Points, Region, region_of
from core.models import FAR_FACES, NEAR_FACES, network
from core.tracking.pose import LANDMARKS, fitted, placed
from core.types import Face, Image

Rows = NDArray[np.float64]

_LIKELY = 0.5
"""Score from which on what a network sees is looked at."""
_SAME = 0.3
"""Share that two boxes have in common, of what they cover together, that are one face's."""
_MOST = 12
"""Faces confirmed in one picture, the likeliest first."""
_SMALLEST = 16.0
"""Side in pixels of the smallest face worth finding."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """x, y, width, height in pixels; roll by the eyes, radians; how likely it is a face, 0 ... 1."""

    box: Rows
    roll: float
    score: float


class BlazeFinder:
    """A `FaceFinder` that gives landmarks. Not to be shared between threads."""

    version = "blaze/1"

    def __init__(self) -> None:
        """Raises EngineUnavailable where the networks cannot run."""
        self.mesh = Mesh()
        # Strides and anchors a point of each network's grids.
        self._near = _Detector(NEAR_FACES, 128, ((8, 2), (16, 6)))
        self._far = _Detector(FAR_FACES, 192, ((4, 1),))

    def find(self, image: Image) -> Sequence[Face]:
        """Faces, the likeliest first; `score` is 0 ... 1."""
        seen = _distinct([*self._near.look(image), *self._far.look(image)])[:_MOST]
        faces = [self.confirmed(image, one.box, one.roll, one.score) for one in seen]
        return [face for face in faces if face is not None]

    def confirmed(self, image: Image, box: Rows, roll: float, score: float) -> Face | None:
        """The face in `box`, as the mesh sees it; None if it sees none."""
        if box[2:].max() < _SMALLEST:
            return None
        x, y = (box[:2] + box[2:] / 2).tolist()
        points, sure = self.mesh.read(image, Region(x, y, 1.6 * float(box[2:].max()), roll))
        if sure < SURE:
            return None
        points, sure = self.mesh.read(image, region_of(points))
        return _face(points, score) if sure >= SURE else None


class _Detector:
    """One network: what it sees, by a score and a box with six points for each anchor."""

    def __init__(self, file: str, side: int, grids: Sequence[tuple[int, int]]) -> None:
        self._net = network(file)
        self._outputs = self._net.getUnconnectedOutLayersNames()
        self._side = side
        anchors = []
        for stride, each in grids:
            middle = (np.arange(side // stride) + 0.5) * (stride / side)
            anchors.append(np.repeat(np.stack(np.meshgrid(middle, middle), axis=-1).reshape(-1, 2), each, 0))
        self._anchors = np.concatenate(anchors)

    def look(self, image: Image) -> list[_Seen]:
        """Everything that looks like a face, some of it several times."""
        height, width = image.shape[:2]
        longest = max(height, width)
        x0, y0 = (longest - width) // 2, (longest - height) // 2
        scale = self._side / longest
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        square = np.zeros((self._side, self._side, 3), np.uint8)
        top, left = (self._side - size[1]) // 2, (self._side - size[0]) // 2
        square[top : top + size[1], left : left + size[0]] = small
        blob = cv2.dnn.blobFromImage(square, 1 / 127.5, mean=(127.5, 127.5, 127.5), swapRB=True)
        self._net.setInput(blob)
        scores, rows = sorted(self._net.forward(self._outputs), key=lambda output: output.size)
        likely = 1 / (1 + np.exp(-np.clip(scores.reshape(-1).astype(np.float64), -60, 60)))
        best = np.flatnonzero(likely > _LIKELY)
        found = rows.reshape(len(likely), 16)[best].reshape(-1, 8, 2).astype(np.float64) / self._side
        found[:, 0] += self._anchors[best]
        found[:, 2:] += self._anchors[best][:, None]
        corner = found[:, 0] - found[:, 1] / 2
        boxes = np.hstack([corner * longest - (x0, y0), found[:, 1] * longest])
        eyes = found[:, 3] - found[:, 2]
        rolls = np.arctan2(eyes[:, 1], eyes[:, 0])
        return [
            _Seen(box, float(roll), float(score))
            for box, roll, score in zip(boxes, rolls, likely[best], strict=True)
        ]


def _distinct(seen: list[_Seen]) -> list[_Seen]:
    """One of each face, the likeliest first."""
    kept: list[_Seen] = []
    for one in sorted(seen, key=lambda one: one.score, reverse=True):
        if all(common(one.box, other.box) < _SAME for other in kept):
            kept.append(one)
    return kept


def common(box: Rows, other: Rows) -> float:
    """What two boxes share, of what they cover together: 0 ... 1."""
    low, high = np.maximum(box[:2], other[:2]), np.minimum(box[:2] + box[2:], other[:2] + other[2:])
    shared = float(np.prod(np.clip(high - low, 0, None)))
    return shared / max(float(box[2] * box[3] + other[2] * other[3]) - shared, 1e-9)


def _face(points: Points, score: float) -> Face:
    """A face by its landmarks: eyes, nose tip, corners of the mouth."""
    eyes = [points[list(pair), :2].mean(axis=0) for pair in EYES]
    five = np.array([*eyes, points[NOSE_TIP, :2], *points[list(CORNERS), :2]])
    pose = fitted(LANDMARKS, five)
    side = float(np.hypot(pose[0, 0], pose[1, 0]))
    middle = placed(pose, np.array([[0.5, 0.5]]))[0]
    box = np.array([*(middle - side / 2), side, side], np.float32)
    return Face(box, score, five.astype(np.float32))
