"""The servers that a session's video is sent to."""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable
from functools import partial

from core.push.pusher import State, push
from core.push.target import Allows, Target, target_of
from server.errors import Refused
from server.schemas.live import PushChanged, PushInfo
from server.store.sessions import PushRow
from server.stream.ring import Ring
from server.stream.session_log import SessionLog

PUSHES = 4
"""Servers that one session's video may be sent to at once."""


class Pushes:
    """Those of one session. `close` once."""

    def __init__(self, log: SessionLog, ring: Callable[[], Ring], touch: Callable[[], None]) -> None:
        """ring: the video as it is now. touch: somebody wants the session."""
        self._log, self._ring, self._touch = log, ring, touch
        self._all: dict[str, PushInfo] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._kept: dict[str, PushRow] = {}

    @property
    def kept(self) -> tuple[PushRow, ...]:
        """Those that a restart does not end; also of a session that runs no more."""
        return tuple(self._kept.values())

    def all(self) -> list[PushInfo]:
        """What there is, the oldest first."""
        return list(self._all.values())

    @property
    def live(self) -> int:
        """Servers that take the video just now."""
        return sum(one.state == "live" for one in self._all.values())

    def add(self, target: Target, allows: Allows, *, keep: bool = False) -> PushInfo:
        """Send the video there until it is removed or the session is over. keep: after a restart, too.

        Raises Refused 429.
        """
        if len(self._all) >= PUSHES:
            message = f"the video is sent to {PUSHES} servers, and to no more; remove one first"
            raise Refused(429, "too_many_pushes", message)
        push_id = f"push_{secrets.token_hex(8)}"
        if keep:
            self._kept[push_id] = PushRow(push_id, target.url, target.key)
        return self._begin(push_id, target, allows)

    def bring_back(self, rows: Iterable[PushRow], allows: Allows) -> None:
        """Go on with those of an earlier life."""
        for row in rows:
            self._kept[row.id] = row
            self._begin(row.id, target_of(row.url, row.key), allows)

    def _begin(self, push_id: str, target: Target, allows: Allows) -> PushInfo:
        told = partial(self._told, push_id)
        kept = push_id in self._kept
        self._all[push_id] = PushInfo(id=push_id, url=target.url, state="connecting", since=_now(), keep=kept)
        self._tasks[push_id] = asyncio.create_task(self._send(target, allows, told))
        return self._all[push_id]

    async def remove(self, push_id: str) -> None:
        """Send the video there no more. Raises Refused 404."""
        task = self._tasks.pop(push_id, None)
        if task is None:
            raise Refused(404, "unknown_push", f"there is no push {push_id!r}; it may be removed")
        del self._all[push_id]
        self._kept.pop(push_id, None)
        task.cancel()
        await asyncio.wait([task])

    async def close(self) -> None:
        """Send the video nowhere any more."""
        tasks, self._tasks = list(self._tasks.values()), {}
        self._all.clear()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _send(self, target: Target, allows: Allows, told: Callable[[State, str], None]) -> None:
        while not self._log.ended:  # a video that has broken off begins anew
            await push(lambda: self._ring().pieces(), target, allows, told)

    def _told(self, push_id: str, state: State, why: str) -> None:
        before = self._all.get(push_id)
        if before is None:
            return
        if state == "connecting":  # the next attempt: it is as before, until it is known to be otherwise
            return
        now = before.model_copy(update={"state": state, "message": why or None, "since": _now()})
        if (now.state, now.message) == (before.state, before.message):
            return
        self._all[push_id] = now
        if "live" in (state, before.state):
            self._touch()
        if not self._log.ended:
            self._log.append("push.changed", PushChanged(push=now))


def _now() -> float:
    return round(time.time(), 3)
