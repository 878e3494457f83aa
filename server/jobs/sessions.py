"""The live sessions of one server: how many there may be, and those that have ended lately."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from core.errors import Error
from core.serving.engine_pool import EnginePool
from core.templates.library import Templates
from server.access.caller import caller
from server.errors import Refused
from server.jobs.session import LiveSession
from server.metrics import Figures
from server.schemas.live import NewSession
from server.stream.media import STOPPED

ENDED_KEPT = 32
"""Sessions that have ended and can still be asked about: whoever comes back is told why."""

STOP_S = 3.0
"""Seconds that the sessions get to let go of their engines when the server stops."""


class Sessions:
    """`limit` at once."""

    def __init__(
        self,
        pool: EnginePool,
        templates: Templates,
        figures: Figures,
        limit: int,
        spend: Callable[[str, float], Awaitable[None]],
    ) -> None:
        """spend: counts the seconds that a session of an owner lasted."""
        self._spend = spend
        self._pool, self._templates, self._figures, self._limit = pool, templates, figures, limit
        self._all: dict[str, LiveSession] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def viewers(self) -> int:
        """Who watch any of them."""
        return sum(session.viewers for session in self._all.values())

    def all(self) -> Sequence[LiveSession]:
        """Those that run, and those that have ended lately, the oldest first; the caller's."""
        only = caller.get().only
        return tuple(one for one in self._all.values() if only in (None, one.owner))

    def get(self, session_id: str) -> LiveSession:
        """Raises Refused 404."""
        found = self._all.get(session_id)
        if found is None or caller.get().only not in (None, found.owner):
            raise Refused(404, "unknown_session", f"there is no session {session_id!r}; it may have ended")
        return found

    def check_room(self) -> None:
        """Raises Refused 429 if one more would be too many."""
        if len(self._tasks) >= self._limit:
            message = f"{len(self._tasks)} sessions run, and no more may; end one, or try again later"
            raise Refused(429, "too_many_sessions", message, headers={"Retry-After": "10"})

    def open(self, wanted: NewSession) -> LiveSession:
        """A new session, on its way. Raises Refused 429."""
        self.check_room()
        session = LiveSession(f"session_{secrets.token_hex(12)}", wanted, time.time())
        self._start(session)
        return session

    async def delete(self, session_id: str) -> None:
        """End a session and forget it; its engines are free on return. Raises Refused 404."""
        session = self.get(session_id)
        session.end("deleted")
        if task := self._tasks.get(session_id):
            task.cancel()
            await asyncio.wait([task])
        self._all.pop(session_id, None)

    async def stop(self) -> None:
        """The server stops: viewers are told to come back, and nothing is made any more."""
        tasks = list(self._tasks.values())
        for session in self._all.values():
            session.ring.end(STOPPED)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_S)

    def _start(self, session: LiveSession) -> None:
        self._all[session.id] = session
        self._tasks[session.id] = asyncio.create_task(self._run(session))

    async def _run(self, session: LiveSession) -> None:
        try:
            await session.run(self._pool, self._templates, self._figures)
        finally:
            del self._tasks[session.id]
            ended = [one.id for one in self._all.values() if one.log.ended]
            for session_id in ended[:-ENDED_KEPT]:
                del self._all[session_id]
            if session.owner:
                with suppress(Error):  # the record may be closed by now
                    await self._spend(session.owner, time.time() - session.created_at)
