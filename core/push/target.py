"""Where a video is sent to, and the way there that may be taken."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from core.errors import BadInput

PORTS = {"rtmp": 1935, "rtmps": 443}
"""The protocols that are spoken, and where they usually are."""

CONNECT_S = 10.0
"""Seconds in which a server must be found and reached."""

STUCK_S = 10.0
"""Seconds in which a server must take the video, and later on each piece of it, before it is given up."""

_LIMIT = 2048

Allows = Callable[[str, int, str], bool]
"""Whether a host and port may be dialled at this address."""


def everywhere(_host: str, _port: int, _address: str) -> bool:
    """For a person's own command: any address may be dialled."""
    return True


@dataclass(frozen=True, slots=True)
class Target:
    """An application of an RTMP server. url: without the key, to be shown. key: the stream's, a secret."""

    scheme: str
    host: str
    port: int
    app: str
    key: str = field(repr=False)

    @property
    def url(self) -> str:
        """What the server is told it was called by."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}/{self.app}"


def target_of(url: str, key: str | None = None) -> Target:
    """What `rtmp://host/app` and a key mean; without one, the key is the last part of the URL.

    Raises BadInput `bad_url`. What it says does not have the key in it.
    """
    if len(url) > _LIMIT or not url.isprintable() or " " in url:
        raise _bad(f"is longer than {_LIMIT} characters or has blanks in it")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _bad("is not a URL") from None
    if parts.scheme not in PORTS:
        raise _bad(f"begins with {parts.scheme[:20]!r}; {' and '.join(PORTS)} are spoken")
    if not host or parts.username is not None:
        raise _bad("names no host, or a user: the key is all that a server is told")
    path = parts.path.strip("/") + (f"?{parts.query}" if parts.query else "")
    app, key = (path, key) if key else (path.rpartition("/")[0], path.rpartition("/")[2])
    if not app or not key or not key.isprintable():
        raise _bad("names no application or no key")
    return Target(parts.scheme, host, port or PORTS[parts.scheme], app, key)


def _bad(what: str) -> BadInput:
    return BadInput("bad_url", f"the address {what}; write rtmp://HOST/APP, and the stream's key", "url")


async def addresses(target: Target, allows: Allows) -> list[str]:
    """The addresses of the server that may be dialled, best first.

    Raises BadInput `url_unreachable` for a host that is not known, `url_not_allowed`.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_S):
            found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError) as error:
        raise BadInput("url_unreachable", f"there is no host {target.host[:80]!r}", "url") from error
    known = dict.fromkeys(str(place[0]) for *_, place in found)
    able = [address for address in known if allows(target.host, target.port, address)]
    if not able:
        message = f"{target.url[:200]} leads to an address that is not of the public internet"
        raise BadInput("url_not_allowed", f"{message}; the server's setting `fetch_allow` can name it", "url")
    return able
