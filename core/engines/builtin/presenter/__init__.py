"""A presenter drawn by code, to speak before anybody has filmed a template.

Nobody's likeness and nobody's licence: curves, numbers and two lamps. She sways, breathes, blinks and looks
about; the clip is a loop without a seam.
"""

from collections.abc import Iterator
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from core.engines.builtin.presenter.body import paint_backdrop, paint_body
from core.engines.builtin.presenter.canvas import SPAN, Canvas, Plane, blurred
from core.engines.builtin.presenter.eyes import paint_eyes
from core.engines.builtin.presenter.face import paint_face
from core.engines.builtin.presenter.hair import paint_hair_behind, paint_hair_in_front
from core.types import Image

_SWAY = {
    "turn": ((1.2, 0.17, 0.0), (0.5, 0.33, 1.0)),
    "x": ((2.6, 0.17, 0.4), (0.9, 0.50, 0.0)),
    "y": ((1.3, 0.33, 0.0), (0.5, 0.50, 2.0)),
    "yaw": ((3.2, 0.33, 0.7), (1.6, 0.17, 2.2)),
    "nod": ((1.4, 0.33, 2.0), (0.7, 0.50, 0.5)),
    "breath": ((1.2, 0.50, 0.0),),
}
"""How she moves: sums of sines, each its height (degrees for turn, else coordinates), Hz and phase."""
_BLINK_S = 2.0
"""A blink every two seconds; while the eyes are shut they may turn."""
_BLINK = (0.35, 0.9, 1.0, 0.75, 0.4, 0.12)
"""How far the lids are shut in the six frames of a blink, at 25 fps."""
_LOOKS = ((0.0, 0.0), (0.9, 0.2), (-0.8, 0.1))


def frames(count: int = 150, fps: int = 25, size: int = 512) -> Iterator[Image]:
    """Yield `count` pictures, uint8 (size, size, 3), that loop without a seam.

    fps: how fast they will be shown; it sets the pace of all motion.
    """
    still = Canvas(2 * size)
    depth = _paint_still(still)
    drift = _Drift(size, depth)
    grain = np.random.default_rng(3).normal(0, 1.1, (size, size, 1)).astype(np.float32)
    grain = np.repeat(np.round(grain), 3, axis=2)
    rough, smooth = np.clip(grain, 0, 9).astype(np.uint8), np.clip(-grain, 0, 9).astype(np.uint8)

    @lru_cache(maxsize=8)
    def looking(shut: float, look: tuple[float, float]) -> Image:
        eyes, place = still.part(196, 160, 316, 224)
        paint_eyes(eyes, shut, look)
        whole = still.pixels.copy()
        whole[place] = eyes.pixels
        # Sampled between pixels below: without a slight blur sharpness would flicker with the phase.
        whole = np.asarray(cv2.GaussianBlur(whole, (0, 0), 0.6), np.float32)
        picture: Image = np.clip(whole + 0.5, 0, 255).astype(np.uint8)
        return picture

    for frame in range(count):
        picture = looking(*_eyes(frame, count, fps))
        moved = cv2.remap(
            picture, *drift.maps(frame, count, fps), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        yield np.asarray(cv2.subtract(cv2.add(moved, rough), smooth), np.uint8)


def _paint_still(canvas: Canvas) -> Plane:
    """Paint everything but the eyes; give back how far each point stands out of the picture."""
    paint_backdrop(canvas)
    paint_hair_behind(canvas)
    paint_body(canvas)
    depth = paint_face(canvas)
    paint_hair_in_front(canvas)
    return depth


def _eyes(frame: int, count: int, fps: int) -> tuple[float, tuple[float, float]]:
    """How far the lids are shut and where the eyes look."""
    blinks = int(count / fps / _BLINK_S)
    for k in range(blinks):
        begin = round((k + 0.4) * count / blinks)
        step = int((frame - begin) * 25 / fps)
        if frame < begin + 1:
            return _BLINK[0] * (frame == begin), _LOOKS[k % blinks % 3]
        if step < len(_BLINK):
            return _BLINK[step], _LOOKS[(k + (step >= 2)) % blinks % 3]
    return 0.0, _LOOKS[0]


class _Drift:
    """Where to fetch each pixel of a frame from, in the still picture that is twice as large."""

    def __init__(self, size: int, depth: Plane) -> None:
        line = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(SPAN / size)
        self._x, self._y = np.meshgrid(line, line)
        self._scale = np.float32(2 * size / SPAN)
        self._head = 1 / (1 + np.exp((self._y - 352) / 12))
        self._chest = (1 - self._head) * np.clip((self._y - 340) / 60, 0, 1)
        small = cv2.resize(depth, (size, size), interpolation=cv2.INTER_AREA)
        self._depth = blurred(np.asarray(small, np.float32), 7 * size / SPAN) * self._head

    def maps(self, frame: int, count: int, fps: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Two float32 (size, size) maps for cv2.remap."""
        turn, dx, dy, yaw, nod, breath = (_sway(name, frame, count, fps) for name in _SWAY)
        turn = np.float32(np.radians(turn))
        x = self._x - self._head * (dx - turn * (self._y - 350)) - yaw * self._depth
        y = self._y - self._head * (dy + turn * (self._x - 256)) - nod * self._depth - breath * self._chest
        return x * self._scale - np.float32(0.5), y * self._scale - np.float32(0.5)


def _sway(name: str, frame: int, count: int, fps: int) -> np.float32:
    """One of `_SWAY` at `frame`: whole periods in the clip, and smaller where that makes them fast."""
    total = 0.0
    for height, hertz, phase in _SWAY[name]:
        periods = max(1, round(hertz * count / fps))
        calm = min(1.0, hertz * count / fps / periods)
        total += height * calm * np.sin(2 * np.pi * periods * frame / count + phase)
    return np.float32(total)
