"""Paste a face patch into a frame so that no seam shows.

Works on I420 planes (`core.media.planes`): only the patch is ever converted, never the frame around it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import overload

import cv2
import numpy as np
from numpy.typing import NDArray

from core.media.planes import Planes, split, to_i420
from core.types import Image


class Crops(Sequence[Image]):
    """`count` pictures, each cut out on access; it pickles if `cut` does."""

    def __init__(self, count: int, cut: Callable[[int], Image]) -> None:
        """cut: gives the picture of a number from 0 to count - 1."""
        self._count, self._cut = count, cut

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Image: ...
    @overload
    def __getitem__(self, index: slice) -> list[Image]: ...
    def __getitem__(self, index: int | slice) -> Image | list[Image]:
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(self._count))]
        if not -self._count <= index < self._count:
            raise IndexError(index)
        return self._cut(index % self._count)


_FEATHER = 12
"""The soft border takes up one part in this many of the patch's side, along each edge."""

_MOST_OFFSET = 8
"""Levels by which a patch is brought nearer to its surroundings, at most: a tint, not a relighting."""

_Edges = tuple[slice | tuple[slice, slice], ...]


@dataclass(frozen=True, slots=True)
class _Mask:
    """How much of the patch shows in one plane: uint8 (side, side), 0 on the outermost pixels, 255 within.

    rest: 255 minus that. edges: the four strips of the soft border.
    """

    part: NDArray[np.uint8]
    rest: NDArray[np.uint8]
    edges: _Edges


@lru_cache(maxsize=8)
def _masks(side: int) -> tuple[_Mask, _Mask]:
    """For the brightness plane and for the colour planes of a patch of `side` pixels."""
    feather = max(2, side // _FEATHER // 2 * 2)
    away = np.minimum(np.arange(side), np.arange(side)[::-1])
    ramp = np.clip(away / feather, 0, 1)
    ramp = ramp * ramp * (3 - 2 * ramp)  # without a kink at either end
    luma = np.rint(np.outer(ramp, ramp) * 255).astype(np.uint8)
    # The least of the four: a colour changes only where all its pixels may.
    chroma = luma.reshape(side // 2, 2, side // 2, 2).min((1, 3))
    return _mask(luma, feather), _mask(chroma, feather // 2)


def _mask(part: NDArray[np.uint8], feather: int) -> _Mask:
    inner = slice(feather, -feather)
    edges: _Edges = (
        slice(None, feather),
        slice(-feather, None),
        (inner, slice(None, feather)),
        (inner, slice(-feather, None)),
    )
    return _Mask(part, 255 - part, edges)


def paste(planes: Planes, patch: Image, x: int, y: int) -> None:
    """Blend `patch` into `planes`, in place, its top left corner at (x, y).

    planes: uint8 (height * 3 // 2, width), I420. patch: uint8 (side, side, 3) BGR; x, y and side are even
    and the patch lies inside. Towards its border the patch fades out; its outermost pixels change nothing.
    Where its border differs in brightness or tint from what lies under it, the whole patch is shifted.
    """
    side = len(patch)
    masks = _masks(side)
    for index, (plane, new) in enumerate(zip(split(planes), split(to_i420(patch)), strict=True)):
        half = 2 if index else 1
        left, top, size = x // half, y // half, side // half
        old = plane[top : top + size, left : left + size]
        _blend(old, new, masks[min(index, 1)])


def _blend(old: Planes, new: Planes, mask: _Mask) -> None:
    """Fade from `old` to `new`; into `old`."""
    offset = _offset(old, new, mask.edges)
    if offset:
        new = np.asarray(cv2.LUT(new, np.clip(np.arange(256) + offset, 0, 255).astype(np.uint8)), np.uint8)
    # Both terms are rounded, yet equal values stay what they are: their fractions add up to a whole.
    shown = cv2.multiply(new, mask.part, scale=1 / 255)
    kept = cv2.multiply(old, mask.rest, scale=1 / 255)
    old[:] = cv2.add(shown, kept)


def _offset(old: Planes, new: Planes, edges: _Edges) -> int:
    """Levels to add to `new` so that its border is, on average, as `old` is there."""
    count = sum(old[edge].size for edge in edges)
    total = sum((cv2.mean(old[edge])[0] - cv2.mean(new[edge])[0]) * old[edge].size for edge in edges)
    return round(max(-_MOST_OFFSET, min(_MOST_OFFSET, total / count)))
