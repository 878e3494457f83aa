"""The socket that controls a live session: texts and interrupts in, what happens out.

The rules are told in docs/protocol.md.
"""

import asyncio
from contextlib import suppress

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web
from pydantic import TypeAdapter, ValidationError

from core.errors import BadInput, Error
from core.runtime.tasks import first_of
from server.errors import invalid, refusal
from server.jobs.session import NO_FORMAT, Format, LiveSession
from server.jobs.transcriber import Sound
from server.schemas.events import Pong, Resync
from server.schemas.live import (
    Act,
    AnySessionMessage,
    Ask,
    AudioDelta,
    AudioDone,
    AudioFormat,
    Interrupt,
    Say,
    SessionError,
    SessionMessage,
    SessionPing,
    SessionSnapshot,
    TextDelta,
    TextDone,
    envelope,
)
from server.schemas.requests import Model
from server.state import state_of
from server.stream.progress import ref_of
from server.stream.sockets import HEARTBEAT_S, ClientGone, Connections, messages, send

MESSAGE_LIMIT = 2 << 20
"""Bytes of one message from a client: a mebibyte of sound, written as base64."""

_MESSAGES: TypeAdapter[SessionMessage] = TypeAdapter(AnySessionMessage)


async def control(
    request: web.Request, connections: Connections, session: LiveSession, after: int | None
) -> web.WebSocketResponse:
    """Talk until the client leaves or the session is over. after: the last event the client knows; None: it
    wants what happens from now on."""
    with suppress(ClientGone):
        async with connections.socket(request, max_bytes=MESSAGE_LIMIT) as ws:
            talk = _Talk(request, ws, session)
            try:
                await first_of(talk.listen(), talk.tell(after))
            finally:
                await session.finish(talk)  # what it has written of a text is said
            # Not before nobody listens any more: a close waits for the client's own.
            await ws.close(code=WSCloseCode.OK, message=b"session over")
    return ws


class _Talk:
    """One socket: a task listens while another tells."""

    def __init__(self, request: web.Request, ws: web.WebSocketResponse, session: LiveSession) -> None:
        self._request, self._ws, self._session = request, ws, session
        self._format: Format | None = None  # of this client's sound

    async def tell(self, after: int | None) -> None:
        """The session as it is, then every event."""
        log = self._session.log
        known = log.last_seq if after is None else after
        if not log.first_seq - 1 <= known <= log.last_seq:
            await self._send("resync", Resync(after=known, last_seq=log.last_seq))
            known = log.first_seq - 1
        snapshot = SessionSnapshot(session=self._session.info(), last_seq=log.last_seq)
        await self._send("session.snapshot", snapshot)
        while True:
            known = max(known, log.first_seq - 1)
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    events = await log.read(known)
            except TimeoutError:
                await self._send("heartbeat", Model())
                continue
            if not events:
                return
            for event in events:
                await send(self._request, self._ws.send_str(event))
            known += len(events)

    async def listen(self) -> None:
        """Do what the client says; what cannot be done is told, and ends nothing."""
        async for message in messages(self._ws):
            await self._obey(message)

    async def _obey(self, message: WSMessage) -> None:
        ref = None
        try:
            if message.type is WSMsgType.BINARY:
                await self._session.hear(message.data, self._format, self)
                return
            asked = _MESSAGES.validate_json(message.data)
            ref = asked.ref
            await self._do(asked)
        except ValidationError as error:
            refused = invalid(error)
            await self._refuse("bad_message", refused.message, ref_of(message.data), refused.param)
        except Error as error:
            refused = refusal(error)
            await self._refuse(refused.code, refused.message, ref, refused.param)

    async def _do(self, asked: SessionMessage) -> None:
        match asked:
            case Say(voice=voice):
                if voice is not None and not state_of(self._request).ownership.sees("voice", voice):
                    raise BadInput("unknown_voice", f"there is no voice {voice!r}; see /v1/voices", "voice")
                await self._session.say(asked, self)
            case Ask(text=str(text), ref=ref):
                await self._session.ask(text, ref)
            case Ask(pcm=bytes(pcm), ref=ref):
                await self._session.ask(self._sound(pcm), ref)
            case TextDelta(text=text, ref=ref):
                await self._session.write(text, self, ref)
            case AudioFormat(rate=rate, channels=channels, encoding=encoding):
                await self._session.audio_format((rate, channels, encoding), self)
                self._format = rate, channels, encoding
            case AudioDelta(pcm=pcm, ref=ref):
                await self._session.hear(pcm, self._format, self, ref)
            case TextDone() | AudioDone():
                await self._session.finish(self)
            case Interrupt():
                await self._session.interrupt()
            case Act(name=name):
                await self._session.act(name)
            case SessionPing(ref=ref):
                await self._send("pong", Pong(ref=ref))

    def _sound(self, pcm: bytes) -> Sound:
        """Raises BadInput `audio_format`."""
        if self._format is None:
            raise BadInput("audio_format", NO_FORMAT)
        rate, channels, _ = self._format
        return Sound(pcm, rate, channels)

    async def _refuse(self, code: str, message: str, ref: str | None, param: str | None = None) -> None:
        await self._send("error", SessionError(code=code, message=message, param=param, ref=ref))

    async def _send(self, type: str, data: Model) -> None:
        """Tell something that is not in the log."""
        await send(self._request, self._ws.send_str(envelope(self._session.id, type, data)))
