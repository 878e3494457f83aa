"""Between a template's face crop and the square picture a network draws in: cut the face out, and put the
mouth back so that nothing but the mouth has changed.

The network redraws the whole lower half of its picture, at 96 or 256 pixels. Of that a soft-edged region
around the mouth and chin is taken, its colours brought to those of the template, and laid over the crop.
"""

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from core.types import Image

PADDING = 0.06
"""How far below the face box, in face widths, the network's picture reaches: room for the chin of an open
mouth. About the 10 pixels of the reference's default."""

Matrix = NDArray[np.float64]
"""float64 (2, 3): from pixels of the network's picture to pixels of the crop."""

# Middle and half axes of the mouth's region, in shares of the network's picture; the power of its rounded
# box; how much of its radius is a soft edge. In the mean face the mouth is at 0.72, the chin at 0.94.
_MIDDLE, _AXES, _POWER, _EDGE = (0.5, 0.72), (0.42, 0.3), 2.5, 0.3
_HALF, _DEPTH, _BEHIND = 0.91, 1.0, 1.27
"""Where a head ends at the height of the mouth, in distances between the eyes: an ellipse so wide and deep to
either side of its middle, which is so far behind the tip of the nose."""
_NOSE = (0.41, 0.46)
"""How far the tip of the nose is before the eyes, in their distance; and before the mouth's corners, in
theirs."""
_TOP = (0.51, 0.62)
"""Above the first, nothing is changed; from the second on, everything in the region is."""
_OFF = 48.0
"""The most levels by which colours are moved: a network that is off by more should be seen to be."""


def to_crop(pose: NDArray[np.float64], box: NDArray[np.floating], side: int) -> Matrix:
    """Where the network's picture of `side` pixels lies in a crop.

    pose: face coordinates to crop pixels (2, 3). box: left, top, right, bottom in face coordinates.
    """
    left, top, right, bottom = (float(value) for value in box)
    across, down = (right - left) / side, (bottom - top) / side
    # Both pictures' pixels have their middle at half.
    unit = np.array([[across, 0, left + across / 2], [0, down, top + down / 2]])
    matrix: Matrix = pose[:, :2] @ unit
    matrix[:, 2] += pose[:, 2] - 0.5
    return matrix


