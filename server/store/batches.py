"""The part of the record that tells of batches: which rows each has, and which jobs they are.

A row that cannot be made has its error here, and no job. All rows are on record by one commit, or none is.
"""

import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from core.errors import BadInput, UnknownJob
from core.runtime.worker import Worker
from server.store.line import Line, due, end
from server.store.new_jobs import NewJob, conflict, enter, recorded_key
from server.store.owners import UNLIMITED, Quota, check_quota
from server.store.rows import Event, JobRow, get_job
from server.store.writer import Writer


@dataclass(frozen=True, slots=True)
class NewRow:
    """A row to be accepted: a patient job, or as JSON what is wrong. number: of its line. name: its id."""

    number: int
    name: str
    job: NewJob | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch to be accepted; two requests are the same if their `body` is. The rest is as of a `NewJob`."""

    id: str
    rows: Sequence[NewRow]
    body: str
    key: str | None = None
    owner: str = ""
    quota: Quota = UNLIMITED


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A batch as recorded. counts: rows by the status of their jobs; those without a job are `failed`, those
    whose job is not on record any more `forgotten`."""

    id: str
    created: float
    owner: str
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class RowRow:
    """A row as recorded. job: None if there is none any more, or never was: then there is an `error`."""

    number: int
    name: str
    job: JobRow | None
    error: str | None


class Batches:
    """A view of the store; made by it."""

    def __init__(self, writer: Writer, reader: Worker, read: sqlite3.Connection, line: Line) -> None:
        self._writer = writer
        self._reader = reader
        self._read = read
        self._line = line

    async def accept(self, batch: NewBatch) -> tuple[BatchRow, bool]:
        """Record a batch and the jobs of its rows; on return it survives the loss of power. Whether it is
        new, rather than what its Idempotency-Key had come with before.

        Raises TooManyJobs, OverQuota; BadInput `idempotency_conflict`.
        """

        def change(db: sqlite3.Connection, log: list[Event]) -> tuple[BatchRow, bool]:
            key = recorded_key(batch.key, batch.owner)
            old = db.execute("select id, body from batches where key = ?", (key,)).fetchone()
            if old is not None:
                if old[1] != batch.body:
                    raise conflict(batch.key)
                return _get(db, old[0]), False
            jobs = [row.job for row in batch.rows if row.job is not None]
            self._line.check(db, patient=True, jobs=len(jobs))
            check_quota(db, batch.owner, batch.quota, len(jobs))
            head = (batch.id, time.time(), batch.owner, key, batch.body)
            db.execute("insert into batches(id, created, owner, key, body) values(?, ?, ?, ?, ?)", head)
            rows = [(batch.id, row.number, row.name, row.job and row.job.id, row.error) for row in batch.rows]
            db.executemany("insert into batch_rows values(?, ?, ?, ?, ?)", rows)
            ahead = due(db, time.time(), patient=True)
            for number, job in enumerate(jobs):
                enter(db, log, job, ahead + number)
            return _get(db, batch.id), True

        return await self._writer.submit(change, sync=True)

    async def cancel(self, batch_id: str, data: str) -> tuple[list[str], list[str]]:
        """End its jobs that wait, with `data`; their ids, and those of its jobs that run. Raises BadInput."""

        def change(db: sqlite3.Connection, log: list[Event]) -> tuple[list[str], list[str]]:
            _get(db, batch_id)
            waiting, running = (_jobs(db, batch_id, status) for status in ("queued", "in_progress"))
            for job_id in waiting:
                end(db, log, job_id, "cancelled", data)
            return waiting, running

        return await self._writer.submit(change, sync=True, vital=True)

    async def get(self, batch_id: str) -> BatchRow:
        """The batch. Raises BadInput `unknown_batch`."""
        return await self._reader.call(_get, self._read, batch_id)

    async def newest(self, limit: int, owner: str | None) -> list[BatchRow]:
        """The newest first; owner: only theirs."""
        return await self._reader.call(_newest, self._read, limit, owner)

    async def rows(self, batch_id: str, after: int, limit: int = 100) -> list[RowRow]:
        """Rows past number `after`, in order."""
        return await self._reader.call(_rows, self._read, batch_id, after, limit)


def unknown_batch(batch_id: str) -> BadInput:
    """What to raise where there is none of this id, or another's."""
    return BadInput("unknown_batch", f"there is no batch {batch_id!r}")


def forget_batches(db: sqlite3.Connection, older_than: float) -> None:
    """Take batches off the record that came before that, in Unix seconds, and have no jobs any more."""
    kept = "select batch from batch_rows join jobs on jobs.id = batch_rows.job"
    db.execute(f"delete from batches where created < ? and id not in ({kept})", (older_than,))  # noqa: S608  # constants
    db.execute("delete from batch_rows where batch not in (select id from batches)")


def _jobs(db: sqlite3.Connection, batch_id: str, status: str) -> list[str]:
    found = db.execute(
        "select jobs.id from batch_rows join jobs on jobs.id = job where batch = ? and status = ?",
        (batch_id, status),
    )
    return [row[0] for row in found.fetchall()]


def _get(db: sqlite3.Connection, batch_id: str) -> BatchRow:
    found = db.execute("select id, created, owner from batches where id = ?", (batch_id,)).fetchone()
    if found is None:
        raise unknown_batch(batch_id)
    status = "iif(error is not null, 'failed', coalesce(status, 'forgotten'))"
    counts = db.execute(
        f"select {status}, count(*) from batch_rows left join (select id, status from jobs)"  # noqa: S608  # constants
        " on id = job where batch = ? group by 1",
        (batch_id,),
    )
    return BatchRow(found[0], found[1], found[2], dict(counts.fetchall()))


def _newest(db: sqlite3.Connection, limit: int, owner: str | None) -> list[BatchRow]:
    wanted = "?1 is null or owner = ?1"
    order = "order by created desc, id limit ?2"
    found = db.execute(f"select id from batches where {wanted} {order}", (owner, limit))  # noqa: S608  # constants
    return [_get(db, row[0]) for row in found.fetchall()]


def _rows(db: sqlite3.Connection, batch_id: str, after: int, limit: int) -> list[RowRow]:
    found = db.execute(
        "select number, name, job, error from batch_rows where batch = ? and number > ? order by number"
        " limit ?",
        (batch_id, after, limit),
    )
    rows = []
    for number, name, job_id, error in found.fetchall():
        job = None
        with suppress(UnknownJob):
            job = get_job(db, job_id) if job_id is not None else None
        rows.append(RowRow(number, name, job, error))
    return rows
