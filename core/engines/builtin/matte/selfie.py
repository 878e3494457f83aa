"""Cut a person off anything with MediaPipe's selfie segmentation (Google, Apache-2.0), run by `cv2.dnn`.

The network knows what people look like, so sofas and shelves are not taken for them. Its outline is
coarse; motion calms it over time, and `matte.edge` brings it to the picture's own edges.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from core.engines.builtin.matte.backdrop import Box, Plane, shrunk
from core.engines.builtin.matte.cut import moved_outline
from core.engines.builtin.matte.edge import refined
from core.engines.builtin.matte.shape import filled, one_piece
from core.models import SELFIE, network
from core.protocols import Matte
from core.types import Image

_INPUT = 256
_NEWEST = 0.6
"""Share of a frame's own outline; the rest is what the motion carried over. Calms its edge."""
_SURE = 0.3
"""How sure the network must be of a person, least, for a pixel to count as one at all."""


@dataclass(frozen=True, slots=True)
class _Held:
    grey: NDArray[np.uint8]
    outline: Plane


class SelfieMatter:
    """`core.protocols.Matting` for one person before any background. Not to be shared between threads."""

    version = "1"

    def __init__(self) -> None:
        """Raises EngineUnavailable where the network cannot run."""
        self._net = network(SELFIE)

    def mattes(self, pictures: Iterable[Image], faces: Sequence[Box]) -> Iterator[Matte]:
        """See `Matting`. Takes any clip."""
        before: _Held | None = None
        for picture, face in zip(pictures, faces, strict=False):
            small, scale = shrunk(picture, _INPUT)
            grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)
            outline = self._outline(small, face * np.float32(scale))
            moved = None if before is None else moved_outline(before.grey, before.outline, grey)
            if moved is not None:
                outline = np.float32(_NEWEST) * outline + np.float32(1 - _NEWEST) * moved
            before = _Held(grey, outline)
            yield refined(picture, outline)

    def _outline(self, small: Image, face: Box) -> Plane:
        """How sure each pixel is the person, float32 (h, w), 0 ... 1; other people left out."""
        self._net.setInput(cv2.dnn.blobFromImage(small, 1 / 255, (_INPUT, _INPUT), swapRB=True))
        seen = np.asarray(self._net.forward(), np.float32).reshape(_INPUT, _INPUT)
        sure: Plane = np.asarray(
            cv2.resize(seen, small.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32
        )
        solid = one_piece((sure > _SURE).astype(np.uint8), face)
        holes = filled((sure * solid > 0.5).astype(np.uint8)) > 0
        return np.where(holes, np.maximum(sure, 0.9), sure * solid).clip(0, 1).astype(np.float32)
