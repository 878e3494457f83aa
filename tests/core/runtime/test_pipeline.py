import asyncio
import threading
import time
from contextlib import suppress

import pytest

from core.errors import StageError
from core.runtime.pipeline import Pipeline
from core.runtime.worker import Worker


async def numbers(count, log, *, fail_at=None):
    try:
        for n in range(count):
            if n == fail_at:
                raise ValueError("no more")
            log.append(("made", n))
            yield n
            await asyncio.sleep(0)
    finally:
        log.append(("closed", "numbers"))


async def doubled(source, log):
    try:
        async for n in source:
            yield 2 * n
    finally:
        await asyncio.sleep(0)  # a stage may await while it cleans up
        log.append(("closed", "doubled"))


def run(coro, timeout=5):
    return asyncio.run(asyncio.wait_for(coro, timeout))


def test_every_item_in_order():
    async def main():
        log, out = [], []
        async with Pipeline() as pipe:
            items = pipe.stage("numbers", numbers(100, log), limit=3)
            items = pipe.stage("doubled", doubled(items, log), limit=1)
            async for n in items:
                out.append(n)
        return out, log, pipe.meters

    out, log, meters = run(main())
    assert out == [2 * n for n in range(100)]
    assert log[-2:] == [("closed", "numbers"), ("closed", "doubled")]
    assert [(m.state, m.done) for m in meters.values()] == [("finished", 100)] * 2


def test_a_slow_reader_holds_the_producer_back():
    async def main():
        log, worst, read = [], 0, 0
        async with Pipeline() as pipe:
            items = pipe.stage("numbers", numbers(50, log), limit=4)
            async for _ in items:
                read += 1
                await asyncio.sleep(0.002)
                made = sum(1 for kind, _ in log if kind == "made")
                worst = max(worst, made - read)
        return worst

    assert run(main()) <= 5  # 4 queued and one in the producer's hand


def test_a_failing_stage_is_named_and_the_rest_is_closed():
    log, finished = [], []

    async def main():
        async with Pipeline() as pipe:
            items = pipe.stage("numbers", numbers(9, log, fail_at=3), limit=2)
            items = pipe.stage("doubled", doubled(items, log), limit=2)
            async for _ in items:
                await asyncio.sleep(0)
            finished.append("the sink thought it had everything")

    with pytest.raises(StageError) as caught:
        run(main())
    assert caught.value.stage == "numbers"
    assert isinstance(caught.value.__cause__, ValueError)
    assert not finished
    assert ("closed", "doubled") in log


def test_a_failing_sink_closes_the_stages_and_keeps_its_own_error():
    log = []

    async def main():
        async with Pipeline() as pipe:
            items = pipe.stage("numbers", numbers(10_000, log), limit=2)
            async for _ in items:
                raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        run(main())
    assert ("closed", "numbers") in log


def test_leaving_early_does_not_hang():
    async def main():
        log = []
        async with Pipeline() as pipe:
            items = pipe.stage("numbers", numbers(10_000, log), limit=2)
            items = pipe.stage("doubled", doubled(items, log), limit=2)
            async for n in items:
                if n == 6:
                    break
        return log

    log = run(main())
    assert ("closed", "numbers") in log
    assert ("closed", "doubled") in log


@pytest.mark.parametrize("after", [0.0, 0.01, 0.05])
def test_cancelling_the_job_closes_every_stage_and_leaves_no_task(after):
    log = []

    async def job():
        async with Pipeline() as pipe:
            items = pipe.stage("numbers", numbers(10**9, log), limit=2)
            items = pipe.stage("doubled", doubled(items, log), limit=2)
            async for _ in items:
                await asyncio.sleep(0.001)

    async def main():
        task = asyncio.create_task(job())
        await asyncio.sleep(after)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not {t.get_name() for t in asyncio.all_tasks()} & {"numbers", "doubled"}

    run(main())
    opened = {name for kind, name in log if kind == "made"}
    assert not opened or {("closed", "numbers"), ("closed", "doubled")} <= set(log)


