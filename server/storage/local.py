"""Where finished files are given out from: this server's own disk, or an object storage.

A file's key is made of its job and its content (`key_of` of the record), so putting one twice makes one
object, and two attempts never disagree. A `Storage` blocks: it is called on threads, never on the event loop.
"""

import base64
import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import urlencode

from core.errors import BadInput, StorageError
from server.errors import Refused
from server.folder import link

T = TypeVar("T")

LINKS = "/v1/files"
"""Where the server's own links point."""


class Storage(Protocol):
    """Keeps files under keys like `video_1/0a1b2c/video.mp4`.

    place: its name, which the record of what it keeps has too. Every method raises StorageError.
    """

    place: str

    def put(self, file: Path, key: str, type: str, progress: Callable[[int], None]) -> None:
        """Keep the file; on return it is there, whole, and the checksum was compared. Once is enough.

        type: media type. progress: is told how many bytes have gone; what it raises ends the upload.
        """
        ...

    def get(self, key: str, into: Path, limit: int) -> None:
        """Write what is kept under `key`. Raises BadInput if there is none, or more than `limit` bytes."""
        ...

    def delete(self, key: str) -> None:
        """Keep it no longer. One that is not there is as good as deleted."""
        ...

    def url(self, key: str, seconds: float) -> str:
        """Where anybody gets it, for so long at least."""
        ...


class LocalStorage:
    """The server's own folder: a job's files are there already, and links to them are signed and expire."""

    place = ""

    def __init__(self, jobs: Path, secret: bytes, origin: str = "") -> None:
        """jobs: the folder of jobs' folders. origin: what goes before paths, like https://studio.example."""
        self._jobs = jobs
        self._secret = secret
        self._origin = origin.rstrip("/")

    def put(self, file: Path, key: str, type: str, progress: Callable[[int], None]) -> None:
        """Give the file its place, unless that is where it is."""
        target = self._path(key)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if not (target.exists() and target.samefile(file)):
                draft = target.with_name(f".{secrets.token_hex(8)}")
                link(file, draft)
                draft.replace(target)
        except OSError as error:
            raise StorageError(
                "storage_failed", f"{target.name}: {error.strerror}", retryable=True
            ) from error
        progress(target.stat().st_size)

    def get(self, key: str, into: Path, limit: int) -> None:
        """Give the file a second name."""
        path = self._path(key)
        if not path.is_file() or path.stat().st_size > limit:
            raise BadInput("unknown_output", f"there is no {key!r} of at most {limit} bytes", "url")
        link(path, into)

    def delete(self, key: str) -> None:
        """Remove the file."""
        try:
            self._path(key).unlink(missing_ok=True)
        except OSError as error:
            raise StorageError("storage_failed", f"{key}: {error.strerror}", retryable=True) from error

    def url(self, key: str, seconds: float) -> str:
        """A link that works for so long, for whoever has it."""
        expires = int(time.time() + seconds)
        query = urlencode({"expires": expires, "signature": self._sign(key, str(expires))})
        return f"{self._origin}{LINKS}/{key}?{query}"

    def check(self, key: str, expires: str, signature: str) -> None:
        """Raises Refused unless we made this link, and not too long ago."""
        if not hmac.compare_digest(self._sign(key, expires).encode(), signature.encode()):
            raise Refused(403, "bad_signature", "this link was not made here, or is not whole", "signature")
        if int(expires) < time.time():
            raise Refused(403, "link_expired", "this link has expired; ask for a new one", "expires")

    def _sign(self, key: str, expires: str) -> str:
        digest = hmac.digest(self._secret, f"{key}\n{expires}".encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def _path(self, key: str) -> Path:
        job_id, _, name = key.split("/")
        return self._jobs / job_id / name


def link_secret(folder: Path) -> bytes:
    """The secret that links are signed with; made at the first start, and readable by us alone."""
    path = folder / "links.key"
    if not path.exists():
        draft = folder / f"links.{secrets.token_hex(4)}.part"
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
        draft.rename(path)
    return path.read_bytes()
