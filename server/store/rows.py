"""What the store's tables hold, and how they are read.

Every function takes a connection and returns what stands there, as frozen rows. Requests, events, errors and
metrics are JSON text at this level: their shapes are `server.schemas.requests`'s business.
"""

import json
import sqlite3
from dataclasses import dataclass, replace

from core.errors import UnknownJob

SCHEMA_VERSION = 9

SCHEMA = """
create table if not exists jobs(
  number integer primary key autoincrement,   -- the order of the line
  id text not null unique,
  object text not null,
  status text not null,
  request text not null,
  key text unique, body text not null,        -- Idempotency-Key, and the body it came with
  created real not null, started real, finished real,
  attempt integer not null default 0,         -- starts
  strikes integer not null default 0,         -- deaths at it that look alike; see line.py
  reached integer not null default 0,         -- how far the best start got
  last_seq integer not null default 0,
  began text, progress text, error text, metrics text,
  bytes integer not null default 0,
  owner text not null default '',             -- whose it is; '' where no keys are asked for
  lived real,                                 -- seconds of the last start that ended with the server
  not_before real not null default 0,         -- Unix seconds: it is not started earlier
  patient integer not null default 0          -- whether nobody waits for it: all others go first
);
create index if not exists jobs_status on jobs(status, number);
create table if not exists events(
  job text not null, seq integer not null, ts real not null, type text not null, data text not null,
  primary key(job, seq)
) without rowid;
create table if not exists outputs(
  job text not null, name text not null, kind text not null, type text not null,
  bytes integer not null, sha256 text not null, path text not null,
  primary key(job, name)
) without rowid;
create table if not exists publications(
  job text primary key,
  state text not null,                        -- uploading, published, failed
  attempts integer not null default 0,
  place text not null default '',             -- the storage that has the files
  error text
) without rowid;
create table if not exists owned(             -- templates and voices that are not everybody's
  kind text not null, name text not null, owner text not null,
  primary key(kind, name, owner)
) without rowid;
create table if not exists used(              -- seconds of sound made, by hour
  owner text not null, hour integer not null, seconds real not null,
  primary key(owner, hour)
) without rowid;
create table if not exists discarded(         -- what is still to be deleted in a storage
  key text primary key, place text not null
) without rowid;
create table if not exists hooks(             -- whom a job's events are to be told
  job text not null unique, url text not null, told integer not null default 0
);
create table if not exists sessions(          -- live ones, of which no event has a number above last_seq
  id text primary key, request text not null, created real not null, last_seq integer not null,
  owner text not null
) without rowid;
create table if not exists pushes(            -- where live sessions' video is sent, after a restart, too
  session text not null, id text not null, url text not null, key text not null,
  primary key(session, id)
) without rowid;
create table if not exists batches(
  id text primary key, created real not null, owner text not null,
  key text unique, body text not null         -- Idempotency-Key, and the hash of what it came with
) without rowid;
create table if not exists batch_rows(        -- each with its job, or with what is wrong with it
  batch text not null, number integer not null, name text not null, job text, error text,
  primary key(batch, number)
) without rowid;
"""

LATER = {
    "owner": "text not null default ''",
    "lived": "real",
    "not_before": "real not null default 0",
    "patient": "integer not null default 0",
}
"""Columns of jobs that records of earlier versions lack."""

_COLUMNS = """id, object, status, request, created, started, finished,
attempt, last_seq, began, progress, error, metrics, owner, patient"""


@dataclass(frozen=True, slots=True)
class OutputRow:
    """A file that a job made; `path` is relative to the data directory."""

    name: str
    kind: str
    type: str
    bytes: int
    sha256: str
    path: str


def key_of(job_id: str, output: OutputRow) -> str:
    """What a storage keeps a job's file under: by job and content."""
    return f"{job_id}/{output.sha256[:32]}/{output.name}"


@dataclass(frozen=True, slots=True)
class PublicationRow:
    """How far the upload of a job's files is: `uploading`, `published` or `failed`, with `error` as JSON.

    place: the storage that has them, once they are published.
    """

    state: str
    attempts: int
    place: str
    error: str | None


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as recorded. Times are Unix seconds.

    owner: whose key asked for it. patient: nobody waits for it. began: data of the newest `job.started`,
    progress: of the newest `job.progress` since; JSON, like `request`, `error` and `metrics`.
    """

    id: str
    object: str
    status: str
    request: str
    created: float
    started: float | None
    finished: float | None
    attempt: int
    last_seq: int
    began: str | None
    progress: str | None
    error: str | None
    metrics: str | None
    owner: str = ""
    patient: bool = False
    outputs: tuple[OutputRow, ...] = ()
    publication: PublicationRow | None = None

    @property
    def closed(self) -> bool:
        """Whether its log takes no more: it has ended, and its files are uploaded or will not be."""
        return self.finished is not None and (
            self.publication is None or self.publication.state != "uploading"
        )


LAST = frozenset({"job.failed", "job.cancelled", "job.published"})
"""Events that nothing follows. The other two that may be last say themselves whether they are."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a job: number `seq` of its log, counted from 1. `data` is JSON text."""

    job_id: str
    seq: int
    ts: float
    type: str
    data: str

    @property
    def last(self) -> bool:
        """Whether the log ends here."""
        try:
            if self.type == "job.completed":
                return not json.loads(self.data).get("publishing")
            if self.type == "job.upload_failed":
                return json.loads(self.data).get("retry_in_s") is None
        except (ValueError, AttributeError):  # damaged: nobody shall wait for more
            return True
        return self.type in LAST


