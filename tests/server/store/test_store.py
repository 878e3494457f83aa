import asyncio
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import time
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core.errors import BadInput, Error, JobOver, JobRunning, StorageFull, TooManyJobs, UnknownJob
from server.store.database import lacks_room
from server.store.line import STRIKES, Line
from server.store.new_jobs import NewJob
from server.store.rows import Run
from server.store.store import OutputRow, Store


@asynccontextmanager
async def opened(folder, publish=lambda events: None, **options):
    store = Store(folder / "jobs.db", publish, **{"ballast": 1 << 16} | options)
    try:
        yield store
    finally:
        store.close()


def run(coro):
    return asyncio.run(asyncio.wait_for(coro, 60))


def job(name, body="{}", key=None):
    return NewJob(name, "video", '{"text":"hello"}', body, key)


def began(_job, attempt):
    return json.dumps({"attempt": attempt})


async def log_of(store, name):
    return await store.read(name, 0, 10_000)


def dense(events):
    return [e.seq for e in events] == list(range(1, len(events) + 1))


def test_a_job_goes_from_the_line_through_its_log_to_its_end(tmp_path):
    async def main():
        async with opened(tmp_path) as store:
            accepted = await store.accept(job("a"))
            assert (accepted.new, accepted.job.status) == (True, "queued")
            claimed = await store.claim(began)
            assert (claimed.id, claimed.status, claimed.attempt) == ("a", "in_progress", 1)
            await store.progress("a", '{"overall":0.5}', 10)
            await store.append("a", "video.init", '{"width":64,"height":48}')
            made = OutputRow("video.mp4", "video", "video/mp4", 3, "00", "jobs/a/video.mp4")
            await store.finish("a", "completed", "{}", metrics='{"fps":12.5}', outputs=[made], size=3)
            return await store.get("a"), await log_of(store, "a"), await store.recent_runs()

    row, events, runs = run(main())
    assert [e.type for e in events] == [
        "job.queued",
        "job.started",
        "job.progress",
        "video.init",
        "job.completed",
    ]
    assert dense(events)
    assert row.last_seq == len(events)
    assert (row.status, row.outputs[0].name, json.loads(row.progress)) == (
        "completed",
        "video.mp4",
        {"overall": 0.5},
    )
    assert runs == [Run(12.5, {}, 64 * 48)]


def test_a_job_with_a_time_to_begin_waits_for_it_through_a_restart_and_holds_up_nobody(tmp_path, monkeypatch):
    now = time.time()
    monkeypatch.setattr("server.store.store.time", SimpleNamespace(time=lambda: now))

    async def main():
        nonlocal now
        async with opened(tmp_path) as store:
            await store.accept(replace(job("later"), not_before=now + 60))
            await store.accept(job("at once"))
            assert (await store.claim(began)).id == "at once"
            assert await store.claim(began) is None
        async with opened(tmp_path) as store:
            assert await store.claim(began) is None
            await store.accept(replace(job("sooner"), not_before=now + 30))
            now += 60
            await store.accept(job("new"))
            started = [(await store.claim(began)).id for _ in range(3)]
            ahead = [json.loads((await log_of(store, name))[0].data)["ahead"] for name in ("sooner", "new")]
            return started, ahead

    started, ahead = run(main())
    assert started == ["later", "sooner", "new"]
    assert ahead == [0, 2]


def test_jobs_start_in_the_order_they_came(tmp_path):
    async def main():
        async with opened(tmp_path) as store:
            for name in "cab":
                await store.accept(job(name))
            order = [(await store.claim(began)).id for _ in range(3)]
            return order, await store.claim(began)

    assert run(main()) == (["c", "a", "b"], None)


def test_patient_jobs_let_all_others_go_first_and_fill_no_line_but_their_own(tmp_path):
    async def main():
        async with opened(tmp_path, line=Line(waiting=2, patient=3)) as store:
            for name in ("p1", "p2", "p3"):
                await store.accept(replace(job(name), patient=True))
            with pytest.raises(TooManyJobs):
                await store.accept(replace(job("p4"), patient=True))
            await store.check_room()
            for name in ("a", "b"):
                await store.accept(job(name))
            with pytest.raises(TooManyJobs):
                await store.accept(job("c"))
            started = [(await store.claim(began)).id for _ in range(2)]
            assert await store.claim(began, patient=False) is None
            started += [(await store.claim(began)).id for _ in range(2)]
            await store.requeue("p1", "server_stopping")
            await store.accept(job("d"))
            ahead = [json.loads((await log_of(store, name))[0].data)["ahead"] for name in ("p3", "b", "d")]
            last = json.loads((await log_of(store, "p1"))[-1].data)["ahead"]
            started += [(await store.claim(began)).id for _ in range(3)]
            return started, ahead, last

    started, ahead, last = run(main())
    assert started == ["a", "b", "p1", "p2", "d", "p1", "p3"]
    assert (ahead, last) == ([2, 1, 0], 0)


