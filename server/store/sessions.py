"""The part of the record that tells of live sessions, so that they are there again after a restart.

Of what happens in them only the number of the last event is kept, and not every time: a number that they have
not reached yet, so that no number is given twice even if the process dies.
"""

import sqlite3
from dataclasses import dataclass, field, replace

from core.runtime.worker import Worker
from server.store.rows import Event
from server.store.writer import Writer


@dataclass(frozen=True, slots=True)
class PushRow:
    """Where a session's video is sent. key: of the stream, a secret."""

    id: str
    url: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session that has not ended. request: JSON. last_seq: no event of it has a higher number. pushes:
    those that a restart does not end."""

    id: str
    request: str
    created: float
    last_seq: int
    owner: str
    pushes: tuple[PushRow, ...] = ()


class SessionRecord:
    """A view of the store; made by it."""

    def __init__(self, writer: Writer, reader: Worker, read: sqlite3.Connection) -> None:
        self._writer = writer
        self._reader = reader
        self._read = read

    async def all(self) -> list[SessionRow]:
        """Those that have not ended, the oldest first."""
        return await self._reader.call(_all, self._read)

    async def put(self, row: SessionRow) -> None:
        """Note a session, or what is new of it. Raises StorageFull."""

        def change(db: sqlite3.Connection, log: list[Event]) -> None:
            values = (row.id, row.request, row.created, row.last_seq, row.owner)
            columns = "id, request, created, last_seq, owner"
            db.execute(f"insert or replace into sessions({columns}) values(?, ?, ?, ?, ?)", values)
            db.execute("delete from pushes where session = ?", (row.id,))
            pushes = [(row.id, push.id, push.url, push.key) for push in row.pushes]
            db.executemany("insert into pushes(session, id, url, key) values(?, ?, ?, ?)", pushes)

        await self._writer.submit(change)

    async def forget(self, session_id: str) -> None:
        """It has ended."""

        def change(db: sqlite3.Connection, log: list[Event]) -> None:
            db.execute("delete from sessions where id = ?", (session_id,))
            db.execute("delete from pushes where session = ?", (session_id,))

        await self._writer.submit(change, vital=True)


def _all(db: sqlite3.Connection) -> list[SessionRow]:
    found = db.execute("select id, request, created, last_seq, owner from sessions order by created")
    rows = [SessionRow(*row) for row in found.fetchall()]
    pushes = "select id, url, key from pushes where session = ? order by id"
    return [
        replace(row, pushes=tuple(PushRow(*one) for one in db.execute(pushes, (row.id,)))) for row in rows
    ]
