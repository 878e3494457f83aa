"""A sequence of pictures that are made when they are looked at."""

from collections.abc import Callable, Sequence
from typing import overload

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
