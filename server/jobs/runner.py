"""Run accepted jobs: a few at once, in the order of the line, each to exactly one end.

Knows no kind of work: a `Work` is given for each. A job ends when its work returns, raises, is cancelled, or
does nothing for STALL_S; when the server stops first, it goes back in line for the next start.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from core.errors import Error, JobOver, NodeLost, Stalled, StorageFull
from core.runtime.memory import give_back
from core.runtime.slots import Slots
from server.folder import ServerFolder
from server.jobs.explain import STALLED, explain
from server.jobs.lanes import Lanes
from server.jobs.work import Done, JobReport, Work
from server.schemas.describe import describe_output
from server.schemas.events import Cancelled, Completed, Failed, StageFailed, Started
from server.schemas.requests import Model
from server.schemas.responses import JobError
from server.schemas.specs import read_spec
from server.store.rows import JobRow
from server.store.store import Store
from server.stream.hub import Hub
from server.stream.media import STOPPED, Clips

log = logging.getLogger(__name__)

STALL_S = 300.0
"""Seconds without any progress after which a job is given up; loading a large model takes some of them."""

CANCELLED = "cancelled"

UNWIND_S = 30.0
"""Seconds a cancelled job has to let go of what it holds, before its end is recorded regardless."""

STOP_S = 3.0
"""The same when the server stops, which must not wait for long."""

RETRY_S = 3.0
"""Seconds until another attempt to record how a job ended."""

RECORDS = 3
"""Attempts to record how a job ended, before it is recorded in the plainest way there is."""

CANCEL_S = 60.0
"""Seconds a cancel waits for the end of a job to be on record."""

LOOK_S, LIVES_S = 5.0, 0.1
"""Seconds between two looks for a job that may start, and two notes that the server lives and runs some."""

SWEEP_S = 60.0
"""Seconds between two looks at what is too old or too much."""


@dataclass(slots=True)
class _Running:
    """A job under way. reason: why it is to be cut short. settled: its end is on record."""

    work: "asyncio.Task[Done]"
    report: JobReport
    reason: str = ""
    halted: asyncio.Event = field(default_factory=asyncio.Event)
    settled: asyncio.Event = field(default_factory=asyncio.Event)

    def halt(self, reason: str) -> None:
        """Cut it short; the first reason counts."""
        self.reason = self.reason or reason
        self.halted.set()


class Runner:
    """As many jobs at once as there are `slots`. `start`, then `stop` once."""

    def __init__(
        self,
        store: Store,
        hub: Hub,
        clips: Clips,
        folder: ServerFolder,
        works: Mapping[str, Work[Any]],
        *,
        slots: Slots,
        rests: bool = True,
        keep_s: float,
        keep_bytes: int,
        prefix: str = "",
        allow: Callable[[JobRow], Awaitable[None]] | None = None,
        read: Callable[[str, str], object] = read_spec,
        publish: Callable[[str], None] | None = None,
        tidy: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """works: by kind. read: what `Work` is given, of a job's kind and its recorded request.

        rests: patient jobs rest for others, see `Lanes`. prefix: of addresses of files. allow: awaited when a
        patient job begins; what it raises is the job's failure.

        publish: is told of completed jobs whose files are to be uploaded; None: nothing is.

        tidy: awaited now and then; removes what else is too old.
        """
        self._store = store
        self._hub = hub
        self._clips = clips
        self._folder = folder
        self._works = works
        self._prefix = prefix
        self._allow = allow
        self._read = read
        self._lanes = Lanes(slots, rests=rests)
        self._keep_s = keep_s
        self._keep_bytes = keep_bytes
        self._publish = publish
        self._tidy = tidy
        self._running: dict[str, _Running] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._news = slots.news
        # Held while a job passes from the record to `_running`, so that a cancel finds it in one of them.
        self._passing = asyncio.Lock()
        self._taking: asyncio.Task[None] | None = None
        self._housekeeping: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        """Recover what an earlier server left, then begin. Raises Error if the record cannot be used."""
        for job_id in await self._store.recover(await asyncio.to_thread(self._folder.died)):
            log.error("job %s is given up: every start of it alone ended the server", job_id)
            await asyncio.to_thread(self._folder.clear, job_id)
        await asyncio.to_thread(self._folder.clear_orphans, await self._store.ids())
        self._store.ballast.fill()
        self._taking = asyncio.create_task(self._take(), name="start jobs")
        self._housekeeping = [asyncio.create_task(work) for work in (self._sweep(), self._live())]

    @property
    def alive(self) -> bool:
        """Whether jobs are started as they come."""
        return self._taking is not None and not self._taking.done()

    def expect(self) -> None:
        """Somebody asks for something, perhaps a job: patient ones give way for a moment."""
        self._lanes.expect()

    def nudge(self) -> None:
        """There is a new job."""
        self._news.set()

    async def cancel(self, job_id: str) -> JobRow:
        """End a job now; the job as it then is. One that has ended stays as it is. Raises UnknownJob."""
        async with self._passing:
            waiting = await self._store.cancel_waiting(job_id, Cancelled().model_dump_json())
            running = self._running.get(job_id)
        if waiting:
            await self._clips.end(job_id, "cancelled")
            await asyncio.to_thread(self._folder.clear, job_id)
        elif running is not None:
            running.halt(CANCELLED)
            with suppress(TimeoutError):  # as on a full disk: the job ends, and is on record later
                await asyncio.wait_for(running.settled.wait(), CANCEL_S)
        return await self._store.get(job_id)

    async def delete(self, job_id: str) -> None:
        """Forget a job that has ended, and its files. Raises JobRunning, UnknownJob."""
        await self._store.delete(job_id)
        await self._forget([job_id])

    async def stop(self) -> None:
        """Put running jobs back in line and end."""
        self._stopping.set()
        self.nudge()
        for running in self._running.values():
            running.halt(STOPPED)
        for task in self._housekeeping:
            task.cancel()
        taking = self._taking
        await asyncio.gather(*([taking] if taking else []), *self._housekeeping, return_exceptions=True)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self) -> None:
        """Start jobs as there are jobs, and room for them."""
        while not self._stopping.is_set():
            try:
                job = await self._next()
            except Exception:  # whatever it is, the jobs behind it wait
                log.exception("could not look for the next job; trying again in %d s", RETRY_S)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), RETRY_S)
                job = None
            if job is None:
                continue
            running = self._running[job.id]
            if self._stopping.is_set():
                running.halt(STOPPED)
            task = asyncio.create_task(self._attend(job, running), name=f"job {job.id}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _next(self) -> JobRow | None:
        """Wait for a job that there is room for, and start its work; None if the server stops first."""
        while not self._stopping.is_set():
            self._news.clear()
            if self._lanes.room(patient=False) and (job := await self._claim()) is not None:
                return job
            with suppress(TimeoutError):  # a suspect that gets further lets the others start again
                await asyncio.wait_for(self._news.wait(), LOOK_S)
        return None

    async def _claim(self) -> JobRow | None:
        """Start the work of the job whose turn it is, if there is one."""
        async with self._passing:
            specs: list[object] = []  # what was read of the request, if it could be
            began, patient = partial(self._began, specs), self._lanes.room(patient=True)
            job = await self._store.claim(began, patient=patient)
            if job is not None:
                report = JobReport(self._store, job.id, self._lanes.turn)
                self._lanes.add(job.id, report, job.patient)
                work = asyncio.create_task(self._work(job, specs, report))
                self._running[job.id] = _Running(work, report)
            return job

    async def _work(self, job: JobRow, specs: Sequence[object], report: JobReport) -> Done:
        spec = specs[0] if specs else self._read(job.object, job.request)  # whose error is the job's
        await report.turn()
        if job.patient and self._allow is not None:
            await self._allow(job)
        return await self._works[job.object].run(job.id, spec, report)

    def _began(self, specs: list[object], job: JobRow, attempt: int) -> str:
        specs.clear()
        try:
            specs.append(self._read(job.object, job.request))
            engines = self._works[job.object].engines(specs[0])
        except Exception:  # its work will meet it too: the next job must not wait for ever
            log.exception("the engines of job %s cannot be told", job.id)
            engines = {}
        return Started(attempt=attempt, engines=engines).model_dump_json()

    async def _attend(self, job: JobRow, running: _Running) -> None:
        """See one job to its end, and that on record, however long that takes."""
        tries = 0
        try:
            await _wait(running)
            while True:
                try:
                    return await (
                        self._settle(job, running) if tries < RECORDS else self._settle_plainly(job, running)
                    )
                except Exception as error:
                    log.exception("the end of job %s could not be recorded", job.id)
                    # A full disk has room again some day, and then the end is what it was.
                    tries += not isinstance(error, StorageFull)
                if self._stopping.is_set():
                    return  # the next start of the server will find it in progress
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), RETRY_S)
        finally:
            del self._running[job.id]
            running.settled.set()
            self._lanes.remove(job.id)
            self.nudge()

    async def _settle_plainly(self, job: JobRow, running: _Running) -> None:
        """Record the end of a job whose end cannot be told as it was."""
        if running.reason == CANCELLED:
            return await self._end(job, "cancelled", Cancelled())
        message = "how the job ended could not be recorded; the server's log has more"
        why = JobError(code="internal", message=message, retryable=True)
        return await self._end(job, "failed", Failed(error=why), error=why.model_dump_json())

    async def _settle(self, job: JobRow, running: _Running) -> None:
        """Record how it ended, then say so to viewers, then tidy up."""
        work, report = running.work, running.report
        # What is raised after the work was cut short is its cleanup's trouble, not how it ended.
        over = work.done() and not work.cancelled()
        error = work.exception() if over else None
        if isinstance(error, NodeLost) and not running.reason:
            await self._again(job, error)
        elif error is not None and not running.reason:
            await self._fail(job, report, error)
        elif over and error is None:
            await self._complete(job, work.result())
        elif running.reason == CANCELLED:
            end = Cancelled(at_stage=report.stage, produced_s=round(report.produced_s, 3))
            await self._end(job, "cancelled", end)
        elif running.reason == STOPPED:
            await self._store.requeue(job.id, STOPPED)
            await self._clips.end(job.id, STOPPED)
        elif running.reason == STALLED:
            await self._fail(job, report, Stalled(f"nothing happened for {STALL_S:.0f} s"))
        else:  # no reason, no error
            await self._fail(job, report, RuntimeError("the work was cancelled, but not by us"))

    async def _complete(self, job: JobRow, done: Done) -> None:
        outputs = [describe_output(job.id, output, prefix=self._prefix) for output in done.outputs]
        size = await asyncio.to_thread(self._folder.size, job.id)
        publish = self._publish if outputs else None
        completed = Completed(
            outputs=outputs,
            metrics=done.metrics,
            engines=dict(done.engines),
            publishing=publish is not None,
        )
        with suppress(JobOver):
            await self._store.finish(
                job.id,
                "completed",
                completed.model_dump_json(),
                metrics=done.metrics.model_dump_json() if done.metrics else None,
                outputs=done.outputs,
                engines=done.engines,
                size=size,
                seconds=done.metrics.audio_s if done.metrics else 0.0,
                publish=publish is not None,
            )
            if publish is not None:
                publish(job.id)
        await self._clips.end(job.id, "completed")

    async def _again(self, job: JobRow, error: NodeLost) -> None:
        """Have it done again from the start: as after a death of the server, only that others run on."""
        log.warning("job %s begins again: %s", job.id, error)
        if await self._store.lost(job.id):
            await self._clips.end(job.id, STOPPED)
        else:
            log.error("job %s is given up: it ended every machine that did it", job.id)
            await asyncio.to_thread(self._folder.clear, job.id)
            await self._clips.end(job.id, "failed")

    async def _fail(self, job: JobRow, report: JobReport, error: BaseException) -> None:
        why = explain(error, report.stage)
        if why.code == "internal":
            log.error("job %s failed", job.id, exc_info=error)
        if why.stage is not None:
            with suppress(Error, sqlite3.Error):
                await report.event("stage.failed", StageFailed(stage=why.stage, error=why))
        await self._end(job, "failed", Failed(error=why), error=why.model_dump_json())

    async def _end(self, job: JobRow, status: str, end: Model, error: str | None = None) -> None:
        # First what was made so far goes: on a full disk its room is wanted.
        await asyncio.to_thread(self._folder.clear, job.id)
        with suppress(JobOver):
            await self._store.finish(job.id, status, end.model_dump_json(), error=error)
        await self._clips.end(job.id, status)

    async def _live(self) -> None:
        """While jobs run, note that the server lives: the next one knows when it died."""
        while True:
            if self._running:
                self._folder.lives()
            await asyncio.sleep(LIVES_S)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            try:
                await asyncio.to_thread(self._store.ballast.fill)
                await self._forget(await self._store.expire(self._keep_s, self._keep_bytes))
                if self._tidy is not None:
                    await self._tidy()
                await asyncio.to_thread(give_back)
            except Exception:
                log.exception("could not tidy up; trying again in %d s", SWEEP_S)

    async def _forget(self, job_ids: Sequence[str]) -> None:
        for job_id in job_ids:
            self._hub.forget(job_id)
            try:
                await asyncio.to_thread(self._folder.clear, job_id)
            except OSError:  # the next start clears it; the others' folders go now
                log.exception("the folder of job %s could not be removed", job_id)


async def _wait(running: _Running) -> None:
    """Wait until the work is done, or cut short and unwound."""
    work, report = running.work, running.report
    halted = asyncio.create_task(running.halted.wait())
    while not work.done() and not halted.done():
        patience = max(0.01, report.alive + STALL_S - time.monotonic())
        await asyncio.wait([work, halted], timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        if time.monotonic() - report.alive >= STALL_S:
            running.halt(STALLED)
    halted.cancel()
    if not work.done():
        work.cancel()
        await asyncio.wait([work], timeout=STOP_S if running.reason == STOPPED else UNWIND_S)
