"""LiveAvatar's LITE mode: an agent's framework sends its voice, and is told when it was heard.

What `livekit-plugins-liveavatar` and pipecat's HeyGen transport say, whose `api_url` then is
`http://SERVER/v1/sessions`. The avatar is a template, the session one of ours: it is watched where those are.
"""

import asyncio
import binascii
import json
import secrets
from base64 import b64decode
from contextlib import suppress
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web
from pydantic import ValidationError

from core.errors import BadInput, Error
from core.runtime.tasks import first_of
from server.access.caller import Caller, caller
from server.api.route import Route, respond
from server.api.session_socket import MESSAGE_LIMIT
from server.api.sessions import OPENING_S, SESSION
from server.compat.schemas import (
    LiteAnswer,
    LiteMessage,
    LiteSession,
    LiteStart,
    LiteStarted,
    LiteStop,
    LiteStopped,
    LiteToken,
    LiteTokenAnswer,
)
from server.errors import Refused, invalid, refusal
from server.jobs.session import LiveSession
from server.schemas.live import NewSession
from server.state import state_of
from server.stream.sockets import ClientGone, messages, send
from server.uploads import read_json

SOUND = (24_000, 1, "s16le")

IDLE_S = 30.0
"""Seconds without a viewer and without the agent's socket after which a session ends."""

_OK = 1000


async def make_token(request: web.Request) -> web.Response:
    """Begin a session with a template."""
    state = state_of(request)
    state.sessions.check_room()
    asked = await read_json(request, LiteToken)
    wanted = NewSession(template=asked.avatar_id, idle_s=IDLE_S)
    try:
        await state.catalog.check_seen(wanted.template, None, wanted.engines.speech)
    except BadInput as error:
        error.param = "avatar_id"
        raise
    session = state.sessions.open(wanted)
    await session.settled(OPENING_S)
    if session.failure is not None:
        await state.sessions.delete(session.id)
        if isinstance(session.failure, BadInput) and session.failure.param == "template":
            session.failure.param = "avatar_id"
        raise session.failure
    return respond(
        LiteTokenAnswer(code=_OK, data=LiteSession(session_id=session.id, session_token=session.id))
    )


async def start(request: web.Request) -> web.Response:
    """Where to send the voice."""
    session = _mine(request, (await read_json(request, LiteStart)).session_id)
    scheme = "wss" if request.scheme == "https" else "ws"
    url = f"{scheme}://{request.host}/v1/sessions/{session.id}/lite"
    return respond(LiteAnswer(code=_OK, data=LiteStarted(session_id=session.id, ws_url=url)))


async def stop(request: web.Request) -> web.Response:
    """End the session."""
    session = _mine(request, (await read_json(request, LiteStop)).session_id)
    await state_of(request).sessions.delete(session.id)
    return respond(LiteStopped(code=100))


def _mine(request: web.Request, session_id: str | None) -> LiveSession:
    """The session of the token, which is its id. Raises Refused 401 for another's than the one named, 404."""
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if session_id is None:
        session_id = token
    if not token or not secrets.compare_digest(token.encode(errors="replace"), session_id.encode()):
        raise Refused(
            401, "wrong_token", "send the session's token: Authorization: Bearer TOKEN", "Authorization"
        )
    return _held(request, session_id)


def _held(request: web.Request, session_id: str) -> LiveSession:
    """The session, for who holds its id: that is its token, and told to nobody but its owner. Raises 404."""
    session = state_of(request).sessions.get(session_id, held=True)
    caller.set(Caller(session.owner, "make"))
    return session


async def talk(request: web.Request) -> web.StreamResponse:
    """The socket: the voice and interrupts in, what is heard out."""
    state = state_of(request)
    session = _held(request, request.match_info["session_id"])
    if request.headers.get("Upgrade", "").lower() != "websocket":
        headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
        raise Refused(426, "upgrade_required", "this is a WebSocket", headers=headers)
    ws = web.WebSocketResponse()
    with suppress(ClientGone):
        async with state.connections.socket(request, max_bytes=MESSAGE_LIMIT) as ws:
            one = _Talk(request, ws, session)
            try:
                await first_of(one.listen(), one.tell(), one.stay())
            finally:
                await session.finish(one)
            await ws.close(code=WSCloseCode.OK, message=b"session over")
    return ws


