"""Open the file of the record, and tell what is wrong with one that cannot be used."""

import shutil
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path
from typing import cast

from core.errors import Error, StorageFull
from server.store.rows import LATER, SCHEMA, SCHEMA_VERSION

_LITTLE = 1 << 20
"""Bytes: a disk with less left is full, for what SQLite writes at once."""


_FULL_IO = {sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_SHMSIZE}
"""Errors of reading and writing that a full disk may be behind; SQLite does not say which."""


def lacks_room(error: sqlite3.Error, folder: Path) -> bool:
    """Whether it failed for want of room on the disk of `folder`, rather than for a disk that is broken."""
    code = cast("int", getattr(error, "sqlite_errorcode", 0))  # its low byte is the kind
    return code & 0xFF == sqlite3.SQLITE_FULL or (code in _FULL_IO and _free(folder) < _LITTLE)


def _free(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0


def open_database(path: Path) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """A connection to write with and one to read with. Raises sqlite3.Error; Error for a later version."""
    with ExitStack() as ends:

        def connect() -> sqlite3.Connection:
            db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
            # One damaged record is found out where it is read, not where a list is.
            db.text_factory = lambda text: text.decode(errors="replace")
            return ends.enter_context(closing(db))

        write = connect()
        write.execute("pragma journal_mode=wal")
        version = write.execute("pragma user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise Error(f"{path} was written by a later version of lipstream; update, or use another folder")
        if version < SCHEMA_VERSION:  # writes, so not where nothing has to be written
            write.executescript(SCHEMA)
            _add_columns(write)
            write.execute(f"pragma user_version={SCHEMA_VERSION}")
        read = connect()
        read.execute("pragma query_only=on")
        ends.pop_all()
        return write, read


def _add_columns(db: sqlite3.Connection) -> None:
    """What jobs of an earlier version's record have not got."""
    there = {row[1] for row in db.execute("pragma table_info(jobs)")}
    for name, kind in LATER.items():
        if name not in there:
            db.execute(f"alter table jobs add column {name} {kind}")


def unusable(path: Path, error: sqlite3.Error) -> Error:
    """What to tell people of a file that cannot be opened or read."""
    if lacks_room(error, path.parent):
        return StorageFull(f"the disk of {path.parent} is full; make room, then start again")
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Error(f"{path} is in use by another program; end that, then start again")
    return Error(
        f"the record of jobs {path} cannot be used ({error}); move it aside, with {path.name}-wal and "
        f"{path.name}-shm if they are there, and start again: a new one is made, which knows no earlier jobs"
    )
