"""The durable record: jobs, their event logs, what they made. SQLite, one file.

What is promised: an accepted job survives the loss of power, and so does its end; every event survives the
death of the process; the log of a job counts 1, 2, 3 ... without a gap, whatever died in between; a job ends
once. The design (WAL, one writer, savepoints, publication after the commit) follows SQLite's documentation
(https://sqlite.org/wal.html) and the practice of Temporal: a record, a log, and work that may be done again.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from core.errors import JobRunning
from core.runtime.worker import Worker
from server.store import rows
from server.store.batches import Batches, forget_batches
from server.store.database import lacks_room, open_database, unusable
from server.store.hooks import Hooks
from server.store.line import (
    OVER,
    Line,
    back_in_line,
    due,
    end,
    forget,
    forgive,
    in_progress,
    json_of,
    may_start,
    running,
)
from server.store.new_jobs import NewJob, conflict, enter, recorded_key
from server.store.owners import Owners, check_quota, spend
from server.store.publications import Publications, add_event, begin_publication, discard
from server.store.rows import Event, JobRow, OutputRow, get_job
from server.store.sessions import SessionRecord
from server.store.writer import Ballast, Writer


@dataclass(frozen=True, slots=True)
class Accepted:
    """A job on record; `new` is False if its Idempotency-Key had come with the same body before."""

    job: JobRow
    new: bool


class Store:
    """Open on one file, from one event loop. Every method waits on a thread, never on the loop.

    `publish` is called on the loop with events, in the order of their commits, after it.
    """

    def __init__(
        self,
        path: Path,
        publish: Callable[[Sequence[Event]], None],
        *,
        line: Line | None = None,
        ballast: int = 16 << 20,
        same: Callable[[str, str], bool] = str.__eq__,
    ) -> None:
        """line: how many jobs may wait. same: whether two bodies of requests ask for the same.

        Raises Error, which says what to do, for a file that cannot be used: written by a later version,
        damaged, no database, in use by another program; StorageFull if the disk has no room for it.
        """
        self.ballast = Ballast(path.with_name("ballast"), ballast)
        self._line = line or Line()
        self._same = same
        try:
            self._write, self._read = open_database(path)
        except sqlite3.Error as error:
            if not lacks_room(error, path.parent):
                raise unusable(path, error) from error
            self.ballast.release()
            try:
                self._write, self._read = open_database(path)
            except sqlite3.Error as again:
                raise unusable(path, again) from again
        self._reader = Worker("store-read")
        self._writer = Writer(self._write, self.ballast, publish)
        self.publications = Publications(self._writer, self._reader, self._read)
        self.hooks = Hooks(self._writer, self._reader, self._read)
        self.batches = Batches(self._writer, self._reader, self._read, self._line)
        try:
            self.owners = Owners(self._writer, self._reader, self._read)
            self.sessions = SessionRecord(self._writer, self._reader, self._read)
        except sqlite3.Error as error:  # it opens, and is damaged further in
            self.close()
            raise unusable(path, error) from error

    def close(self) -> None:
        """Commit what was asked for and close the file. Blocks for some milliseconds."""
        self._writer.close()
        self._reader.close()
        # Tidiness only: on a full disk there may be no room for it, and everything is in the WAL.
        with closing(self._read), closing(self._write), suppress(sqlite3.DatabaseError):
            self._write.execute("pragma wal_checkpoint(truncate)")

    # --- a job's life ----------------------------------------------------------------------------

    async def accept(self, job: NewJob) -> Accepted:
        """Record a job and its `job.queued`; on return it survives the loss of power.

        Raises TooManyJobs, OverQuota; BadInput `idempotency_conflict` if the key came with another body
        before.
        """

        def change(db: sqlite3.Connection, log: list[Event]) -> Accepted:
            key = recorded_key(job.key, job.owner)
            old = rows.find_job(db, "key = ?", key) if key is not None else None
            if old is not None:
                body = db.execute("select body from jobs where id = ?", (old.id,)).fetchone()[0]
                if not self._same(body, job.body):
                    raise conflict(job.key)
                return Accepted(old, new=False)
            # Counted in the transaction that adds one, so the limit is exact however many come at once.
            self._line.check(db, job.patient)
            check_quota(db, job.owner, job.quota)
            enter(db, log, job, due(db, max(time.time(), job.not_before), job.patient))
            return Accepted(get_job(db, job.id), new=True)

        accepted = await self._writer.submit(change, sync=True)
        if job.template is not None:
            self.owners.note("template", job.template, job.owner)
        return accepted

    async def claim(self, began: Callable[[JobRow, int], str], *, patient: bool = True) -> JobRow | None:
        """Take the job that may begin and has waited longest, or None; it is in progress from here on.

        A patient one is taken if there is no other, and only if it may be: `patient`.
        One that is suspected of ending the server runs alone: it waits until nothing else runs, and so do all
        behind it until it has ended, or got further than ever.
        began: makes the data of its `job.started` from the job and the number of this attempt.
        """

        def change(db: sqlite3.Connection, log: list[Event]) -> JobRow | None:
            first = "status = 'queued' and not_before <= ? and patient <= ? order by patient, number limit 1"
            job = rows.find_job(db, first, time.time(), patient)
            if job is None or not may_start(db, job.id):
                return None
            data = began(job, job.attempt + 1)
            db.execute(
                "update jobs set status = 'in_progress', attempt = attempt + 1,"
                " started = ?, began = ?, progress = null where id = ?",
                (time.time(), data, job.id),
            )
            add_event(db, log, job.id, "job.started", data)
            return get_job(db, job.id)

        return await self._writer.submit(change)

    async def append(self, job_id: str, type: str, data: str) -> Event:
        """Add an event to the log of a job in progress. Raises JobOver if it is not."""

        def change(db: sqlite3.Connection, log: list[Event]) -> Event:
            running(db, job_id)
            return add_event(db, log, job_id, type, data)

        return await self._writer.submit(change)

    async def progress(self, job_id: str, data: str, reached: int) -> Event:
        """Log a `job.progress`. Raises JobOver.

        reached: what counts as getting further (frames); more than ever before clears the job of the
            suspicion that it kills the server.
        """

        def change(db: sqlite3.Connection, log: list[Event]) -> Event:
            running(db, job_id)
            db.execute(
                "update jobs set progress = ?1, strikes = iif(?2 > reached, -1, strikes),"
                " reached = max(reached, ?2) where id = ?3",
                (data, reached, job_id),
            )
            return add_event(db, log, job_id, "job.progress", data)

        return await self._writer.submit(change)

    async def finish(
        self,
        job_id: str,
        status: str,
        data: str,
        *,
        error: str | None = None,
        metrics: str | None = None,
        outputs: Iterable[OutputRow] = (),
        engines: Mapping[str, str] | None = None,
        size: int = 0,
        seconds: float = 0.0,
        publish: bool = False,
    ) -> JobRow:
        """End a job with its event `job.{status}`; on return that survives the loss of power.

        outputs: files, already whole and on the disk. engines: by kind, besides those it began with.
        size: bytes that the job's folder holds. seconds: of sound, which the owner has used.
        publish: they are to be uploaded too; what becomes of that follows in the log.
        A queued job may be ended too. Raises JobOver if it had ended, UnknownJob if it is gone.
        """
        made = [(job_id, o.name, o.kind, o.type, o.bytes, o.sha256, o.path) for o in outputs]

        def change(db: sqlite3.Connection, log: list[Event]) -> JobRow:
            end(db, log, job_id, status, data)
            db.execute(
                "update jobs set error = ?, metrics = ?, bytes = ?, began = json_patch(began, ?)"
                " where id = ?",
                (error, metrics, size, json_of(engines=dict(engines or {})), job_id),
            )
            db.executemany("insert or replace into outputs values(?, ?, ?, ?, ?, ?, ?)", made)
            if publish:
                begin_publication(db, job_id)
            job = get_job(db, job_id)
            if job.owner and seconds:
                spend(db, job.owner, seconds)
            return job

        return await self._writer.submit(change, sync=True, vital=True)

    async def cancel_waiting(self, job_id: str, data: str) -> bool:
        """End a job that has not started; False if it has started or ended. Raises UnknownJob."""

        def change(db: sqlite3.Connection, log: list[Event]) -> bool:
            if get_job(db, job_id).status != "queued":
                return False
            end(db, log, job_id, "cancelled", data)
            return True

        return await self._writer.submit(change, sync=True, vital=True)

    async def requeue(self, job_id: str, reason: str) -> None:
        """Put a job in progress back where it was in the line, blamelessly. Raises JobOver."""

        def change(db: sqlite3.Connection, log: list[Event]) -> None:
            running(db, job_id)
            db.execute("update jobs set strikes = 0 where id = ?", (job_id,))
            back_in_line(db, log, job_id, reason)

        await self._writer.submit(change, sync=True, vital=True)

    async def lost(self, job_id: str) -> bool:
        """After the death of the machine that did a job in progress: as `recover`; whether it is in line.

        Raises JobOver.
        """

        def change(db: sqlite3.Connection, log: list[Event]) -> bool:
            running(db, job_id)
            return forgive(db, log, job_id, time.time(), "the machine that did it", "node_lost")

        return await self._writer.submit(change, sync=True, vital=True)

    async def recover(self, died: float | None = None) -> list[str]:
        """After a death: put what was in progress back in line; the ids of what has died too often instead.

        died: when, in Unix seconds, if that is known. What ran at the first death is a suspect from then on.
        A death counts against a job only if it ran alone, got no further than ever, and lived about as long
        as the time before; STRIKES such end it as `crash_loop`. What kills a server from outside does so at
        any time, and convicts nobody.
        """

        def change(db: sqlite3.Connection, log: list[Event]) -> list[str]:
            return [one for one in in_progress(db) if not forgive(db, log, one, died)]

        return await self._writer.submit(change, sync=True, vital=True)

    async def delete(self, job_id: str) -> None:
        """Forget a job that has ended; then its files are the caller's to remove, also in the object storage.

        Raises JobRunning, UnknownJob.
        """

        def change(db: sqlite3.Connection, log: list[Event]) -> None:
            job = get_job(db, job_id)
            if job.status in ("queued", "in_progress"):
                raise JobRunning(f"job {job_id} has not ended; cancel it first")
            if job.status in OVER and not job.closed:
                raise JobRunning(f"the files of job {job_id} are being uploaded; delete it after that")
            discard(db, job)
            forget(db, job_id)

        await self._writer.submit(change)

    async def expire(self, max_age_s: float, max_bytes: int) -> list[str]:
        """Forget jobs that ended more than `max_age_s` ago, then the oldest until the rest hold `max_bytes`.

        What is still to be uploaded stays. The ids of what was forgotten; their files are the caller's to
        remove.
        """

        def change(db: sqlite3.Connection, log: list[Event]) -> list[str]:
            found = db.execute(
                "select id, bytes, finished from jobs where status in (?, ?, ?)"
                " and id not in (select job from publications where state = 'uploading')"
                " order by finished desc, number desc",
                OVER,
            )
            held, gone, oldest = 0, [], time.time() - max_age_s
            for job_id, size, finished in found.fetchall():
                held += size
                if finished < oldest or held > max_bytes:
                    forget(db, job_id)
                    gone.append(job_id)
            forget_batches(db, oldest)
            return gone

        return await self._writer.submit(change)

    # --- looking ---------------------------------------------------------------------------------

    async def get(self, job_id: str) -> JobRow:
        """The job with its outputs. Raises UnknownJob."""
        return await self._reader.call(get_job, self._read, job_id)

    async def list(
        self,
        *,
        status: str | None = None,
        after: str | None = None,
        limit: int = 20,
        owner: str | None = None,
    ) -> list[JobRow]:
        """Jobs, newest first, of one status or all; after: only those older than it; owner: only theirs.

        Raises UnknownJob.
        """
        return await self._reader.call(rows.list_jobs, self._read, status, after, limit, owner)

    async def read(self, job_id: str, after: int, limit: int = 100) -> Sequence[Event]:
        """Events past number `after` of a job's log, in order; empty if there are none yet.

        Raises UnknownJob.
        """
        return await self._reader.call(rows.read_events, self._read, job_id, after, limit)

    async def newest(self, job_id: str, type: str) -> Event | None:
        """The last event of a type in a job's log."""
        return await self._reader.call(rows.newest_event, self._read, job_id, type)

    async def check_room(self) -> None:
        """Raises TooManyJobs if none more may wait that is not patient: asked before a body is read, so that
        a refusal costs nothing. `accept` alone is exact."""
        await self._reader.call(self._line.check, self._read, False)

    async def counts(self) -> dict[str, int]:
        """How many jobs there are of each status; patient ones that wait are `backlog`, and not `queued`."""
        return await self._reader.call(rows.count_by_status, self._read)

    async def ids(self) -> set[str]:
        """Every job on record."""
        return await self._reader.call(rows.job_ids, self._read)

    async def recent_runs(self, limit: int = 50) -> Sequence[rows.Run]:
        """How the jobs went that were completed last and made a video, newest first."""
        return await self._reader.call(rows.recent_runs, self._read, limit)
