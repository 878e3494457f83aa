"""The part of the record that tells of webhooks: whom a job's events are still to be told, and which were.

A job is on this list from the commit that accepts it until its last event has been told, or given up.
"""

import sqlite3
from dataclasses import dataclass

from core.runtime.worker import Worker
from server.store.rows import Event
from server.store.writer import Writer


@dataclass(frozen=True, slots=True)
class Hook:
    """Whom to tell of a job. told: number of the last event that was."""

    job_id: str
    url: str
    told: int


class Hooks:
    """A view of the store; made by it."""

    def __init__(self, writer: Writer, reader: Worker, read: sqlite3.Connection) -> None:
        self._writer = writer
        self._reader = reader
        self._read = read

    async def all(self) -> list[Hook]:
        """Those that are not at their end, the oldest first."""
        return await self._reader.call(_all, self._read)

    async def told(self, job_id: str, seq: int) -> None:
        """The job's events up to this number have been told."""

        def change(db: sqlite3.Connection, log: list[Event]) -> None:
            db.execute("update hooks set told = ? where job = ?", (seq, job_id))

        await self._writer.submit(change)

    async def end(self, job_id: str) -> None:
        """Nobody is to be told any more."""

        def change(db: sqlite3.Connection, log: list[Event]) -> None:
            db.execute("delete from hooks where job = ?", (job_id,))

        await self._writer.submit(change)


def add_hook(db: sqlite3.Connection, job_id: str, url: str) -> None:
    """Put a job on the list."""
    db.execute("insert into hooks(job, url) values(?, ?)", (job_id, url))


def _all(db: sqlite3.Connection) -> list[Hook]:
    return [Hook(*row) for row in db.execute("select job, url, told from hooks order by rowid").fetchall()]