def test_one_job_for_one_key_however_many_ask_at_once(tmp_path):
    async def main():
        async with opened(tmp_path, line=Line(1)) as store:
            got = await asyncio.gather(*(store.accept(job(f"j{n}", "same", "key")) for n in range(20)))
            assert [a.new for a in got].count(True) == 1
            assert len({a.job.id for a in got}) == 1
            with pytest.raises(BadInput, match="another request") as caught:
                await store.accept(job("other", "other body", "key"))
            assert caught.value.code == "idempotency_conflict"
            # The line is full, but a repetition asks for no place in it.
            with pytest.raises(TooManyJobs):
                await store.accept(job("new"))
            assert (await store.accept(job("again", "same", "key"))).new is False
            return await store.counts()

    assert run(main()) == {"queued": 1}


def test_the_line_is_exactly_as_long_as_allowed(tmp_path):
    async def main():
        async with opened(tmp_path, line=Line(4)) as store:
            answers = await asyncio.gather(
                *(store.accept(job(f"j{n}")) for n in range(30)), return_exceptions=True
            )
            refused = [a for a in answers if isinstance(a, TooManyJobs)]
            assert all(1 <= a.retry_after_s <= 60 for a in refused)
            return len(answers) - len(refused), await store.counts()

    assert run(main()) == (4, {"queued": 4})


def test_a_refused_change_takes_no_neighbour_with_it(tmp_path):
    async def main():
        async with opened(tmp_path) as store:
            wanted = [store.accept(job(f"j{n // 2}")) for n in range(40)]  # every id twice
            answers = await asyncio.gather(*wanted, return_exceptions=True)
            assert sum(isinstance(a, sqlite3.IntegrityError) for a in answers) == 20
            return (await store.counts())["queued"], [len(await log_of(store, f"j{n}")) for n in range(20)]

    assert run(main()) == (20, [1] * 20)


def test_an_event_is_published_after_its_commit_and_in_order(tmp_path):
    seen = []

    def publish(events):
        with closing(sqlite3.connect(tmp_path / "jobs.db")) as other:
            for event in events:
                assert other.execute(
                    "select type from events where job = ? and seq = ?", (event.job_id, event.seq)
                ).fetchone() == (event.type,)
        seen.extend(events)

    async def main():
        async with opened(tmp_path, publish) as store:
            await store.accept(job("a"))
            await store.claim(began)
            await asyncio.gather(*(store.append("a", "note", json.dumps({"n": n})) for n in range(200)))
            assert [e.seq for e in seen] == list(range(1, 203))

    run(main())
    assert [json.loads(e.data)["n"] for e in seen[2:]] == list(range(200))


def test_a_job_ends_once(tmp_path):
    async def main():
        async with opened(tmp_path) as store:
            await store.accept(job("a"))
            await store.claim(began)
            ends = [
                store.finish("a", status, "{}") for status in ("completed", "failed", "cancelled") * 4
            ] + [store.append("a", "note", "{}") for _ in range(5)]
            answers = await asyncio.gather(*ends, return_exceptions=True)
            assert sum(not isinstance(a, JobOver) for a in answers) == 1
            assert await store.cancel_waiting("a", "{}") is False
            for late in (store.append("a", "note", "{}"), store.progress("a", "{}", 1)):
                with pytest.raises(JobOver):
                    await late
            return [e.type for e in await log_of(store, "a")]

    assert run(main()) == ["job.queued", "job.started", "job.completed"]


async def test_a_waiting_job_can_be_cancelled_and_then_never_starts(tmp_path):
    async with opened(tmp_path) as store:
        await store.accept(job("a"))
        assert await store.cancel_waiting("a", "{}") is True
        assert await store.claim(began) is None
        with pytest.raises(UnknownJob):
            await store.cancel_waiting("b", "{}")


