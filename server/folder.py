"""The server's folder on disk: who may use it, where things lie, what may go.

    lock            held by the one server that runs here
    jobs.db         the record (`server.store.store`); beside it SQLite's own files and the ballast
    jobs/<id>/      what one job was given and made
    lives           last touched while jobs ran: about when a server died
    incoming/       uploads not yet whole; emptied at every start

Every name below is made by the server; nothing a client sends is ever part of a path.
"""

import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Set
from contextlib import suppress
from pathlib import Path

from core.errors import FolderInUse


def private_file(path: Path, make: Callable[[], bytes]) -> bytes:
    """What a file holds; one that is not there is made, whole, and for our account alone."""
    if not path.exists():
        draft = path.with_name(f"{path.stem}.{secrets.token_hex(4)}.part")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(make())
        draft.rename(path)
    return path.read_bytes()


class ServerFolder:
    """Opened by one server at a time; `close` lets the next one in."""

    def __init__(self, root: Path) -> None:
        """Make what is missing and take the lock. Raises FolderInUse."""
        self.root = root
        # What people send is theirs and the operator's, not every account's of this machine.
        if not root.parent.exists():
            root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        root.mkdir(mode=0o700, exist_ok=True)
        root.chmod(0o700)
        for name in ("templates", "voices"):  # also in a folder that was there before, for all to read
            place = root.parent / name
            place.mkdir(mode=0o700, exist_ok=True)
            with suppress(OSError):  # another's: theirs to close
                place.chmod(0o700)
        # Never deleted: a lock on a new file of the same name would be another lock.
        self._lock = os.open(root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise FolderInUse(
                f"another lipstream server uses {root}; stop it, or give this one a data_dir of its own"
            ) from error
        (root / "jobs").mkdir(exist_ok=True)
        shutil.rmtree(root / "incoming", ignore_errors=True)
        (root / "incoming").mkdir()

    def lives(self) -> None:
        """Note that the server lives; takes microseconds."""
        with suppress(OSError):  # a full disk, say
            (self.root / "lives").touch(mode=0o600)

    def died(self) -> float | None:
        """When the server before lived last, while it ran jobs, in Unix seconds."""
        try:
            return (self.root / "lives").stat().st_mtime
        except OSError:
            return None

    def close(self) -> None:
        """Give the lock back."""
        os.close(self._lock)

    @property
    def database(self) -> Path:
        """The file of the record."""
        return self.root / "jobs.db"

    def job(self, job_id: str) -> Path:
        """The folder of a job, which may not exist yet."""
        return self.root / "jobs" / job_id

    def incoming(self) -> Path:
        """A new name for an upload."""
        return self.root / "incoming" / secrets.token_hex(8)

    def free(self) -> int:
        """Bytes of disk left."""
        return shutil.disk_usage(self.root).free

    def clear(self, job_id: str) -> None:
        """Remove what a job made and was given. Blocking."""
        shutil.rmtree(self.job(job_id), ignore_errors=True)

    def clear_orphans(self, known: Set[str]) -> list[str]:
        """Remove the folders of jobs that are not on record: a job is forgotten first, then its files go."""
        orphans = [path.name for path in (self.root / "jobs").iterdir() if path.name not in known]
        for name in orphans:
            self.clear(name)
        return orphans

    def size(self, job_id: str) -> int:
        """Bytes in a job's folder. Blocking."""
        return sum(path.stat().st_size for path in self.job(job_id).rglob("*") if path.is_file())


def link(source: Path, target: Path) -> None:
    """Give the file a second name, or copy it to another disk. Raises OSError."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)
