"""Every open line to a client: how many there may be, how one is sent to, how all are closed.

A line that takes no data is a matter of time: sending waits SEND_S at most, then the line is cut. It is cut,
not closed, because a close would wait behind the unsent bytes.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager, suppress

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from server.errors import Refused

SEND_S = 10.0
"""Seconds a client may take no data. A slow one, at 150 kB/s, needed under 3 for what is sent at once."""

HEARTBEAT_S = 15.0
"""Seconds between signs of life on a quiet line."""

PROTOCOL = "lipstream.v1"
"""What the WebSockets speak."""

UNSENT = 64 << 10
"""Bytes the kernel takes over for a client that does not read; without this they are millions."""

TCP_NOTSENT_LOWAT = 25  # Linux; Python's socket module names it from 3.12 on


class ClientGone(ConnectionError):
    """The client has left, or takes nothing any more."""


class Connections:
    """The open lines of one server, `limit` at most."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sockets: set[web.WebSocketResponse] = set()
        self._tasks: set[asyncio.Task[object]] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._sockets) + len(self._tasks)

    @property
    def full(self) -> bool:
        """Whether one more would be too many; any is, once the server stops."""
        return self._closed or len(self) >= self._limit

    @asynccontextmanager
    async def socket(
        self, request: web.Request, *, max_bytes: int
    ) -> AsyncGenerator[web.WebSocketResponse, None]:
        """A WebSocket, until the block ends. max_bytes: of a client's message; more closes it with 1009.

        One too many is closed at once with 1013; its block is not entered but ended by Gone.
        """
        ws = web.WebSocketResponse(
            heartbeat=HEARTBEAT_S,
            max_msg_size=max_bytes,
            compress=False,
            timeout=SEND_S,
            writer_limit=UNSENT,
            # Browsers want one of those that they offer; another may be a key, which is not said again.
            protocols=(PROTOCOL,),
        )
        try:
            await ws.prepare(request)
        except ValueError as error:  # a key that is not even ASCII
            raise web.HTTPBadRequest(text="Sec-WebSocket-Key is 16 bytes in base64") from error
        hold_little(request)
        if self.full:
            code = WSCloseCode.SERVICE_RESTART if self._closed else WSCloseCode.TRY_AGAIN_LATER
            await ws.close(code=code, message=b"too many sockets, or the server stops")
            raise ClientGone("too many sockets")
        self._sockets.add(ws)
        try:
            yield ws
        finally:
            self._sockets.discard(ws)

    @asynccontextmanager
    async def response(self, request: web.Request) -> AsyncGenerator[None, None]:
        """A long answer, until the block ends; the server's stop cancels it.

        Raises Refused for one too many.
        """
        if self.full:
            code = "stopping" if self._closed else "too_many_sockets"
            message = "the server stops; try again soon" if self._closed else "too many clients; try later"
            raise Refused(503, code, message, headers={"Retry-After": "5"})
        hold_little(request)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # handlers run in tasks
        self._tasks.add(task)
        try:
            yield
        finally:
            self._tasks.discard(task)

    async def close(self) -> None:
        """The server stops: tell sockets to come back (1012), break off the rest, let no more in."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        closing = (
            ws.close(code=WSCloseCode.SERVICE_RESTART, message=b"server stops") for ws in self._sockets
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                await asyncio.gather(*closing, return_exceptions=True)


def hold_little(request: web.Request) -> None:
    """Let the kernel hold little for this client, so that a stuck one is noticed and costs little."""
    line = request.transport and request.transport.get_extra_info("socket")
    if line:
        with suppress(OSError):  # not TCP, or not Linux
            line.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT)


async def send(request: web.Request, sending: Awaitable[None]) -> None:
    """Send within SEND_S, or cut the line and raise Gone."""
    try:
        async with asyncio.timeout(SEND_S):
            await sending
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        raise ClientGone("the client takes nothing") from None
    except ConnectionError as error:
        raise ClientGone("the client has left") from error


async def messages(ws: web.WebSocketResponse) -> AsyncGenerator[WSMessage, None]:
    """What the client says, text or binary, until it leaves."""
    async for message in ws:
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            yield message
