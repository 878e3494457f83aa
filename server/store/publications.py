"""The part of the record that tells of uploads: which jobs' files are under way, and what became of them; and
which files of deleted jobs a storage still has.

A job whose files are to be uploaded is on this list from the commit that ends it, so no death of the server
in between loses it. Its log goes on until the upload has come to an end.
"""

import sqlite3
import time

from core.runtime.worker import Worker
from server.store.rows import Event, JobRow, get_job, key_of
from server.store.writer import Writer

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

    async def begin_again(self, job_id: str) -> bool:
        """Put a completed job on the list whose files are not there, nor on their way; else False.

        The event that was its last says from then on that something follows. Raises UnknownJob.
        """

        def change(db: sqlite3.Connection, log: list[Event]) -> bool:
            job = get_job(db, job_id)
            state = job.publication.state if job.publication else "none"
            if job.status != "completed" or not job.outputs or state not in ("none", "failed"):
                return False
            follows = (
                "json_set(data, '$.publishing', json('true'))"
                if state == "none"
                else "json_set(data, '$.retry_in_s', round(? - ts, 3))"
            )
            values = () if state == "none" else (time.time(),)
            where = "where job = ? and seq = ?"
            db.execute(f"update events set data = {follows} {where}", (*values, job_id, job.last_seq))  # noqa: S608  # constants
            db.execute("insert or ignore into publications(job, state) values(?, 'uploading')", (job_id,))
            db.execute("update publications set state = 'uploading', error = null where job = ?", (job_id,))
            return True

        return await self._writer.submit(change, sync=True)

    async def discarded(self, place: str) -> list[str]:
        """Keys of files of deleted jobs that are still to be deleted in the storage `place`."""
        return await self._reader.call(_discarded, self._read, place)

    async def forget(self, key: str) -> None:
        """It has been deleted."""

        def change(db: sqlite3.Connection, log: list[Event]) -> None:
            db.execute("delete from discarded where key = ?", (key,))

        await self._writer.submit(change)

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


def discard(db: sqlite3.Connection, job: JobRow) -> None:
    """Note what a storage may have of a job, so that it is deleted there too."""
    if job.publication is not None:
        kept = [(key_of(job.id, output), job.publication.place) for output in job.outputs]
        db.executemany("insert or ignore into discarded(key, place) values(?, ?)", kept)


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


def _discarded(db: sqlite3.Connection, place: str) -> list[str]:
    # An upload that failed has no place, and may have left a part of its files in this one.
    rows = db.execute("select key from discarded where place in (?, '') order by key", (place,))
    return [row[0] for row in rows.fetchall()]


def _waiting(db: sqlite3.Connection) -> list[str]:
    rows = db.execute(
        "select job from publications join jobs on jobs.id = job where state = 'uploading' order by finished"
    )
    return [row[0] for row in rows.fetchall()]
