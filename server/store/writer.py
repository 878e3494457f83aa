"""One thread owns the writing connection and commits whatever has piled up in one go.

SQLite takes one writer at a time, and a commit that reaches the disk costs milliseconds however much is in
it; so changes queue up while one commit runs, and the next takes them all. Each change has a savepoint of
its own: one that is refused takes none of its neighbours with it. What a change logged is published after
the commit that holds it, so nobody ever sees an event that a crash could take back.
"""

import asyncio
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from core.errors import Error, StorageFull
from server.store.database import lacks_room
from server.store.rows import Event

T = TypeVar("T")

BATCH = 256
"""Changes in one commit, at most."""

_FULL = "the disk is full"
_GONE = "the record of jobs is closed: the server stops"


class Ballast:
    """Room on the disk kept for bad times, so that a failure for want of room can still be recorded.

    Once given up it is taken again when the disk has room, which the runner looks for every minute: on a disk
    that fills twice within one, the second failure is on record only when there is room again.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size

    @property
    def folder(self) -> Path:
        """Where it lies: on the disk that it keeps room on."""
        return self._path.parent

    def fill(self) -> bool:
        """Take the room, if the disk has it."""
        try:
            with self._path.open("ab") as file:
                os.posix_fallocate(file.fileno(), 0, self._size)
        except OSError:
            self.release()
            return False
        return True

    def release(self) -> None:
        """Give the room back to the disk."""
        with suppress(OSError):
            os.truncate(self._path, 0)


Change = Callable[[sqlite3.Connection, list[Event]], T]
"""Reads and writes within a transaction and adds to the list what is to be published; undone if it raises."""


@dataclass(slots=True)
class _Item:
    change: Change[Any]
    future: "asyncio.Future[Any]"
    sync: bool
    vital: bool
    log: list[Event] = field(default_factory=list)
    result: Any = None
    error: Exception | None = None


class Writer:
    """The thread. `submit` and `close` belong to the event loop that made it."""

    def __init__(
        self, db: sqlite3.Connection, ballast: Ballast, publish: Callable[[Sequence[Event]], None]
    ) -> None:
        self._db = db
        self._ballast = ballast
        self._publish = publish
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._closed = False
        # A daemon, so that a process which ends for whatever other reason does not wait for it.
        self._thread = threading.Thread(target=self._run, name="store-write", daemon=True)
        self._thread.start()

    def submit(self, change: Change[T], *, sync: bool = False, vital: bool = False) -> "asyncio.Future[T]":
        """Have `change` committed; the future is done once it is.

        sync: the commit reaches the disk, and survives the loss of power; otherwise it survives the death of
            the process. vital: on a full disk the ballast is given up for it.
        The future raises what `change` raised, StorageFull for want of room, sqlite3.Error for worse.
        Cancelling it undoes nothing. Raises Error at once after `close`.
        """
        if self._closed:
            raise Error(_GONE)
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(_Item(change, future, sync, vital))
        return future

    def close(self) -> None:
        """Commit what was submitted and end the thread. Blocks."""
        self._closed = True
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            items, last = self._gather()
            if items:
                self._write(items)
                self._loop.call_soon_threadsafe(self._settle, items)
            if last:
                return

    def _gather(self) -> tuple[list[_Item], bool]:
        """Wait for a change and take all others that are there; whether it is time to end."""
        items: list[_Item] = []
        item = self._queue.get()
        while item is not None:
            items.append(item)
            if len(items) == BATCH:
                return items, False
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return items, False
        return items, True

    def _write(self, items: list[_Item]) -> None:
        try:
            self._commit(items)
        except sqlite3.Error as error:
            self._give_up(items, error)

    def _commit(self, items: list[_Item]) -> None:
        sync = any(item.sync for item in items)
        self._db.execute(f"pragma synchronous={'full' if sync else 'normal'}")
        try:
            self._db.execute("begin immediate")
            for item in items:
                self._apply(item)
            self._db.execute("commit")
        except BaseException:
            # SQLite has rolled back by itself after some errors, and not after others.
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise

    def _apply(self, item: _Item) -> None:
        item.log.clear()
        item.error = None
        self._db.execute("savepoint change")
        try:
            item.result = item.change(self._db, item.log)
        except Exception as error:  # handed to whoever submitted the change
            if isinstance(error, sqlite3.Error) and (self._lacks_room(error) or not self._db.in_transaction):
                raise
            self._db.execute("rollback to change")
            item.log.clear()
            item.error = error
        self._db.execute("release change")

    def _give_up(self, items: list[_Item], error: sqlite3.Error) -> None:
        """Nothing of this batch was committed: say so, but save what must be recorded."""
        failure: Exception = error
        if self._lacks_room(error):
            failure = StorageFull(_FULL)
            self._ballast.release()
        for item in items:
            item.log.clear()
            item.error = failure
            if item.vital and self._lacks_room(error):
                try:
                    self._commit([item])
                except sqlite3.Error as again:
                    item.log.clear()
                    item.error = StorageFull(_FULL) if self._lacks_room(again) else again

    def _lacks_room(self, error: sqlite3.Error) -> bool:
        return lacks_room(error, self._ballast.folder)

    def _settle(self, items: list[_Item]) -> None:
        """On the loop: publish what is committed, then wake those who wait for it."""
        if events := [event for item in items for event in item.log]:
            self._publish(events)
        for item in items:
            if item.future.done():  # its owner was cancelled
                continue
            if item.error is None:
                item.future.set_result(item.result)
            else:
                item.future.set_exception(item.error)