class _Talk:
    """One socket: a task listens while another tells."""

    def __init__(self, request: web.Request, ws: web.WebSocketResponse, session: LiveSession) -> None:
        self._request, self._ws, self._session = request, ws, session

    async def tell(self) -> None:
        """That it can begin, then what is heard, as it leaves."""
        known = self._session.log.last_seq
        await self._session.settled(3600)
        if not self._session.log.ended:
            await self._send("session.state_updated", state="connected")
        while events := await self._session.log.read(known):
            for event in map(json.loads, events):
                known = event["seq"]
                await self._pass_on(event["type"], event["data"])
        await self._send("session.state_updated", state="closed")

    async def _pass_on(self, type: str, data: dict[str, Any]) -> None:
        match type:
            case "speech.started":
                await self._send("agent.speak_started")
            case "speech.ended":
                if data["interrupted"]:
                    await self._send("agent.speak_interrupted")
                await self._send("agent.speak_ended")
            case "error":
                await self._send("error", error={"code": data["code"], "message": data["message"]})

    async def stay(self) -> None:
        """Keep the session for as long as this socket is open."""
        while True:
            self._session.touch()
            await asyncio.sleep(IDLE_S / 3)

    async def listen(self) -> None:
        """Do what the client says; what cannot be done is told, and ends nothing."""
        async for message in messages(self._ws):
            try:
                if message.type is not WSMsgType.TEXT:
                    raise BadInput("bad_message", "send JSON; sound is base64 in agent.speak")
                await self._obey(LiteMessage.model_validate_json(message.data))
            except ValidationError as error:
                await self._send("error", error={"code": "bad_message", "message": invalid(error).message})
            except Error as error:
                refused = refusal(error)
                await self._send("error", error={"code": refused.code, "message": refused.message})

    async def _obey(self, asked: LiteMessage) -> None:
        match asked.type:
            case "agent.speak":
                try:
                    sound = b64decode(asked.audio, validate=True)
                except binascii.Error:
                    raise BadInput("bad_message", "audio is not base64", "audio") from None
                await self._session.hear(sound, SOUND, self)
            case "agent.speak_end":
                await self._session.finish(self)
            case "agent.interrupt":
                await self._session.interrupt()

    async def _send(self, type: str, **more: object) -> None:
        message = {"type": type, "event_id": secrets.token_hex(8), "session_id": self._session.id, **more}
        await send(self._request, self._ws.send_json(message))


_AUTHORIZATION = {"Authorization": {"type": "string", "description": "Bearer, and the session's token"}}

ROUTES = [
    Route(
        "POST",
        "/v1/sessions/token",
        make_token,
        "LiveAvatar's LITE mode: begin a session; avatar_id is a template",
        {200: LiteTokenAnswer},
        body=LiteToken,
        refuses=(404, 413, 415, 429, 500, 503, 507),
        starts="speech",
    ),
    Route(
        "POST",
        "/v1/sessions/start",
        start,
        "LiveAvatar's LITE mode: where to send the voice",
        {200: LiteAnswer},
        body=LiteStart,
        headers=_AUTHORIZATION,
        refuses=(401, 404, 413, 415),
        access="public",  # the session's token is what it takes
    ),
    Route(
        "POST",
        "/v1/sessions/stop",
        stop,
        "LiveAvatar's LITE mode: end a session",
        {200: LiteStopped},
        body=LiteStop,
        headers=_AUTHORIZATION,
        refuses=(401, 404, 413, 415),
        operation="stop_session",
        access="public",
    ),
    Route(
        "GET",
        f"/v1/sessions/{SESSION}/lite",
        talk,
        "LiveAvatar's LITE mode: a WebSocket, the agent's voice in, what is heard out",
        {101: None},
        refuses=(404, 426),
        head=False,
        access="public",
    ),
]
