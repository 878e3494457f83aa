"""Sending the video of a live session on to RTMP servers."""

from aiohttp import web

from core.push.target import addresses, target_of
from server.addresses import allowed
from server.api.route import Route, respond
from server.api.sessions import SESSION, session_of
from server.errors import Refused
from server.schemas.live import NewPush, PushInfo, PushList
from server.schemas.responses import Deleted
from server.state import state_of
from server.uploads import read_json

PUSH = r"{push_id:[A-Za-z0-9_-]{1,64}}"


async def create_push(request: web.Request) -> web.Response:
    """Begin; answered at once, whether the server takes the video or not."""
    state, session = state_of(request), session_of(request)
    wanted = await read_json(request, NewPush)
    if not state.settings.push:
        raise Refused(403, "pushing_off", "this server sends its video nowhere: the setting `push` is off")
    if session.log.ended:
        raise Refused(409, "session_over", f"session {session.id} is over: it has no video")
    target = target_of(wanted.url, wanted.key.get_secret_value() if wanted.key else None)
    allows = allowed(state.settings.fetch_allow).dials
    await addresses(target, allows)  # complains
    push = session.pushes.add(target, allows, keep=wanted.keep)
    return respond(push, 201, {"Location": f"/v1/sessions/{session.id}/push/{push.id}"})


async def list_pushes(request: web.Request) -> web.Response:
    """Where the video is sent."""
    return respond(PushList(data=session_of(request).pushes.all()))


async def delete_push(request: web.Request) -> web.Response:
    """Send it there no more."""
    push_id = request.match_info["push_id"]
    await session_of(request).pushes.remove(push_id)
    return respond(Deleted(id=push_id))


ROUTES = [
    Route(
        "POST",
        f"/v1/sessions/{SESSION}/push",
        create_push,
        "Send a live session's video to an RTMP server, for as long as the session lasts",
        {201: PushInfo},
        body=NewPush,
        refuses=(403, 404, 409, 413, 415, 429),
    ),
    Route(
        "GET",
        f"/v1/sessions/{SESSION}/push",
        list_pushes,
        "Where a live session's video is sent",
        {200: PushList},
        refuses=(404,),
    ),
    Route(
        "DELETE",
        f"/v1/sessions/{SESSION}/push/{PUSH}",
        delete_push,
        "Send a live session's video to that server no more",
        {200: Deleted},
        refuses=(404,),
    ),
]
