"""Tell others by POST how their jobs go: signed, in order a job, tried again until it is heard.

What is posted is the event as sockets have it; headers are those of Standard Webhooks
(https://www.standardwebhooks.com), whose libraries check them. Each job's teller is a watcher of its log like
any other, with its cursor on record: a restart goes on after the last event that was answered with 2xx. So
one that was told in the very moment of a death comes twice, under the same id.
"""

import asyncio
import base64
import hashlib
import hmac
import logging
import random
import secrets
import time
from contextlib import aclosing, suppress
from ipaddress import ip_address
from pathlib import Path

import aiohttp

from core.errors import BadInput, Error
from server.addresses import Allowed
from server.fetch.guard import Guard, check_place, parsed, short
from server.folder import private_file
from server.schemas.describe import envelope
from server.store.hooks import Hook
from server.store.rows import Event
from server.store.store import Store
from server.stream.hub import Hub

log = logging.getLogger(__name__)

TOLD = frozenset(
    {
        *("job.started", "job.completed", "job.failed", "job.cancelled"),
        *("job.published", "job.upload_failed"),
    }
)
"""Events that are posted: who wants each step opens a socket."""

AT_ONCE = 8
ANSWER_S = 15.0
"""Seconds that an answer may take."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
"""Seconds between attempts: twice as many after each, and by chance up to a half less."""

RETRY_FOR_S = 3600.0
"""Seconds after which an event is given up, and with it the job's hook; counted anew after a restart."""

_PASSING = frozenset({408, 409, 425, 429})
"""Refusals that may be over soon. Any other 4xx, and a redirect, is for people to mend."""

PREFIX = "whsec_"


class Webhooks:
    """Those of one server. `start`, then `stop` once."""

    def __init__(self, store: Store, hub: Hub, secret: bytes, allowed: Allowed) -> None:
        """secret: what posts are signed with. allowed: what may be dialled besides the public internet."""
        self._store = store
        self._hub = hub
        self._secret = secret
        self._allowed = allowed
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Go on with what an earlier server left."""
        for hook in await self._store.hooks.all():
            self.tell(hook)

    def check(self, url: str) -> None:
        """Raises BadInput for what would never be posted to."""
        try:
            place = parsed(url)
            check_place(self._allowed, place)
            with suppress(ValueError):  # a name, which is looked at when it is dialled
                address = str(ip_address(place.host or ""))
                if not self._allowed.dials(address, place.port or 0, address):
                    raise BadInput("url_not_allowed", f"{short(url)} is not of the public internet")
        except BadInput as error:
            error.param = "webhook_url"
            raise

    def tell(self, hook: Hook) -> None:
        """From now on tell of this job, which is on record."""
        task = asyncio.create_task(self._tell(hook), name=f"webhook {hook.job_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Break off; the next start goes on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _tell(self, hook: Hook) -> None:
        try:
            async with aclosing(self._hub.watch(self._store, hook.job_id, hook.told)) as events:
                async for event in events:
                    if event.type in TOLD:
                        await self._try_for_long(hook.url, event)
                        await self._store.hooks.told(hook.job_id, event.seq)
        except Undeliverable as error:
            log.warning("the webhook of job %s is given up: %s", hook.job_id, error)
        except Exception:
            log.exception("the webhook of job %s is left until the next start", hook.job_id)
            return
        await self._store.hooks.end(hook.job_id)

    async def _try_for_long(self, url: str, event: Event) -> None:
        """Post until it is heard. Raises Undeliverable."""
        began, pause = time.monotonic(), FIRST_PAUSE_S
        while True:
            try:
                async with self._slots:
                    return await self._post(url, event)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                why = str(error) or type(error).__name__
            wait = pause * random.uniform(0.5, 1)  # noqa: S311  # no secret, only spread
            if time.monotonic() - began + wait > RETRY_FOR_S:
                raise Undeliverable(f"{short(url)}: {why}")
            log.info("webhook of job %s: %s; again in %.0f s", event.job_id, why, wait)
            await asyncio.sleep(wait)
            pause = min(LONGEST_PAUSE_S, 2 * pause)

    async def _post(self, url: str, event: Event) -> None:
        """One attempt. Raises Undeliverable for what is for people to mend; else as aiohttp does, OSError."""
        place = parsed(url)
        guard = Guard(self._allowed, place)
        body = envelope(event).encode()
        headers = signed(self._secret, f"{event.job_id}.{event.seq}", int(time.time()), body)
        try:
            async with (
                guard.session(aiohttp.ClientTimeout(total=ANSWER_S)) as session,
                session.post(place, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                status = answer.status
        except (aiohttp.ClientError, OSError) as error:
            if guard.refused:
                raise Undeliverable(f"{short(url)} leads to an address that is not public") from error
            raise
        if 200 <= status < 300:
            return
        if status < 500 and status not in _PASSING:
            raise Undeliverable(f"{short(url)} answered {status}")
        raise OSError(f"{short(url)} answered {status}")


class Undeliverable(Error):
    """Nobody will hear it."""


def signed(secret: bytes, identity: str, now: int, body: bytes) -> dict[str, str]:
    """The headers of a post: who it is from, which it is, when it was sent (Unix seconds)."""
    digest = hmac.digest(secret, f"{identity}.{now}.".encode() + body, hashlib.sha256)
    return {
        "Content-Type": "application/json",
        "User-Agent": "lipstream",
        "webhook-id": identity,
        "webhook-timestamp": str(now),
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }


def secret_word(folder: Path, given: str) -> str:
    """What receivers check posts with: as the setting says, else made at first use, in `folder`."""

    def make() -> bytes:
        return PREFIX.encode() + base64.b64encode(secrets.token_bytes(32))

    return given or private_file(folder / "webhooks.key", make).decode()


def webhook_secret(word: str) -> bytes:
    """What is signed with, of a `secret_word`."""
    return base64.b64decode(word.removeprefix(PREFIX)) if word.startswith(PREFIX) else word.encode()
