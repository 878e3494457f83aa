"""Arithmetic of similarities (turn, scale, shift): float64 (..., 2, 3) matrices, as in `FaceTrack.poses`.

`parts` takes them apart into what may be averaged, smoothed and interpolated; `joined` is its inverse.
"""

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

LANDMARKS = np.array([[0.315, 0.392], [0.69, 0.392], [0.50, 0.622], [0.355, 0.78], [0.665, 0.78]])
"""Eyes, nose tip and mouth corners in face coordinates: where RetinaFace sees them in seven Haar boxes."""


def parts(poses: Matrix) -> Matrix:
    """(..., 2, 3) -> (..., 4): where the middle of the unit square goes (x, y), log of its side, roll."""
    middle = poses[..., :, 0] * 0.5 + poses[..., :, 1] * 0.5 + poses[..., :, 2]
    side = np.hypot(poses[..., 0, 0], poses[..., 1, 0])
    roll = np.arctan2(poses[..., 1, 0], poses[..., 0, 0])
    return np.concatenate([middle, np.log(side)[..., None], roll[..., None]], axis=-1)


def joined(split: Matrix) -> Matrix:
    """(..., 4) as `parts` gives -> (..., 2, 3).

    >>> pose = np.array([[2.0, -1.0, 30.0], [1.0, 2.0, 40.0]])
    >>> bool(np.allclose(joined(parts(pose)), pose))
    True
    """
    side = np.exp(split[..., 2])
    a, b = side * np.cos(split[..., 3]), side * np.sin(split[..., 3])
    x = split[..., 0] - 0.5 * (a - b)
    y = split[..., 1] - 0.5 * (b + a)
    return np.stack([np.stack([a, -b, x], -1), np.stack([b, a, y], -1)], -2)


def inverse(pose: Matrix) -> Matrix:
    """The similarity that undoes `pose`; (..., 2, 3) both."""
    a, b = pose[..., 0, 0], pose[..., 1, 0]
    square = a * a + b * b
    c, s = a / square, b / square
    x, y = pose[..., 0, 2], pose[..., 1, 2]
    return np.stack([np.stack([c, s, -c * x - s * y], -1), np.stack([-s, c, s * x - c * y], -1)], -2)


def chained(outer: Matrix, inner: Matrix) -> Matrix:
    """First `inner`, then `outer`; (..., 2, 3) all."""
    turn = outer[..., :, :2] @ inner[..., :, :2]
    shift = outer[..., :, :2] @ inner[..., :, 2:] + outer[..., :, 2:]
    return np.concatenate([turn, shift], axis=-1)


def fitted(here: NDArray[np.floating], there: NDArray[np.floating]) -> Matrix:
    """The similarity (2, 3) that brings points `here` (n, 2) nearest to `there` (Umeyama, 1991).

    >>> quarter = np.array([[0.0, -2.0, 5.0], [2.0, 0.0, 7.0]])
    >>> bool(np.allclose(fitted(LANDMARKS, placed(quarter, LANDMARKS)), quarter))
    True
    """
    # In complex numbers a turn and a scale are one product.
    a, b = (np.asarray(points, np.float64) @ np.array([1, 1j]) for points in (here, there))
    centred = a - a.mean()
    turn = (centred.conj() * (b - b.mean())).sum() / (np.abs(centred) ** 2).sum()
    shift = b.mean() - turn * a.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def placed(pose: Matrix, points: NDArray[np.floating]) -> Matrix:
    """Where `pose` (2, 3) puts points (n, 2)."""
    return points @ pose[:, :2].T + pose[:, 2]
