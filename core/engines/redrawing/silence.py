"""When the mouth is at rest: what counts as silence, how the drawn mouth fades in and out, and whether a
template's own mouth can be shown meanwhile."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from core.engines.redrawing.sound import RATE
from core.types import Image, Samples

_HOP = 200  # samples judged together
_SILENT = 10 ** (-50 / 20)
"""Loudness (root mean square) below which a hop is silent: under speech, over the noise of a studio."""
_HOLD, _FADE = round(0.07 * RATE), round(0.08 * RATE)
"""Samples around speech for which the mouth is wholly drawn, and over which it then fades."""
_MOUTH, _NOSE = np.s_[66:90, 30:66], np.s_[40:58, 34:62]
"""Lips and chin, and what moves with the head alone, in a 96 px picture."""
_TALKS = 1.8
"""A mouth that moves that many times as much as the nose talks. Idle ones were at 1.0 to 1.6, talking ones at
2.9 to 3.2 (two people, two finders)."""


def heard_from(frame: int, fps: int) -> int:
    """First sample at 16 kHz that decides whether `frame` is at rest."""
    return (frame * 2 + 1) * RATE // (2 * fps) - _HOLD - _FADE - _HOP


def gates(samples: Samples, first: int, frames: range, fps: int, ends: Sequence[int]) -> NDArray[np.float64]:
    """How much of the drawn mouth each frame shows, 0..1: 1 near speech, 0 in silence, a ramp in between.

    samples: at 16 kHz, from number `first` on. ends: one past the last sample each frame may listen to.
    """
    # Hops are counted from sample 0 of the signal, so frames agree on them however they are grouped.
    offset = -first % _HOP
    hops = samples[offset : offset + (len(samples) - offset) // _HOP * _HOP].reshape(-1, _HOP)
    loud = np.sqrt(np.mean(hops.astype(np.float64) ** 2, axis=1)) > _SILENT
    begin = first + offset + np.arange(len(hops)) * _HOP
    weights = np.zeros(len(frames))
    for k, frame in enumerate(frames):
        middle = (frame * 2 + 1) * RATE // (2 * fps)
        known = loud & (begin + _HOP <= ends[k]) & (begin >= heard_from(frame, fps))
        if known.any():
            off = np.abs(begin[known] + _HOP // 2 - middle).min()
            weights[k] = np.clip(1 - (off - _HOLD) / _FADE, 0, 1)
    return weights


def is_talking(faces: Sequence[Image]) -> bool:
    """Whether the person in a template talks, so that its own mouth is no mouth at rest.

    faces: uint8 (96, 96, 3), cut out of frames along the template by the mean face box.
    """
    if len(faces) < 5:
        return False
    grey = np.stack([cv2.GaussianBlur(cv2.cvtColor(face, cv2.COLOR_BGR2GRAY), (0, 0), 1.5) for face in faces])
    grey = grey.astype(np.float32)
    mean = np.mean(grey, axis=0)
    slope = np.hypot(
        cv2.Sobel(mean, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(mean, cv2.CV_32F, 0, 1, scale=1 / 8)
    )
    change = np.std(grey, axis=0)
    # What jitters moves edges: change over slope is how far, in pixels.
    mouth, nose = (change[area].mean() / max(1.0, slope[area].mean()) for area in (_MOUTH, _NOSE))
    return bool(mouth > _TALKS * nose + 0.1)
