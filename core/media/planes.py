"""Pictures as H.264 keeps them: I420, BT.709, limited range.

`planes` here is always uint8 (height * 3 // 2, width), C-contiguous: the brightness plane, then both
colour planes at half size, packed one after the other. Width and height are even.

Every 2x2 block shares one colour: conversion to BGR repeats it, conversion from BGR averages it. So a
crop that goes to BGR and back comes out as it was, but for rounding. (swscale's fast paths darken by
one level on every trip, its exact ones are slower than this; OpenCV knows only BT.601.)
"""

import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from core.types import Image

Planes = NDArray[np.uint8]

_RED, _GREEN, _BLUE = 0.2126, 0.7152, 0.0722  # BT.709: share of each in brightness
_LUMA, _CHROMA = 219 / 255, 224 / 255  # limited range


def _matrices() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """BGR to YUV and back, each float32 (3, 4), the last column an offset."""
    luma = np.array([_BLUE, _GREEN, _RED])
    blue = (np.array([1, 0, 0]) - luma) / (2 * (1 - _BLUE))
    red = (np.array([0, 0, 1]) - luma) / (2 * (1 - _RED))
    forth = np.stack([luma * _LUMA, blue * _CHROMA, red * _CHROMA])
    back = np.linalg.inv(forth)
    zero = np.array([16.0, 128.0, 128.0])
    return (
        np.column_stack([forth, zero]).astype(np.float32),
        np.column_stack([back, -back @ zero]).astype(np.float32),
    )


_TO_YUV, _TO_BGR = _matrices()


def split(planes: Planes) -> tuple[Planes, Planes, Planes]:
    """Views of the brightness plane (h, w) and of both colour planes (h / 2, w / 2)."""
    width = planes.shape[1]
    height = planes.shape[0] * 2 // 3
    flat = planes.reshape(-1)
    size = height * width
    half = (height // 2, width // 2)
    return (
        planes[:height],
        flat[size : size + size // 4].reshape(half),
        flat[size + size // 4 :].reshape(half),
    )


def crop(planes: Planes, x: int, y: int, side: int) -> Planes:
    """A copy of the square at (x, y); x, y and side are even, the square lies inside."""
    out = np.empty((side * 3 // 2, side), np.uint8)
    (luma, *chroma), (luma_out, *chroma_out) = split(planes), split(out)
    luma_out[:] = luma[y : y + side, x : x + side]
    left, top, half = x // 2, y // 2, side // 2
    for plane, plane_out in zip(chroma, chroma_out, strict=True):
        plane_out[:] = plane[top : top + half, left : left + half]
    return out


def to_bgr(planes: Planes, x: int, y: int, side: int) -> Image:
    """The square at (x, y) of a frame, uint8 (side, side, 3); x, y, side are even, the square lies inside."""
    luma, *chroma = split(planes)
    left, top, half = x // 2, y // 2, side // 2
    full = [_doubled(plane[top : top + half, left : left + half]) for plane in chroma]
    yuv = cv2.merge([luma[y : y + side, x : x + side], *full])
    return np.asarray(cv2.transform(yuv, _TO_BGR), np.uint8)


def whole_bgr(planes: Planes) -> Image:
    """The whole frame, uint8 (h, w, 3)."""
    luma, *chroma = split(planes)
    yuv = cv2.merge([luma, *map(_doubled, chroma)])
    return np.asarray(cv2.transform(yuv, _TO_BGR), np.uint8)


def _doubled(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Each value twice, across and down: a fifth of the time that OpenCV's nearest neighbour takes."""
    rows, columns = plane.shape
    pairs = np.empty((rows, 2, columns), np.uint16)
    np.multiply(plane[:, None], 0x0101, out=pairs, dtype=np.uint16)
    return pairs.view(np.uint8).reshape(2 * rows, 2 * columns)


def twice(planes: Planes) -> Planes:
    """The frame twice as large, resampled (bicubic)."""
    height, width = planes.shape[0] * 2 // 3, planes.shape[1]
    out = np.empty((height * 3, 2 * width), np.uint8)
    for plane, large in zip(split(planes), split(out), strict=True):
        cv2.resize(plane, large.shape[::-1], dst=large, interpolation=cv2.INTER_CUBIC)
    return out


def grey_planes(grey: NDArray[np.uint8]) -> Planes:
    """Planes that carry `grey`, uint8 (h, w) with even sides, as their brightness and no colour."""
    height, width = grey.shape
    out = np.full((height * 3 // 2, width), 128, np.uint8)
    out[:height] = grey
    return out


def to_i420(picture: Image) -> Planes:
    """`picture`, uint8 (h, w, 3) BGR with even sides, as planes."""
    height, width = picture.shape[:2]
    out = np.empty((height * 3 // 2, width), np.uint8)
    luma, blue, red = split(out)
    yuv = cv2.transform(picture, _TO_YUV)
    cv2.extractChannel(yuv, 0, luma)
    quarter = cv2.resize(yuv, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    cv2.extractChannel(quarter, 1, blue)
    cv2.extractChannel(quarter, 2, red)
    return out


def wrapped(planes: Planes) -> VideoFrame:
    """The frame; it may share the memory of `planes`, and is not written to."""
    # PyAV 18 counts the lines of a shared yuv420p buffer in fours: of 270 it shows 268, colours two off.
    if planes.shape[0] * 2 // 3 % 4:
        return VideoFrame.from_ndarray(planes, "yuv420p")
    return VideoFrame.from_numpy_buffer(planes, "yuv420p")
