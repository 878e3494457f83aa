"""What is to be accepted: a job, put on record with all that belongs to it, within a transaction."""

import sqlite3
import time
from dataclasses import dataclass

from core.errors import BadInput
from server.store.hooks import add_hook
from server.store.line import queued
from server.store.owners import UNLIMITED, Quota, own
from server.store.publications import add_event
from server.store.rows import Event


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be accepted. `request` and `body` are text; two requests are the same if their bodies are.

    owner: the key that asks for it, whose Idempotency-Keys are its own, and which may have what `quota` says.
    template: one that will be the owner's too. webhook: a URL that is told how it goes. not_before: it is not
    started earlier, in Unix seconds. patient: nobody waits for it, so all others go first.
    """

    id: str
    object: str
    request: str
    body: str
    key: str | None = None
    owner: str = ""
    quota: Quota = UNLIMITED
    template: str | None = None
    webhook: str | None = None
    not_before: float = 0.0
    patient: bool = False


def recorded_key(key: str | None, owner: str) -> str | None:
    """An Idempotency-Key as the record has it, unlike any other owner's: no key has a line's end."""
    return f"{owner}\n{key}" if owner and key is not None else key


def conflict(key: str | None) -> BadInput:
    """What to raise for a key that came with another body before."""
    message = f"Idempotency-Key {key!r} was used with another request; use a new one"
    return BadInput("idempotency_conflict", message, "Idempotency-Key")


def enter(db: sqlite3.Connection, log: list[Event], job: NewJob, ahead: int) -> None:
    """Put it in line. ahead: how many jobs go before it."""
    db.execute(
        "insert into jobs(id, object, status, request, body, key, created, owner, not_before, patient)"
        " values(?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?)",
        (
            *(job.id, job.object, job.request, job.body, recorded_key(job.key, job.owner), time.time()),
            *(job.owner, job.not_before, job.patient),
        ),
    )
    if job.template is not None:
        own(db, "template", job.template, job.owner)
    if job.webhook is not None:
        add_hook(db, job.id, job.webhook)
    add_event(db, log, job.id, "job.queued", queued(ahead, job.patient))
