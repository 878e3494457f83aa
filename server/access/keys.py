"""Keys that open the server: `keys.json` in the data folder, one file for all servers of that folder.

A key is 32 random bytes, shown once, when it is made. What is kept is its SHA-256: a hash that is slow on
purpose protects words that people choose, and there is nothing to guess in these. The file is looked at again
whenever it has changed, so a key that is added or removed counts at once.
"""

import fcntl
import hashlib
import hmac
import logging
import os
import re
import secrets
import time
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import BadInput, Error
from server.access.caller import Caller, Scope
from server.store.owners import Quota

log = logging.getLogger(__name__)

PREFIX = "lipstream_"
"""What keys begin with, so that people and scanners of secrets know one when they see it."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Key(BaseModel):
    """A key as it is kept. owner: whose jobs, templates and voices it opens; several keys may have one."""

    model_config = ConfigDict(frozen=True)

    name: str
    owner: str
    scope: Scope
    hash: str
    jobs: int | None = None
    minutes_a_day: float | None = None
    created_at: float

    @property
    def caller(self) -> Caller:
        """Who holds it."""
        return Caller(self.owner, self.scope, Quota(self.jobs, self.minutes_a_day), self.mark)

    @property
    def mark(self) -> str:
        """What tells it from every other key, also from one that is made anew under its name."""
        return self.hash


class _File(BaseModel):
    keys: list[Key] = Field(default_factory=list)


class Keys:
    """The keys of one data folder. Every method but `find` blocks for a moment."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "keys.json"
        self._state: tuple[int, int, int] | None = None
        self._keys: Sequence[Key] = ()
        self._asked = False

    def all(self) -> Sequence[Key]:
        """Every key, in the order they were added. Raises Error for a file that cannot be read."""
        state = _state(self._path)
        if state != self._state:
            self._keys = _read(self._path) if state is not None else ()
            self._state = state
        return self._keys

    @property
    def asked(self) -> bool:
        """Whether a key is needed: as soon as there is one, and from then on until the process ends."""
        self._asked = self._asked or bool(self._current())
        return self._asked

    def find(self, secret: str) -> Key | None:
        """The key that this is; takes as long for any that it is not."""
        hashed, found = _hash(secret), None
        for key in self._current():
            if hmac.compare_digest(key.hash, hashed):
                found = key
        return found

    def named(self, name: str) -> Key | None:
        """The key of this name."""
        return next((key for key in self._current() if key.name == name), None)

    def minutes_a_day(self, owner: str) -> float | None:
        """What the keys of this owner may have made in 24 hours: that of the largest; None: any number."""
        minutes = [key.minutes_a_day for key in self._current() if key.owner == owner]
        limits = [most for most in minutes if most is not None]
        return max(limits) if limits and len(limits) == len(minutes) else None

    @property
    def marks(self) -> Collection[str]:
        """Of every key there is, its `mark`."""
        return {key.mark for key in self._current()}

    def add(
        self, name: str, scope: Scope, owner: str | None, jobs: int | None, minutes_a_day: float | None
    ) -> str:
        """Make a key and keep what checks it; the key itself, which nobody can tell again.

        Raises BadInput `bad_key_name`, `key_exists`, `bad_quota`.
        """
        for one in (name, owner or name):
            if not _NAME.fullmatch(one):
                message = f"{one[:80]!r} is no name for a key; use up to 64 letters, digits, . - and _"
                raise BadInput("bad_key_name", message, "name")
        if (jobs is not None and jobs < 1) or (minutes_a_day is not None and not 0 < minutes_a_day < 1e6):
            raise BadInput("bad_quota", "--jobs and --minutes-a-day are more than 0", "jobs")
        secret = PREFIX + secrets.token_urlsafe(32)
        with self._locked() as keys:
            if any(key.name == name for key in keys):
                message = f"there is a key {name!r}; remove it first, or give another name"
                raise BadInput("key_exists", message, "name")
            added = Key(
                name=name,
                owner=owner or name,
                scope=scope,
                hash=_hash(secret),
                jobs=jobs,
                minutes_a_day=minutes_a_day,
                created_at=round(time.time()),
            )
            self._write([*keys, added])
        return secret

    def remove(self, name: str) -> None:
        """Forget a key: it opens nothing from now on. Raises BadInput `unknown_key`."""
        with self._locked() as keys:
            left = [key for key in keys if key.name != name]
            if len(left) == len(keys):
                raise BadInput(
                    "unknown_key", f"there is no key {name[:80]!r}; see: lipstream keys list", "name"
                )
            self._write(left)

    def _current(self) -> Sequence[Key]:
        """The keys as the file has them; as they were, while it cannot be read: nothing opens by that."""
        try:
            return self.all()
        except (OSError, Error) as error:
            log.error("the keys of before still count: %s", error)
            self._state = _state(self._path)  # said once
            return self._keys

    @contextmanager
    def _locked(self) -> Generator[Sequence[Key], None, None]:
        """The keys, while no other process changes them."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield self.all()
        finally:
            os.close(folder)

    def _write(self, keys: Sequence[Key]) -> None:
        draft = self._path.with_name(f".keys.{secrets.token_hex(4)}")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(_File(keys=list(keys)).model_dump_json(indent=1))
        draft.replace(self._path)


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _read(path: Path) -> Sequence[Key]:
    try:
        return _File.model_validate_json(path.read_bytes()).keys
    except ValidationError as error:
        why = str(error).splitlines()[0]
        raise Error(
            f"the keys in {path} cannot be read ({why}); put a copy back, or move the file aside"
        ) from error


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()
