"""What never becomes a request is refused like everything else: in JSON, with headers that protect browsers.

That is what is no HTTP, which aiohttp answers by itself; and a connection too many, which is told so when
something has come on it, so that every client hears it, and is then let go.
"""

import asyncio
import secrets
from collections.abc import Callable
from typing import Any, cast

from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.web_protocol import RequestHandler
from yarl import URL

from server.api.guard import protect
from server.api.ranges import RangedRequest
from server.doors import Doors
from server.errors import Refused, answer, gone, request_id
from server.state import STATE

TURNED_AWAY_S = 2.0
"""Seconds that a connection too many has to say something and hear why not."""

TURNED_AWAY = 256
"""Connections too many that are told so at once; more are cut without a word."""


class Runner(web.AppRunner):
    """Runs an application, with such refusals."""

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()  # starts the application
        make = cast(Callable[..., web.Request], made.request_factory)  # web.Application._make_request
        prefix = self._app[STATE].settings.prefix

        def factory(message: RawRequestMessage, *rest: Any) -> web.Request:
            return make(_below(prefix, message), *rest, _cls=RangedRequest)

        options = {"request_factory": factory, **self._kwargs}
        return _Server(made.request_handler, self._app[STATE].doors, **options)


class _Server(web.Server):
    """A factory of what speaks on a connection."""

    def __init__(self, handler: Any, doors: Doors, **options: Any) -> None:
        super().__init__(handler, **options)
        self.doors = doors
        self.turned_away: set[_TurnedAway] = set()

    def __call__(self) -> RequestHandler:
        """One for a new connection."""
        return _Protocol(self, loop=self._loop, **self._kwargs)


class _Protocol(RequestHandler):
    __slots__ = ("_entered", "_server")

    def __init__(self, server: _Server, **options: Any) -> None:
        super().__init__(server, **options)
        self._server = server
        self._entered: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See aiohttp; one too many is not begun with."""
        address = _address(transport)
        try:
            self._server.doors.enter(address)
        except Refused as refused:
            line = cast(asyncio.Transport, transport)
            if len(self._server.turned_away) >= TURNED_AWAY:
                line.abort()
            else:
                line.set_protocol(_TurnedAway(line, refused, self._server.turned_away))
            return
        self._entered = address
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """See aiohttp."""
        if self._entered is not None:
            self._server.doors.leave(self._entered)
            self._entered = None
            super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """See aiohttp, which logs it, and raises ConnectionError if half an answer is out.

        That the client left is no error: nobody hears the answer, and the log no traceback.
        """
        if isinstance(exc, ConnectionError) and gone(request):
            raise exc
        super().handle_error(request, status, exc, message)
        request_id.set(secrets.token_hex(8))
        told = _told(status, message)
        response = answer(Refused(status, "internal" if status >= 500 else "malformed_request", told))
        protect(response.headers)
        response.force_close()
        return response


def _below(prefix: str, message: RawRequestMessage) -> RawRequestMessage:
    """The request's head with the path as it is here, whether a proxy took the prefix off or not."""
    if not prefix or not message.path.startswith(prefix + "/"):
        return message
    path = message.path.removeprefix(prefix)
    return message._replace(path=path, url=URL(path, encoded=True))


async def placed(request: web.Request, response: web.StreamResponse) -> None:
    """Tell addresses as clients have them (`on_response_prepare`)."""
    place = response.headers.get("Location", "")
    if place.startswith("/"):
        response.headers["Location"] = request.app[STATE].settings.prefix + place


class _TurnedAway(asyncio.Protocol):
    """Speaks on a connection too many: one answer, whatever comes."""

    def __init__(self, line: asyncio.Transport, refused: Refused, all_of_them: set["_TurnedAway"]) -> None:
        self._line = line
        self._refused: Refused | None = refused
        self._all = all_of_them
        self._all.add(self)
        self._end = asyncio.get_running_loop().call_later(TURNED_AWAY_S, line.abort)

    def data_received(self, data: bytes) -> None:
        """Say why not. What else comes is let go: closed before it was read, the answer would be lost."""
        if self._refused is not None:
            request_id.set(secrets.token_hex(8))
            self._line.write(_plain(answer(self._refused)))
            self._refused = None
            if self._line.can_write_eof():
                self._line.write_eof()

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is gone."""
        self._end.cancel()
        self._all.discard(self)


def _plain(response: web.Response) -> bytes:
    """An answer as it goes over the line, of which nothing follows."""
    body = response.body
    assert isinstance(body, bytes)  # noqa: S101  # made of text
    protect(response.headers)
    response.headers.update({"Content-Length": str(len(body)), "Connection": "close"})
    lines = [f"HTTP/1.1 {response.status} {response.reason}"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _address(transport: asyncio.BaseTransport) -> str:
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) else ""


def _told(status: int, message: Any) -> str:
    if status >= 500:
        return "the server failed at this; its log says why"
    first = str(message or "").strip().partition("\n")[0].rstrip(":")
    what = "".join(char for char in first if char.isprintable())[:200]
    return f"this is no HTTP request ({what})" if what else "this is no HTTP request"