async def test_what_ran_at_a_death_goes_back_to_its_place_in_the_line(tmp_path):
    async with opened(tmp_path) as store:
        for name in "abc":
            await store.accept(job(name))
        await store.claim(began)
        await store.claim(began)
    async with opened(tmp_path) as store:
        assert await store.recover() == []
        again = []
        for name in "abc":  # suspects, so one at a time; "b" gets further and lets "c" begin
            again.append(await store.claim(began))
            if name == "a":
                assert await store.claim(began) is None
                await store.finish("a", "completed", "{}")
            await store.progress("b", "{}", 1) if name == "b" else None
        assert [(j.id, j.attempt) for j in again] == [("a", 2), ("b", 2), ("c", 1)]
        events = await log_of(store, "b")
        assert dense(events)
        assert json.loads(events[2].data) == {"ahead": 1, "reason": "server_restarted"}


def test_starts_without_progress_are_numbered(tmp_path):
    async def main(reached_at_each_start):
        name, deaths = "a", 0
        async with opened(tmp_path) as store:
            await store.accept(job(name))
        for reached in reached_at_each_start:
            async with opened(tmp_path) as store:
                if await store.recover():
                    break
                await store.claim(began)
                await store.progress(name, "{}", reached)
                deaths += 1
        async with opened(tmp_path) as store:
            await store.recover()
            row = await store.get(name)
            events = await log_of(store, name)
            await store.cancel_waiting(name, "{}")
            await store.delete(name)
            return deaths, row, events

    # Always a little further: it is slow, not poisonous.
    _, row, _ = run(main(range(1, 3 * STRIKES)))
    assert row.status == "queued"
    # Dies at the same place every time: the first start does get that far, three more are allowed.
    deaths, row, events = run(main([50] * 10))
    assert (deaths, row.status, json.loads(row.error)["code"]) == (1 + STRIKES, "failed", "crash_loop")
    assert dense(events)
    assert events[-1].type == "job.failed"
    # Never gets anywhere.
    deaths, row, _ = run(main([0] * 10))
    assert (deaths, row.status) == (STRIKES, "failed")


def test_stopping_in_good_order_is_no_strike(tmp_path):
    async def main():
        async with opened(tmp_path) as store:
            await store.accept(job("a"))
        for _ in range(2 * STRIKES):
            async with opened(tmp_path) as store:
                assert await store.recover() == []
                await store.claim(began)
                await store.requeue("a", "server_stopped")
        async with opened(tmp_path) as store:
            return (await store.get("a")).status

    assert run(main()) == "queued"


def test_pages_are_newest_first_and_meet(tmp_path):
    async def main():
        async with opened(tmp_path) as store:
            for n in range(7):
                await store.accept(job(f"j{n}"))
            first = await store.list(limit=3)
            rest = await store.list(after=first[-1].id, limit=10)
            with pytest.raises(UnknownJob):
                await store.list(after="nobody")
            await store.claim(began)
            running = await store.list(status="in_progress")
            return [j.id for j in [*first, *rest]], [j.id for j in running]

    assert run(main()) == ([f"j{n}" for n in range(6, -1, -1)], ["j0"])


def test_old_and_big_jobs_are_forgotten_but_never_unfinished_ones(tmp_path):
    async def main():
        async with opened(tmp_path) as store:
            for n in range(6):
                await store.accept(job(f"j{n}"))
            for n in range(4):
                await store.claim(began)
                if n < 3:
                    await store.finish(f"j{n}", "completed", "{}", size=100)
            with pytest.raises(JobRunning):
                await store.delete("j3")
            assert await store.expire(3600, 250) == ["j0"]
            assert await store.expire(0, 10**9) == ["j2", "j1"]
            assert await store.expire(0, 0) == []
            with pytest.raises(UnknownJob):
                await log_of(store, "j0")
            return await store.ids()

    assert run(main()) == {"j3", "j4", "j5"}


async def test_media_do_not_fit_into_the_log(tmp_path):
    async with opened(tmp_path) as store:
        await store.accept(job("a"))
        await store.claim(began)
        with pytest.raises(ValueError, match="characters"):
            await store.append("a", "note", "x" * 9000)
        assert (await store.append("a", "note", "{}")).seq == 3  # the refused one left no gap


async def test_a_file_of_a_later_version_is_left_alone(tmp_path):
    with closing(sqlite3.connect(tmp_path / "jobs.db")) as db:
        db.execute("pragma user_version=99")

    with pytest.raises(Error, match="later version"):
        Store(tmp_path / "jobs.db", lambda events: None)


