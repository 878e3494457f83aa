"""The part of the record that tells of uploads: which jobs' files are under way, and what became of them.

A job whose files are to be uploaded is on this list from the commit that ends it, so no death of the server
in between loses it. Its log goes on until the upload has come to an end.
"""

import sqlite3
import time

from core.worker import Worker
from server.store_rows import Event, JobRow, get_job
from server.store_writer import Writer

EVENT_LIMIT = 8192
"""Characters of one event's data. Media do not belong in the log."""


class Publications:
    """A view of the store; made by it."""

    def __init__(self, writer: Writer, reader: Worker, read: sqlite3.Connection) -> None:
        self._writer = writer
        self._reader = reader
        self._read = read

    async def waiting(self) -> list[str]:
        """Jobs whose files are still to be uploaded, those that ended first in front."""
        return await self._reader.call(_waiting, self._read)

    async def counts(self) -> dict[str, int]:
        """How many uploads there are of each state."""
        return await self._reader.call(_counts, self._read)

    async def log(self, job_id: str, type: str, data: str, attempt: int) -> None:
        """Add an event of an upload under way. Raises UnknownJob."""

        def change(db: sqlite3.Connection, log: list[Event]) -> None:
            get_job(db, job_id)
            db.execute("update publications set attempts = ? where job = ?", (attempt, job_id))
            add_event(db, log, job_id, type, data)

        await self._writer.submit(change)

    async def end(
        self, job_id: str, state: str, type: str, data: str, *, place: str = "", error: str | None = None
    ) -> JobRow:
        """End the upload, and the job's log, with this event; on return that survives the loss of power.

        state: `published` or `failed`. Raises UnknownJob.
        """

        def change(db: sqlite3.Connection, log: list[Event]) -> JobRow:
            get_job(db, job_id)
            db.execute(
                "update publications set state = ?, place = ?, error = ? where job = ?",
                (state, place, error, job_id),
            )
            add_event(db, log, job_id, type, data)
            return get_job(db, job_id)

        return await self._writer.submit(change, sync=True, vital=True)


def begin_publication(db: sqlite3.Connection, job_id: str) -> None:
    """Put a job on the list."""
    db.execute("insert or replace into publications(job, state) values(?, 'uploading')", (job_id,))


def add_event(db: sqlite3.Connection, log: list[Event], job_id: str, type: str, data: str) -> Event:
    """Add to a job's log within a transaction."""
    if len(data) > EVENT_LIMIT:
        raise ValueError(f"{type} of {len(data)} characters: an event has {EVENT_LIMIT} at most")
    (seq,) = db.execute(
        "update jobs set last_seq = last_seq + 1 where id = ? returning last_seq", (job_id,)
    ).fetchone()
    event = Event(job_id, seq, round(time.time(), 3), type, data)
    db.execute("insert into events values(?, ?, ?, ?, ?)", (job_id, seq, event.ts, type, data))
    log.append(event)
    return event


def _counts(db: sqlite3.Connection) -> dict[str, int]:
    return dict(db.execute("select state, count(*) from publications group by state").fetchall())


def _waiting(db: sqlite3.Connection) -> list[str]:
    rows = db.execute(
        "select job from publications join jobs on jobs.id = job where state = 'uploading' order by finished"
    )
    return [row[0] for row in rows.fetchall()]