def find_job(db: sqlite3.Connection, where: str, *values: object) -> JobRow | None:
    """The first job for which the SQL condition `where` holds."""
    row = db.execute(f"select {_COLUMNS} from jobs where {where}", values).fetchone()  # noqa: S608  # callers' own words
    return None if row is None else _with_outputs(db, JobRow(*row))


def get_job(db: sqlite3.Connection, job_id: str) -> JobRow:
    """The job. Raises UnknownJob."""
    job = find_job(db, "id = ?", job_id)
    if job is None:
        raise UnknownJob(f"there is no job {job_id!r}")
    return job


def list_jobs(
    db: sqlite3.Connection, status: str | None, after: str | None, limit: int, owner: str | None
) -> list[JobRow]:
    """Jobs of one status or all, of one owner or all, newest first, from the one before `after` on.

    Raises UnknownJob.
    """
    before = None
    if after is not None:
        found = db.execute(
            "select number from jobs where id = ?1 and (?2 is null or owner = ?2)", (after, owner)
        ).fetchone()
        if found is None:
            raise UnknownJob(f"there is no job {after!r}")
        before = found[0]
    wanted = (
        "(?1 is null or status = ?1) and (?2 is null or number < ?2) and (?4 is null or owner = ?4)"
        " order by number desc limit ?3"
    )
    rows = db.execute(f"select {_COLUMNS} from jobs where {wanted}", (status, before, limit, owner))  # noqa: S608  # constants
    return [_with_outputs(db, JobRow(*row)) for row in rows.fetchall()]


def count_jobs(db: sqlite3.Connection, where: str, *values: object) -> int:
    """How many jobs the SQL condition `where` holds for."""
    count: int = db.execute(f"select count(*) from jobs where {where}", values).fetchone()[0]  # noqa: S608  # callers' own words
    return count


def count_by_status(db: sqlite3.Connection) -> dict[str, int]:
    """How many jobs there are of each status; patient ones that wait are `backlog`, and not `queued`."""
    status = "iif(patient and status = 'queued', 'backlog', status)"
    return dict(db.execute(f"select {status}, count(*) from jobs group by 1").fetchall())  # noqa: S608  # constants


def job_ids(db: sqlite3.Connection) -> set[str]:
    """Every job."""
    return {row[0] for row in db.execute("select id from jobs")}


def read_events(db: sqlite3.Connection, job_id: str, after: int, limit: int) -> list[Event]:
    """At most `limit` events past number `after`, in order. Raises UnknownJob."""
    rows = db.execute(
        "select job, seq, ts, type, data from events where job = ? and seq > ? order by seq limit ?",
        (job_id, after, limit),
    ).fetchall()
    if not rows and db.execute("select 1 from jobs where id = ?", (job_id,)).fetchone() is None:
        raise UnknownJob(f"there is no job {job_id!r}")
    return [Event(*row) for row in rows]


def newest_event(db: sqlite3.Connection, job_id: str, type: str) -> Event | None:
    """The last event of a type."""
    row = db.execute(
        "select job, seq, ts, type, data from events where job = ? and type = ? order by seq desc limit 1",
        (job_id, type),
    ).fetchone()
    return None if row is None else Event(*row)


@dataclass(frozen=True, slots=True)
class Run:
    """How a completed job went. fps: frames made a second; engines: by kind; pixels: of a frame."""

    fps: float
    engines: dict[str, str]
    pixels: int


def recent_runs(db: sqlite3.Connection, limit: int) -> list[Run]:
    """The jobs completed last that made a video, newest first; those that rested for others tell nothing."""
    init = "select data from events where job = jobs.id and type = 'video.init' order by seq limit 1"
    rows = db.execute(
        f"select metrics, began, ({init}) as video from jobs where status = 'completed' and not patient"  # noqa: S608  # constants
        " and metrics is not null and began is not null and video is not null order by number desc limit ?",
        (limit,),
    )
    runs = (_run(*row) for row in rows.fetchall())
    return [run for run in runs if run is not None]


def _run(metrics: str, began: str, video: str) -> Run | None:
    """None for one of which this version cannot make sense."""
    try:
        told = json.loads(video)
        return Run(
            float(json.loads(metrics)["fps"]),
            dict(json.loads(began).get("engines", {})),
            int(told["width"]) * int(told["height"]),
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def seconds_a_job(db: sqlite3.Connection) -> float:
    """What a job took lately; 1 if nobody knows."""
    took = db.execute(
        "select avg(finished - started) from (select finished, started from jobs"
        " where status = 'completed' order by number desc limit 10)"
    ).fetchone()[0]
    return float(took or 1)


def _with_outputs(db: sqlite3.Connection, job: JobRow) -> JobRow:
    found = db.execute(
        "select name, kind, type, bytes, sha256, path from outputs where job = ? order by name", (job.id,)
    )
    upload = db.execute("select state, attempts, place, error from publications where job = ?", (job.id,))
    publication = upload.fetchone()
    return replace(
        job,
        outputs=tuple(OutputRow(*row) for row in found.fetchall()),
        publication=publication and PublicationRow(*publication),
    )