def cut_out(crop: Image, matrix: Matrix, side: int) -> Image:
    """The network's picture, uint8 (side, side, 3), of a crop; what lies beyond the crop repeats its edge."""
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    area = _reach(matrix, (0, 0, side, side), crop.shape)
    if scale > 1.5 and area is not None:  # bilinear sampling would skip pixels
        left, top, right, bottom = area
        matrix = matrix.copy()
        matrix[:, 2] -= (left, top)
        crop = crop[top:bottom, left:right]
        size = (max(1, round(crop.shape[1] / scale)), max(1, round(crop.shape[0] / scale)))
        small = cv2.resize(crop, size, interpolation=cv2.INTER_AREA)
        shrink = np.array([small.shape[1] / crop.shape[1], small.shape[0] / crop.shape[0]])
        matrix = matrix * shrink[:, None]
        matrix[:, 2] += (shrink - 1) / 2
        crop = np.asarray(small, np.uint8)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    face = cv2.warpAffine(crop, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(face, np.uint8)


def put_back(
    crop: Image, drawn: NDArray[np.float32], face: Image, matrix: Matrix, mask: NDArray[np.float32]
) -> None:
    """Lay the mouth of `drawn` over `crop`, in place.

    drawn: what the network made of the lower half of `face`, float32 (side / 2, side, 3), 0..255.
    mask: how much of each pixel of the whole is taken, float32 (side, side), 0..1, nothing outside `region`.
    """
    side = len(face)
    whole = face.astype(np.float32)
    whole[side // 2 :] = drawn
    drawn = whole + colour_shift(face, whole)
    left, top = (_MIDDLE[0] - _AXES[0]) * side, _TOP[0] * side
    area = _reach(matrix, (left, top, side - left, side), crop.shape)
    if area is None:
        return
    left, top, right, bottom = area
    local = matrix.copy()
    local[:, 2] -= (left, top)
    size = (right - left, bottom - top)
    # Linear, not cubic: between mouth and teeth cubic would ring.
    above = cv2.warpAffine(drawn, local, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpAffine(mask, local, size, flags=cv2.INTER_LINEAR)[..., None]
    below = crop[top:bottom, left:right].astype(np.float32)
    below += alpha * (above - below)
    crop[top:bottom, left:right] = (below + 0.5).clip(0, 255).astype(np.uint8)


@functools.lru_cache(maxsize=4)
def region(side: int) -> NDArray[np.float32]:
    """How much of each pixel of the network's picture is taken: float32 (side, side), 0..1, read-only."""
    place = (np.arange(side) + 0.5) / side
    x, y = np.meshgrid(place, place)
    radius = (
        (np.abs(x - _MIDDLE[0]) / _AXES[0]) ** _POWER + (np.abs(y - _MIDDLE[1]) / _AXES[1]) ** _POWER
    ) ** (1 / _POWER)
    border = np.minimum(np.minimum(x, 1 - x), 1 - y)
    mask = (1 - _step(radius, 1 - _EDGE, 1.0)) * _step(y, *_TOP) * _step(border, 0.5 / side, 0.08)
    soft: NDArray[np.float32] = mask.astype(np.float32)
    soft.setflags(write=False)
    return soft


def region_of(landmarks: NDArray[np.floating] | None, matrix: Matrix, side: int) -> NDArray[np.float32]:
    """The `region` for this face, narrower where the head, turned aside, ends within it.

    landmarks: (5, 2) in crop pixels, or None where nobody knows them: then it is taken for a face seen from
    the front.
    """
    if landmarks is None:
        return region(side)
    x = ((landmarks - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2])[0] + 0.5) / side
    nose, apart, middle = float(x[2]), x[[1, 4]] - x[[0, 3]], (x[[0, 3]] + x[[1, 4]]) / 2
    if apart.min() < 0.05:  # a profile at least: nothing to go by
        return region(side)
    yaw = float(np.arctan(np.mean((nose - middle) / apart / _NOSE)))
    eyes = float(apart[0]) / np.cos(yaw)
    half, off = np.hypot(_HALF * np.cos(yaw), _DEPTH * np.sin(yaw)), _BEHIND * np.sin(yaw)
    ends = _MIDDLE[0] - (nose - eyes * (half + off)), nose + eyes * (half - off) - _MIDDLE[0]
    return _narrowed(region(side), *(float(np.clip(end, 0.1, _AXES[0])) for end in ends))


def _narrowed(mask: NDArray[np.float32], left: float, right: float) -> NDArray[np.float32]:
    """`mask` reaching only so far to the left and right of its middle."""
    if left == right == _AXES[0]:
        return mask
    side = len(mask)
    off = (np.arange(side) + 0.5) / side - _MIDDLE[0]
    at = _MIDDLE[0] + off * _AXES[0] / np.where(off < 0, left, right)
    at = (at * side - 0.5).clip(0, side - 1)  # there the mask is 0
    low = np.minimum(at.astype(int), side - 2)
    share = (at - low).astype(np.float32)
    narrow: NDArray[np.float32] = mask[:, low] * (1 - share) + mask[:, low + 1] * share
    return narrow


def colour_shift(face: Image, drawn: NDArray[np.float32]) -> NDArray[np.float32]:
    """What to add to `drawn` so that at the region's edge it has the face's colours: float32, same shape.

    The network shifts colours a little, differently from frame to frame. Where it has redrawn the face but
    nothing is taken, both show the same skin; their difference there, blurred, is carried into the region.
    """
    side = len(drawn)
    small, sigma, limit = shift_scale(side)
    around = outside(side)
    off = cv2.resize(
        (face.astype(np.float32) - drawn) * around[..., None], (small, small), interpolation=cv2.INTER_AREA
    )
    weight = cv2.resize(around, (small, small), interpolation=cv2.INTER_AREA)
    mean = off.sum(axis=(0, 1)) / weight.sum()
    off, weight = (cv2.GaussianBlur(a, (0, 0), sigma) for a in (off, weight))
    shift = (off + 0.02 * mean) / (weight[..., None] + 0.02)
    shift = cv2.resize(shift.clip(-limit, limit), (side, side), interpolation=cv2.INTER_LINEAR)
    return np.asarray(shift, np.float32)


def shift_scale(side: int) -> tuple[int, float, float]:
    """Side in pixels that `colour_shift` works at, blur there, and the most levels it moves a colour by."""
    small = max(8, side // 4)
    return small, small / 8, _OFF


@functools.lru_cache(maxsize=4)
def outside(side: int) -> NDArray[np.float32]:
    """Where the network has redrawn and nothing is taken."""
    weight = (1 - region(side)) ** 2
    weight[: side // 2] = 0
    return np.asarray(weight, np.float32)


def _reach(
    matrix: Matrix, part: tuple[float, float, float, float], shape: tuple[int, ...]
) -> tuple[int, int, int, int] | None:
    """The pixels of a crop that a part (left, top, right, bottom) of the network's picture falls on.

    As left, top, right, bottom, a pixel wider than need be; None if that is all outside the crop.
    """
    corners = np.array([[x, y] for x in part[::2] for y in part[1::2]])
    there = corners @ matrix[:, :2].T + matrix[:, 2]
    left, top = np.floor(there.min(axis=0)).astype(int) - 1
    right, bottom = np.ceil(there.max(axis=0)).astype(int) + 2
    left, top, right, bottom = max(0, left), max(0, top), min(shape[1], right), min(shape[0], bottom)
    return (int(left), int(top), int(right), int(bottom)) if left < right and top < bottom else None


def _step(x: NDArray[np.floating], low: float, high: float) -> NDArray[np.floating]:
    """0 below `low`, 1 above `high`, smooth in between."""
    t = ((x - low) / (high - low)).clip(0, 1)
    step: NDArray[np.floating] = t * t * (3 - 2 * t)
    return step
