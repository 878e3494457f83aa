import asyncio
import threading

import pytest

from core.runtime.worker import Worker
from tests.support.serving import run


def test_a_patient_call_lets_others_in_wherever_it_gives_way():
    worker, seen = Worker("engine"), []
    begun, asked = threading.Event(), threading.Event()

    def long():
        for step in range(3):
            seen.append(step)
            begun.set()
            asked.wait(10)
            worker.give_way()
        return "done"

    async def main():
        patient = asyncio.create_task(worker.patiently(long))
        await asyncio.to_thread(begun.wait, 10)
        calls = [asyncio.create_task(worker.call(seen.append, name)) for name in "ab"]
        await asyncio.sleep(0)
        asked.set()
        assert await patient == "done"
        await asyncio.gather(*calls)

    run(main())
    worker.close()
    assert seen == [0, "a", "b", 1, 2]


def test_patient_calls_wait_for_all_others_and_for_one_another():
    worker, seen, held = Worker("engine"), [], threading.Event()

    def patient(name):
        seen.append(name)
        worker.give_way()
        seen.append(name)

    async def main():
        first = asyncio.create_task(worker.call(held.wait, 10))
        await asyncio.sleep(0)
        calls = [asyncio.create_task(worker.patiently(patient, name)) for name in "xy"]
        await asyncio.sleep(0)
        calls.append(asyncio.create_task(worker.call(seen.append, "live")))
        await asyncio.sleep(0)
        held.set()
        await asyncio.gather(first, *calls)

    run(main())
    worker.close()
    assert seen == ["live", "x", "x", "y", "y"]


def test_what_a_call_raises_is_raised_where_it_was_made_and_what_was_cancelled_does_not_run():
    worker, seen, held = Worker("engine"), [], threading.Event()

    def long():
        held.wait(10)
        worker.give_way()
        seen.append("end")

    async def main():
        patient = asyncio.create_task(worker.patiently(long))
        await asyncio.sleep(0)
        wrong = asyncio.create_task(worker.call(int, "x"))
        left = asyncio.create_task(worker.call(seen.append, "left"))
        await asyncio.sleep(0)
        left.cancel()
        await asyncio.sleep(0)
        held.set()
        with pytest.raises(ValueError, match="invalid literal"):
            await wrong
        await patient
        await worker.call(seen.append, "after")

    run(main())
    worker.close()
    assert seen == ["end", "after"]


def test_closing_waits_for_what_was_asked_for_and_takes_no_more():
    worker, seen = Worker("engine"), []

    async def main():
        calls = [
            asyncio.create_task(worker.patiently(seen.append, 1)),
            asyncio.create_task(worker.call(seen.append, 2)),
        ]
        await asyncio.sleep(0)
        await asyncio.to_thread(worker.close)
        await asyncio.gather(*calls)
        with pytest.raises(RuntimeError):
            await worker.call(seen.append, 3)

    run(main())
    assert sorted(seen) == [1, 2]
