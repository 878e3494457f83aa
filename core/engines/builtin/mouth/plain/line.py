"""Find the line along which a mouth opens, in a level patch of it (see `find.mouth_patch`).

First the parabola that best follows a dark valley with redness rising below it; then it is lowered and
raised over what lies between the lips (teeth, or the dark of an open mouth), so that the line comes to
lie on the lower lip, below the teeth of a smile. Its error on 16 clips is 0.05 half mouth widths, and above
0.09 one time in ten.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from core.engines.builtin.mouth.plain.find import FINE, ORIGIN, PATCH
from core.types import Image

Plane = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LipLine:
    """The upper edge of the lower lip, v = c0 + c1 u + c2 u^2, in half mouth widths from the mouth's centre.

    rest: how far apart the lips are. bright: how much lighter (L*) than skin it is between them.
    """

    c0: float
    c1: float
    c2: float
    rest: float
    bright: float


_V, _U = ((np.mgrid[0 : PATCH[1], 0 : PATCH[0]] - np.array(ORIGIN[::-1])[:, None, None]) / FINE).astype(
    np.float32
)

_COLUMNS = np.linspace(-0.8, 0.8, 33)
_WEIGHTS = np.exp(-0.5 * (_COLUMNS / 0.6) ** 2)
_WEIGHTS /= _WEIGHTS.sum()
_PARABOLAS = np.array(
    [
        (c0, c1, c2)
        for c0 in np.linspace(-0.35, 0.45, 33)
        for c1 in np.linspace(-0.12, 0.12, 5)
        for c2 in np.linspace(-0.35, 0.15, 11)
    ]
)
_PRIOR = 0.225 * np.log(
    np.exp(-0.5 * (((_PARABOLAS - (0.02, 0.0, -0.06)) / (0.22, 0.12, 0.16)) ** 2).sum(axis=1)) + 1e-3
)
_HEIGHTS = _PARABOLAS[:, :1] + _PARABOLAS[:, 1:2] * _COLUMNS + _PARABOLAS[:, 2:] * _COLUMNS**2
_ROWS = np.clip(np.round(_HEIGHTS * FINE + ORIGIN[1]), 0, PATCH[1] - 1).astype(int)
_AT = np.round(_COLUMNS * FINE + ORIGIN[0]).astype(int)

_WIDE_COLUMNS = np.linspace(-0.6, 0.6, 25)
_WIDE_AT = np.round(_WIDE_COLUMNS * FINE + ORIGIN[0]).astype(int)
_WIDE_WEIGHTS = 1 - 0.5 * _WIDE_COLUMNS**2
_SHIFTS = np.array([(d, bow) for d in np.linspace(0, 0.66, 23) for bow in (-1.6, -1.3, -1.0, -0.7, -0.4)])
"""Candidates for how far the band between the lips reaches, and how it narrows towards the corners."""
_BANDS = _SHIFTS[:, :1] * (1 + _SHIFTS[:, 1:] * _WIDE_COLUMNS**2)
_COST = 0.10 * _SHIFTS[:, 0] + 0.03 * np.abs(_SHIFTS[:, 1] + 1)


@dataclass(frozen=True, slots=True)
class _Look:
    """A patch in CIE Lab; `skin` is the lightness around the mouth."""

    light: Plane
    red: Plane
    yellow: Plane
    skin: float


def find_line(patch: Image) -> LipLine:
    """The line between the lips of a mouth patch, uint8 (96, 112, 3)."""
    lab = cv2.cvtColor(patch.astype(np.float32) / np.float32(255), cv2.COLOR_BGR2Lab)
    soft = np.asarray(cv2.GaussianBlur(lab, (0, 0), 0.8), np.float32)
    light, red, yellow = (np.ascontiguousarray(soft[..., k]) for k in range(3))
    inner = (np.abs(_U) < 0.9) & (np.abs(_V) < 0.45)
    look = _Look(light, red, yellow, float(np.median(light[~inner])))
    c0, c1, c2 = _valley(look, inner)
    line = c0 + c1 * _WIDE_COLUMNS + c2 * _WIDE_COLUMNS**2
    sums = np.vstack([np.zeros((1, PATCH[0])), np.cumsum(_between(look, c0), axis=0)])
    down, bow = _reach(sums, line, 1, 0.66) or (0.03, 0.0)  # the valley lies a touch high
    up, _ = _reach(sums, line, -1, 0.50) or (0.0, 0.0)
    top, bottom = (int((c0 + edge) * FINE + ORIGIN[1]) for edge in (-up, down))
    third = FINE // 3
    band = light[max(0, top) : max(1, bottom + 1), ORIGIN[0] - third : ORIGIN[0] + third]
    bright = float(np.percentile(band, 85)) - look.skin
    return LipLine(c0 + down, c1, c2 + bow * down, down + up, bright)


def _valley(look: _Look, inner: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Best parabola over a dark valley that grows redder and lighter below."""
    light_spread, red_spread = (
        max(4.0, float(np.std(look.light[inner]))),
        max(2.0, float(np.std(look.red[inner]))),
    )
    valley = cv2.morphologyEx(look.light, cv2.MORPH_BLACKHAT, np.ones((15, 1), np.uint8)) / light_spread

    def rise(plane: Plane) -> Plane:
        soft = cv2.blur(plane, (3, 5), borderType=cv2.BORDER_REPLICATE)
        return (np.roll(soft, -3, axis=0) - np.roll(soft, 3, axis=0)).astype(np.float32)

    score = np.clip(valley, 0, 3) + 0.35 * np.clip(rise(look.red) / red_spread, -1, 1.5)
    score += 0.15 * np.clip(rise(look.light) / light_spread, -1, 1)
    best = int(np.argmax((score[_ROWS, _AT] * _WEIGHTS).sum(axis=1) + _PRIOR))
    c0, c1, c2 = _PARABOLAS[best].tolist()
    return c0, c1, c2


