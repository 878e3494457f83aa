"""Watching a live session by WebRTC: WHEP (draft-ietf-wish-whep)."""

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING

from aiohttp import web

from server.api.route import Route, respond
from server.api.sessions import OPENING_S, SESSION, session_of
from server.errors import Refused
from server.schemas.responses import Deleted
from server.state import AppState, state_of
from server.uploads import read_body

if TYPE_CHECKING:
    from server.stream.webrtc import Webrtc

SDP = "application/sdp"

OFFER_LIMIT = 64 << 10
"""Bytes of an offer, at most."""

VIEWER = r"{viewer_id:[A-Za-z0-9_-]{1,64}}"


async def create_viewer(request: web.Request) -> web.Response:
    """Answer an offer to receive."""
    state, session = state_of(request), session_of(request)
    if request.content_type != SDP:
        raise Refused(415, "unsupported_media_type", f"send an offer, {SDP}", "Content-Type")
    offer = await read_body(request)
    if len(offer) > OFFER_LIMIT:
        raise web.HTTPRequestEntityTooLarge(OFFER_LIMIT, len(offer))
    await session.settled(OPENING_S)
    if session.picture is None:
        over = session.log.ended
        raise Refused(
            409 if over else 503,
            "session_over" if over else "starting",
            "the session is over: it has no video"
            if over
            else "the session is not ready yet; try again soon",
            headers={} if over else {"Retry-After": "5"},
        )
    webrtc = await _webrtc(state)
    viewer_id, answer = await webrtc.view(session.viewing, offer.decode(errors="replace"))
    location = f"/v1/sessions/{session.id}/whep/{viewer_id}"
    return web.Response(status=201, text=answer, content_type=SDP, headers={"Location": location})


async def delete_viewer(request: web.Request) -> web.Response:
    """The viewer leaves."""
    session_of(request)  # is theirs
    viewer_id = request.match_info["viewer_id"]
    webrtc = state_of(request).webrtc
    if webrtc is None or not await webrtc.leave(viewer_id):
        raise Refused(404, "unknown_viewer", f"there is no viewer {viewer_id!r}; it may have left")
    return respond(Deleted(id=viewer_id))


async def _webrtc(state: AppState) -> "Webrtc":
    """Made when it is first asked for, as aiortc takes half a second to load: beside the loop, on which
    pictures are waited for. Raises Refused 501."""
    if state.webrtc is None:
        try:
            module = await asyncio.to_thread(import_module, "server.stream.webrtc")
        except ImportError as error:
            message = "WebRTC needs packages that are not here: pip install aiortc, or the extra `webrtc`"
            raise Refused(
                501, "no_webrtc", f"{message}; the same video is at stream and stream.mp4"
            ) from error
        if state.webrtc is None:  # nobody else was quicker
            state.webrtc = module.Webrtc(state.settings.ice_servers)
    return state.webrtc


ROUTES = [
    Route(
        "POST",
        f"/v1/sessions/{SESSION}/whep",
        create_viewer,
        "Watch a live session by WebRTC: WHEP, an offer to receive H.264 and Opus",
        {201: SDP},
        text=SDP,
        refuses=(404, 409, 413, 415, 429, 501, 503),
    ),
    Route(
        "DELETE",
        f"/v1/sessions/{SESSION}/whep/{VIEWER}",
        delete_viewer,
        "Watch a live session by WebRTC no more",
        {200: Deleted},
        refuses=(404,),
    ),
]
