import asyncio
import threading
from collections.abc import Sequence

import pytest

from core.errors import Error
from core.runtime.batching import Batcher
from core.runtime.worker import Worker


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


def batcher(engine, worker, limit=16, bound_s=0.04, size=lambda _item: 1):
    return Batcher(worker, engine.run, size=size, limit=limit, bound_s=lambda _item: bound_s)


async def job(together, numbers):
    with together.member() as ask:
        return [await ask(number) for number in numbers]


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
        await job(batcher(engine, worker, bound_s=5), range(20))
        return loop.time() - started

    assert asyncio.run(timed()) < 2


def test_a_member_that_has_not_asked_yet_is_not_waited_for(engine, worker):
    async def main():
        together = batcher(engine, worker, bound_s=60)
        with together.member():  # its speech is not there yet
            return await asyncio.wait_for(job(together, [1, 2]), 5)

    assert asyncio.run(main()) == [2, 4]


def test_a_member_that_falls_behind_holds_the_others_up_once_for_no_longer_than_the_bound(engine, worker):
    async def timed():
        together = batcher(engine, worker, bound_s=0.4)
        loop = asyncio.get_running_loop()
        with together.member() as ask, together.member() as other:
            assert await asyncio.gather(ask(1), other(2)) == [2, 4]
            times = []
            for number in range(3, 8):  # the first goes on, the other has been asked for nothing any more
                started = loop.time()
                await ask(number)
                times.append(loop.time() - started)
        return times

    first, *rest = asyncio.run(timed())
    assert 0.36 <= first < 5
    assert max(rest) < 0.3


def test_a_member_that_was_slow_is_waited_for_again_once_it_keeps_up(engine, worker):
    async def main():
        together = batcher(engine, worker, bound_s=0.03)
        with together.member() as ask, together.member() as other:
            await asyncio.gather(ask(1), other(2))
            await ask(3)  # in vain did it wait
            await asyncio.sleep(0.04)
            await other(4)  # late
            engine.batches.clear()
            for number in range(10, 16):
                await asyncio.gather(ask(number), other(10 * number))

    asyncio.run(main())
    assert engine.batches[-4:] == [[n, 10 * n] for n in range(12, 16)]


def test_a_member_that_leaves_is_not_waited_for(engine, worker):
    async def leave():
        together = batcher(engine, worker, bound_s=60)
        with together.member() as ask:
            with together.member() as other:
                await other(2)
                waiting = asyncio.ensure_future(ask(3))
                await asyncio.sleep(0.01)
                assert not waiting.done()
            return await asyncio.wait_for(waiting, 5)

    assert asyncio.run(leave()) == 6


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
    together = batcher(engine, worker, limit=4, bound_s=0.01, size=lambda item: item)

    async def main():
        return await asyncio.gather(*(job(together, [n]) for n in (9, 2, 2, 2)))

    assert asyncio.run(main()) == [[18], [4], [4], [4]]
    assert engine.batches[0] == [9]


def test_an_error_reaches_whom_it_concerns_and_the_others_of_its_batch_get_their_results(engine, worker):
    engine.open.clear()

    async def main():
        together = batcher(engine, worker)
        tasks = [asyncio.create_task(job(together, [n])) for n in (1, 2, -13, 3)]
        await asyncio.sleep(0.01)
        engine.open.set()
        made = await asyncio.gather(*tasks, return_exceptions=True)
        return made, await job(together, [4])

    (first, second, failed, third), after = asyncio.run(main())
    assert (first, second, third, after) == ([2], [4], [6], [8])
    assert isinstance(failed, ValueError)
    assert [2, -13, 3] in engine.batches  # they were one batch


def test_a_cancelled_call_costs_the_others_nothing(engine, worker):
    engine.open.clear()

    async def main():
        together = batcher(engine, worker, limit=1)
        tasks = [asyncio.create_task(job(together, [n])) for n in (1, 2, 3)]
        await asyncio.sleep(0.01)
        tasks[0].cancel()  # it is being done
        tasks[1].cancel()  # it waits
        engine.open.set()
        assert await tasks[2] == [6]

    asyncio.run(main())
    assert engine.batches == [[1], [3]]


@pytest.mark.parametrize("off", [-1, 1])
def test_an_engine_that_gives_too_few_or_too_many_results_fails_whom_it_concerns_and_goes_on(worker, off):
    def run(items: Sequence[int]) -> list[int]:
        return [2 * item for item in items] if -13 not in items else [0] * (len(items) + off)

    together = Batcher(worker, run, size=lambda _: 1, limit=8, bound_s=lambda _: 0.02)

    async def main():
        jobs = [job(together, numbers) for numbers in ([1, 2], [-13], [3, 4])]
        return await asyncio.wait_for(asyncio.gather(*jobs, return_exceptions=True), 10)

    first, odd, third = asyncio.run(main())
    assert (first, third) == ([2, 4], [6, 8])
    assert isinstance(odd, Error)
    assert "gave" in str(odd)
