"""Small patterns of asyncio that several floors need, each here once."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


async def first_of(*coroutines: Coroutine[Any, Any, T]) -> T:
    """What the first of them to end returns or raises; the others are cancelled, and have ended on return.

    Of several that end in the same step of the loop the one named first counts.
    """
    tasks = [asyncio.ensure_future(one) for one in coroutines]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task.done()).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def run_stoppable(work: Callable[[Callable[[], bool]], Awaitable[T]]) -> T:
    """`await work(stopped)`, where the work is on a thread that looks at `stopped()` between its steps.

    A thread cannot be interrupted, so when this is cancelled `stopped` begins to say yes.
    """
    left = threading.Event()
    try:
        return await work(left.is_set)
    finally:
        left.set()


async def in_daemon_thread(call: Callable[[], T]) -> T:
    """The result of a call that blocks, perhaps for long: on a thread that the process does not wait for."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(setting: Callable[[], None]) -> None:
        if not future.done():  # else whoever asked has left
            setting()

    def run() -> None:
        try:
            result = call()
        except BaseException as raised:  # noqa: BLE001  # raised where it was asked for
            error = raised
            tell(lambda: future.set_exception(error))
        else:
            tell(lambda: future.set_result(result))

    def tell(setting: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop may be gone
            loop.call_soon_threadsafe(settle, setting)

    threading.Thread(target=run, name="daemon call", daemon=True).start()
    return await future
