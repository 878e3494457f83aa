"""Who watches which job: every watcher is a cursor on the event log, none has a queue.

The store publishes what it has committed; that wakes the watchers, and each reads on from where it is, at its
own pace. So a slow or stuck browser costs one number per job, delays nobody and misses nothing, and
reconnecting is the same call with the last number seen. The newest events of running jobs are kept at hand,
because that is what nearly every watcher wants next; everything else is read from the store.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable, KeysView, Sequence
from typing import Protocol

from core.errors import UnknownJob
from server.store.rows import Event

TAIL = 256
"""Events of a running job kept at hand: most of a minute."""

CHUNK = 100
"""Events a watcher takes at once."""


class Log(Protocol):
    """Where old events are read: `server.store.store.Store`."""

    async def read(self, job_id: str, after: int, limit: int) -> Sequence[Event]:
        """Events past number `after`, in order. Raises UnknownJob."""
        ...


class Hub:
    """Wakes watchers. `publish` is given events after their commit, in order, and never waits."""

    def __init__(self) -> None:
        self._tails: dict[str, deque[Event]] = {}
        self._watchers: dict[str, set[Watcher]] = {}
        self._all: set[Watcher] = set()

    def publish(self, events: Iterable[Event]) -> None:
        """Take new events in and wake who watches their jobs."""
        for event in events:
            tail = self._tails.setdefault(event.job_id, deque(maxlen=TAIL))
            tail.append(event)
            for watcher in self._watchers.get(event.job_id, ()):
                watcher.wake(event.job_id)
            for watcher in self._all:
                watcher.notice(event)
            if event.last:
                del self._tails[event.job_id]

    def watcher(self, log: Log) -> "Watcher":
        """A new watcher of nothing; use it in a `with`."""
        return Watcher(self, log)

    async def watch(self, log: Log, job_id: str, after: int = 0) -> AsyncGenerator[Event, None]:
        """Yield the events of one job past number `after`, old then new; return after its last."""
        with self.watcher(log) as watcher:
            watcher.follow(job_id, after)
            while True:
                for event in await watcher.next():
                    yield event
                if not watcher.jobs:
                    return

    def at_hand(self, job_id: str, after: int) -> list[Event] | None:
        """Events past `after` without asking the store; None if they are not all here."""
        tail = self._tails.get(job_id)
        if not tail or tail[0].seq > after + 1:
            return None
        # Dense, so the place of an event follows from its number.
        first = after + 1 - tail[0].seq
        return [tail[k] for k in range(first, min(len(tail), first + CHUNK))]

    def follow(self, watcher: "Watcher", job_id: str) -> None:
        """Have `watcher` woken for a job."""
        self._watchers.setdefault(job_id, set()).add(watcher)

    def follow_all(self, watcher: "Watcher") -> None:
        """Have `watcher` told of every event."""
        self._all.add(watcher)

    def forget(self, job_id: str) -> None:
        """The job is deleted: nobody need wait for more of it."""
        for watcher in list(self._watchers.get(job_id, ())):
            watcher.leave(job_id)
            watcher.rouse()

    def leave(self, watcher: "Watcher", job_id: str) -> None:
        """The opposite of `follow`."""
        watchers = self._watchers.get(job_id, set())
        watchers.discard(watcher)
        if not watchers:
            self._watchers.pop(job_id, None)

    def leave_all(self, watcher: "Watcher") -> None:
        """The opposite of `follow_all`."""
        self._all.discard(watcher)

    def __len__(self) -> int:
        """How many jobs are watched."""
        return len(self._watchers)


class Watcher:
    """Cursors on any number of jobs, and one place to wait for news of all of them."""

    def __init__(self, hub: Hub, log: Log) -> None:
        self._hub = hub
        self._log = log
        self._cursors: dict[str, int] = {}
        # Jobs that may have something past their cursor, in the order they are to be looked at.
        self._pending: dict[str, None] = {}
        self._news = asyncio.Event()
        self._roused = False
        self._passed: set[str] = set()

    def __enter__(self) -> "Watcher":
        return self

    def __exit__(self, *_: object) -> None:
        self.leave_all()

    @property
    def jobs(self) -> KeysView[str]:
        """What is followed."""
        return self._cursors.keys()

    def follow(self, job_id: str, after: int) -> None:
        """From now on also this job's events past number `after`; moves the cursor if it was followed."""
        self._cursors[job_id] = after
        self._hub.follow(self, job_id)
        self.wake(job_id)

    def follow_all(self) -> None:
        """From now on every job's new events, each job's from the next one on unless it was followed."""
        self._hub.follow_all(self)

    def leave(self, job_id: str) -> None:
        """No more of this job."""
        self._hub.leave(self, job_id)
        self._cursors.pop(job_id, None)
        self._pending.pop(job_id, None)

    def leave_all(self) -> None:
        """No more of anything."""
        self._hub.leave_all(self)
        for job_id in list(self._cursors):
            self.leave(job_id)

    def wake(self, job_id: str) -> None:
        """There is news of a job; called by the hub."""
        self._pending[job_id] = None
        self._news.set()

    def pass_over(self, job_id: str) -> None:
        """No more of this job, also for one who follows all."""
        self.leave(job_id)
        self._passed.add(job_id)

    def notice(self, event: Event) -> None:
        """An event of any job, for one who follows all; called by the hub."""
        if event.job_id in self._passed:
            if event.last:
                self._passed.discard(event.job_id)
        elif event.job_id not in self._cursors:
            self.follow(event.job_id, event.seq - 1)

    def rouse(self) -> None:
        """Have `next` return, even with nothing."""
        self._roused = True
        self._news.set()

    async def next(self) -> Sequence[Event]:
        """The next events, of one job, in order; waits until there are some. Jobs take turns.

        A job is no longer followed after its last event. Empty if a job that was followed has been deleted.
        May be cancelled, loses nothing by it. To be called by one task at a time.
        """
        while True:
            if events := await self.take():
                return events
            if await self.wait():
                return []

    async def wait(self) -> bool:
        """Wait until there may be something to take; True if something is to be looked at anew (`rouse`)."""
        while not self._pending and not self._roused:
            self._news.clear()
            await self._news.wait()
        roused, self._roused = self._roused, False
        return roused

    async def take(self) -> Sequence[Event]:
        """What `next` returns, if it is there already; else nothing."""
        while self._pending:
            if events := await self._read(next(iter(self._pending))):
                return events
        return []

    async def _read(self, job_id: str) -> Sequence[Event]:
        # Taken off before reading: what is published meanwhile puts it on again.
        del self._pending[job_id]
        after = self._cursors[job_id]
        events: Sequence[Event] | None = self._hub.at_hand(job_id, after)
        if events is None:
            try:
                events = await self._log.read(job_id, after, CHUNK)
            except UnknownJob:  # deleted, perhaps before it was followed, and then `forget` did not reach us
                self.leave(job_id)
                self.rouse()
                return []
            except BaseException:
                if job_id in self._cursors:
                    self._pending[job_id] = None
                raise
            if self._cursors.get(job_id) != after:  # left, or moved, while we read
                return []
        if not events:
            return []
        self._cursors[job_id] = events[-1].seq
        if events[-1].last:
            self.leave(job_id)
        else:
            self._pending[job_id] = None  # perhaps there is more; the others first
        return events
