import asyncio
import json
import random
from contextlib import asynccontextmanager

import pytest

from core.errors import BadInput, FolderInUse, JobRunning, NodeLost, StageError, StorageFull, UnknownJob
from core.runtime.pipeline import Pipeline
from core.runtime.slots import Slots
from server.folder import ServerFolder
from server.jobs import runner as module
from server.jobs.runner import Runner
from server.jobs.work import Done
from server.schemas.events import EVENTS, StageStarted
from server.store.line import Line
from server.store.new_jobs import NewJob
from server.store.store import OutputRow, Store
from server.stream.hub import Hub
from server.stream.media import Clips


class Scripted:
    """Work that does what its request says: "sleep", "fail", "bad", "stage", "stubborn", "alone", "quick"."""

    def __init__(self, clips, folder):
        self.clips, self.folder = clips, folder
        self.running, self.most, self.order = set(), 0, []
        self.go = asyncio.Event()

    def engines(self, spec):
        if spec["title"] == "puzzle":
            raise KeyError("an engine nobody knows")
        return {"speech": "builtin"}

    async def run(self, job_id, spec, report):
        self.running.add(job_id)
        self.most = max(self.most, len(self.running))
        self.order.append(job_id)
        folder = self.folder.job(job_id)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "video.mp4").write_bytes(b"abc")
        try:
            await report.event("stage.started", StageStarted(stage="tts"))
            report.stage, report.produced_s = "tts", 0.04
            clip = await self.clips.begin(job_id)
            await clip.append(b"abc")
            await self._act(spec["title"])
            if spec["title"] == "moved" and self.order.count(job_id) == 1:
                raise NodeLost("the machine is gone")
            await clip.flush()
        finally:
            self.running.discard(job_id)
        kind = "nonsense" if spec["title"] == "unheard of" else "video"
        row = OutputRow("video.mp4", kind, "video/mp4", 3, "00", f"jobs/{job_id}/video.mp4")
        return Done([row])

    async def begun(self, count):
        while len(self.running) < count:  # noqa: ASYNC110  # bounded by the test's own limit
            await asyncio.sleep(0.005)

    async def _act(self, what):
        if what == "sleep":
            await self.go.wait()
        elif what == "fail":
            raise ZeroDivisionError("secret details")
        elif what == "bad":
            raise BadInput("no_face", "there is no face in it")
        elif what == "stage":
            raise StageError("lipsync", ValueError("oops"))
        elif what == "stumble":
            try:
                await self.go.wait()
            finally:
                raise OSError("the engine's process is gone")
        elif what == "lost":
            raise NodeLost("the machine is gone")
        elif what == "alone":
            raise asyncio.CancelledError
        while what == "stubborn":
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                if self.go.is_set():
                    raise


class AppState:
    """Everything a runner lives in."""

    def __init__(self, root, slots=2, waiting=100):
        self.folder = ServerFolder(root)
        self.hub = Hub()
        self.store = Store(self.folder.database, self.hub.publish, line=Line(waiting), ballast=4096)
        self.clips = Clips(lambda job_id: self.folder.job(job_id) / "stream.mp4")
        self.work = Scripted(self.clips, self.folder)
        self.runner = Runner(
            self.store,
            self.hub,
            self.clips,
            self.folder,
            {"video": self.work},
            read=lambda _kind, text: json.loads(text),
            slots=Slots(slots),
            keep_s=3600,
            keep_bytes=1 << 30,
        )

    async def submit(self, name, what):
        await self.store.accept(NewJob(name, "video", json.dumps({"title": what, "template": "t"}), "{}"))
        self.runner.nudge()

    async def end(self, name):
        """Wait for the job's end; its status and the types of its events, checked."""
        events = [event async for event in self.hub.watch(self.store, name)]
        assert [e.seq for e in events] == list(range(1, len(events) + 1))
        assert [e.seq for e in events if e.last] == [len(events)]
        for event in events:
            EVENTS[event.type].model_validate_json(event.data)
        row = await self.store.get(name)
        assert f"job.{row.status}" == events[-1].type
        return row, [e.type for e in events]

    async def close(self):
        await self.runner.stop()
        await self.clips.close()
        self.store.close()
        self.folder.close()


@asynccontextmanager
async def state(root, **options):
    it = AppState(root, **options)
    await it.runner.start()
    try:
        yield it
    finally:
        await it.close()


def run(coro):
    return asyncio.run(asyncio.wait_for(coro, 30))


async def test_so_many_at_once_and_in_the_order_they_came(tmp_path):
    async with state(tmp_path, slots=3) as it:
        names = [f"j{n}" for n in range(12)]
        for name in names:
            await it.submit(name, "sleep")
        await it.work.begun(3)
        it.work.go.set()
        for name in names:
            row, types = await it.end(name)
            assert row.status == "completed"
            assert types[:2] == ["job.queued", "job.started"]
            assert [o.name for o in row.outputs] == ["video.mp4"]
        assert it.work.most == 3
        assert it.work.order == names


