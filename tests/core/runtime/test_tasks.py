"""The first of several wins, and nothing is left running; threads hear that nobody waits any more."""

import asyncio
import threading

import pytest

from core.runtime.tasks import first_of, in_daemon_thread, run_stoppable


async def never() -> int:
    await asyncio.Event().wait()
    return 0


async def soon(value: int | Exception, steps: int = 1) -> int:
    for _ in range(steps):
        await asyncio.sleep(0)
    if isinstance(value, Exception):
        raise value
    return value


async def test_the_first_to_end_counts_and_the_others_have_ended():
    before = asyncio.all_tasks()
    assert await first_of(never(), soon(7)) == 7
    assert await first_of(soon(1), soon(2)) == 1  # of two at once, the one named first
    with pytest.raises(ValueError, match="hoarse"):
        await first_of(never(), soon(ValueError("hoarse")))
    assert await first_of(soon(3), soon(ValueError("hoarse"), steps=5)) == 3
    assert asyncio.all_tasks() == before


def test_a_cancel_reaches_all_of_them():
    ended = []

    async def noted() -> None:
        try:
            await never()
        finally:
            ended.append(1)

    async def main():
        task = asyncio.create_task(first_of(noted(), noted()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert ended == [1, 1]


async def test_work_on_a_thread_is_told_when_nobody_waits_for_it():
    begun, told = threading.Event(), threading.Event()

    def work(stopped):
        begun.set()
        for _ in range(3000):
            if stopped():
                return told.set()
            threading.Event().wait(0.01)
        return None

    task = asyncio.create_task(run_stoppable(lambda stopped: asyncio.to_thread(work, stopped)))
    await asyncio.to_thread(begun.wait, 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(told.wait, 30)
    assert await run_stoppable(lambda stopped: in_daemon_thread(stopped)) is False
