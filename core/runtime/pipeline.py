"""Run stages side by side, joined by bounded queues.

A stage is an async generator: it reads an async iterator and yields. It starts no tasks and knows no
queue; `Pipeline.stage` gives it a task and a queue of its own, and a meter that tells how busy it is.

Learnt from trio's channels (bounded, closing is how the other side learns) and PEP 789 (an async
generator must not yield inside a task group or a timeout, so the task group is here and nowhere else).
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeVar

from core.errors import StageError

T = TypeVar("T")
R = TypeVar("R")

State = Literal["pending", "running", "finished", "error", "cancelled"]


@dataclass(slots=True)
class Meter:
    """What one stage has done so far; written by the pipeline, read by whoever shows progress.

    done: units yielded (`Pipeline.stage` says what counts). queued: items waiting for the reader.
    starved_s, blocked_s: time spent waiting for input and for room in the queue; `busy_s` is the rest.
    """

    name: str
    state: State = "pending"
    done: int = 0
    queued: int = 0
    started: float = 0.0
    ended: float = 0.0
    starved_s: float = 0.0
    blocked_s: float = 0.0

    @property
    def elapsed_s(self) -> float:
        """Seconds from the stage's start to its end, or to now."""
        if not self.started:
            return 0.0
        return (self.ended or time.perf_counter()) - self.started

    @property
    def busy_s(self) -> float:
        """Seconds the stage, not its neighbours, kept the job waiting."""
        return max(0.0, self.elapsed_s - self.starved_s - self.blocked_s)


_meter: ContextVar[Meter | None] = ContextVar("stage meter", default=None)


class _End:
    """Mark in a queue: the stage that fills it finished normally."""


_END = _End()


class _Queued(Generic[T]):
    """What a stage has yielded so far, as an async iterator."""

    def __init__(self, queue: asyncio.Queue[T | _End], source: Meter) -> None:
        self._queue = queue
        self._source = source
        self._ended = False

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        if self._ended:
            raise StopAsyncIteration
        waiting = time.perf_counter()
        item = await self._queue.get()
        self._source.queued = self._queue.qsize()
        reader = _meter.get()
        if reader is not None:
            reader.starved_s += time.perf_counter() - waiting
        if isinstance(item, _End):
            self._ended = True
            raise StopAsyncIteration
        return item


def _one(_item: object) -> int:
    return 1


class Pipeline:
    """A chain of stages that lives exactly as long as its `async with` block.

    Leaving the block, for whatever reason, cancels every stage and waits until each has run its
    `finally`. A stage that raises cancels the others and the block, which then raises `StageError`;
    readers downstream never see that as a normal end.
    """

    def __init__(self, meters: dict[str, Meter] | None = None) -> None:
        """meters: filled with one meter a stage, for whoever watches."""
        self.meters = {} if meters is None else meters
        self._group = asyncio.TaskGroup()
        self._tasks: list[asyncio.Task[None]] = []
        self._failures: list[StageError] = []

    def stage(
        self,
        name: str,
        items: AsyncGenerator[T, None],
        limit: int,
        count: Callable[[T], int] = _one,
    ) -> AsyncIterator[T]:
        """Run `items` ahead of its reader, by at most `limit` queued items (and one in hand).

        count: called with each item as it leaves the stage; says how many units of progress it is worth.
        """
        queue: asyncio.Queue[T | _End] = asyncio.Queue(limit)
        meter = self.meters[name] = Meter(name)
        task = self._group.create_task(self._fill(queue, items, meter, count), name=name)
        self._tasks.append(task)
        return _Queued(queue, meter)

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        try:
            await self._group.__aexit__(kind, error, trace)
        except BaseExceptionGroup as group:
            # One cause per run: whatever failed first cancelled the rest.
            first = self._failures[0] if self._failures else group.exceptions[0]
            if error is not None and not isinstance(error, asyncio.CancelledError):
                first = error
            raise first from first.__cause__

    async def _fill(
        self,
        queue: asyncio.Queue[T | _End],
        items: AsyncGenerator[T, None],
        meter: Meter,
        count: Callable[[T], int],
    ) -> None:
        _meter.set(meter)
        meter.state, meter.started = "running", time.perf_counter()
        try:
            async with aclosing(items):
                async for item in items:
                    meter.done += count(item)
                    waiting = time.perf_counter()
                    await queue.put(item)
                    meter.blocked_s += time.perf_counter() - waiting
                    meter.queued = queue.qsize()
        except Exception as error:
            meter.state = "error"
            failure = StageError(meter.name, error)
            self._failures.append(failure)
            raise failure from error
        except BaseException:
            meter.state = "cancelled"
            raise
        finally:
            meter.ended = time.perf_counter()
        meter.state = "finished"
        # Only on success: after an error the reader must be cancelled, not told it has it all.
        await queue.put(_END)


async def map_ordered(
    items: AsyncIterator[T], work: Callable[[T], Coroutine[Any, Any, R]], width: int
) -> AsyncGenerator[R, None]:
    """Yield `await work(item)` for each of `items`, in their order, up to `width` of them under way at once.

    The one generator that starts tasks; none outlives it. What it waits for counts as starved only while no
    work is under way.
    """
    meter = _meter.get()
    running: deque[asyncio.Task[R]] = deque()
    reading: asyncio.Task[T | _End] | None = _unmetered(_next(items))
    try:
        while reading is not None or running:
            wanted: set[asyncio.Task[Any]] = {running[0]} if running else set()
            if reading is not None and len(running) < width:
                wanted.add(reading)
            waiting, idle = time.perf_counter(), not running
            await asyncio.wait(wanted, return_when=asyncio.FIRST_COMPLETED)
            if meter is not None and idle:
                meter.starved_s += time.perf_counter() - waiting
            if reading in wanted and reading.done():
                item = reading.result()
                if isinstance(item, _End):
                    reading = None
                else:
                    running.append(asyncio.create_task(work(item)))
                    reading = _unmetered(_next(items))
            while running and running[0].done():
                yield running.popleft().result()
    finally:
        left = [*running, *([reading] if reading is not None else [])]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def _next(items: AsyncIterator[T]) -> T | _End:
    return await anext(items, _END)


def _unmetered(step: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """A task whose waiting is nobody's."""
    context = copy_context()
    context.run(_meter.set, None)
    return asyncio.create_task(step, context=context)
