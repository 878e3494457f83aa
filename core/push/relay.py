"""The way from the child process to the server: a port of this machine that leads there.

So the address that is dialled is the one that was looked at, certificates are checked as Python checks them
(FFmpeg does not unless it is told which to trust), and the child needs nothing but this machine.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from core.errors import BadInput
from core.push.target import CONNECT_S, STUCK_S, Allows, Target, addresses
from core.runtime.tasks import first_of

_PIECE = 1 << 16
_WAITING = 256 << 10
"""Bytes that the system keeps for a server: with more it would be seconds behind before that is noticed."""

_Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def relayed(target: Target, allows: Allows) -> AsyncGenerator[int, None]:
    """The port, which leads to `target` for the one connection that is made to it, until the block ends.

    Raises BadInput `url_not_allowed`, `url_unreachable`.
    """
    away, up = await _dialled(target, allows)
    _make_impatient(up.get_extra_info("socket"))

    async def pass_on(near: asyncio.StreamReader, down: asyncio.StreamWriter) -> None:
        server.close()  # there is one child
        with suppress(OSError):
            await first_of(_pump(near, up), _pump(away, down))
        down.close()

    server = await asyncio.start_server(pass_on, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        up.transport.abort()  # whoever does not read is not waited for


def _make_impatient(line: socket.socket) -> None:
    """Have the system give a server up that acknowledges nothing; it would try for a quarter of an hour."""
    line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _WAITING)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(STUCK_S * 1000))


async def _dialled(target: Target, allows: Allows) -> _Line:
    secured = ssl.create_default_context() if target.scheme == "rtmps" else None
    why: Exception = TimeoutError()
    for address in await addresses(target, allows):
        try:
            async with asyncio.timeout(CONNECT_S):
                return await asyncio.open_connection(
                    address, target.port, ssl=secured, server_hostname=target.host if secured else None
                )
        except (OSError, TimeoutError) as error:  # a certificate that is not theirs is an OSError, too
            why = error
    message = f"{target.url[:200]} cannot be reached ({type(why).__name__})"
    raise BadInput("url_unreachable", message, "url") from why


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while piece := await source.read(_PIECE):
        sink.write(piece)
        await sink.drain()
