"""Draw the inside of a mouth, once per template: upper teeth, and below them tongue, lower teeth and throat.

Two pictures in half mouth widths: the teeth hang from the skull and stay where they are, the rest hangs on
the jaw and moves with it. Colours come from the lips and skin of the template, so they have its light.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.engines.builtin.mouth.plain.find import FINE, ORIGIN, PATCH
from core.types import Image

HALF_WIDTH, UP, DOWN = 1.2, 1.3, 0.5
"""The pictures span u in [-1.2, 1.2], v in [-1.3, 0.5] from the lip line (teeth) or the lower lip (jaw)."""
_TEETH = (
    (0.0, 0.325, 0.125, 1.00),
    (0.325, 0.575, 0.105, 0.95),
    (0.575, 0.80, 0.112, 0.86),
    (0.80, 0.97, 0.10, 0.62),
)
"""Upper teeth from the middle out: from, to, where they end below the lip line, how light they are."""


@dataclass(frozen=True, slots=True)
class Palette:
    """BGR colours inside the mouth, 0 ... 255."""

    throat: NDArray[np.float32]
    tongue: NDArray[np.float32]
    tooth: NDArray[np.float32]


def palette(patches: list[Image], c0: float) -> Palette:
    """Colours by the lips and skin of some mouth patches whose lip line lies at `c0`."""
    patch = np.median(np.array(patches), axis=0)
    v, u = (np.mgrid[0 : PATCH[1], 0 : PATCH[0]] - np.array(ORIGIN[::-1])[:, None, None]) / FINE
    lip = np.median(patch[(np.abs(u) < 0.45) & (v > c0 + 0.05) & (v < c0 + 0.3)].reshape(-1, 3), axis=0)
    skin = np.median(patch[(np.abs(u) < 1.2) & ((v < -0.75) | (v > 0.8))], axis=0)
    level = float(skin.mean()) + 1e-3
    # In a grey picture nothing has a colour, teeth included.
    colour = float(np.clip((skin.max() - skin.min()) / (0.15 * level), 0, 1))
    typical = np.array([0.64, 0.75, 1.0])
    light = np.clip(skin / level / (typical / typical.mean()), 0.55, 1.3)
    ivory = 1 + colour * (np.array([0.90, 0.97, 1.0]) * light**0.4 - 1)
    tint = (1 - colour) + colour * np.array([[0.16, 0.13, 0.22], [0.62, 0.55, 0.74]]) / [[0.17], [0.64]]
    throat = np.clip(lip * tint[0] * 0.17, 4, 60)
    tongue = np.clip(lip * tint[1] * 0.64, 0, 255)
    tooth = np.clip(ivory * min(222.0, 1.08 * level + 20), 0, 242)
    return Palette(throat.astype(np.float32), tongue.astype(np.float32), tooth.astype(np.float32))


def draw_inside(colours: Palette, scale: int) -> tuple[NDArray[np.uint8], Image]:
    """Teeth, uint8 (h, w, 4), the fourth channel how opaque they are, and jaw, uint8 (h, w, 3).

    scale: pixels to half a mouth.
    """
    width, height = round(2 * HALF_WIDTH * scale), round((UP + DOWN) * scale)
    u = ((np.arange(width) + 0.5) / scale - HALF_WIDTH)[None, :]
    v = ((np.arange(height) + 0.5) / scale - UP)[:, None]
    return _upper_teeth(colours, u, v, scale), _jaw(colours, u, v)


def _upper_teeth(
    colours: Palette, u: NDArray[np.float64], v: NDArray[np.float64], scale: int
) -> NDArray[np.uint8]:
    far, soft = np.abs(u), 0.5 / scale
    opaque, light = np.zeros(np.broadcast_shapes(u.shape, v.shape)), np.zeros_like(u + v)
    for inner, outer, end, shade in _TEETH:
        middle, half = (inner + outer) / 2, (outer - inner) / 2
        across = (far - middle) / half  # -1 ... 1 on this tooth
        edge = end - 0.05 * far**2 - 0.035 * np.abs(across) ** 4  # round corners
        tooth = _soft((edge - v) / soft) * _soft((1 - np.abs(across)) * half / soft + 0.5)
        round_off = 1 - 0.16 * across**2
        height = np.clip((edge - v) / 0.4, 0, 1)
        glass = (
            1 - 0.10 * np.exp(-height / 0.10) - 0.16 * height
        )  # the edge lets light through; the neck is darker
        light = np.maximum(light, tooth * shade * round_off * glass)
        opaque = np.maximum(opaque, tooth)
    gap = np.clip(light / np.maximum(opaque, 1e-6), 0, 1)[..., None]
    colour = colours.tooth * gap + colours.throat * (1 - gap) * 0.6
    return _bytes(np.dstack([colour, 255 * opaque]))


def _jaw(colours: Palette, u: NDArray[np.float64], v: NDArray[np.float64]) -> Image:
    """Throat, on it the tongue, before it the lower teeth; the lower lip's edge lies at v = 0."""
    shape = np.broadcast_shapes(u.shape, v.shape)
    picture = np.empty((*shape, 3))
    picture[:] = colours.throat
    picture *= np.clip(1.1 + 0.5 * v, 0.55, 1.1)[..., None]  # darker further up, under the palate
    top = -0.30 * np.clip(1 - (u / 0.82) ** 2, 0, None)
    tongue = _soft((v - top) / 0.10 + 0.1)
    shade = 0.55 + 0.45 * np.clip((v - top) / 0.22, 0, 1) - 0.12 * np.exp(-((u / 0.07) ** 2))
    picture += (0.85 * tongue)[..., None] * (colours.tongue * shade[..., None] - picture)
    edge = -0.055 + 0.05 * u**2 - 0.008 * np.cos(u * 2 * np.pi / 0.22)
    teeth = _soft((v - edge) / 0.02) * np.clip((0.74 - np.abs(u)) / 0.2, 0, 1)
    seams = 1 - 0.16 * np.exp(-(((np.mod(u + 0.11, 0.22) - 0.11) / 0.018) ** 2))
    light = 0.60 * seams * (1 - 0.55 * u**2) * (0.9 + 0 * v)
    picture += (0.9 * teeth)[..., None] * (colours.tooth * light[..., None] - picture)
    return _bytes(picture)


def _soft(t: ArrayLike) -> NDArray[np.float64]:
    """Smooth step from 0 at -0.5 to 1 at 0.5."""
    x: NDArray[np.float64] = np.clip(np.asarray(t, np.float64) + 0.5, 0, 1)
    return x * x * (3 - 2 * x)


def _bytes(picture: NDArray[np.float64]) -> NDArray[np.uint8]:
    soft: Image = np.clip(cv2.GaussianBlur(picture, (0, 0), 0.5) + 0.5, 0, 255).astype(np.uint8)
    return soft