WRITER = """
    import asyncio, json, sys
    from pathlib import Path
    from server.store.new_jobs import NewJob
    from server.store.store import Store

    async def main():
        store = Store(Path(sys.argv[1]), lambda events: None, ballast=4096)
        for name in await store.recover():
            print("poison", name, flush=True)
        number = len(await store.ids())
        while True:
            name = f"j{number}"
            number += 1
            await store.accept(NewJob(name, "video", "{}", "{}"))
            claimed = await store.claim(lambda job, attempt: json.dumps({"attempt": attempt}))
            for n in range(20):
                events = await asyncio.gather(
                    store.append(claimed.id, "note", "{}"), store.progress(claimed.id, "{}", n + 1)
                )
                for event in events:
                    print(event.job_id, event.seq, event.type, flush=True)
            row = await store.finish(claimed.id, "completed", "{}")
            print(row.id, row.last_seq, "job.completed", flush=True)

    asyncio.run(main())
"""


@pytest.mark.slow
def test_a_killed_server_loses_nothing_it_acknowledged(tmp_path):
    path, rng, acknowledged = tmp_path / "jobs.db", random.Random(5), 0  # noqa: S311  # a test's dice
    for _ in range(6):
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(path)], stdout=subprocess.PIPE, text=True
        )
        until = rng.randrange(30, 400)
        lines = [child.stdout.readline() for _ in range(until)]
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.readlines()
        child.stdout.close()
        child.wait(10)
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("pragma quick_check").fetchone() == ("ok",)
            for line in lines:
                if line.endswith("\n"):
                    name, seq, type = line.split()
                    found = db.execute("select type from events where job = ? and seq = ?", (name, int(seq)))
                    assert found.fetchone() == (type,), line
                    acknowledged += 1
            gaps = "select job from events group by job having count(*) != max(seq) or min(seq) != 1"
            assert db.execute(gaps).fetchall() == []
            assert (
                db.execute(
                    "select id from jobs j where last_seq != (select max(seq) from events where job = j.id)"
                ).fetchall()
                == []
            )
            ends = "select count(*) from events where type = 'job.completed' group by job having count(*) > 1"
            assert db.execute(ends).fetchall() == []
    assert acknowledged > 500


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if os.geteuid() or not mount or not umount:
        pytest.skip("needs root, to mount a small disk")
    if subprocess.run([mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=False).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield folder
    subprocess.run([umount, str(folder)], check=True)


def fill(path):
    with path.open("wb", buffering=0) as file:
        for _ in range(10_000):
            file.write(os.urandom(4096))


async def append_much(store, name):
    for _ in range(2000):
        await store.append(name, "note", json.dumps({"pad": "x" * 4000}))


def test_a_full_disk_fails_the_job_and_that_is_on_record(small_disk):
    async def main():
        async with opened(small_disk, ballast=1 << 19) as store:
            assert store.ballast.fill()
            await store.accept(job("a"))
            await store.claim(began)
            filler = small_disk / "filler"
            with pytest.raises(OSError, match="No space"):
                fill(filler)
            with pytest.raises(StorageFull):
                await append_much(store, "a")
            row = await store.finish("a", "failed", "{}", error='{"code":"storage_full"}')
            assert row.status == "failed"
            filler.unlink()
            assert store.ballast.fill()
            await store.accept(job("b"))  # and life goes on
            return dense(await log_of(store, "a")), (await log_of(store, "a"))[-1].type

    assert run(main()) == (True, "job.failed")


class Histories(RuleBasedStateMachine):
    """Random lives of jobs, deaths and restarts included, against a model of a few lines."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.loop = asyncio.new_event_loop()
        self.status, self.published, self.store = {}, {}, None
        self.suspects, self.further, self.reached = set(), set(), {}

    def do(self, make):
        async def call():
            return await make()

        return self.loop.run_until_complete(call())

    def publish(self, events):
        for event in events:
            self.published.setdefault(event.job_id, []).append((event.seq, event.type))

    @initialize()
    def open(self):
        async def make():
            return Store(Path(self.folder.name) / "jobs.db", self.publish, line=Line(3), ballast=4096)

        self.store = self.loop.run_until_complete(make())

    @rule()
    def restart(self):
        self.store.close()
        self.open()
        for name in self.do(self.store.recover):
            self.status[name] = "failed"
        for name, status in self.status.items():
            if status == "in_progress":
                self.status[name] = "queued"
                self.suspects |= {name} - self.further
                self.further.discard(name)

    @rule()
    def accept(self):
        name = f"j{len(self.status)}"
        waiting = list(self.status.values()).count("queued")
        try:
            self.do(lambda: self.store.accept(job(name)))
        except TooManyJobs:
            assert waiting >= 3
        else:
            assert waiting < 3
            self.status[name] = "queued"

    @rule()
    def claim(self):
        got = self.do(lambda: self.store.claim(began))
        first = next((n for n, s in self.status.items() if s == "queued"), None)
        running = {n for n, s in self.status.items() if s == "in_progress"}
        if running & self.suspects or (running and first in self.suspects):
            first = None  # a suspect runs alone
        assert (got and got.id) == first
        if first:
            self.status[first] = "in_progress"

    @precondition(lambda self: self.status)
    @rule(data=st.data(), what=st.sampled_from(["append", "progress", "completed", "failed", "cancelled"]))
    def touch(self, data, what):
        name = data.draw(st.sampled_from(sorted(self.status)))
        status = self.status[name]
        try:
            if what == "append":
                self.do(lambda: self.store.append(name, "note", "{}"))
            elif what == "progress":
                far = data.draw(st.integers(0, 5))
                self.do(lambda: self.store.progress(name, "{}", far))
                if far > self.reached.get(name, 0):
                    self.reached[name] = far
                    self.suspects.discard(name)
                    self.further.add(name)
            else:
                self.do(lambda: self.store.finish(name, what, "{}"))
        except JobOver:
            ended = status in ("completed", "failed", "cancelled")
            assert ended or (status == "queued" and what in ("append", "progress"))
        else:
            assert status == "in_progress" or (status == "queued" and what not in ("append", "progress"))
            if what not in ("append", "progress"):
                self.status[name] = what

    @invariant()
    def record_and_model_agree(self):
        if self.store is None:
            return
        for name, status in self.status.items():
            row = self.do(lambda name=name: self.store.get(name))
            events = self.do(lambda name=name: self.store.read(name, 0, 1000))
            assert row.status == status
            assert dense(events)
            assert self.published[name] == [(e.seq, e.type) for e in events]
            ends = [k for k, e in enumerate(events) if e.type in ENDS]
            assert ends == ([len(events) - 1] if status in ("completed", "failed", "cancelled") else [])

    def teardown(self):
        if self.store is not None:
            self.store.close()
        self.loop.close()
        self.folder.cleanup()


ENDS = {"job.completed", "job.failed", "job.cancelled"}
TestHistories = Histories.TestCase
TestHistories.settings = settings(stateful_step_count=20)


@pytest.mark.slow
def test_thousands_of_events_a_second(tmp_path):
    async def main():
        async with opened(tmp_path) as store:
            await store.accept(job("a"))
            await store.claim(began)

            async def produce():
                for _ in range(200):
                    await store.append("a", "note", '{"pad":"0123456789012345678901234567890123456789"}')

            start = time.perf_counter()
            await asyncio.gather(*(produce() for _ in range(32)))
            return 6400 / (time.perf_counter() - start)

    assert run(main()) > 2000  # some 20 000 on an idle core


async def test_a_write_after_the_end_raises_at_once(tmp_path):
    async with opened(tmp_path) as store:
        pass
    with pytest.raises(Error, match="closed"):
        await asyncio.wait_for(store.accept(job("a")), 2)


def test_a_broken_disk_is_not_called_a_full_one(tmp_path):
    def failed(code):
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = code
        return error

    assert lacks_room(failed(sqlite3.SQLITE_FULL), tmp_path)
    for code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_WRITE):
        assert not lacks_room(failed(code), tmp_path)


def test_jobs_that_a_killed_server_ran_are_tried_alone_and_convicted_by_nothing_but_themselves(tmp_path):
    async def main():
        async with opened(tmp_path) as store:
            for name in ("a", "poison", "b"):
                await store.accept(job(name))
        dice, ended, deaths, lived = random.Random(7), set(), 0, 0.0  # noqa: S311
        while len(ended) < 3 and deaths < 200:
            deaths += 1
            async with opened(tmp_path) as store:
                ended |= set(await store.recover(time.time() + lived))
                first = await store.claim(began)
                while (more := await store.claim(began)) is not None:
                    assert not deaths > 1, (first, more)  # all were suspects, so each runs alone
                # What kills from outside does so at any time; poison after three seconds.
                lived = 3.0 if first and first.id == "poison" else dice.uniform(0.05, 4)
                if first and first.id != "poison" and deaths > 12:
                    await store.finish(first.id, "completed", "{}")
                    ended.add(first.id)
        async with opened(tmp_path) as store:
            return [await store.get(name) for name in ("a", "poison", "b")], deaths

    (a, poison, b), deaths = run(main())
    assert (a.status, poison.status, b.status) == ("completed", "failed", "completed")
    assert json.loads(poison.error)["code"] == "crash_loop"
    assert json.loads(poison.error)["retryable"] is True
    assert deaths < 40
