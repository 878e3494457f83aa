import asyncio
import random

from hypothesis import given
from hypothesis import strategies as st

from core.errors import UnknownJob
from server.store.rows import Event
from server.stream.hub import CHUNK, TAIL, Hub


class Record:
    """A log in memory, as slow as a disk: commits, then publishes, like the store."""

    def __init__(self):
        self.hub = Hub()
        self.logs = {}
        self.reads = 0

    def add(self, job, type="note", count=1):
        log = self.logs.setdefault(job, [])
        events = [Event(job, len(log) + n + 1, 0.0, type, "{}") for n in range(count)]
        log.extend(events)
        self.hub.publish(events)

    async def read(self, job_id, after, limit):
        self.reads += 1
        if job_id not in self.logs:
            raise UnknownJob(job_id)
        found = self.logs[job_id][after : after + limit]
        await asyncio.sleep(0)
        return found


def run(coro):
    return asyncio.run(asyncio.wait_for(coro, 20))


async def collect(record, job, after=0, pause=None):
    seen = []
    async for event in record.hub.watch(record, job, after):
        seen.append(event.seq)
        if pause is not None:
            await asyncio.sleep(pause)
    return seen


async def test_early_late_and_slow_watchers_all_see_everything_once():
    record = Record()
    record.add("a")
    early = asyncio.create_task(collect(record, "a"))
    slow = asyncio.create_task(collect(record, "a", pause=0))
    for n in range(2 * TAIL):
        record.add("a", count=1 + n % 3)
        if n % 7 == 0:
            await asyncio.sleep(0)
    record.add("a", "job.completed")
    total = len(record.logs["a"])
    late = await collect(record, "a")
    assert await early == await slow == late == list(range(1, total + 1))
    assert await collect(record, "a", after=total - 5) == list(range(total - 4, total + 1))
    assert len(record.hub) == 0  # nobody is remembered


@given(st.data())
def test_cut_anywhere_and_resumed_the_log_is_whole(data):
    async def main():
        record, seen, total = Record(), [], data.draw(st.integers(1, 400))
        while not seen or seen[-1] < total:
            stop = data.draw(st.integers(1, 150))
            have = len(record.logs.get("a", ()))
            more = data.draw(st.integers(0 if have > len(seen) else 1, 200))
            for n in range(have, min(total, have + more)):
                record.add("a", "job.failed" if n == total - 1 else "note")
            if len(record.logs.get("a", ())) == len(seen):
                continue
            watching = record.hub.watch(record, "a", len(seen))
            available = len(record.logs["a"]) - len(seen)
            for _ in range(min(stop, available)):
                seen.append((await anext(watching)).seq)
            await watching.aclose()
        assert seen == list(range(1, total + 1))

    run(main())


async def test_who_keeps_up_never_asks_the_store():
    record = Record()
    record.add("a")
    watcher = asyncio.create_task(collect(record, "a"))
    for _ in range(1000):
        record.add("a")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    record.add("a", "job.completed")
    assert await watcher == list(range(1, 1003))
    # The end comes in together with what leaves the tail, so that it alone may be read.
    assert record.reads <= 1


async def test_one_watcher_follows_many_jobs_and_they_take_turns():
    record, rng = Record(), random.Random(3)  # noqa: S311  # a test's dice
    record.add("big", count=20 * CHUNK)
    record.add("small")
    with record.hub.watcher(record) as watcher:
        watcher.follow("big", 0)
        watcher.follow("small", 0)
        first, second = await watcher.next(), await watcher.next()
        assert {first[0].job_id, second[0].job_id} == {"big", "small"}
        seen = {"big": [e.seq for e in first], "small": [e.seq for e in second]}
        for n in range(200):
            record.add(rng.choice(["big", "small"]), count=rng.randrange(1, 4))
            if n % 5 == 0:
                for event in await watcher.next():
                    seen[event.job_id].append(event.seq)
        record.add("big", "job.cancelled")
        record.add("small", "job.completed")
        while watcher.jobs:
            for event in await watcher.next():
                seen[event.job_id].append(event.seq)
    for job, numbers in seen.items():
        assert numbers == list(range(1, len(record.logs[job]) + 1))


async def test_following_all_begins_with_what_is_new():
    record = Record()
    record.add("old", count=5)
    with record.hub.watcher(record) as watcher:
        watcher.follow_all()
        record.add("old")
        record.add("new", count=2)
        got = [*await watcher.next(), *await watcher.next()]
        assert sorted((e.job_id, e.seq) for e in got) == [("new", 1), ("new", 2), ("old", 6)]
        watcher.leave_all()
        record.add("new")
        assert not watcher.jobs


async def test_leaving_while_the_store_is_read_ends_the_matter():
    record = Record()
    record.add("a", "job.completed")
    record.add("b", "job.completed")
    with record.hub.watcher(record) as watcher:
        watcher.follow("a", 0)
        reading = asyncio.create_task(watcher.next())
        await asyncio.sleep(0)
        watcher.leave("a")
        watcher.follow("b", 0)
        assert [e.job_id for e in await reading] == ["b"]


async def test_publishing_never_waits_for_stuck_watchers_and_keeps_nothing_for_them():
    record = Record()
    record.add("a")
    stuck = [record.hub.watch(record, "a") for _ in range(50)]
    for watching in stuck:
        await anext(watching)
    for _ in range(5000):
        record.add("a")  # not one `await`: nobody could have been waited for
    assert sum(len(tail) for tail in record.hub._tails.values()) == TAIL
    record.add("a", "job.completed")
    assert not record.hub._tails
    for watching in stuck:
        assert (await anext(watching)).seq == 2
        await watching.aclose()


async def test_a_wait_that_is_given_up_loses_nothing():
    record = Record()
    record.add("a", count=3 * TAIL)
    seen = []
    with record.hub.watcher(record) as watcher:
        watcher.follow("a", 0)
        for n in range(400):
            record.add("a", "job.completed" if n == 399 else "note")
            waiting = asyncio.create_task(watcher.next())
            for _ in range(n % 4):
                await asyncio.sleep(0)
            if waiting.done():
                seen += waiting.result()
            else:
                waiting.cancel()
                await asyncio.wait([waiting])
                assert waiting.cancelled()
        while watcher.jobs:
            seen += await watcher.next()
    assert [e.seq for e in seen] == list(range(1, 3 * TAIL + 401))


async def test_nobody_waits_for_a_deleted_job():
    record = Record()
    record.add("a")
    watching = asyncio.create_task(collect(record, "a"))
    await asyncio.sleep(0.01)
    record.hub.forget("a")
    assert await watching == [1]
    assert len(record.hub) == 0


async def test_nobody_waits_for_a_job_deleted_before_it_was_followed():
    record = Record()
    record.hub.forget("a")
    assert await collect(record, "a") == []
    assert len(record.hub) == 0
