"""Pictures with many drawn faces in them, and videos of such."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from core.types import Image
from tests.support.faces import drawn
from tests.support.samples import Picture, write_video

Places = Sequence[tuple[int, int]]
"""Left and top edge of every head."""


@cache
def _head(size: int) -> Image:
    head = drawn(12, 256)[0][:184]
    return np.asarray(cv2.resize(head, (size, size * 184 // 256), interpolation=cv2.INTER_AREA), np.uint8)


@cache
def _wall(width: int, height: int, light: int) -> Image:
    noise = np.random.default_rng(light).normal(light, 4, (height, width, 3))
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 2).clip(0, 255), np.uint8)


def group(width: int, height: int, size: int, places: Places, light: int = 120) -> Image:
    """Heads of `size` pixels on a quiet wall; what lies outside the picture is cut off."""
    picture, head = _wall(width, height, light).copy(), _head(size)
    for x, y in places:
        x0, y0 = max(0, x), max(0, y)
        x1, y1 = min(width, x + head.shape[1]), min(height, y + head.shape[0])
        picture[y0:y1, x0:x1] = head[y0 - y : y1 - y, x0 - x : x1 - x]
    return picture


def grid(width: int, height: int, columns: int, rows: int, size: int) -> Places:
    """Places for heads in rows and columns."""
    return [
        (int((c + 0.5) * width / columns - size / 2), int((r + 0.5) * height / rows - size * 92 / 256))
        for r in range(rows)
        for c in range(columns)
    ]


def write_group(
    path: Path, places: Callable[[int], Places], *, size: tuple[int, int], head: int, **more: Any
) -> Path:
    """A video in which heads of `head` pixels are at `places` of each frame; `more` is for `write_video`."""

    def draw(width: int, height: int, number: int) -> Picture:
        return np.ascontiguousarray(group(width, height, head, places(number))[:, :, ::-1])

    return write_video(path, size=size, draw=draw, **more)