@pytest.mark.parametrize(
    ("what", "code", "stage"),
    [
        ("fail", "internal", "tts"),
        ("bad", "no_face", "tts"),
        ("stage", "internal", "lipsync"),
        ("alone", "internal", "tts"),
    ],
)
async def test_a_failure_is_told_once_leaves_nothing_and_blocks_nobody(tmp_path, what, code, stage):
    async with state(tmp_path, slots=1) as it:
        await it.submit("a", what)
        await it.submit("b", "quick")
        row, types = await it.end("a")
        error = json.loads(row.error)
        assert (row.status, error["code"], error["stage"]) == ("failed", code, stage)
        assert types[-2:] == ["stage.failed", "job.failed"]
        assert "secret" not in row.error
        assert not it.folder.job("a").exists()
        assert (await it.end("b"))[0].status == "completed"


async def test_cancelling_ends_a_job_wherever_it_is_and_twice_is_once(tmp_path):
    async with state(tmp_path, slots=1) as it:
        await it.submit("running", "sleep")
        await it.submit("waiting", "sleep")
        await it.submit("next", "quick")
        await it.work.begun(1)
        viewed = it.clips.coming("waiting")
        for name in ("waiting", "running", "running"):
            assert (await it.runner.cancel(name)).status == "cancelled"
        assert viewed.ended == "cancelled"
        assert not it.work.running & {"running", "waiting"}
        _, types = await it.end("running")
        assert types[-1] == "job.cancelled"
        last = (await it.store.read("running", len(types) - 1))[0]
        assert json.loads(last.data) == {"at_stage": "tts", "produced_s": 0.04}
        assert (await it.end("next"))[0].status == "completed"
        assert (await it.runner.cancel("next")).status == "completed"
        with pytest.raises(UnknownJob):
            await it.runner.cancel("nobody")
        assert not it.folder.job("running").exists()


@pytest.mark.parametrize("staged", [False, True])
async def test_a_cancelled_job_whose_cleanup_stumbles_is_cancelled(tmp_path, monkeypatch, staged):
    async with state(tmp_path, slots=1) as it:
        if staged:
            act = it.work._act

            async def stage(what):
                async def items():
                    await act(what)
                    yield 1

                async with Pipeline() as pipe:
                    async for _ in pipe.stage("tts", items(), limit=1):
                        pass

            monkeypatch.setattr(it.work, "_act", stage)
        await it.submit("a", "stumble")
        await it.submit("b", "quick")
        await it.work.begun(1)
        assert (await it.runner.cancel("a")).status == "cancelled"
        row, types = await it.end("a")
        assert (row.status, row.error, types[-1]) == ("cancelled", None, "job.cancelled")


async def test_a_job_whose_end_cannot_be_recorded_fails_and_blocks_nobody(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "RETRY_S", 0.02)

    async with state(tmp_path, slots=1) as it:
        await it.submit("a", "unheard of")
        await it.submit("b", "quick")
        row, _ = await it.end("a")
        assert (row.status, json.loads(row.error)["code"]) == ("failed", "internal")
        assert (await it.end("b"))[0].status == "completed"
        assert (await it.runner.cancel("a")).status == "failed"


async def test_a_cancel_is_answered_while_the_end_cannot_be_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "RETRY_S", 0.02)
    monkeypatch.setattr(module, "CANCEL_S", 0.1)

    async with state(tmp_path, slots=1) as it:
        finish, full = it.store.finish, [True]

        async def no_room(*args, **options):
            if full:
                raise StorageFull("the disk is full")
            return await finish(*args, **options)

        monkeypatch.setattr(it.store, "finish", no_room)
        await it.submit("a", "sleep")
        await it.work.begun(1)
        assert (await it.runner.cancel("a")).status == "in_progress"
        full.clear()
        assert (await it.end("a"))[0].status == "cancelled"


