"""Where finished files are given out from: this server's own disk, by signed links, or an object storage.

A file's key is made of its job and its content (`key_of` of the record), so putting one twice makes one
object, and two attempts never disagree. A `Storage` blocks: it is called on threads, never on the event loop.
"""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from urllib.parse import urlencode

from server.errors import Refused
from server.folder import private_file

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

    def delete(self, key: str) -> None:
        """Keep it no longer. One that is not there is as good as deleted."""
        ...


class SignedLinks:
    """Links to files in the server's own folder, which expire."""

    def __init__(self, secret: bytes, origin: str = "") -> None:
        """origin: what goes before paths, like https://studio.example."""
        self._secret = secret
        self._origin = origin.rstrip("/")

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


def link_secret(folder: Path) -> bytes:
    """The secret that links are signed with; made at the first start, and readable by us alone."""
    return private_file(folder / "links.key", lambda: secrets.token_bytes(32))
