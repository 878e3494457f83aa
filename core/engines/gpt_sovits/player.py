"""How a step is run: as it comes, or recorded once on a GPU and played again.

A CUDA graph starts the 400 kernels of a step with one call. It holds for the very buffers and shapes it was
recorded with, so there is one for each number of rows and reach of the cache, made when first wanted.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

import torch

from core.engines.compute.graphs import recorded
from core.engines.gpt_sovits.step import Rows

Key = tuple[int, int]
Work = Callable[[], None]
Record = Callable[[Work, Work | None], Work]
"""Makes a recording of its first argument, in the memory of another one if there is one. It may try the work
any number of times before."""

MOST_GRAPHS = 48
"""Graphs kept; beyond it the one not used for longest goes. They share the memory of one."""


class Player(Protocol):
    """Runs `work`, a step of `rows`, which depends on nothing but `key` and tensors that stay in place."""

    def run(self, key: Key, work: Work, rows: Rows) -> None:
        """Do the work."""
        ...

    def forget(self) -> None:
        """The tensors are no longer where they were."""
        ...


class Plain:
    """A `Player` that runs work as it comes."""

    def run(self, key: Key, work: Work, rows: Rows) -> None:
        """See `Player`."""
        work()

    def forget(self) -> None:
        """See `Player`."""


class Graphs:
    """A `Player` that records the work of each key once."""

    def __init__(self, record: Record, most: int = MOST_GRAPHS) -> None:
        self._record, self._most = record, most
        self._kept: OrderedDict[Key, Work] = OrderedDict()

    def run(self, key: Key, work: Work, rows: Rows) -> None:
        """See `Player`."""
        if key not in self._kept:
            beside = next(iter(self._kept.values()), None)
            with rows.still():
                self._kept[key] = self._record(work, beside)
        self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        self._kept[key]()

    def forget(self) -> None:
        """See `Player`."""
        self._kept.clear()


def cuda_graphs(device: torch.device) -> Graphs:
    """CUDA graphs on `device`."""
    return Graphs(lambda work, beside: recorded(work, (), device, beside=beside))
