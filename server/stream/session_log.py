"""What happens in a session, numbered without gaps: the newest of it, for whoever watches.

A watcher is the number of the last event it knows, and reads on at its own pace. Unlike a job's, the log of a
session is in memory and bounded: a session lasts for days, and what was said yesterday is of no use.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from itertools import islice

from server.schemas.live import envelope
from server.schemas.requests import Model

KEPT = 1000
"""Events that are kept: some minutes of speech, word by word."""


class SessionLog:
    """last_seq: number of the newest event. ended: nothing more will happen."""

    def __init__(self, session_id: str, last_seq: int = 0) -> None:
        """last_seq: of what happened in an earlier life of the session."""
        self.last_seq = last_seq
        self.ended = False
        self._session_id = session_id
        self._events: deque[str] = deque(maxlen=KEPT)
        self._news = asyncio.Event()

    @property
    def first_seq(self) -> int:
        """The number of the oldest event that is kept, or of the next one if none is."""
        return self.last_seq - len(self._events) + 1

    def append(self, type: str, data: Model, *, last: bool = False) -> None:
        """Something has happened. last: the session is over with it."""
        self.last_seq += 1
        self.ended = last
        self._events.append(envelope(self._session_id, type, data, seq=self.last_seq, ts=time.time()))
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def read(self, after: int) -> Sequence[str]:
        """The events past number `after`, as they are sent; waits for some. Empty once there will be none.

        Of what is not kept any more there is nothing to read: see `first_seq`.
        """
        while self.last_seq <= after and not self.ended:
            await self._news.wait()
        return list(islice(self._events, max(0, after + 1 - self.first_seq), None))
