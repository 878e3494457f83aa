"""Draw the inside of a mouth whose owner never shows it: the upper front teeth, and below them tongue, lower
teeth and throat, in half mouth widths (`paint.Inside`). Colours come from the person's lips and skin, so
they have the picture's light.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.engines.builtin.mouth.paint import DOWN, HALF_WIDTH, UP, Inside
from core.types import Image

Rows = NDArray[np.float64]

_LIGHTER = 35.0
"""How much lighter than lips of no colour teeth are at most, in L*."""
_TEETH = (
    (0.0, 0.235, 0.135, 1.00),
    (0.235, 0.42, 0.115, 0.88),
    (0.42, 0.60, 0.12, 0.62),
    (0.60, 0.75, 0.10, 0.38),
    (0.75, 0.88, 0.08, 0.20),
)
"""Upper teeth from the middle out: from, to, where they end below the edge of a lip at rest, how light."""


@dataclass(frozen=True, slots=True)
class Palette:
    """BGR colours inside the mouth, 0 ... 255. teeth: (2, 3), to the viewer's left and right. colour: how
    colourful the picture is, 0 grey to 1."""

    throat: Rows
    tongue: Rows
    teeth: Rows
    colour: float


def palette(lip: Rows, cheeks: Rows, own: Rows | None = None) -> Palette:
    """Colours to go with a lip, BGR (3,), and the cheeks to the viewer's left and right, (2, 3).

    own: the colour of the person's own teeth, where it is known.
    """
    skin = cheeks.mean(axis=0)
    level = float(skin.mean()) + 1e-3
    # In a grey picture nothing has a colour, teeth included.
    colour = float(np.clip((skin.max() - skin.min()) / (0.15 * level), 0, 1))
    tint = (1 - colour) + colour * np.array([[0.16, 0.13, 0.22], [0.62, 0.55, 0.74]]) / [[0.17], [0.64]]
    throat = np.clip(lip * tint[0] * 0.15, 3, 50)
    tongue = np.clip(lip * tint[1] * 0.66, 0, 255)
    teeth = np.array([_tooth(cheek, lip, colour) for cheek in cheeks])
    if own is not None:
        teeth = np.clip(teeth * own / teeth.mean(axis=0), 0, 250)
    return Palette(throat, tongue, teeth, colour)


def _tooth(skin: Rows, lip: Rows, colour: float) -> Rows:
    """Front teeth: a little lighter than the skin, hardly yellow, under the skin's light; in the lips' shade
    where these are dark without having much colour."""
    lab, lips = cv2.cvtColor((np.array([[skin, lip]]) / 255).astype(np.float32), cv2.COLOR_BGR2Lab)[0]
    shaded = float(lips[0]) + _LIGHTER + 0.6 * float(np.hypot(lips[1], lips[2]))
    light = float(np.clip(min(lab[0] + 8.0, shaded), 30, 92))
    wanted = np.array([[[light, colour * min(2.0, 0.12 * lab[1]), colour * 7.0]]], np.float32)
    tooth: Rows = cv2.cvtColor(wanted, cv2.COLOR_Lab2BGR)[0, 0].astype(np.float64) * 255
    return np.clip(tooth, 0, 250)


def drawn_inside(colours: Palette, scale: int, below_nose: float, blur: float = 0.0) -> Inside:
    """The pictures of the inside at `scale` pixels to half a mouth; below_nose, blur: see `Inside`,
    `soft`."""
    width, height = round(2 * HALF_WIDTH * scale), round((UP + DOWN) * scale)
    u = ((np.arange(width) + 0.5) / scale - HALF_WIDTH)[None, :]
    v = ((np.arange(height) + 0.5) / scale - UP)[:, None]
    right = np.clip(u / 1.4 + 0.5, 0, 1)[..., None]
    tooth = colours.teeth[0] + right * (colours.teeth[1] - colours.teeth[0])
    teeth, jaw = _upper_teeth(colours, tooth, u, v, scale), _jaw(colours, tooth, u, v)
    if blur:
        teeth, jaw = (np.asarray(cv2.GaussianBlur(p, (0, 0), blur * scale), np.uint8) for p in (teeth, jaw))
    return Inside(teeth, jaw, below_nose, 0.0, blur, colours.colour)


def _upper_teeth(colours: Palette, tooth: Rows, u: Rows, v: Rows, scale: int) -> NDArray[np.uint8]:
    far, soft = np.abs(u), 0.5 / scale
    opaque, light = np.zeros(np.broadcast_shapes(u.shape, v.shape)), np.zeros_like(u + v)
    for inner, outer, end, shade in _TEETH:
        middle, half = (inner + outer) / 2, (outer - inner) / 2
        across = (far - middle) / half  # -1 ... 1 on this tooth
        edge = end - 0.10 * far**2 - 0.03 * np.abs(across) ** 4  # an arc, of round corners
        here = _soft((edge - v) / (2 * soft)) * _soft((1 - np.abs(across)) * half / soft + 0.5)
        height = np.clip((edge - v) / 0.4, 0, 1)
        # The edge lets light through; the neck is darker, and so are the flanks.
        glass = 1 - 0.08 * np.exp(-height / 0.08) - 0.10 * height
        light = np.maximum(light, here * shade * (1 - 0.10 * across**2) * glass)
        opaque = np.maximum(opaque, here)
    gap = np.clip(light / np.maximum(opaque, 1e-6), 0, 1)[..., None]
    colour = tooth * gap + colours.throat * (1 - gap) * 0.6
    return _bytes(np.dstack([colour, 255 * opaque]))


def _jaw(colours: Palette, tooth: Rows, u: Rows, v: Rows) -> Image:
    """Throat, on it the tongue, before it the lower teeth; the lower lip's edge lies at v = 0."""
    picture = np.empty((*np.broadcast_shapes(u.shape, v.shape), 3))
    picture[:] = colours.throat
    picture *= np.clip(1.1 + 0.5 * v, 0.55, 1.1)[..., None]  # darker further up, under the palate
    top = -0.27 * np.clip(1 - (u / 0.7) ** 2, 0, None)
    tongue = _soft((v - top) / 0.12 + 0.1) * np.clip((0.75 - np.abs(u)) / 0.3, 0, 1)
    shade = 0.50 + 0.45 * np.clip((v - top) / 0.22, 0, 1) - 0.10 * np.exp(-((u / 0.06) ** 2))
    picture += (0.8 * tongue)[..., None] * (colours.tongue * shade[..., None] - picture)
    edge = -0.045 + 0.06 * u**2 - 0.006 * np.cos(u * 2 * np.pi / 0.17)
    teeth = _soft((v - edge) / 0.025) * np.clip((0.55 - np.abs(u)) / 0.25, 0, 1)
    seams = 1 - 0.12 * np.exp(-(((np.mod(u + 0.085, 0.17) - 0.085) / 0.015) ** 2))
    light = 0.52 * seams * (1 - 0.9 * u**2) * (0.9 + 0 * v)
    picture += (0.75 * teeth)[..., None] * (tooth * light[..., None] - picture)
    return _bytes(picture)


def _soft(t: ArrayLike) -> Rows:
    """Smooth step from 0 at -0.5 to 1 at 0.5."""
    x: Rows = np.clip(np.asarray(t, np.float64) + 0.5, 0, 1)
    return x * x * (3 - 2 * x)


def _bytes(picture: Rows) -> NDArray[np.uint8]:
    soft: Image = np.clip(cv2.GaussianBlur(picture, (0, 0), 0.5) + 0.5, 0, 255).astype(np.uint8)
    return soft