def test_cancelled_worker_step_never_overlaps_the_next_job():
    busy, overlaps, closed = [0], [0], []

    def frames(tag):
        try:
            for n in range(100):
                busy[0] += 1
                overlaps[0] += busy[0] > 1
                time.sleep(0.02)
                busy[0] -= 1
                yield (tag, n, threading.get_ident())
        finally:
            closed.append(tag)

    async def main():
        worker = Worker("gpu")

        async def job(stop):
            got = []
            async with Pipeline() as pipe:
                async for item in pipe.stage("lipsync", worker.steps(frames(stop)), limit=1):
                    got.append(item)
                    if len(got) == stop:
                        break
            return got

        first = asyncio.create_task(job(99))
        await asyncio.sleep(0.05)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        second = await job(3)
        worker.close()
        return second

    second = run(main())
    assert overlaps[0] == 0
    assert [n for _, n, _ in second] == [0, 1, 2]
    assert closed == [99, 3]


def test_engine_error_on_the_thread_reaches_the_caller():
    def frames():
        yield 1
        raise RuntimeError("out of memory")

    async def main():
        worker = Worker("gpu")
        try:
            async with Pipeline() as pipe:
                async for _ in pipe.stage("lipsync", worker.steps(frames()), limit=1):
                    pass
        finally:
            worker.close()

    with pytest.raises(StageError, match="lipsync failed: out of memory"):
        run(main())


def test_meters_tell_who_kept_the_job_waiting():
    async def slow(source):
        async for n in source:
            await asyncio.sleep(0.01)
            yield n

    async def main():
        async with Pipeline() as pipe:
            items = pipe.stage("fast", numbers(20, []), limit=1)
            items = pipe.stage("slow", slow(items), limit=1)
            async for _ in items:
                pass
        return pipe.meters

    meters = run(main())
    assert meters["slow"].busy_s > 0.15
    assert meters["fast"].busy_s < 0.1
    assert meters["fast"].blocked_s > 0.1


def test_stages_run_side_by_side():
    asleep, together = set(), []

    async def sleeper(source, name):
        async for n in source:
            asleep.add(name)
            together.append(len(asleep))
            await asyncio.sleep(0.01)
            asleep.remove(name)
            yield n

    async def main():
        async with Pipeline() as pipe:
            items = pipe.stage("source", numbers(20, []), limit=1)
            for name in "abc":
                items = pipe.stage(name, sleeper(items, name), limit=1)
            async for _ in items:
                pass

    run(main())
    assert max(together) == 3


# ---- what goes wrong with the obvious alternatives ------------------------------------------------


def test_closing_the_queue_in_finally_lets_the_sink_finish_a_truncated_file():
    """The reason the end of a queue is marked only on success."""
    finished = []

    async def fill(queue, items):
        try:
            async for item in items:
                await queue.put(item)
        finally:
            await queue.put(None)

    async def main():
        async with asyncio.TaskGroup() as group:
            queue = asyncio.Queue(8)
            group.create_task(fill(queue, numbers(9, [], fail_at=3)))
            got = []
            while (item := await queue.get()) is not None:
                got.append(item)
            finished.append(got)  # e.g. rename video.part to video.mp4

    with pytest.raises(BaseExceptionGroup):
        run(main())
    assert finished == [[0, 1, 2]]


def test_task_group_inside_a_generator_turns_a_failure_into_a_cancellation():
    """Why a stage may not open a task group, or a timeout, around a `yield` (PEP 789)."""
    seen = []

    async def stage():
        async with asyncio.TaskGroup() as group:

            async def helper():
                await asyncio.sleep(0.01)
                raise ValueError("model crashed")

            group.create_task(helper())
            for n in range(10):
                yield n

    async def job():
        try:
            async for _ in stage():
                await asyncio.sleep(0.1)  # the reader's own work is what gets cancelled
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def main():
        with suppress(asyncio.CancelledError):
            await asyncio.gather(job(), return_exceptions=True)

    run(main())
    assert seen == ["cancelled"]
