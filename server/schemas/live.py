"""The shapes of live sessions: what is asked for, what is shown, and what is said on their sockets.

Messages to a client are envelopes `{type, seq, ts, session_id, data}`; those of the log count from 1 without
a gap, others have seq 0. Messages from a client are flat. `docs/protocol.md` tells the rules.
"""

import base64
import binascii
import json
import time
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from server.schemas.requests import Language, Model, Name, Size, Slug, Text
from server.schemas.responses import JobError

SessionStatus = Literal["starting", "idle", "speaking", "ended"]


class SessionEngines(Model):
    """Which engine does each stage's work; `auto` takes the best that can run."""

    speech: Name = "auto"
    lipsync: Name = "auto"
    enhance: Name = "auto"


Speed = Annotated[float, Field(ge=0.5, le=2, allow_inf_nan=False, description="1 is the voice's own")]
Pitch = Annotated[float, Field(ge=-12, le=12, allow_inf_nan=False, description="in semitones")]


class NewSession(Model):
    """Who shall idle, speak what is sent, and be interrupted. What is absent is the template's own."""

    template: Slug = "sample"
    voice: Annotated[Name, Field(description="from /v1/voices; the first if absent")] | None = None
    language: Language = "auto"
    fps: Annotated[int, Field(ge=5, le=60, description="frames a second")] | None = None
    size: Size | None = None
    speed: Speed = 1.0
    pitch: Pitch = 0.0
    enhance: Annotated[bool, Field(description="make the redrawn face clearer, which takes its time")] = False
    engines: SessionEngines = SessionEngines()
    idle_s: Annotated[
        float,
        Field(
            ge=1,
            le=86_400,
            allow_inf_nan=False,
            description="seconds without a viewer and without input after which it is ended",
        ),
    ] = 60.0


class Picture(Model):
    """What a player has to know of the video; also the first message of a session's stream."""

    mime: str
    width: int
    height: int
    fps: int


class NewPush(Model):
    """Where to send the video. url: rtmp:// or rtmps://, host and application.

    key: of the stream, shown to nobody; if absent it is the last part of the URL.
    """

    url: Annotated[Text, Field(max_length=2048)]
    key: Annotated[SecretStr, Field(max_length=1024)] | None = None
    keep: Annotated[
        bool,
        Field(description="go on after a restart of this server, which then keeps the key in its record"),
    ] = False


class PushInfo(Model):
    """A server that the video is sent to. url: without the key. message: why it is lost; it is tried again by
    itself. since: when it became so."""

    id: str
    object: Literal["push"] = "push"
    url: str
    state: Literal["connecting", "live", "lost"]
    message: str | None = None
    since: float
    keep: Annotated[bool, Field(description="whether it goes on after a restart of this server")] = False


class PushList(Model):
    """Where the video is sent, the oldest first."""

    object: Literal["list"] = "list"
    data: list[PushInfo]


class SessionInfo(Model):
    """A session. picture: of its video, once that can be played. viewers: who watch it at the moment.

    behind_s: seconds by which pictures leave late, as the machine is too slow; made up for in silence.
    first_s: seconds from the newest text or sound to the first picture in which it was heard.
    stopped_s: from the newest interrupt to the last picture in which what it stopped was heard.
    node: of a cluster, which makes the video.
    """

    id: str
    object: Literal["session"] = "session"
    status: SessionStatus
    created_at: float
    viewers: int
    behind_s: float = 0.0
    first_s: float | None = None
    stopped_s: float | None = None
    chat: Annotated[bool, Field(description="whether somebody answers what is asked")] = False
    listens: Annotated[bool, Field(description="whether that may be sound")] = False
    webrtc: Annotated[bool, Field(description="whether it may be watched by WebRTC, at `whep`")] = False
    node: str | None = None
    last_seq: int
    picture: Picture | None = None
    pushes: list[PushInfo] = Field(default_factory=list)
    request: NewSession


class SessionList(Model):
    """The sessions of this server, the oldest first."""

    object: Literal["list"] = "list"
    data: list[SessionInfo]


# --- the log -------------------------------------------------------------------------------------


class SessionReady(Picture):
    """The video can be played, and texts are spoken, from here on. Comes again if it had to begin anew."""


class SpeechQueued(Model):
    """A text or sound has been taken; events about it carry this number. ref: the message's own."""

    utterance: int
    ref: str | None = None


class SpeechStarted(Model):
    """The first picture in which an utterance is heard has left: `frame`, shown at `at_s` of the video.

    after_s: seconds since it came.
    """

    utterance: int
    frame: int
    at_s: float
    after_s: float


class SpeechWord(Model):
    """A word is heard between two moments of the video, in seconds."""

    utterance: int
    text: str
    start_s: float
    end_s: float


class SpeechEnded(Model):
    """Nothing more of an utterance is heard. position_s: how much of its sound was. text_spoken: up to there,
    in whole words."""

    utterance: int
    interrupted: bool
    position_s: float
    text_spoken: str


