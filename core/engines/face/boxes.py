"""Face boxes as detectors trained on WIDER FACE (S3FD, RetinaFace) draw them, and our face coordinates.

Such a box is upright and fits the face: hairline to chin, higher than wide, and off to one side when the head
turns. In our face coordinates (the unit square of the built-in finder, `core.types.FaceTrack`) it is `MEAN`:
measured with a published RetinaFace on 6 people, from landmarks; per person it varies by 0.05.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.engines.builtin.face import prominence
from core.types import Face

Boxes = NDArray[np.float32]
"""float32 (n, 5): left, top, right, bottom in pixels, score."""

MEAN = (0.115, 0.0, 0.915, 1.03)
"""Left, top, right, bottom of a WIDER FACE box in face coordinates."""


def suppressed(boxes: Boxes, overlap: float) -> NDArray[np.intp]:
    """Indices of boxes to keep, best first: none shares more than `overlap` of their union with a better one.

    Sizes count both edge pixels, as Ross Girshick's nms does, which both detectors use.
    """
    left, top, right, bottom, score = boxes.T
    area = (right - left + 1) * (bottom - top + 1)
    order = score.argsort()[::-1]
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        width = np.minimum(right[best], right[rest]) - np.maximum(left[best], left[rest]) + 1
        height = np.minimum(bottom[best], bottom[rest]) - np.maximum(top[best], top[rest]) + 1
        shared = width.clip(0) * height.clip(0)
        order = rest[shared / (area[best] + area[rest] - shared) <= overlap]
    return np.array(kept, np.intp)


def faces(boxes: Boxes, landmarks: NDArray[np.float32] | None, width: int, height: int) -> Sequence[Face]:
    """Faces of a picture of that size, most prominent first, their boxes those of the built-in finder."""
    found = [
        Face(square(box), float(box[4]), None if landmarks is None else landmarks[k])
        for k, box in enumerate(boxes)
    ]
    return sorted(found, key=lambda face: prominence(face, width, height), reverse=True)


def square(box: NDArray[np.float32]) -> NDArray[np.float32]:
    """The square that is the unit of face coordinates, as x, y, width, height, from a WIDER FACE box."""
    left, top, right, bottom = (float(value) for value in box[:4])
    x0, y0, x1, y1 = MEAN
    side = ((right - left) / (x1 - x0) + (bottom - top) / (y1 - y0)) / 2
    middle = (
        (left + right) / 2 - side * ((x0 + x1) / 2 - 0.5),
        (top + bottom) / 2 - side * ((y0 + y1) / 2 - 0.5),
    )
    return np.array([middle[0] - side / 2, middle[1] - side / 2, side, side], np.float32)
