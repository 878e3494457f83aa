"""What a URL from outside may be, and connections to where it leads that are dialled under guard."""

import socket

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from core.errors import BadInput
from server.addresses import Allowed

URL_LIMIT = 2048
"""Characters of a URL."""


def parsed(url: str) -> URL:
    """Raises BadInput for a URL that would not be asked anywhere."""
    if len(url) > URL_LIMIT or not url.isprintable() or " " in url or "\\" in url:
        message = f"a URL has {URL_LIMIT} characters at most, none of them blank or a backslash"
        raise BadInput("bad_url", message)
    try:
        found = URL(url)
        host, _ = found.host, found.port  # looked at here, where they may be refused
    except ValueError as error:
        raise BadInput("bad_url", f"{short(url)} is not a URL") from error
    if found.scheme not in ("http", "https", "oss") or not host:
        raise BadInput("bad_url", f"{short(url)} is not like https://host/path")
    if found.user is not None or found.password is not None:
        raise BadInput("bad_url", "a URL with a user name or password is not fetched")
    return found.with_fragment(None)


def check_place(allowed: Allowed, url: URL) -> None:
    """Raises BadInput for what would not be dialled, whatever address it has."""
    if url.scheme == "oss":
        raise BadInput("url_not_allowed", f"{short(str(url))} is no object that may be read here")
    if not allowed.port(url.host or "", url.port or 0):
        message = f"port {url.port} is not fetched from; 80 and 443 are, and those that `fetch_allow` names"
        raise BadInput("url_not_allowed", message)


def short(url: str) -> str:
    """A URL for an error: without its query, which may hold a signature."""
    line = url.partition("?")[0]
    return line if len(line) <= 120 else line[:119] + "…"


class Guard:
    """Opens sockets for one URL, to addresses that may be dialled. refused: one was not."""

    def __init__(self, allowed: Allowed, url: URL) -> None:
        self.refused = False
        self._allowed = allowed
        self._host, self._port = url.host or "", url.port or 0

    def open(self, info: aiohttp.AddrInfoType) -> socket.socket:
        """Called by aiohttp for every address it is about to dial, wherever that came from."""
        family, kind, protocol, _, address = info
        if not self._allowed.dials(self._host, self._port, str(address[0])):
            self.refused = True
            raise OSError("an address that is not public")
        return socket.socket(family, kind, protocol)

    def session(
        self, timeout: aiohttp.ClientTimeout, resolver: AbstractResolver | None = None
    ) -> aiohttp.ClientSession:
        """A client for one request. resolver: looks up names; the system's if None."""
        # One connection for one request: none is kept that was opened for another name.
        connector = aiohttp.TCPConnector(
            socket_factory=self.open, resolver=resolver or aiohttp.ThreadedResolver(), force_close=True
        )
        return aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )
