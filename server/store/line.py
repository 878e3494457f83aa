"""Where a job stands in the line, within a transaction of the record."""

import json
import sqlite3
import time
from dataclasses import dataclass

from core.errors import JobOver, TooManyJobs
from server.store.publications import add_event
from server.store.rows import Event, count_jobs, get_job, seconds_a_job

OVER = ("completed", "failed", "cancelled")
"""What a job is that has ended."""

STRIKES = 4
"""Deaths of the server at a job alone, each like the one before; after so many it is not started again."""

ALIKE_S, ALIKE_SHARE = 0.25, 0.05
"""Two deaths are alike if the job had lived equally long: within so many seconds, and this share of them."""


def json_of(**data: object) -> str:
    """As a text, as short as it can be."""
    return json.dumps(data, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Line:
    """How many jobs may wait, and how many patient ones besides."""

    waiting: int = 64
    patient: int = 2000

    def check(self, db: sqlite3.Connection, patient: bool, jobs: int = 1) -> None:
        """Raises TooManyJobs if not so many more may wait."""
        waiting, most = _waiting(db, patient), self.patient if patient else self.waiting
        if waiting + jobs > most:
            raise TooManyJobs(waiting, min(60, max(1, round(seconds_a_job(db)))))


def _waiting(db: sqlite3.Connection, patient: bool) -> int:
    return count_jobs(db, "status = 'queued' and patient = ?", patient)


def due(db: sqlite3.Connection, by: float, patient: bool) -> int:
    """How many jobs go before one that is new in line, and begins at `by` in Unix seconds or later."""
    return count_jobs(db, "status = 'queued' and not_before <= ? and patient <= ?", by, patient)


def running(db: sqlite3.Connection, job_id: str) -> None:
    """Raises JobOver unless the job is in progress."""
    running = db.execute("select 1 from jobs where id = ? and status = 'in_progress'", (job_id,))
    if running.fetchone() is None:
        raise JobOver(f"job {job_id} is not in progress")


def end(db: sqlite3.Connection, log: list[Event], job_id: str, status: str, data: str) -> None:
    """End a job with its last event but those of its upload. Raises JobOver, UnknownJob."""
    if get_job(db, job_id).status in OVER:
        raise JobOver(f"job {job_id} had ended before")
    db.execute("update jobs set status = ?, finished = ? where id = ?", (status, time.time(), job_id))
    add_event(db, log, job_id, f"job.{status}", data)


def in_progress(db: sqlite3.Connection) -> list[str]:
    """The jobs that run, in the order of the line."""
    found = db.execute("select id from jobs where status = 'in_progress' order by number")
    return [row[0] for row in found.fetchall()]


def may_start(db: sqlite3.Connection, job_id: str) -> bool:
    """Whether the job may run beside those that do: a suspect runs alone."""
    running = "status = 'in_progress'"
    if count_jobs(db, f"{running} and strikes > 0"):
        return False
    return not (count_jobs(db, "id = ? and strikes > 0", job_id) and count_jobs(db, running))


def forgive(
    db: sqlite3.Connection,
    log: list[Event],
    job_id: str,
    died: float | None,
    who: str = "the server",
    reason: str = "server_restarted",
) -> bool:
    """Put a job back in line at which `who` died, or fail it if that was too often; whether it may go on.

    strikes in the record: -1, it has got further than ever, so it is no suspect; 0, it is not known; else
    deaths that look alike.
    """
    strikes, lived, started = db.execute(
        "select strikes, lived, started from jobs where id = ?", (job_id,)
    ).fetchone()
    last = db.execute("select max(ts) from events where job = ?", (job_id,)).fetchone()[0]
    now = max(0.0, (died or last or started) - started)
    if strikes >= 0:
        alike = strikes == 0 or lived is None or abs(now - lived) <= ALIKE_S + ALIKE_SHARE * lived
        strikes = strikes + 1 if alike else 1
    db.execute("update jobs set strikes = ?, lived = ? where id = ?", (max(0, strikes), now, job_id))
    if strikes < STRIKES:
        back_in_line(db, log, job_id, reason)
        return True
    why = f"{who} died {strikes} times at this job, at the same point; it is not tried again by itself"
    error = {"code": "crash_loop", "message": why, "retryable": True}
    end(db, log, job_id, "failed", json_of(error=error))
    db.execute("update jobs set error = ? where id = ?", (json_of(**error), job_id))
    return False


def queued(ahead: int, patient: bool, **more: str) -> str:
    """The data of a job's `job.queued`."""
    return json_of(ahead=ahead, **more, **({"patient": True} if patient else {}))


def back_in_line(db: sqlite3.Connection, log: list[Event], job_id: str, reason: str) -> None:
    """Put a job back where it was in the line, and say why."""
    place = "(patient, number) < (select patient, number from jobs where id = ?)"
    before = f"status = 'queued' and not_before <= ? and {place}"
    ahead = count_jobs(db, before, time.time(), job_id)
    db.execute("update jobs set status = 'queued', progress = null where id = ?", (job_id,))
    data = queued(ahead, get_job(db, job_id).patient, reason=reason)
    add_event(db, log, job_id, "job.queued", data)


def forget(db: sqlite3.Connection, job_id: str) -> None:
    """Take all that is on record of a job."""
    for table in ("events", "outputs", "publications", "hooks"):
        db.execute(f"delete from {table} where job = ?", (job_id,))  # noqa: S608  # the record's own tables
    db.execute("delete from jobs where id = ?", (job_id,))
