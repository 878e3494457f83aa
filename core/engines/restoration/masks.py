"""How much of an aligned face (`core.engines.restoration.ffhq`) is taken where: soft masks, uint8, `SIDE`
pixels wide.
"""

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from core.engines.restoration.ffhq import SIDE as FACE
from core.engines.restoration.ffhq import SKIN
from core.types import Image

SIDE = 128
"""Of a mask, over the whole face: masks are soft enough, and thousands are kept."""

Mask = NDArray[np.uint8]

_RIM = (10, 42)
"""Pixels of the face from its border: nothing is taken up to the first, all from the second on."""
_BLUR = 15.6
"""Deviation, in pixels of the face, of the blur of what the parser sees: the reference's two of 11."""
_MOUTH, _AXES, _EDGE = (257, 372), (92, 74), 0.45
"""The mouth's middle and half axes in pixels of the face; how much of the radius is a soft edge."""
_SHAPE = 5.0
"""Deviation, in pixels of the face, beyond which a mouth is its shape and short of which its detail."""


@functools.cache
def square() -> Mask:
    """All but a soft rim."""
    place = (np.arange(SIDE) + 0.5) * FACE / SIDE
    away = np.minimum(place, FACE - place)
    ramp = _step((away - _RIM[0]) / (_RIM[1] - _RIM[0]))
    mask: Mask = np.rint(np.outer(ramp, ramp) * 255).astype(np.uint8)
    mask.setflags(write=False)
    return mask


def skin(labels: NDArray[np.integer]) -> Mask:
    """What ParseNet's labels (n, n) say is face, softened, less the rim."""
    taken = np.array(SKIN, np.float32)[labels]
    small = cv2.resize(taken, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), _BLUR * SIDE / FACE)
    mask: Mask = np.minimum(np.rint(soft * 255).astype(np.uint8), square())
    return mask


def with_mouth_of(restored: Image, given: Image, share: float) -> Image:
    """`restored`, its mouth in the shape and colours of `given`, as far as `share` (0 to 1) says.

    Both uint8 (S, S, 3), aligned. Detail stays what it was: only what is coarse is moved.
    """
    if share <= 0:
        return restored
    left, top, right, bottom, mask = _mouth(len(restored))
    part = restored[top:bottom, left:right].astype(np.float32)
    change = cv2.GaussianBlur(
        given[top:bottom, left:right].astype(np.float32) - part, (0, 0), _SHAPE * len(restored) / FACE
    )
    made = restored.copy()
    whole = part + change * (mask * np.float32(share))
    made[top:bottom, left:right] = (whole + 0.5).clip(0, 255).astype(np.uint8)
    return made


def with_shape_of(restored: Image, given: Image, share: float) -> Image:
    """`with_mouth_of` for the whole face."""
    if share <= 0:
        return restored
    side = len(restored)
    few = max(1, side // 4)
    coarse, wanted = (
        cv2.resize(picture, (few, few), interpolation=cv2.INTER_AREA).astype(np.float32)
        for picture in (restored, given)
    )
    change = cv2.GaussianBlur((wanted - coarse) * np.float32(share), (0, 0), _SHAPE * few / FACE)
    whole = restored + cv2.resize(change, (side, side), interpolation=cv2.INTER_LINEAR)
    return np.asarray((whole + 0.5).clip(0, 255).astype(np.uint8))


@functools.lru_cache(maxsize=4)
def _mouth(side: int) -> tuple[int, int, int, int, NDArray[np.float32]]:
    """Left, top, right, bottom of the mouth's region in a face of `side`; its mask, float32 (h, w, 1)."""
    scale = side / FACE
    (x, y), (wide, high) = (np.array(_MOUTH) * scale, np.array(_AXES) * scale)
    left, top, right, bottom = int(x - wide), int(y - high), int(x + wide) + 1, int(y + high) + 1
    right, bottom = min(right, side), min(bottom, side)
    columns, rows = np.meshgrid(np.arange(left, right) + 0.5, np.arange(top, bottom) + 0.5)
    radius = np.hypot((columns - x) / wide, (rows - y) / high)
    mask = _step((1 - radius) / _EDGE).astype(np.float32)[:, :, None]
    mask.setflags(write=False)
    return left, top, right, bottom, mask


def _step(t: NDArray[np.floating]) -> NDArray[np.floating]:
    """0 below 0, 1 above 1, smooth in between."""
    t = t.clip(0, 1)
    smooth: NDArray[np.floating] = t * t * (3 - 2 * t)
    return smooth
