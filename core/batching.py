"""Join the calls of several jobs on one engine: what they ask for at about the same time is done in one go.

For a network, sixteen pictures in one call cost a third of sixteen calls. Jobs that run side by side fall out
of step, though: while one's call runs the other's waits, and so on in turn. So a free engine waits for the
other members, up to a bound.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

from core.worker import Worker

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """One function on one worker's thread, called with as many items at once as are waiting.

    run: takes items, gives as many results in their order, each depending on its own item alone.
    size: how much an item counts for; up to `limit` of that is put in one call, or a single item.
    wait_s: how long a free engine waits for members that have not asked yet.
    Items go in the order they came and a member has one at a time, so nobody is served twice before everybody
    who waits was served once.
    """

    def __init__(
        self,
        worker: Worker,
        run: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        size: Callable[[Item], int],
        limit: int,
        wait_s: float,
    ) -> None:
        self._worker, self._run, self._size = worker, run, size
        self._limit, self._wait_s = limit, wait_s
        self._members = 0
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._busy: asyncio.Future[Sequence[Result]] | None = None

    @contextmanager
    def member(self) -> Iterator[None]:
        """While open, others wait a little for this caller."""
        self._members += 1
        try:
            yield
        finally:
            self._members -= 1
            self._consider()

    async def call(self, item: Item) -> Result:
        """`run([item])[0]`, done together with others' items. Raises what `run` raises for the batch."""
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        self._consider()
        return await done

    def _consider(self) -> None:
        """Start if the engine is free and nobody is worth waiting for."""
        if self._busy is not None or not self._waiting:
            return
        if len(self._waiting) >= self._members:
            self._start()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._wait_s, self._start)

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        count = 0
        while self._waiting:
            item, done = self._waiting[0]
            if batch and count + self._size(item) > self._limit:
                break
            self._waiting.popleft()
            if not done.cancelled():  # its job is gone
                batch.append((item, done))
                count += self._size(item)
        if batch:
            call = self._worker.call(self._run, [item for item, _ in batch])
            self._busy = asyncio.ensure_future(call)
            self._busy.add_done_callback(lambda made: self._finish(batch, made))

    def _finish(
        self, batch: list[tuple[Item, asyncio.Future[Result]]], made: asyncio.Future[Sequence[Result]]
    ) -> None:
        self._busy = None
        error = asyncio.CancelledError() if made.cancelled() else made.exception()
        for k, (_, done) in enumerate(batch):
            if done.cancelled():
                continue
            if error is None:
                done.set_result(made.result()[k])
            elif isinstance(error, asyncio.CancelledError):
                done.cancel()
            else:
                done.set_exception(error)
        self._consider()
