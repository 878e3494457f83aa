"""Threads that compute side by side, each on cores of its own.

Threads that share one call of a network wait for the slowest at the end of every layer: with one picture a
call that is a third of the time of two cores. Pictures do not depend on each other, so each thread can take
its own through all layers instead.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import Barrier, Thread
from typing import TypeVar

import torch

Item = TypeVar("Item")
Made = TypeVar("Made")

_MOST = 4
"""Threads: each reads all weights, so more would wait for the memory."""


class ThreadPool:
    """A few threads, and the cores shared out among them."""

    def __init__(self) -> None:
        cores = torch.get_num_threads()
        self.size = min(cores, _MOST)
        together = Barrier(self.size)

        def begin() -> None:
            torch.get_num_threads()  # before the first call of anything, torch sets its own number
            torch.set_num_threads(cores // self.size)
            together.wait()

        self._pool = ThreadPoolExecutor(self.size, "crew", begin)
        self.each(lambda _share: None, range(self.size))
        torch.set_num_threads(cores)  # for whatever thread begins after this

    def each(self, work: Callable[[Sequence[Item]], Made], items: Sequence[Item]) -> list[Made]:
        """`work(share)` for equal shares of `items`, in order; in this thread if there is not one for each.

        Raises what the first share does, once all are done.
        """
        if len(items) < self.size:
            return [work(items)]
        share = -(-len(items) // self.size)
        calls = [self._pool.submit(work, items[k : k + share]) for k in range(0, len(items), share)]
        wait(calls)
        return [call.result() for call in calls]

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()


@contextmanager
def undivided() -> Iterator[None]:
    """While open, what torch computes in this thread is shared out to no others.

    For hundreds of small layers: each would end with a wait for the other threads, who may not even run. For
    threads that have all cores.
    """
    cores = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        # Threads that begin meanwhile take the number that was set last, in whichever thread.
        other = Thread(target=torch.set_num_threads, args=(cores,))
        other.start()
        other.join()
        yield
    finally:
        torch.set_num_threads(cores)
