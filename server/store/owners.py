"""Whose templates and voices are, and what each owner has used up.

Jobs have their owner in their own row. A template or voice that no row here names is everybody's: those of
the command line, the sample, what an admin added. One may be several people's: who brings the same file by
URL has the same template.
"""

import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from core.errors import OverQuota
from core.runtime.worker import Worker
from server.store.rows import Event, count_jobs
from server.store.writer import Writer

Thing = Literal["template", "voice"]

_DAY_H = 24


@dataclass(frozen=True, slots=True)
class Quota:
    """What an owner may have: jobs that have not ended, minutes of sound in 24 hours; None: any number."""

    jobs: int | None = None
    minutes: float | None = None


UNLIMITED = Quota()
"""All that comes."""


@dataclass(frozen=True, slots=True)
class Left:
    """Of one quota: `limit`, what `remains`, seconds until there is more."""

    resource: str
    limit: float
    remains: float
    reset_s: int


class Owners:
    """The table, kept in memory too: it is asked for every template of every list. For the event loop."""

    def __init__(self, writer: Writer, reader: Worker, db: sqlite3.Connection) -> None:
        self._writer = writer
        self._reader = reader
        self._db = db
        self._owned: dict[tuple[str, str], set[str]] = {}
        for kind, name, owner in db.execute("select kind, name, owner from owned").fetchall():
            self.note(kind, name, owner)

    def of(self, kind: Thing, name: str) -> frozenset[str]:
        """Who has it; nobody: it is everybody's."""
        return frozenset(self._owned.get((kind, name), ()))

    def note(self, kind: str, name: str, owner: str) -> None:
        """Know in memory what has been recorded."""
        self._owned.setdefault((kind, name), set()).add(owner)

    async def add(self, kind: Thing, name: str, owner: str) -> None:
        """It is this owner's, among others perhaps."""

        def change(db: sqlite3.Connection, log: list[Event]) -> None:
            own(db, kind, name, owner)

        await self._writer.submit(change)
        self.note(kind, name, owner)

    async def leave(self, kind: Thing, name: str, owner: str | None = None) -> bool:
        """It is no more this owner's, or anybody's; whether nobody has it now."""

        def change(db: sqlite3.Connection, log: list[Event]) -> None:
            wanted = "kind = ?1 and name = ?2 and (?3 is null or owner = ?3)"
            db.execute(f"delete from owned where {wanted}", (kind, name, owner))  # noqa: S608  # a constant

        await self._writer.submit(change)
        left = self._owned.get((kind, name), set()) - {owner} if owner is not None else set()
        if left:
            self._owned[kind, name] = left
        else:
            self._owned.pop((kind, name), None)
        return not left

    async def spend(self, owner: str, seconds: float) -> None:
        """Count sound that was made."""

        def change(db: sqlite3.Connection, log: list[Event]) -> None:
            spend(db, owner, seconds)

        await self._writer.submit(change)

    async def left(self, owner: str, quota: Quota) -> list[Left]:
        """What there is of each quota."""
        return await self._reader.call(_left, self._db, owner, quota)


def own(db: sqlite3.Connection, kind: str, name: str, owner: str) -> None:
    """Record an owner within a transaction."""
    db.execute("insert or ignore into owned values(?, ?, ?)", (kind, name, owner))


def spend(db: sqlite3.Connection, owner: str, seconds: float) -> None:
    """Count sound within a transaction; what is older than a day goes."""
    hour = int(time.time() // 3600)
    db.execute("delete from used where hour <= ?", (hour - _DAY_H,))
    db.execute(
        "insert into used values(?1, ?2, ?3)"
        " on conflict(owner, hour) do update set seconds = seconds + excluded.seconds",
        (owner, hour, seconds),
    )


def check_quota(db: sqlite3.Connection, owner: str, quota: Quota, jobs: int = 1) -> None:
    """Raises OverQuota if the owner may have no more, or not so many jobs more."""
    exceeded(_left(db, owner, quota), jobs)


def exceeded(quotas: Iterable[Left], jobs: int = 1) -> None:
    """Raises OverQuota for the first of which nothing remains, or not so many jobs."""
    for left in quotas:
        if left.remains <= 0 or (left.resource == "jobs" and left.remains < jobs):
            raise OverQuota(left.resource, left.limit, left.reset_s)


def _left(db: sqlite3.Connection, owner: str, quota: Quota) -> list[Left]:
    left = []
    if quota.jobs is not None:
        left.append(_jobs_left(db, owner, quota.jobs))
    if quota.minutes is not None:
        left.append(_minutes_left(db, owner, quota.minutes))
    return left


def _jobs_left(db: sqlite3.Connection, owner: str, most: int) -> Left:
    running = count_jobs(db, "owner = ? and status in ('queued', 'in_progress')", owner)
    return Left("jobs", most, max(0, most - running), 5)


def _minutes_left(db: sqlite3.Connection, owner: str, most: float) -> Left:
    now = time.time()
    first, used = db.execute(
        "select min(hour), total(seconds) from used where owner = ? and hour > ?",
        (owner, int(now // 3600) - _DAY_H),
    ).fetchone()
    reset = (first + _DAY_H) * 3600 - now if first is not None else _DAY_H * 3600
    return Left("minutes", most, max(0.0, round(most - used / 60, 2)), max(1, round(reset)))
