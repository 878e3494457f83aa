"""Live sessions: a person who idles, speaks what is sent, and can be interrupted."""

from aiohttp import web

from server.access.caller import caller
from server.api.jobs import is_socket, known
from server.api.route import Route, respond
from server.api.session_socket import control
from server.errors import Refused
from server.jobs.session import LiveSession
from server.schemas.live import NewSession, SessionInfo, SessionList
from server.schemas.responses import Deleted
from server.state import state_of
from server.stream.viewers import view_on_http, view_on_socket
from server.uploads import read_json

OPENING_S = 10.0
"""Seconds that a new session may take before its client is answered while it still starts."""

SESSION = r"{session_id:[A-Za-z0-9_-]{1,64}}"


def session_of(request: web.Request) -> LiveSession:
    """The session that the path names. Raises Refused 404."""
    return state_of(request).sessions.get(request.match_info["session_id"])


async def create_session(request: web.Request) -> web.Response:
    """Begin a session; answered once it can be seen, or after OPENING_S."""
    state = state_of(request)
    state.sessions.check_room()
    wanted = await read_json(request, NewSession)
    await state.catalog.check_seen(wanted.template, wanted.voice, wanted.engines.speech)
    session = state.sessions.open(wanted)
    await session.settled(OPENING_S)
    if session.failure is not None:
        await state.sessions.delete(session.id)
        raise session.failure
    return respond(session.info(), 201, {"Location": f"/v1/sessions/{session.id}"})


async def list_sessions(request: web.Request) -> web.Response:
    """Every session, and those that ended lately."""
    return respond(SessionList(data=[session.info() for session in state_of(request).sessions.all()]))


async def get_session(request: web.Request) -> web.StreamResponse:
    """One session; as a WebSocket, its control."""
    session = session_of(request)
    if is_socket(request):
        caller.get().require("make")
        asked = request.query.get("after")
        after = known(asked, "after", 0) if asked else None
        return await control(request, state_of(request).connections, session, after)
    return respond(session.info())


async def delete_session(request: web.Request) -> web.Response:
    """End a session."""
    session = session_of(request)
    await state_of(request).sessions.delete(session.id)
    return respond(Deleted(id=session.id))


async def session_socket_stream(request: web.Request) -> web.StreamResponse:
    """The video on a WebSocket."""
    session = session_of(request)
    if not is_socket(request):
        headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
        message = "this is a WebSocket; the same over HTTP is at stream.mp4"
        raise Refused(426, "upgrade_required", message, headers=headers)

    async def introduction() -> str:
        return session.picture.model_dump_json() if session.picture else "{}"

    async with session.viewing() as ring:
        return await view_on_socket(request, state_of(request).connections, ring, introduction, live=True)


async def session_stream(request: web.Request) -> web.StreamResponse:
    """The video as one answer that does not end."""
    session = session_of(request)
    if session.log.ended:
        raise Refused(409, "session_over", f"session {session.id} is over: it has no video")
    await session.settled(OPENING_S)
    if session.picture is None:
        message = "the session is not ready yet; try again soon"
        raise Refused(503, "starting", message, headers={"Retry-After": "5"})
    async with session.viewing() as ring, state_of(request).connections.response(request):
        return await view_on_http(request, ring, {"X-Session-Id": session.id})


ROUTES = [
    Route(
        "POST",
        "/v1/sessions",
        create_session,
        "Begin a live session: a person who idles, speaks what is sent, and can be interrupted",
        {201: SessionInfo},
        body=NewSession,
        refuses=(413, 415, 429, 500, 503, 507),
        starts="speech",
    ),
    Route("GET", "/v1/sessions", list_sessions, "Live sessions, the oldest first", {200: SessionList}),
    Route(
        "GET",
        f"/v1/sessions/{SESSION}",
        get_session,
        "A live session; as a WebSocket, texts and interrupts in, events out",
        {200: SessionInfo},
        query={
            "after": {
                "type": "integer",
                "minimum": 0,
                "description": "of the WebSocket: the last event that is known; without it, from now on",
            }
        },
        refuses=(404, 503),
        head=False,
    ),
    Route(
        "DELETE",
        f"/v1/sessions/{SESSION}",
        delete_session,
        "End a live session",
        {200: Deleted},
        refuses=(404,),
    ),
    Route(
        "GET",
        f"/v1/sessions/{SESSION}/stream",
        session_socket_stream,
        "Watch a live session: a WebSocket of fragments, from the newest key frame on",
        {101: None},
        refuses=(404, 426),
        head=False,
    ),
    Route(
        "GET",
        f"/v1/sessions/{SESSION}/stream.mp4",
        session_stream,
        "Watch a live session: one MP4 that does not end, from the newest key frame on",
        {200: "video/mp4"},
        refuses=(404, 409, 503),
        head=False,
    ),
]