def test_whatever_goes_wrong_while_the_next_job_is_looked_for_jobs_go_on(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(module, "RETRY_S", 0.02)

    async def main():
        async with state(tmp_path, slots=1) as it:
            claim, faults = it.store.claim, [TypeError("unforeseen"), KeyError("that neither")]

            async def odd(began, **lanes):
                if faults:
                    raise faults.pop()
                return await claim(began, **lanes)

            monkeypatch.setattr(it.store, "claim", odd)
            await it.store.accept(NewJob("odd", "kind-of-a-later-version", "{}", "{}"))
            await it.submit("a", "quick")
            assert (await it.end("a"))[0].status == "completed"
            assert (await it.store.get("odd")).status == "failed"
            assert it.runner.alive
            it.runner._taking.cancel()
            await asyncio.wait([it.runner._taking])
            assert not it.runner.alive

    run(main())
    assert "unforeseen" in caplog.text


async def test_whenever_the_cancel_comes_there_is_one_end(tmp_path):
    rng = random.Random(1)  # noqa: S311  # a test's dice
    async with state(tmp_path, slots=4) as it:
        names = [f"j{n}" for n in range(60)]

        async def later(name):
            for _ in range(rng.randrange(60)):
                await asyncio.sleep(0)
            await it.runner.cancel(name)

        cancels = []
        for name in names:
            await it.submit(name, "quick")
            cancels.append(asyncio.create_task(later(name)))
        await asyncio.gather(*cancels)
        ends = [(await it.end(name))[0].status for name in names]
        assert set(ends) <= {"completed", "cancelled"}


async def test_stopping_puts_jobs_back_in_line_and_the_next_start_does_them(tmp_path):
    async with state(tmp_path, slots=2) as it:
        for name in "abc":
            await it.submit(name, "sleep")
        await it.work.begun(2)
        clip = it.clips.coming("a")
        with pytest.raises(FolderInUse):
            ServerFolder(tmp_path)
    assert clip.ended == "server_stopped"
    async with state(tmp_path, slots=2) as it:
        it.work.go.set()
        for name in "abc":
            row, types = await it.end(name)
            assert row.status == "completed"
            assert row.attempt == (1 if name == "c" else 2)
            if name != "c":
                assert types[3:5] == ["job.queued", "job.started"]
        assert it.work.order == ["a", "b", "c"]


async def test_a_job_that_does_nothing_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "STALL_S", 0.1)

    async with state(tmp_path, slots=1) as it:
        await it.submit("a", "sleep")
        row, _ = await it.end("a")
        error = json.loads(row.error)
        assert (row.status, error["code"], error["retryable"]) == ("failed", "stalled", True)


async def test_work_that_will_not_end_does_not_keep_its_place(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "UNWIND_S", 0.05)

    async with state(tmp_path, slots=1) as it:
        await it.submit("a", "stubborn")
        await it.submit("b", "quick")
        await it.work.begun(1)
        assert (await it.runner.cancel("a")).status == "cancelled"
        assert (await it.end("b"))[0].status == "completed"
        it.work.go.set()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            if "Scripted" in repr(task):
                task.cancel()
                await asyncio.wait([task])


async def test_deleting_takes_the_files_and_orphans_go_at_the_next_start(tmp_path):
    async with state(tmp_path) as it:
        await it.submit("a", "quick")
        await it.submit("b", "sleep")
        await it.end("a")
        assert it.folder.job("a").exists()
        await it.runner.delete("a")
        assert not it.folder.job("a").exists()
        with pytest.raises(UnknownJob):
            await it.store.get("a")
        with pytest.raises(JobRunning):
            await it.runner.delete("b")
        (tmp_path / "jobs" / "orphan").mkdir()
    async with state(tmp_path):
        assert [path.name for path in (tmp_path / "jobs").iterdir()] == ["b"]


async def test_a_record_that_fails_for_a_while_does_not_end_the_running(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "RETRY_S", 0.02)

    async with state(tmp_path, slots=1) as it:
        fails, claim, finish = [3, 3], it.store.claim, it.store.finish

        async def flaky(which, method, *arguments, **more):
            if fails[which]:
                fails[which] -= 1
                raise StorageFull("for a while")
            return await method(*arguments, **more)

        monkeypatch.setattr(it.store, "claim", lambda *a, **k: flaky(0, claim, *a, **k))
        monkeypatch.setattr(it.store, "finish", lambda *a, **k: flaky(1, finish, *a, **k))
        await it.submit("a", "quick")
        assert (await it.end("a"))[0].status == "completed"
        assert fails == [0, 0]


async def test_a_job_whose_engines_cannot_be_told_keeps_nobody_waiting(tmp_path):
    async with state(tmp_path, slots=1) as it:
        await it.submit("odd", "puzzle")
        await it.submit("next", "quick")
        assert (await it.end("odd"))[0].status == "completed"
        assert (await it.end("next"))[0].status == "completed"


async def test_a_job_whose_machine_is_gone_begins_again_and_ends_once(tmp_path):
    async with state(tmp_path) as it:
        await it.submit("j1", "moved")
        row, types = await it.end("j1")
        assert (row.status, row.attempt) == ("completed", 2)
        again = types.index("job.queued", 1)
        assert types[again + 1] == "job.started"
        assert types.count("job.completed") == 1
        reasons = [json.loads(e.data).get("reason") for e in await it.store.read("j1", 0)]
        assert reasons[again] == "node_lost"


async def test_a_job_that_ends_every_machine_that_does_it_is_given_up(tmp_path):
    async with state(tmp_path) as it:
        await it.submit("j1", "lost")
        await it.submit("j2", "quick")
        row, _ = await it.end("j1")
        assert (row.status, row.attempt) == ("failed", 4)
        assert json.loads(row.error)["code"] == "crash_loop"
        assert (await it.end("j2"))[0].status == "completed"
    assert not it.folder.job("j1").exists()