class ChatAnswered(Model):
    """The language model's answer is whole. ref: of the message that asked."""

    text: str
    ref: str | None = None


class ChatHeard(Model):
    """What was understood of a question that was sound. ref: of the message that asked."""

    text: str
    ref: str | None = None


class SessionIdle(Model):
    """All that was given has been said."""


class SessionBehind(Model):
    """The machine is too slow: pictures leave so many seconds late; 0: in time again."""

    behind_s: float


class PushChanged(Model):
    """A server takes the video now, or does so no more."""

    push: PushInfo


class SessionEnded(Model):
    """Why the session is over: `deleted`, `idle` (for `idle_s`) or `failed`."""

    reason: Literal["deleted", "idle", "failed"]
    error: JobError | None = None


class SessionError(Model):
    """Something that could not be done; the session goes on.

    In the log: a text, or a sentence of it, that could not be spoken, of this `utterance`; or pictures that
    had to begin anew. Beside it: an answer to a bad message, whose `ref` it has.
    """

    code: str
    message: str
    param: str | None = None
    utterance: int | None = None
    ref: str | None = None


SESSION_EVENTS: dict[str, type[Model]] = {
    "session.ready": SessionReady,
    "speech.queued": SpeechQueued,
    "speech.started": SpeechStarted,
    "speech.word": SpeechWord,
    "speech.ended": SpeechEnded,
    "chat.heard": ChatHeard,
    "chat.answered": ChatAnswered,
    "session.idle": SessionIdle,
    "session.behind": SessionBehind,
    "push.changed": PushChanged,
    "session.ended": SessionEnded,
    "error": SessionError,
}
"""What `data` is, for each type of event in a session's log."""


# --- beside the log: seq 0 -----------------------------------------------------------------------


class SessionSnapshot(Model):
    """First on a socket: the session as it is. Its log has `last_seq` events so far."""

    session: SessionInfo
    last_seq: int


# --- from the client -----------------------------------------------------------------------------


def _not_empty(text: str) -> str:
    if not text.strip():
        raise ValueError("is blank; write what is to be said")
    return text


class TextDelta(Model):
    """More of a text that is being written; begins one if none is."""

    type: Literal["text.delta"]
    text: Text
    ref: Name | None = None


class TextDone(Model):
    """The text that is being written is whole."""

    type: Literal["text.done"]
    ref: Name | None = None


class Say(Model):
    """A whole text, said after those before it. voice, speed, pitch: the session's if absent."""

    type: Literal["say"]
    text: Annotated[Text, AfterValidator(_not_empty)]
    voice: Name | None = None
    speed: Speed | None = None
    pitch: Pitch | None = None
    ref: Name | None = None


class AudioFormat(Model):
    """What the sound is that this client sends from now on: samples of 16 bits, channels interleaved."""

    type: Literal["audio.format"]
    rate: int
    channels: int = 1
    encoding: Name = "s16le"
    ref: Name | None = None


def _unpacked(packed: bytes) -> bytes:
    try:
        return base64.b64decode(packed, validate=True)
    except binascii.Error:
        raise ValueError("is not base64") from None


class AudioDelta(Model):
    """More of a sound that is coming, cut anywhere; begins one if none is. A binary message is the same."""

    type: Literal["audio.delta"]
    pcm: Annotated[bytes, Field(description="base64"), AfterValidator(_unpacked)]
    ref: Name | None = None


class Ask(Model):
    """Have the language model answer, in place of whatever is said now. pcm: the question as sound, whole, as
    this client's `audio.format` has it, in place of `text`."""

    type: Literal["ask"]
    text: Annotated[Text, Field(max_length=8000), AfterValidator(_not_empty)] | None = None
    pcm: Annotated[bytes, Field(description="base64", min_length=1), AfterValidator(_unpacked)] | None = None
    ref: Name | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.text is None) == (self.pcm is None):
            raise ValueError("give either text or pcm")
        return self


class AudioDone(Model):
    """The sound that is coming is whole."""

    type: Literal["audio.done"]
    ref: Name | None = None


class Interrupt(Model):
    """Say no more of anything that was given until now."""

    type: Literal["interrupt"]
    ref: Name | None = None


class Act(Model):
    """Do one of the template's actions, as soon as there is a way to it."""

    type: Literal["action"]
    name: Name
    ref: Name | None = None


class SessionPing(Model):
    """Answered with `pong`."""

    type: Literal["ping"]
    ref: Name | None = None


SessionMessage = (
    Ask | TextDelta | TextDone | Say | AudioFormat | AudioDelta | AudioDone | Interrupt | Act | SessionPing
)
AnySessionMessage = Annotated[SessionMessage, Field(discriminator="type")]


def envelope(session_id: str, type: str, data: Model, *, seq: int = 0, ts: float | None = None) -> str:
    """A message to a client; seq 0: it is not in the log."""
    return (
        f'{{"type":"{type}","seq":{seq},"ts":{time.time() if ts is None else ts:.3f},'
        f'"session_id":{json.dumps(session_id)},"data":{data.model_dump_json(exclude_none=True)}}}'
    )
