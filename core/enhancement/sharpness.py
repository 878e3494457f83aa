"""Tell whether a face is sharp as it is, so that nothing need be restored in it.

Sharp is what has nearly as much contrast in the finest detail that its pixels can show as in what is a little
coarser. That says nothing of how large the face is, of its light or its make-up: a small face is sharp in its
own pixels, one that was enlarged is not. Noise is measured and taken out first.
"""

import cv2
import numpy as np

from core.engines.builtin.clarity import grey_noise
from core.tracking.pose import Matrix, placed
from core.types import Image

_LEAST = 16
"""Pixels of a face's side below which nothing can be said."""
_NOISE = 0.75
"""How much of white noise's variance is in the finest detail, as it is measured here."""
_LATEST = 0.2
"""Share of the newest frame in the average that is held against the threshold: half a second's worth."""
_BACK = 0.9
"""Below this share of the threshold a face is sharp no more: the way back is longer, so nothing flickers."""


def sharpness(crop: Image, pose: Matrix) -> float:
    """Of the less sharp half of the face, upper or lower: what lips engines redraw is only the lower.

    crop: uint8 (side, side, 3). pose: as in `FaceTrack`. About 0.8 for a face as a camera or an artist made
    it, 0.65 enlarged from two thirds, 0.55 from half, 0.4 from a quarter; 0 where too little is to be seen.
    """
    corners = placed(pose, np.array([[0, 0], [1, 0], [0, 1], [1, 1]])).clip(0, len(crop))
    left, top = corners.min(axis=0).astype(int)
    right, bottom = corners.max(axis=0).astype(int)
    if min(right - left, bottom - top) < _LEAST:
        return 0.0
    whole = np.asarray(cv2.cvtColor(crop[top:bottom, left:right], cv2.COLOR_BGR2GRAY), np.uint8)
    grey, noise = whole.astype(np.float32), grey_noise(whole)
    soft = cv2.GaussianBlur(grey, (0, 0), 1)
    fine, coarse = np.square(grey - soft), np.square(soft - cv2.GaussianBlur(soft, (0, 0), 2))
    middle = len(grey) // 2
    shares = [
        max(0.0, float(fine[half].mean()) - _NOISE * noise**2) / max(float(coarse[half].mean()), 1.0)
        for half in (slice(None, middle), slice(middle, None))
    ]
    return float(np.sqrt(min(shares)))


class SharpnessGate:
    """Decides frame after frame whether one face is sharp enough to be left as it is."""

    def __init__(self, enough: float) -> None:
        """enough: from which sharpness on; 0: never."""
        self._enough = enough
        self._average: float | None = None
        self._passed = False

    def passes(self, crop: Image, pose: Matrix) -> bool:
        """Whether the next frame's face is. Takes a millisecond or two for a face of 300 pixels."""
        if not self._enough:
            return False
        seen = sharpness(crop, pose)
        before = seen if self._average is None else self._average
        self._average = before + _LATEST * (seen - before)
        self._passed = self._average >= self._enough * (_BACK if self._passed else 1.0)
        return self._passed
