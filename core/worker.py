"""Give each engine one thread, so that its model is never entered twice at once."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
_END = object()


class Worker:
    """One thread; calls run on it one at a time, in the order they were made.

    A thread cannot be interrupted: a cancelled call runs on to its end and its result is dropped.
    So a call should be one batch or one step, never a whole job.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def call(self, function: Callable[..., T], *args: object) -> T:
        """Run `function(*args)` on the thread; whatever it raises is raised here."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *args)

    async def steps(self, items: Iterator[T]) -> AsyncGenerator[T, None]:
        """Yield from `items`, which runs on the thread one step at a time."""
        try:
            while True:
                # The default is told from items by identity, so any item may be yielded.
                item: T | object = await self.call(next, items, _END)
                if item is _END:
                    return
                yield item  # type: ignore[misc]  # not _END, hence T
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                # Queued behind a step still running, so never "generator already executing".
                self._pool.submit(close)

    def close(self) -> None:
        """Wait for what was asked for, then end the thread. Blocks; calls of cancelled tasks are dropped."""
        self._pool.shutdown()
