import asyncio
import threading
from collections.abc import Sequence

import pytest

from core.batching import Batcher
from core.worker import Worker


class Engine:
    """Doubles numbers, remembers which came together, and can be held back."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.open = threading.Event()
        self.open.set()

    def run(self, items: Sequence[int]) -> list[int]:
        self.open.wait(5)
        self.batches.append(list(items))
        if -13 in items:
            raise ValueError("unlucky")
        return [2 * item for item in items]


@pytest.fixture
def engine():
    return Engine()


@pytest.fixture
def worker():
    worker = Worker("engine")
    yield worker
    worker.close()


def batcher(engine, worker, limit=16, wait_s=0.04):
    return Batcher(worker, engine.run, size=lambda _item: 1, limit=limit, wait_s=wait_s)


async def job(together, numbers):
    with together.member():
        return [await together.call(number) for number in numbers]


async def crowd(together, count, length):
    jobs = [job(together, range(100 * k, 100 * k + length)) for k in range(count)]
    return await asyncio.gather(*jobs)


def test_every_caller_gets_the_results_of_its_own_items(engine, worker):
    made = asyncio.run(crowd(batcher(engine, worker), 5, 7))
    assert made == [[2 * n for n in range(100 * k, 100 * k + 7)] for k in range(5)]


def test_jobs_that_run_side_by_side_share_nearly_every_batch(engine, worker):
    asyncio.run(crowd(batcher(engine, worker), 2, 20))
    assert len(engine.batches) <= 22  # 40 calls


def test_one_job_alone_never_waits(engine, worker):
    async def timed():
        loop = asyncio.get_running_loop()
        started = loop.time()
        await job(batcher(engine, worker, wait_s=5), range(20))
        return loop.time() - started

    assert asyncio.run(timed()) < 2


def test_a_member_that_asks_for_nothing_delays_others_by_the_bound_only(engine, worker):
    async def timed():
        together = batcher(engine, worker, wait_s=0.03)
        loop = asyncio.get_running_loop()
        with together.member():  # idle
            started = loop.time()
            await job(together, [1])
            return loop.time() - started

    assert 0.025 <= asyncio.run(timed()) < 2
    assert engine.batches == [[1]]


def test_a_member_that_leaves_is_not_waited_for(engine, worker):
    async def leave():
        together = batcher(engine, worker, wait_s=60)
        idle = together.member()
        idle.__enter__()
        waiting = asyncio.create_task(job(together, [1]))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        idle.__exit__(None, None, None)
        return await asyncio.wait_for(waiting, 5)

    assert asyncio.run(leave()) == [2]


def test_a_batch_keeps_to_the_limit_and_nobody_is_overtaken(engine, worker):
    engine.open.clear()

    async def main():
        together = batcher(engine, worker, limit=3)
        tasks = [asyncio.create_task(job(together, [k])) for k in range(8)]
        await asyncio.sleep(0.01)
        engine.open.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert [n for batch in engine.batches for n in batch] == list(range(8))
    assert max(map(len, engine.batches)) == 3


def test_an_item_larger_than_the_limit_goes_alone(engine, worker):
    together = Batcher(worker, engine.run, size=lambda item: item, limit=4, wait_s=0.01)

    async def main():
        return await asyncio.gather(*(together.call(n) for n in (9, 2, 2, 2)))

    assert asyncio.run(main()) == [18, 4, 4, 4]
    assert engine.batches[0] == [9]


def test_an_error_reaches_those_in_the_batch_and_the_next_batch_works(engine, worker):
    async def main():
        together = batcher(engine, worker)
        with pytest.raises(ValueError, match="unlucky"):
            await together.call(-13)
        return await together.call(1)

    assert asyncio.run(main()) == 2


def test_a_cancelled_call_costs_the_others_nothing(engine, worker):
    engine.open.clear()

    async def main():
        together = batcher(engine, worker, limit=1)
        tasks = [asyncio.create_task(together.call(n)) for n in (1, 2, 3)]
        await asyncio.sleep(0.01)
        tasks[0].cancel()  # it is being done
        tasks[1].cancel()  # it waits
        engine.open.set()
        assert await tasks[2] == 6

    asyncio.run(main())
    assert engine.batches == [[1], [3]]
