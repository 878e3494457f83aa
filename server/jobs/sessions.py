"""The live sessions of one server: how many there may be, those that have ended lately, and their record."""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence

from pydantic import ValidationError

from core.errors import Error
from core.renderer import Renderer
from server.access.caller import caller
from server.addresses import allowed
from server.errors import Refused
from server.jobs.chat import Chat
from server.jobs.session import LiveSession
from server.jobs.transcriber import Transcriber
from server.metrics import Figures
from server.schemas.live import NewSession
from server.schemas.specs import read_record
from server.settings import ServerSettings
from server.store.sessions import SessionRecord, SessionRow
from server.stream.media import STOPPED

log = logging.getLogger(__name__)

ENDED_KEPT = 32
"""Sessions that have ended and can still be asked about: whoever comes back is told why."""

STOP_S = 3.0
"""Seconds that the sessions get to let go of their engines when the server stops."""

RESERVED = 100_000
"""Numbers of events that a session may use before its record is written again."""

LOOK_S = 1.0
"""Seconds between two looks at how many it has used, as it cannot use RESERVED in that time, and at where its
video is sent."""


class Sessions:
    """`limit` at once. `start`, then `stop` once."""

    def __init__(
        self,
        renderer: Renderer,
        figures: Figures,
        record: SessionRecord,
        settings: ServerSettings,
        spend: Callable[[str, float], Awaitable[None]],
    ) -> None:
        """spend: counts the seconds that a session of an owner lasted."""
        self._spend = spend
        self._renderer, self._figures = renderer, figures
        self._record, self._settings, self._limit = record, settings, settings.sessions
        self._all: dict[str, LiveSession] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Bring back what ran when the server ended: idle, under its id, its events counted on."""
        rows = await self._record.all()
        for row in rows[: self._limit]:
            try:
                wanted = read_record(NewSession, row.request)
            except ValidationError as error:
                log.warning("session %s cannot be brought back: %s", row.id, str(error).splitlines()[0])
                await self._record.forget(row.id)
            else:
                session = LiveSession(row.id, wanted, row.created, row.last_seq, *self._asked())
                session.owner = row.owner
                if self._settings.push:
                    session.pushes.bring_back(row.pushes, allowed(self._settings.fetch_allow).dials)
                self._run_on(session)
        for row in rows[self._limit :]:
            log.warning("session %s is not brought back: no more than %d may run", row.id, self._limit)
            await self._record.forget(row.id)

    @property
    def viewers(self) -> int:
        """Who watch any of them."""
        return sum(session.viewers for session in self._all.values())

    def all(self) -> Sequence[LiveSession]:
        """Those that run, and those that have ended lately, the oldest first; the caller's."""
        only = caller.get().only
        return tuple(one for one in self._all.values() if only in (None, one.owner))

    def get(self, session_id: str, *, held: bool = False) -> LiveSession:
        """One of the caller's; held: whoever holds its id as a token. Raises Refused 404."""
        found = self._all.get(session_id)
        if found is None or not (held or caller.get().only in (None, found.owner)):
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
        session_id = f"session_{secrets.token_hex(12)}"
        session = LiveSession(session_id, wanted, time.time(), 0, *self._asked())
        self._run_on(session)
        return session

    async def delete(self, session_id: str) -> None:
        """End a session and forget it; its engines are free on return. Raises Refused 404."""
        session = self.get(session_id)
        session.end("deleted")
        if task := self._tasks.get(session_id):
            task.cancel()
            await asyncio.wait([task])
            await self._note(self._record.forget(session_id))  # which it may not have come to
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

    def _asked(self) -> tuple[Chat | None, Transcriber | None]:
        """Who answers in a new session, and who understands sound."""
        return (
            Chat(self._settings) if self._settings.chat_url else None,
            Transcriber(self._settings) if self._settings.transcribe_url else None,
        )

    def _run_on(self, session: LiveSession) -> None:
        self._all[session.id] = session
        self._tasks[session.id] = asyncio.create_task(self._run(session))

    async def _run(self, session: LiveSession) -> None:
        keeping, began = asyncio.create_task(self._keep(session)), time.time()
        try:
            await session.run(self._renderer, self._figures)
        finally:
            try:
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)
                await self._settle(session)
            finally:  # it may be deleted in just this moment: its room is free all the same
                del self._tasks[session.id]
            ended = [one.id for one in self._all.values() if one.log.ended]
            for session_id in ended[:-ENDED_KEPT]:
                del self._all[session_id]
            if session.owner:
                await self._note(self._spend(session.owner, time.time() - began))

    async def _keep(self, session: LiveSession) -> None:
        """Keep the session on record, its pushes and a number that its events have not reached."""
        reserved, pushes = 0, session.pushes.kept
        while True:
            if session.log.last_seq + RESERVED // 2 > reserved or session.pushes.kept != pushes:
                reserved, pushes = session.log.last_seq + RESERVED, session.pushes.kept
                await self._note(self._record.put(_row(session, reserved)))
            await asyncio.sleep(LOOK_S)

    async def _settle(self, session: LiveSession) -> None:
        """The session does not run any more: it is over, or the server stops."""
        over = session.log.ended
        await self._note(
            self._record.forget(session.id) if over else self._record.put(_row(session, session.log.last_seq))
        )

    async def _note(self, writing: Awaitable[None]) -> None:
        try:
            await writing
        except Error as error:  # a full disk, or closed by now: the session does not depend on it
            log.warning("the record of a session was not written: %s", error)


def _row(session: LiveSession, last_seq: int) -> SessionRow:
    request = session.request.model_dump_json()
    return SessionRow(session.id, request, session.created_at, last_seq, session.owner, session.pushes.kept)
