"""Give each engine one thread, so that its model is never entered twice at once."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")
_END = object()


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    function: Callable[..., Any]
    args: tuple[object, ...]
    future: "Future[Any]" = field(default_factory=Future)

    def run(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self.function(*self.args)
        except BaseException as error:  # noqa: BLE001  # raised again where it was called
            self.future.set_exception(error)
            del self  # the error holds on to this frame, and would hold on to itself through it
        else:
            self.future.set_result(result)


class Worker:
    """One thread; calls run on it one at a time in their order, patient ones when no other waits.

    A thread cannot be interrupted: a cancelled call runs on to its end and its result is dropped.
    So a call should be one batch or one step, never a whole job, or be a patient one that gives way.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._calls, self._patient = deque[_Call](), deque[_Call]()

    async def call(self, function: Callable[..., T], *args: object) -> T:
        """Run `function(*args)` on the thread; whatever it raises is raised here."""
        result: T = await asyncio.wrap_future(self._submit(self._calls, function, *args))
        return result

    async def patiently(self, function: Callable[..., T], *args: object) -> T:
        """The same for what takes long and nobody watches: it lets others in wherever it calls `give_way`."""
        result: T = await asyncio.wrap_future(self._submit(self._patient, function, *args))
        return result

    def give_way(self) -> None:
        """Run the calls that wait, from within a patient one, on its thread."""
        while self._calls:
            self._calls.popleft().run()

    async def steps(self, items: Iterator[T]) -> AsyncGenerator[T, None]:
        """Yield from `items`, which runs on the thread one step at a time."""
        try:
            while True:
                # The default is told from items by identity, so any item may be yielded.
                item: T | object = await self.call(next, items, _END)
                if item is _END:
                    return
                yield cast(T, item)
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                # Queued behind a step still running, so never "generator already executing".
                self._submit(self._calls, close)

    def close(self) -> None:
        """Wait for what was asked for, then end the thread. Blocks; calls of cancelled tasks are dropped."""
        self._pool.shutdown()

    def _submit(self, line: deque[_Call], function: Callable[..., Any], *args: object) -> "Future[Any]":
        call = _Call(function, args)
        line.append(call)
        try:
            self._pool.submit(self._next)
        except RuntimeError:  # it is closed
            line.remove(call)
            raise
        return call.future

    def _next(self) -> None:
        """Run one call, if `give_way` has left any."""
        line = self._calls or self._patient
        if line:
            line.popleft().run()


def on_loop(report: Callable[P, object]) -> Callable[P, None]:
    """`report`, callable from any thread: it runs on this loop, soon."""
    loop = asyncio.get_running_loop()

    def told(*args: P.args, **options: P.kwargs) -> None:
        loop.call_soon_threadsafe(partial(report, *args, **options))

    return told
