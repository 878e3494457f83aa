"""How a step is run: as it comes, or recorded once on a GPU and played again.

A CUDA graph starts the 400 kernels of a step with one call. It holds for the very buffers and shapes it was
recorded with, so there is one for each number of rows and reach of the cache, made when first wanted.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from core.engines.graphs import recording_alone

Key = tuple[int, int]
Work = Callable[[], None]

MOST_GRAPHS = 48
"""Graphs kept; beyond it the one not used for longest goes. They share the memory of one."""


class Player(Protocol):
    """Runs `work`, which depends on nothing but `key` and tensors that stay where they are."""

    def run(self, key: Key, work: Work, changed: Sequence[Tensor]) -> None:
        """Do the work. changed: the tensors it writes that the next step reads."""
        ...

    def forget(self) -> None:
        """The tensors are no longer where they were."""
        ...


class Recorded(Protocol):
    """Work that was recorded."""

    def replay(self) -> None:
        """Do it again, on the same tensors."""
        ...


class Plain:
    """A `Player` that runs work as it comes."""

    def run(self, key: Key, work: Work, changed: Sequence[Tensor]) -> None:
        """See `Player`."""
        work()

    def forget(self) -> None:
        """See `Player`."""


class Graphs:
    """A `Player` that records the work of each key once.

    record: makes a recording of its first argument; the second does the same and leaves everything as it
    was, for whoever must try before it records.
    """

    def __init__(self, record: Callable[[Work, Work], Recorded], most: int = MOST_GRAPHS) -> None:
        self._record, self._most = record, most
        self._kept: OrderedDict[Key, Recorded] = OrderedDict()

    def run(self, key: Key, work: Work, changed: Sequence[Tensor]) -> None:
        """See `Player`."""
        if key not in self._kept:
            self._kept[key] = self._record(work, _harmless(work, changed))
        self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        self._kept[key].replay()

    def forget(self) -> None:
        """See `Player`."""
        self._kept.clear()


def _harmless(work: Work, changed: Sequence[Tensor]) -> Work:
    """`work`, after which `changed` are what they were."""

    def rehearse() -> None:
        before = [tensor.clone() for tensor in changed]
        work()
        for tensor, kept in zip(changed, before, strict=True):
            tensor.copy_(kept)

    return rehearse


def cuda_graphs(device: torch.device) -> Graphs:
    """CUDA graphs on `device`, played on whatever stream is current."""
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # as torch has it
    pool = torch.cuda.graph_pool_handle()

    def record(work: Work, rehearse: Work) -> Recorded:
        graph = torch.cuda.CUDAGraph()
        with torch.inference_mode(), torch.cuda.device(device), recording_alone():
            stream.wait_stream(torch.cuda.current_stream(device))
            with torch.cuda.stream(stream):
                for _ in range(2):  # kernels are loaded and work space is allocated at first use
                    rehearse()
            # "thread_local": engines of other threads go on using the GPU meanwhile.
            with torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
                work()
            torch.cuda.current_stream(device).wait_stream(stream)
        return graph

    return Graphs(record)
