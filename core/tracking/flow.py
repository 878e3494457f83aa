"""Follow a face by the sparse optical flow of its features against a key picture of it.

The key is brought to where the face was last and the features are found again by Lucas-Kanade with a
forward-backward check; a similarity is fitted by RANSAC. As the key stays the same nothing drifts, an eye
that blinks is found again, and turns are not underestimated for long; only where the key no longer fits is
a new one taken.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from core.tracking.pose import Matrix, chained, inverse, placed

Grey = NDArray[np.uint8]

_MOST, _FEWEST = 90, 8
_UPPER_FACE = np.array([[0.12, 0.12], [0.88, 0.12], [0.82, 0.70], [0.18, 0.70]])
"""Brows, eyes, nose: what moves with the skull. The mouth and jaw do not."""
_AROUND = np.array([[-0.3, -0.3], [1.3, -0.3], [1.3, 1.2], [-0.3, 1.2]])
_SEARCH: dict[str, Any] = {
    "winSize": (17, 17),
    "maxLevel": 3,
    "criteria": (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 15, 0.03),
}


@dataclass(frozen=True, slots=True)
class Key:
    """A face as it was once. picture: uint8 (h, w). pose: from face coordinates to its pixels.

    at: float32 (n, 2), features in pixels. marks: float64 (n, 2), the same in face coordinates.
    """

    picture: Grey
    pose: Matrix
    at: NDArray[np.float32]
    marks: Matrix


def key_of(grey: Grey, pose: Matrix) -> Key | None:
    """Take the face at `pose` as key: its corners (Shi-Tomasi) are the features. None if it has too few."""
    x0, y0, x1, y1 = _window(placed(pose, _AROUND), grey.shape)
    if x1 - x0 < 24 or y1 - y0 < 24:
        return None
    picture = grey[y0:y1, x0:x1].copy()
    local = pose.copy()
    local[:, 2] -= x0, y0
    mask = np.zeros_like(picture)
    cv2.fillConvexPoly(mask, np.round(placed(local, _UPPER_FACE)).astype(np.int32), 255)
    # The type stubs know nothing of the None that comes back for nothing found.
    found: Any = cv2.goodFeaturesToTrack(picture, _MOST, 0.01, 4, mask=mask, blockSize=5)
    if found is None or len(found) < _FEWEST:
        return None
    at = found.reshape(-1, 2).astype(np.float32)
    return Key(picture, local, at, placed(inverse(local), at.astype(np.float64)))


def follow(key: Key, grey: Grey, pose: Matrix) -> tuple[Matrix, float] | None:
    """The face's pose in `grey` and the share of the key's features that agree; None if the face is lost.

    pose: where about the face is.
    """
    x0, y0, x1, y1 = _window(placed(pose, _AROUND), grey.shape)
    if x1 - x0 < 24 or y1 - y0 < 24:
        return None
    new = grey[y0:y1, x0:x1]
    local = pose.copy()
    local[:, 2] -= x0, y0
    carry = chained(local, inverse(key.pose))
    old = cv2.warpAffine(key.picture, carry, (x1 - x0, y1 - y0), borderMode=cv2.BORDER_REPLICATE)
    old = _as_bright(old, new)
    start = placed(carry, key.at).astype(np.float32)
    there, went, _ = cv2.calcOpticalFlowPyrLK(old, new, start, np.empty(0, np.float32), **_SEARCH)
    back, came, _ = cv2.calcOpticalFlowPyrLK(new, old, there, np.empty(0, np.float32), **_SEARCH)
    good = (went.ravel() == 1) & (came.ravel() == 1) & (np.abs(back - start).max(axis=1) < 0.7)
    if good.sum() < _FEWEST:
        return None
    at = np.asarray(there, np.float32) + np.array([x0, y0], np.float32)
    return _fitted(key.marks, at, good, pose)


def _as_bright(old: NDArray[Any], new: Grey) -> NDArray[Any]:
    """`old` with the mean and contrast of `new`: flow takes a change of light for motion."""
    (old_mean, old_spread), (new_mean, new_spread) = cv2.meanStdDev(old), cv2.meanStdDev(new)
    gain = float(np.clip(new_spread[0, 0] / max(1.0, float(old_spread[0, 0])), 0.5, 2.0))
    return cv2.convertScaleAbs(old, alpha=gain, beta=float(new_mean[0, 0] - gain * old_mean[0, 0]))


def _fitted(
    marks: Matrix, at: NDArray[np.float32], good: NDArray[np.bool_], pose: Matrix
) -> tuple[Matrix, float] | None:
    """The similarity most good features agree on, if it is near enough to `pose` to be the same face."""
    side = float(np.hypot(pose[0, 0], pose[1, 0]))
    # 2.5 % of the face: a blinking lid or a passing shadow is out, the give of skin is in.
    fit: Any = cv2.estimateAffinePartial2D(
        marks[good].astype(np.float32) * np.float32(side),
        at[good],
        ransacReprojThreshold=max(1.0, 0.025 * side),
    )
    found, inliers = fit
    if found is None:
        return None
    found[:, :2] *= side
    change = float(np.hypot(found[0, 0], found[1, 0])) / side
    if inliers.sum() < _FEWEST or not 0.8 < change < 1.25:
        return None
    return found, float(inliers.sum()) / len(good)


def _window(points: Matrix, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Box around points (n, 2) and 16 pixels more, inside the picture: left, top, right, bottom."""
    low, high = np.floor(points.min(axis=0)) - 16, np.ceil(points.max(axis=0)) + 16
    x0, y0 = max(0, int(low[0])), max(0, int(low[1]))
    return x0, y0, min(shape[1], int(high[0])), min(shape[0], int(high[1]))
