"""Make faces clearer without weights: take noise out, bring fine detail out a little.

A guided filter (He, Sun and Tang, 2010; at half size, He and Sun, 2015), as strong as the template is noisy,
and bounded detail of lightness. It restores nothing that is not there: a blurred face stays blurred.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from core.protocols import FIDELITY
from core.tracking.pose import Matrix, chained, placed
from core.types import Arrays, FaceTrack, Image

Plane = NDArray[np.float32]

_LEFT, _TOP, _WIDE, _HIGH = -0.12, -0.12, 1.24, 1.40
"""What is treated, in face coordinates: forehead to throat."""
_CLEAN = 1.5
"""Deviation of noise (levels of 256) below which nothing is smoothed."""
_GAIN, _MOST = 0.55, 5.0
"""How much of the detail is added, and at most how many levels: no halos."""
_WINDOW, _STRENGTH = (5, 5), 1.6
"""Window of the filter at half size, and its strength in deviations of the noise."""
_LOOKS = 40


def _mask() -> Plane:
    """Where the face is treated, 64 x 64 over that rectangle: all in the middle, nothing from the rim on."""
    line = np.abs(np.linspace(-1, 1, 64))
    rim = np.clip((1 - np.hypot(*np.meshgrid(line, line))) / 0.35, 0, 1)
    soft: Plane = (rim * rim * (3 - 2 * rim)).astype(np.float32)
    return soft


_SOFT = _mask()


@dataclass(frozen=True, slots=True)
class _Area:
    """The part of a crop that is treated, and how much, float32 (h, w), 0 ... 1."""

    rows: slice
    columns: slice
    mask: Plane


class Clarity:
    """A `FaceEnhancer` that denoises and sharpens the face, nothing else; 1 ms a picture of 512 x 512."""

    version = "clarity/1"
    batch = 8

    def prepare(self, track: FaceTrack, crops: Sequence[Image], report: Callable[[int], None]) -> Arrays:
        """noise: float32 (), deviation of the noise on the face, in levels of 256; for the whole clip one, or
        the picture would breathe."""
        at = np.flatnonzero(track.found)
        at = at[:: 1 + len(at) // _LOOKS]
        levels = []
        for frame in at.tolist():
            area = _area(track.poses[frame], track.side)
            if area is not None:
                levels.append(noise_level(crops[frame][area.rows, area.columns]))
            report(frame + 1)
        return {"noise": np.array(np.median(levels) if levels else 0.0, np.float32)}

    def enhance(
        self,
        patches: Image,
        numbers: Sequence[int],
        track: FaceTrack,
        prepared: Arrays,
        fidelity: float = FIDELITY,  # nothing is invented here, so there is nothing to choose
        onto: Image | None = None,
    ) -> Image:
        """Clearer patches; those of frames without a face as they are. Of what is clearer already only the
        detail is brought out: whoever made it so took the noise out."""
        noise = float(prepared["noise"]) if onto is None else 0.0
        out = (patches if onto is None else onto).copy()
        for k, number in enumerate(numbers):
            area = _area(track.poses[number], track.side) if track.found[number] else None
            if area is not None:
                _clear(out[k, area.rows, area.columns], area.mask, noise)
        return out


def noise_level(picture: Image) -> float:
    """Deviation of the noise in a picture, in levels of 256, where it is smoothest (Immerkaer, 1996)."""
    return grey_noise(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8))


def grey_noise(grey: NDArray[np.uint8]) -> float:
    """The same of a picture in grey, uint8 (h, w)."""
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    rough = cv2.filter2D(grey.astype(np.float32), cv2.CV_32F, kernel)
    return float(np.median(np.abs(rough))) / (6 * 0.6745)


def _area(pose: Matrix, side: int) -> _Area | None:
    """What to treat of a crop; None for a face of a few pixels."""
    corners = np.array(
        [[_LEFT, _TOP], [_LEFT + _WIDE, _TOP], [_LEFT, _TOP + _HIGH], [_LEFT + _WIDE, _TOP + _HIGH]]
    )
    there = placed(pose, corners)
    x0, y0 = np.clip(np.floor(there.min(axis=0)).astype(int), 0, side).tolist()
    x1, y1 = np.clip(np.ceil(there.max(axis=0)).astype(int) + 1, 0, side).tolist()
    if x1 - x0 < 16 or y1 - y0 < 16:
        return None
    step = np.array([[_WIDE / 64, 0, _LEFT + _WIDE / 128], [0, _HIGH / 64, _TOP + _HIGH / 128]])
    # Not a similarity (the rectangle is not square), but `chained` multiplies any two affine maps.
    place = chained(pose, step)
    place[:, 2] -= x0, y0
    mask = np.asarray(cv2.warpAffine(_SOFT, place, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR), np.float32)
    return _Area(slice(y0, y1), slice(x0, x1), mask)


def _clear(part: Image, mask: Plane, noise: float) -> None:
    """Treat a part of a picture in place."""
    light = cv2.cvtColor(part, cv2.COLOR_BGR2GRAY).astype(np.float32)
    detail = light - cv2.GaussianBlur(light, (0, 0), 1.3)
    # What noise makes is no detail: shrink it first.
    change = np.maximum(np.abs(detail) - np.float32(1.5 * noise), 0)
    change *= np.float32(_GAIN)
    change = np.copysign(np.minimum(change, np.float32(_MOST)), detail)
    if noise <= _CLEAN:
        changes = [_whole_levels(change, mask)] * 3
    else:
        lighter, *tints = _smoothed(part, light, noise)
        lighter += change
        changes = [
            _whole_levels(tint + lighter - channel, mask)
            for tint, channel in zip(tints, cv2.split(part), strict=True)
        ]
    cv2.add(part, cv2.merge(changes), dst=part, dtype=cv2.CV_8U)


def _whole_levels(change: Plane, mask: Plane) -> NDArray[np.int16]:
    change *= mask
    return np.rint(change, out=change).astype(np.int16)


def _smoothed(part: Image, light: Plane, noise: float) -> list[Plane]:
    """Lightness without noise, and what blue, green and red differ from it by: four planes (h, w).

    Each is a linear function of lightness fitted in small windows, at half size: flat where there is only
    noise, as it was at edges. No video has colour finer than half size anyway.
    """
    size = light.shape[::-1]
    half = (max(1, size[0] // 2), max(1, size[1] // 2))
    guide = np.asarray(cv2.resize(light, half, interpolation=cv2.INTER_AREA), np.float32)
    mean = cv2.blur(guide, _WINDOW)
    spread = np.maximum(cv2.blur(guide * guide, _WINDOW) - mean * mean, 0)
    keep = 1 / (spread + np.float32((_STRENGTH * noise) ** 2))
    slope = spread * keep
    level = cv2.resize(cv2.blur(mean - slope * mean, _WINDOW), size)
    planes: list[Any] = [cv2.resize(cv2.blur(slope, _WINDOW), size) * light + level]
    for channel in cv2.split(cv2.resize(part, half, interpolation=cv2.INTER_AREA)):
        tint = channel - guide
        tint_mean = cv2.blur(tint, _WINDOW)
        tint_slope = (cv2.blur(tint * guide, _WINDOW) - tint_mean * mean) * keep
        tint_level = cv2.blur(tint_mean - tint_slope * mean, _WINDOW)
        planes.append(cv2.resize(cv2.blur(tint_slope, _WINDOW) * guide + tint_level, size))
    return planes