def _between(look: _Look, c0: float) -> Plane:
    """How sure each pixel is not lip: teeth (pale, no colour) or the inside of the mouth (dark), 0 ... 1."""
    chroma = np.hypot(look.red, look.yellow)
    near = (np.abs(_U) < 0.6) & (np.abs(_V - c0) < 0.42)
    skin = (np.abs(_U) < 1.1) & ((_V < -0.7) | (_V > 0.85))
    red_skin, chroma_skin = np.median(look.red[skin]), np.median(chroma[skin])
    red_lip = max(float(np.percentile(look.red[near], 85)), float(red_skin) + 2)
    lipness = np.clip((look.red - red_skin) / (red_lip - red_skin), 0, 1)
    white = np.clip((0.95 * chroma_skin - chroma) / (0.35 * chroma_skin + 1), 0, 1)
    lips = look.light[near & (lipness > 0.6)]
    light_lip, spread = look.skin - 10.0, 6.0
    if len(lips) > 20:
        light_lip = float(np.median(lips))
        spread = max(4.0, 1.48 * float(np.median(np.abs(lips - light_lip))))
    dark = np.clip((light_lip - look.light - 1.2 * spread) / (1.5 * spread), 0, 1)
    pale = np.clip((look.light - light_lip - 0.8 * spread) / (1.5 * spread), 0, 1)
    pale *= np.clip((0.75 - lipness) / 0.3, 0, 1)
    sure = np.maximum(white * (1 - lipness), 0.8 * np.clip(1 - 1.6 * lipness, 0, 1))
    surest: Plane = np.maximum(np.maximum(sure, dark), pale).astype(np.float32)
    return surest


def _reach(
    sums: NDArray[np.float64], line: NDArray[np.float64], sign: int, limit: float
) -> tuple[float, float] | None:
    """How far the band between the lips reaches below (sign 1) or above (-1) the line: distance and bow.

    sums: what `_between` gives, summed down the columns. None if there is no such band.
    """
    count = int((_SHIFTS[:, 0] <= limit).sum())
    edges = np.round((line + sign * _BANDS[:count]) * FINE + ORIGIN[1]).astype(int)
    inside = np.clip(edges, 6, PATCH[1] - 8)
    above = (sums[inside, _WIDE_AT] - sums[inside - 4, _WIDE_AT]) / 4
    below = (sums[inside + 6, _WIDE_AT] - sums[inside + 1, _WIDE_AT]) / 5
    gain = (sign * (above - below) * _WIDE_WEIGHTS).mean(axis=1)
    best = int(np.argmax(gain - _COST[:count]))
    distance, bow = _SHIFTS[best].tolist()
    if (gain - _COST[:count])[best] < 0.22:
        return None
    if distance >= 0.04:
        start = np.clip(np.round(line * FINE + ORIGIN[1]).astype(int), 0, PATCH[1] - 1)
        end = np.clip(edges[best], 0, PATCH[1] - 1)
        low, high = np.minimum(start, end), np.maximum(start, end) + 1
        if ((sums[high, _WIDE_AT] - sums[low, _WIDE_AT]) / (high - low)).mean() < 0.45:
            return None
    return distance, bow
