"""Show a clip to a client while it grows: on a WebSocket for a player script, or as one long HTTP answer.

Both are a loop over `Clip.read`. A client that takes nothing for a while is cut off and costs nothing until
then but what the kernel holds for it.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiohttp import WSCloseCode, web

from core.runtime.tasks import first_of
from server.stream.media import STOPPED, Clip
from server.stream.sockets import ClientGone, Connections, messages, send

MESSAGE_LIMIT = 1024
"""Bytes of a message from a viewer, who has nothing to say."""


Introduce = Callable[[], Awaitable[str]]


async def view_on_socket(
    request: web.Request, connections: Connections, clip: Clip, introduce: Introduce, *, live: bool
) -> web.WebSocketResponse:
    """Send what `introduce` returns as text, once there is a clip; then the init segment, then fragments.

    live: begin at the newest key frame instead of the first. Closed with 1000, or 1012 if the server stops.
    """
    with suppress(ClientGone):
        async with connections.socket(request, max_bytes=MESSAGE_LIMIT) as ws:
            await first_of(_ignore_all(ws), _show(request, ws, clip, introduce, live=live))
    return ws


async def _show(
    request: web.Request, ws: web.WebSocketResponse, clip: Clip, introduce: Introduce, *, live: bool
) -> None:
    offset, begun = 0, False
    while (data := await clip.read(offset)) is not None:
        if not begun:
            begun = True
            await send(request, ws.send_str(await introduce()))
            if live:
                data = data[: clip.init]
        await send(request, ws.send_bytes(data))
        offset += len(data)
        if live and offset == clip.init:
            offset = max(offset, clip.newest_key)
    code = WSCloseCode.SERVICE_RESTART if clip.ended == STOPPED else WSCloseCode.OK
    await ws.close(code=code, message=(clip.ended or "").encode())


async def _ignore_all(ws: web.WebSocketResponse) -> None:
    async for _ in messages(ws):
        pass


async def first_media(clip: Clip) -> bool:
    """Wait for more than the init segment; False if the clip ended before there was."""
    if await clip.read(0) is None:
        return False
    return await clip.read(clip.init) is not None


async def view_on_http(request: web.Request, clip: Clip, headers: dict[str, str]) -> web.StreamResponse:
    """The clip from its beginning to its end; broken off, so that nobody takes it for whole, if that is not
    completion. The caller has seen to it that there is something to send."""
    response = web.StreamResponse(headers={"Cache-Control": "no-store"} | headers)
    response.content_type = "video/mp4"
    await response.prepare(request)
    with suppress(ClientGone):
        offset = 0
        while (data := await clip.read(offset)) is not None:
            await send(request, response.write(data))
            offset += len(data)
    if clip.ended != "completed" and request.transport is not None:
        request.transport.close()  # what was sent still goes out, the end mark of the answer does not
    return response
