"""Comb the presenter's hair: strands between guide curves, each lit where it bends towards the lamp."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from core.engines.builtin.presenter.canvas import AXIS, Canvas, spline

_PARTING = (AXIS + 16, 72.0)
_TONES = np.array([[16, 20, 32], [30, 40, 62], [48, 64, 98], [86, 112, 160], [120, 150, 198]], np.float64)
"""BGR from deep shade to shine."""


def paint_hair_behind(canvas: Canvas) -> None:
    """What hangs behind face and neck."""
    outline = [
        (0, 58),
        (62, 66),
        (92, 108),
        (100, 176),
        (104, 250),
        (104, 312),
        (88, 352),
        (44, 360),
        (0, 352),
    ]
    left = [(AXIS - x, y) for x, y in outline]
    right = [(AXIS + x, y) for x, y in reversed(outline)]
    canvas.fill(spline(left + right, closed=True), _TONES[0], 1.0, 1.2)
    for s in (-1, 1):
        inner = [(AXIS + s * 40, 120), (AXIS + s * 52, 240), (AXIS + s * 34, 352)]
        outer = [(AXIS + s * 88, 110), (AXIS + s * 102, 240), (AXIS + s * 92, 348)]
        _comb(canvas, inner, outer, 130, 0.42, s)


def paint_hair_in_front(canvas: Canvas) -> None:
    """What falls from the parting past the temples."""
    px, py = _PARTING
    shade = canvas.mask(spline(_fringe(), closed=True) + np.array([0, 6]), 5.0)
    canvas.pixels *= 1 - 0.42 * shade[..., None]
    canvas.fill(spline(_fringe(), closed=True), _TONES[1] * 0.8, 1.0, 0.8)
    left_in = [(px, py + 21), (232, 110), (197, 138), (178, 186), (172, 248), (164, 316), (176, 356)]
    left_out = [(px, py - 22), (206, 54), (166, 92), (154, 168), (150, 246), (148, 314), (160, 354)]
    right_in = [(px, py + 21), (302, 108), (323, 140), (334, 190), (341, 250), (348, 318), (336, 356)]
    right_out = [(px, py - 22), (310, 56), (348, 96), (358, 170), (362, 248), (364, 316), (352, 354)]
    _comb(canvas, right_in, right_out, 330, 1.0, 3)
    _comb(canvas, left_in, left_out, 430, 1.0, 2)


def _fringe() -> list[tuple[float, float]]:
    """Outline of the hair in front: up the left, over the top, down the right, back along the face."""
    return [
        (160, 352), (150, 300), (151, 226), (157, 150), (174, 92), (214, 56), (262, 47), (312, 58), (346, 94),
        (358, 150), (362, 226), (364, 300), (352, 352), (342, 330), (340, 262), (334, 196), (324, 140),
        (303, 108), (274, 90), (238, 106), (200, 134), (180, 182), (173, 252), (168, 326),
    ]  # fmt: skip


def _comb(
    canvas: Canvas,
    inner: Sequence[tuple[float, float]],
    outer: Sequence[tuple[float, float]],
    count: int,
    light: float,
    seed: int,
) -> None:
    """Draw `count` strands between two guide curves, in locks, with a band of shine where they bend."""
    rng = np.random.default_rng(100 + seed)
    fine = int(np.clip(13 * canvas.scale, 6, 26))
    a, b = spline(inner, steps=fine), spline(outer, steps=fine)
    along = np.linspace(0, 1, len(a))
    layers = np.clip(canvas.pixels, 0, 255).astype(np.uint8)
    for share in rng.permutation(np.linspace(0.0, 1.0, count)):
        lock = 0.5 + 0.5 * np.sin(share * 41 + 1.3 * seed)
        wave = np.sin(along * rng.uniform(2, 5) + rng.uniform(0, 6))
        wander = share + 0.035 * wave + 0.02 * rng.normal()
        path = a + (b - a) * wander[:, None]
        stop = int(len(a) * rng.uniform(0.86, 1.0))
        bend, fall = 0.24 + 0.06 * share - 0.02 * rng.normal(), 0.66 - 0.03 * rng.normal()
        shine, sheen = np.exp(-(((along - bend) / 0.085) ** 2)), np.exp(-(((along - fall) / 0.12) ** 2))
        round_off = 0.45 + 0.55 * np.sin(np.pi * np.clip(0.12 + 0.8 * share, 0, 1))
        tone = light * (0.9 + 0.55 * lock + 1.9 * shine + 0.65 * sheen) * round_off
        tone += rng.uniform(-0.35, 0.35)
        tone *= 1 - 0.35 * along**3
        _strand(layers, path[:stop], tone[:stop], canvas.scale)
    canvas.pixels[:] = layers


def _strand(
    picture: NDArray[np.uint8], path: NDArray[np.float64], tone: NDArray[np.float64], scale: float
) -> None:
    """One strand as short lines, each of the tone (index into `_TONES`) it has there."""
    points = np.round((path * scale - 0.5) * 16).astype(np.int32)
    tones = np.clip(tone, 0, len(_TONES) - 1.001)
    low = tones.astype(int)
    colours = _TONES[low] + (tones - low)[:, None] * (_TONES[low + 1] - _TONES[low])
    thick = max(1, round(0.8 * scale))
    for k in range(0, len(points) - 1, 2):
        cv2.polylines(picture, [points[k : k + 3]], False, colours[k].tolist(), thick, cv2.LINE_AA, 4)
