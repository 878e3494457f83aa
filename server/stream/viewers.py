"""Show a growing video to a client: on a WebSocket for a player script, or as one long HTTP answer.

Both are a loop over its pieces. A client that takes nothing for a while is cut off and costs nothing until
then but what the kernel holds for it.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Protocol

from aiohttp import WSCloseCode, web

from core.runtime.tasks import first_of
from server.stream.media import STOPPED, Clip
from server.stream.sockets import ClientGone, Connections, messages, send

MESSAGE_LIMIT = 1024
"""Bytes of a message from a viewer, who has nothing to say."""

WHOLE = frozenset({"completed", "idle", "deleted"})
"""Why a video ended of which nothing is missing: a job's, or a session's that nobody wanted any more."""

Introduce = Callable[[], Awaitable[str]]


class Growing(Protocol):
    """What is shown: the clip of a job, the ring of a session. ended: why nothing more comes of it."""

    @property
    def ended(self) -> str | None: ...

    def pieces(self, *, live: bool = False) -> AsyncGenerator[bytes, None]:
        """The init segment, then whole fragments. live: from the newest key frame on."""
        ...


async def view_on_socket(
    request: web.Request, connections: Connections, video: Growing, introduce: Introduce, *, live: bool
) -> web.WebSocketResponse:
    """Send what `introduce` returns as text, once there is a video; then the init segment, then fragments.

    live: begin at the newest key frame instead of the first. Closed with 1000, or 1012 if the server stops.
    """
    with suppress(ClientGone):
        async with connections.socket(request, max_bytes=MESSAGE_LIMIT) as ws:
            await first_of(_ignore_all(ws), _show(request, ws, video, introduce, live=live))
            # Not before nobody listens any more: a close waits for the client's own.
            code = WSCloseCode.SERVICE_RESTART if video.ended == STOPPED else WSCloseCode.OK
            await ws.close(code=code, message=(video.ended or "").encode())
    return ws


async def _show(
    request: web.Request, ws: web.WebSocketResponse, video: Growing, introduce: Introduce, *, live: bool
) -> None:
    begun = False
    async with aclosing(video.pieces(live=live)) as pieces:
        async for data in pieces:
            if not begun:
                begun = True
                await send(request, ws.send_str(await introduce()))
            await send(request, ws.send_bytes(data))


async def _ignore_all(ws: web.WebSocketResponse) -> None:
    async for _ in messages(ws):
        pass


async def first_media(clip: Clip) -> bool:
    """Wait for more than the init segment; False if the clip ended before there was."""
    if await clip.read(0) is None:
        return False
    return await clip.read(clip.init) is not None


async def view_on_http(request: web.Request, video: Growing, headers: dict[str, str]) -> web.StreamResponse:
    """The video to its end; broken off, so that nobody takes it for whole, if something is missing there. The
    caller has seen to it that there is something to send."""
    usual = {"Cache-Control": "no-store", "Content-Type": "video/mp4"}
    response = web.StreamResponse(headers=usual | headers)
    await response.prepare(request)
    with suppress(ClientGone):
        async with aclosing(video.pieces()) as pieces:
            async for data in pieces:
                await send(request, response.write(data))
    if video.ended not in WHOLE and request.transport is not None:
        request.transport.close()  # what was sent still goes out, the end mark of the answer does not
    return response
