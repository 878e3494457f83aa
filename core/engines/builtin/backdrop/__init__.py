"""Backdrops drawn by code: no network, no weights, six kinds of studio. Chosen by words, not understood.

A prompt's words choose the kind, its colours the paint and the hour; what it says beyond that is passed over,
and `Painting.about` says what was drawn.
"""

from collections.abc import Callable

import numpy as np

from core.engines.builtin.backdrop.scenes import SCENES
from core.engines.builtin.backdrop.words import idea
from core.errors import Stopped
from core.protocols import Painting, PaintOrder

_MOST = 2048
"""Pixels of the longer side, at most: backdrops are soft and stand enlarging."""


class DrawnBackdrop:
    """`core.protocols.Painter` without weights. `negative`, `steps` and `guidance` mean nothing to it."""

    version = "1"

    def paint(
        self, order: PaintOrder, report: Callable[[int, int], None], stopped: Callable[[], bool]
    ) -> Painting:
        """See `Painter`. Takes any prompt; one without a word it knows becomes a plain studio."""
        if stopped():
            raise Stopped("painting was stopped")
        wanted = idea(order.prompt)
        scale = min(1.0, _MOST / max(order.width, order.height))
        size = max(16, round(order.width * scale)), max(16, round(order.height * scale))
        paint = SCENES[wanted.scene](*size, wanted, np.random.default_rng(order.seed))
        grain = np.random.default_rng(order.seed + 1).normal(0, 0.8, paint.shape[:2])[..., None]  # no banding
        report(1, 1)
        return Painting(np.clip(paint + grain + 0.5, 0, 255).astype(np.uint8), wanted.about)
