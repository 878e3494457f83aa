"""Smooth what was measured in some frames of a template, and say it for every frame."""

import numpy as np
from numpy.typing import NDArray

from core.tracking.pose import Matrix

Rows = NDArray[np.float64]
"""float64 (n, k): n measurements of k numbers."""


def steady(values: Rows, at: NDArray[np.intp], median: int = 9, deviation: float = 3.0) -> Rows:
    """Running median, then Gaussian, both given in frames. at: frames measured, (n,), evenly apart."""
    apart = max(1, round((int(at[-1]) - int(at[0])) / max(1, len(at) - 1)))
    size = max(1, median // apart) | 1
    from scipy.ndimage import gaussian_filter1d, median_filter  # slow to import, and only preparation asks

    calm = median_filter(values, (min(size, len(values) | 1), 1), mode="nearest")
    calm = gaussian_filter1d(calm, deviation / apart, axis=0, mode="nearest")
    return np.asarray(calm, np.float64)


def every_frame(values: Rows, at: NDArray[np.intp], count: int) -> Rows:
    """Values at frames `at`, interpolated to frames 0 ... count - 1."""
    return np.stack([np.interp(np.arange(count), at, column) for column in values.T], axis=1)


def in_crop(spots: Rows, poses: Matrix) -> NDArray[np.float32]:
    """Mouths in face coordinates (x, y, angle, half) -> in crop pixels: float32 (n, 4), x, y, half, angle."""
    centre = np.einsum("nij,nj->ni", poses[:, :, :2], spots[:, :2]) + poses[:, :, 2]
    side = np.hypot(poses[:, 0, 0], poses[:, 1, 0])
    roll = np.arctan2(poses[:, 1, 0], poses[:, 0, 0])
    return np.stack([*centre.T, spots[:, 3] * side, spots[:, 2] + roll], axis=1).astype(np.float32)
