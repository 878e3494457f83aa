"""Between a template's face crop and the face as FFHQ shows it, upright and 512 pixels wide, which restoring
networks are trained on: where it lies in each frame, cutting it out, laying it back.

The place comes from landmarks that were followed through the template, fitted by least squares and smoothed
in time relative to the head: nothing jumps between frames, so nothing that is restored swims.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from core.tracking.pose import LANDMARKS, chained, fitted, inverse, joined, parts, placed
from core.types import FaceTrack, Image

SIDE = 512
TEMPLATE = np.array(
    [
        [192.98138, 239.94708],
        [318.90277, 240.1936],
        [256.63416, 314.01935],
        [201.26117, 371.41043],
        [313.08905, 371.15118],
    ]
)
"""Where eyes, nose tip and mouth corners are in an FFHQ face of 512 pixels."""
BORDER = (135, 133, 132)
"""What an aligned face shows beyond the picture's edge."""
SKIN = (0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 0, 0)
"""Of ParseNet's 19 classes those that are face; not background, hat, earring, necklace, neck, cloth."""

Matrix = NDArray[np.float64]
"""float64 (2, 3): from pixels of the aligned face to pixels of the crop."""

_STEADY = 6.0
"""Deviation in frames of the average over what landmarks say beyond the head's own motion."""


def alignments(track: FaceTrack, seen: Sequence[tuple[int, NDArray[np.float32]]] = ()) -> Matrix:
    """For every frame where the aligned face lies in its crop, (frames, 2, 3).

    seen: frames with landmarks (5, 2) in crop pixels, used if the track has none of its own. Without any the
    face is where it is on average around the track's pose.
    """
    frames = np.flatnonzero(track.found)
    if track.landmarks is not None:
        marks = list(zip(frames.tolist(), track.landmarks[frames], strict=True))
    else:
        marks = [(frame, points) for frame, points in seen if track.found[frame]]
    if not marks:
        return chained(track.poses, fitted(TEMPLATE, LANDMARKS))
    # In face coordinates the head does not move; what is left is smooth but for noise.
    at = [frame for frame, _ in marks]
    split = parts(
        np.stack([fitted(TEMPLATE, placed(inverse(track.poses[frame]), points)) for frame, points in marks])
    )
    path = np.stack([np.interp(np.arange(len(track)), at, split[:, k]) for k in range(4)], axis=1)
    return chained(track.poses, joined(_steadied(path)))


def cut(crop: Image, matrix: Matrix, side: int = SIDE) -> Image:
    """The aligned face, uint8 (side, side, 3)."""
    matrix = scaled(matrix, SIDE / side)
    shrink = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if shrink > 1.5:  # linear sampling would skip pixels
        size = max(1, round(crop.shape[1] / shrink)), max(1, round(crop.shape[0] / shrink))
        there = np.array([size[0] / crop.shape[1], size[1] / crop.shape[0]])
        crop = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.uint8)
        matrix = matrix * there[:, None]
        matrix[:, 2] += (there - 1) / 2
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    face = cv2.warpAffine(
        crop, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=BORDER
    )
    return np.asarray(face, np.uint8)


def lay(crop: Image, face: Image, mask: NDArray[np.uint8], matrix: Matrix) -> None:
    """Lay an aligned face over `crop`, in place, only where it is.

    mask: how much of the face is taken, uint8 (n, n) over the whole of it; smooth, as it is enlarged.
    """
    area = _reach(matrix, crop.shape)
    if area is None:
        return
    left, top, right, bottom = area
    local = matrix.copy()
    local[:, 2] -= (left, top)
    size = (right - left, bottom - top)
    coarse = len(face)
    shrink = float(np.sqrt(abs(np.linalg.det(matrix[:, :2])))) * SIDE / coarse
    if shrink < 0.67:
        coarse = max(16, round(coarse * shrink))
        face = np.asarray(cv2.resize(face, (coarse, coarse), interpolation=cv2.INTER_AREA), np.uint8)
    above = cv2.warpAffine(
        face, scaled(local, SIDE / coarse), size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    alpha = cv2.warpAffine(mask, scaled(local, SIDE / len(mask)), size, flags=cv2.INTER_LINEAR)
    below = crop[top:bottom, left:right]
    weight = cv2.merge([alpha] * 3)
    # Both terms are rounded, yet equal values stay what they are: their fractions add up to a whole.
    shown = cv2.multiply(above, weight, scale=1 / 255)
    kept = cv2.multiply(below, cv2.bitwise_not(weight), scale=1 / 255)
    below[:] = cv2.add(shown, kept)


def scaled(matrix: Matrix, step: float) -> Matrix:
    """`matrix` for an aligned picture whose pixels are `step` pixels of the full one wide."""
    half = (step - 1) / 2  # both pictures' pixels have their middle at half
    return chained(matrix, np.array([[step, 0, half], [0, step, half]]))


def _reach(matrix: Matrix, shape: tuple[int, ...]) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom of the crop's pixels that the face falls on; None if there are none."""
    corners = placed(matrix, np.array([[0, 0], [SIDE, 0], [0, SIDE], [SIDE, SIDE]]))
    left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0).tolist()
    right, bottom = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 1, shape[1::-1]).tolist()
    return (left, top, right, bottom) if left < right and top < bottom else None


def _steadied(path: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each column averaged over time, its ends held."""
    reach = round(4 * _STEADY)
    weight = np.exp(-0.5 * (np.arange(-reach, reach + 1) / _STEADY) ** 2)
    held = np.pad(path, ((reach, reach), (0, 0)), mode="edge")
    columns = [np.convolve(column, weight / weight.sum(), "valid") for column in held.T]
    return np.stack(columns, axis=1)
