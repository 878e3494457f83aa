"""Follow a face from one grey picture to the next by the sparse optical flow of its features.

Lucas-Kanade with a forward-backward check and a RANSAC similarity. Every feature remembers where in the
face it was seen first, so a pose comes from face coordinates directly and does not drift while its
features live.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from core.engines.builtin.pose import Matrix, inverse, placed

Grey = NDArray[np.uint8]

_ENOUGH = 45
_MOST = 90
_FEWEST = 8
_UPPER_FACE = np.array([[0.12, 0.12], [0.88, 0.12], [0.82, 0.70], [0.18, 0.70]])
"""Brows, eyes, nose: what moves with the skull. The mouth and jaw do not."""
_AROUND = np.array([[-0.4, -0.4], [1.4, -0.4], [1.4, 1.4], [-0.4, 1.4]])
_SEARCH: dict[str, Any] = {
    "winSize": (17, 17),
    "maxLevel": 3,
    "criteria": (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 15, 0.03),
}


@dataclass(frozen=True, slots=True)
class Features:
    """Points being followed.

    at: float32 (n, 2), where they are now, in pixels. marks: float64 (n, 2), the same in face coordinates.
    """

    at: NDArray[np.float32]
    marks: Matrix


NOTHING = Features(np.zeros((0, 2), np.float32), np.zeros((0, 2)))


def replenish(grey: Grey, pose: Matrix, features: Features) -> Features:
    """Add corners of the upper face (Shi-Tomasi) where fewer than 45 features are left."""
    if len(features.at) >= _ENOUGH:
        return features
    quad = placed(pose, _UPPER_FACE)
    x0, y0, x1, y1 = _window(quad, grey.shape, 2)
    if x1 - x0 < 8 or y1 - y0 < 8:
        return features
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    cv2.fillConvexPoly(mask, np.round(quad - (x0, y0)).astype(np.int32), 255)
    for x, y in np.round(features.at - (x0, y0)).astype(int).tolist():
        cv2.circle(mask, (x, y), 3, 0, -1)
    # The type stubs know nothing of the None that comes back for nothing found.
    found: Any = cv2.goodFeaturesToTrack(grey[y0:y1, x0:x1], _MOST, 0.01, 4, mask=mask, blockSize=5)
    if found is None:
        return features
    at = np.add(found.reshape(-1, 2), (x0, y0)).astype(np.float32)
    marks = placed(inverse(pose), at.astype(np.float64))
    return Features(np.vstack([features.at, at]), np.vstack([features.marks, marks]))


def follow(before: Grey, after: Grey, pose: Matrix, features: Features) -> tuple[Matrix, Features] | None:
    """The face's pose in `after` and the features that are left; None if the face is lost.

    before, after: uint8 (h, w). pose: where the face is in `before`.
    """
    if len(features.at) < _FEWEST:
        return None
    x0, y0, x1, y1 = _window(placed(pose, _AROUND), before.shape, 16)
    if x1 - x0 < 24 or y1 - y0 < 24:
        return None
    old, new = before[y0:y1, x0:x1], after[y0:y1, x0:x1]
    start = features.at - np.array([x0, y0], np.float32)
    there, went, _ = cv2.calcOpticalFlowPyrLK(old, new, start, np.empty(0, np.float32), **_SEARCH)
    back, came, _ = cv2.calcOpticalFlowPyrLK(new, old, there, np.empty(0, np.float32), **_SEARCH)
    good = (went.ravel() == 1) & (came.ravel() == 1) & (np.abs(back - start).max(axis=1) < 0.7)
    at, marks = (there + np.array([x0, y0], np.float32))[good], features.marks[good]
    return _fitted(at, marks, pose) if len(at) >= _FEWEST else None


def _fitted(at: NDArray[np.float32], marks: Matrix, pose: Matrix) -> tuple[Matrix, Features] | None:
    """The similarity most features agree on, if it is near enough to `pose` to be the same face."""
    side = float(np.hypot(pose[0, 0], pose[1, 0]))
    # 2.5 % of the face: a blinking lid or a passing shadow is out, the give of skin is in.
    fit: Any = cv2.estimateAffinePartial2D(
        marks.astype(np.float32) * np.float32(side), at, ransacReprojThreshold=max(1.5, 0.025 * side)
    )
    found, inliers = fit
    if found is None:
        return None
    keep = inliers.ravel() == 1
    found[:, :2] *= side
    change = float(np.hypot(found[0, 0], found[1, 0])) / side
    if keep.sum() < _FEWEST or not 0.8 < change < 1.25:
        return None
    return found, Features(at[keep], marks[keep])


def _window(points: Matrix, shape: tuple[int, ...], margin: int) -> tuple[int, int, int, int]:
    """Whole-pixel box around points (n, 2), inside the picture: left, top, right, bottom."""
    low, high = np.floor(points.min(axis=0)) - margin, np.ceil(points.max(axis=0)) + margin
    x0, y0 = max(0, int(low[0])), max(0, int(low[1]))
    return x0, y0, min(shape[1], int(high[0])), min(shape[0], int(high[1]))
