"""The drawn presenter with her matte known, and walls to put her before."""

from collections.abc import Callable, Mapping
from functools import cache

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from core.engines.builtin import presenter
from core.types import Image

Plane = NDArray[np.float32]


@cache
def known(count: int, size: int) -> tuple[Plane, Plane]:
    """The presenter before black, float32 (count, size, size, 3), and her alpha (count, size, size, 1).

    From two clips that differ in nothing but the wall: what is left of its white is not she.
    """
    clips = []
    for level in (0, 255):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(presenter, "paint_backdrop", lambda canvas, level=level: canvas.pixels.fill(level))
            clips.append(np.stack(list(presenter.frames(count, 25, size))).astype(np.float32))
    black, white = clips
    alpha = np.clip(1 - (white - black).mean(axis=3, keepdims=True) / 255, 0, 1)
    alpha[alpha < 0.03] = 0  # her film grain
    alpha[alpha > 0.985] = 1
    return black * (alpha > 0), alpha


def before(wall: Plane, count: int, size: int, *, still: bool = False, noise: float = 2.0) -> list[Image]:
    """The presenter before `wall` (size, size, 3), seen by a camera with some noise. still: not moving."""
    person, alpha = known(count, size)
    random = np.random.default_rng(0)
    return [
        np.clip(person[k] + (1 - alpha[k]) * wall + random.normal(0, noise, person[k].shape), 0, 255).astype(
            np.uint8
        )
        for k in ([0] * count if still else range(count))
    ]


def face(size: int) -> NDArray[np.float32]:
    """Where her face is, about."""
    return np.array([0.3, 0.21, 0.4, 0.4], np.float32) * np.float32(size)


def _plain(colour: tuple[int, int, int], size: int) -> Plane:
    return np.ones((size, size, 3), np.float32) * np.array(colour, np.float32)


def _ramp(first: tuple[int, int, int], last: tuple[int, int, int], size: int, axis: int = 0) -> Plane:
    t = np.linspace(0, 1, size, dtype=np.float32)
    t = t[:, None, None] if axis == 0 else t[None, :, None]
    return np.asarray(_plain(first, size) * (1 - t) + np.array(last, np.float32) * t, np.float32)


def _lamp(wall: Plane, fall: float) -> Plane:
    y, x = np.mgrid[: len(wall), : len(wall)] / len(wall) - 0.5
    return np.asarray(wall * (1 - fall * 2 * (x * x + y * y))[..., None], np.float32)


def _discs(size: int) -> Plane:
    random, wall = np.random.default_rng(2), _plain((60, 70, 80), size)
    for _ in range(60):
        x, y, radius = *random.uniform(0, size, 2), random.uniform(0.03, 0.1) * size
        cv2.circle(wall, (int(x), int(y)), int(radius), random.uniform(20, 240, 3).tolist(), -1)
    return np.asarray(cv2.GaussianBlur(wall, (0, 0), size / 100), np.float32)


def _shelf(size: int) -> Plane:
    random, wall = np.random.default_rng(1), _plain((40, 60, 90), size)
    for row in range(5):
        x = 0
        while x < size:
            wide, high = int(random.uniform(0.02, 0.05) * size), int(random.uniform(0.6, 0.9) * size / 5)
            floor = (row + 1) * size // 5 - 4
            cv2.rectangle(
                wall, (x, floor - high), (x + wide - 1, floor), random.uniform(30, 220, 3).tolist(), -1
            )
            x += wide
    return wall


def _leaves(size: int) -> Plane:
    noise = np.random.default_rng(3).normal(0, 1, (size, size, 3)).astype(np.float32)
    return np.asarray(
        np.clip((60, 120, 70) + cv2.GaussianBlur(noise, (0, 0), size / 60) * size * 2.3, 0, 255), np.float32
    )


def _room(size: int) -> Plane:
    wall = _ramp((220, 190, 160), (200, 170, 140), size)
    wall[int(0.55 * size) :] = (90, 120, 150)
    wall[int(0.1 * size) : int(0.45 * size), int(0.62 * size) : int(0.92 * size)] = (250, 245, 240)
    wall[int(0.3 * size) : int(0.8 * size), int(0.05 * size) : int(0.25 * size)] = (50, 70, 110)
    return wall


def _tiles(size: int) -> Plane:
    dark = ((np.indices((size, size)) // (size // 16)).sum(0) % 2)[..., None]
    return np.asarray(np.where(dark, (90.0, 80.0, 110.0), (200.0, 190.0, 180.0)), np.float32)


def _sunset(size: int) -> Plane:
    noise = np.random.default_rng(4).normal(0, 1, (size, size, 3)).astype(np.float32)
    wall = _ramp((150, 90, 60), (70, 140, 240), size) + cv2.GaussianBlur(noise, (0, 0), size / 200) * 30
    return np.asarray(np.clip(wall, 0, 255), np.float32)


GREEN = (60, 190, 40)

_BUSY: Mapping[str, Callable[[int], Plane]] = {
    "discs": _discs,
    "bookshelf": _shelf,
    "leaves": _leaves,
    "room": _room,
    "tiles": _tiles,
    "sunset": _sunset,
}

WALLS: Mapping[str, Mapping[str, Callable[[int], Plane]]] = {
    "key": {
        "green": lambda size: _plain(GREEN, size),
        "green, badly lit": lambda size: _lamp(_plain(GREEN, size), 0.6),
        "pale green": lambda size: _plain((130, 215, 125), size),
        "blue": lambda size: _plain((200, 90, 30), size),
        "blue, lit from one side": lambda size: _ramp((210, 100, 40), (140, 60, 20), size, 1),
        "magenta": lambda size: _plain((180, 40, 190), size),
    },
    "flat": {
        "the sample's own": lambda size: _lamp(_ramp((200, 184, 168), (142, 126, 112), size), 0.3),
        "white": lambda size: _plain((238, 238, 238), size),
        "grey": lambda size: _plain((128, 128, 128), size),
        "beige": lambda size: _lamp(_ramp((190, 210, 225), (150, 175, 195), size), 0.35),
        "dark": lambda size: _ramp((60, 52, 50), (30, 28, 26), size),
        "lit from one side": lambda size: _ramp((210, 205, 200), (120, 118, 116), size, 1),
    },
    "selfie": _BUSY,
    "grabcut": _BUSY,
}
"""By the engine that must do them: walls of `size` x `size`."""


def each() -> list[tuple[str, str]]:
    """Engine and wall, all of them."""
    return [(engine, wall) for engine, walls in WALLS.items() for wall in walls]
