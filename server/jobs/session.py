"""A live session of the server: what it makes in a ring, what happens to it in a log, and when it ends.

Knows the session of `core.live` and what clients are told of it; knows no HTTP.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib.util import find_spec
from typing import Literal

from core.errors import BadInput, NodeLost, StageError
from core.live.commands import Act, Add, AddAudio, AudioFormat, Command, Finish, Interrupt
from core.live.commands import Say as SayWhole
from core.live.session import Event
from core.media.growing import mime
from core.protocols import Style
from core.renderer import Live, Renderer
from core.runtime.tasks import first_of
from core.types import Fragment
from server.access.caller import caller
from server.jobs.chat import Chat
from server.jobs.conversation import Conversation, Question
from server.jobs.explain import explain
from server.jobs.pushes import Pushes
from server.jobs.session_words import told, wanted
from server.jobs.transcriber import Transcriber
from server.metrics import Figures
from server.schemas.live import (
    NewSession,
    Picture,
    Say,
    SessionBehind,
    SessionEnded,
    SessionError,
    SessionIdle,
    SessionInfo,
    SessionReady,
    SessionStatus,
    SpeechEnded,
    SpeechQueued,
    SpeechStarted,
)
from server.stream.media import STOPPED
from server.stream.ring import Ring
from server.stream.session_log import SessionLog

log = logging.getLogger(__name__)

TRIES, TRIES_WITHIN_S = 3, 60.0
"""A session whose pictures fail begins anew, unless they failed this often within so many seconds."""

WEBRTC = find_spec("aiortc") is not None
"""Whether the extra `webrtc` is here; it is loaded when somebody wants to watch that way."""

NO_FORMAT = "say first what comes: audio.format with rate, channels and encoding"

Reason = Literal["deleted", "idle", "failed"]

Format = tuple[int, int, str]
"""Of sound: samples a second, channels, encoding."""


class LiveSession:
    """One session. `run` it once; clients call the rest meanwhile. failure: why it could not go on, if so."""

    def __init__(
        self,
        session_id: str,
        request: NewSession,
        created_at: float,
        last_seq: int = 0,
        chat: Chat | None = None,
        transcriber: Transcriber | None = None,
    ) -> None:
        """last_seq: of the log of its earlier life. chat: who answers what is asked. transcriber: who
        understands what is asked as sound."""
        self._conversation = Conversation(chat, transcriber, self) if chat is not None else None
        self.id, self.request, self.created_at = session_id, request, created_at
        self.owner = caller.get().owner
        self.log = SessionLog(session_id, last_seq)
        self.ring = Ring()
        self.picture: Picture | None = None
        self.failure: Exception | None = None
        self._viewers = 0
        self.pushes = Pushes(self.log, lambda: self.ring, self.touch)
        self.behind_s = 0.0
        self._first_s: float | None = None
        self._stopped_s: float | None = None
        self._live: Live | None = None
        self._order = asyncio.Lock()  # what is said is done one after the other, wherever that is
        self._utterances: set[int] = set()  # those of which something may still be heard
        self._writer: object = None  # who gives what is not whole yet, a text or a sound
        self._format: Format | None = None  # of the sound that comes
        self._interrupted: float | None = None  # when, until what was stopped has left
        self._settled = asyncio.Event()
        self._touched = time.monotonic()

    @property
    def status(self) -> SessionStatus:
        """What it does just now."""
        if self.log.ended:
            return "ended"
        if self.picture is None:
            return "starting"
        return "speaking" if self._utterances else "idle"

    @property
    def viewers(self) -> int:
        """Who watch it; servers that it is sent to are among them."""
        return self._viewers + self.pushes.live

    def info(self) -> SessionInfo:
        """The session as the API shows it."""
        return SessionInfo(
            id=self.id,
            status=self.status,
            created_at=round(self.created_at, 3),
            viewers=self.viewers,
            behind_s=self.behind_s,
            first_s=self._first_s,
            stopped_s=self._stopped_s,
            chat=self._conversation is not None,
            listens=self._conversation is not None and self._conversation.listens,
            webrtc=WEBRTC,
            node=self._live.node if self._live is not None else None,
            last_seq=self.log.last_seq,
            picture=self.picture,
            pushes=self.pushes.all(),
            request=self.request,
        )

    async def settled(self, timeout_s: float) -> None:
        """Wait until it can be seen, or has failed; for so long at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._settled.wait()

    @asynccontextmanager
    async def viewing(self) -> AsyncGenerator[Ring, None]:
        """The video, which somebody views until the block ends."""
        self._viewers += 1
        try:
            yield self.ring
        finally:
            self._viewers -= 1
            self._touched = time.monotonic()

    # --- what clients say ------------------------------------------------------------------------

    async def say(self, said: Say, by: object) -> None:
        """Say a whole text after what there is. by: whoever asks.

        Raises BadInput: `starting`, `being_written`, or like `core.live.session.Session.say`.
        """
        pitch = self.request.pitch if said.pitch is None else said.pitch
        style = Style(said.speed or self.request.speed, pitch)
        async with self._order:
            live = self._open_to(by)
            self._writer = None
            self._queued(await live.do(SayWhole(said.text, said.voice, style)), said.ref)

    async def write(self, delta: str, by: object, ref: str | None = None) -> int:
        """More of a text that is being written; begins one if none is. Returns its number, 0 if there is
        none. Raises like `say`."""
        async with self._order:
            live = self._open_to(by)
            if not delta:  # some models begin with an empty one
                return 0
            number = await self._given(live, Add(delta), by)
            self._queued(number, ref)
            return number

    async def ask(self, question: Question, ref: str | None = None) -> None:
        """Have the language model answer this, in place of whatever is said now.

        Raises BadInput `no_chat`, `no_transcription`, `starting`.
        """
        if self._conversation is None:
            raise BadInput("no_chat", "nobody answers here: the server's setting chat_url is empty")
        self._conversation.check(question)
        await self.interrupt()
        self._open_to(self._conversation)
        self._conversation.ask(question, ref)

    async def audio_format(self, form: Format, by: object) -> None:
        """What the sound is that comes next. Raises like `say`, and BadInput `audio_format`."""
        async with self._order:
            await self._expect(form, self._open_to(by))

    async def _expect(self, form: Format, live: Live) -> None:
        if form != self._format:
            await live.do(AudioFormat(*form))
            self._format = form

    async def hear(self, pcm: bytes, form: Format | None, by: object, ref: str | None = None) -> None:
        """More of a sound that is coming, cut anywhere; begins one if none is. form: what it is.

        Raises like `audio_format`, without a form too, and BadInput `audio_waiting`.
        """
        async with self._order:
            live = self._open_to(by)
            if form is None:
                raise BadInput("audio_format", NO_FORMAT)
            await self._expect(form, live)
            if pcm:
                self._queued(await self._given(live, AddAudio(pcm), by), ref)

    async def _given(self, live: Live, more: Command, by: object) -> int:
        """More of what `by` gives, which is not whole yet."""
        before, self._writer = self._writer, by  # before it is known to be taken: `by` may leave meanwhile
        try:
            return await live.do(more)
        except BadInput:
            self._writer = before
            raise

    async def finish(self, by: object) -> None:
        """The text or sound that `by` gives, if it gives one, is whole."""
        self._touched = time.monotonic()
        async with self._order:
            if self._writer is by:
                self._writer = None
                await self._do(Finish())

    def touch(self) -> None:
        """Somebody wants it still."""
        self._touched = time.monotonic()

    async def interrupt(self) -> None:
        """Say no more of anything that was given until now."""
        self._touched = asked = time.monotonic()
        if self._conversation is not None:
            self._conversation.hush()
        async with self._order:
            self._writer = None
            if self._utterances:
                self._interrupted = asked
                await self._do(Interrupt())

    async def _do(self, command: Command) -> None:
        """If it runs: what is said to one that has just ended is of no use to anybody."""
        if self._live is not None:
            with suppress(NodeLost, BadInput):
                await self._live.do(command)

    async def act(self, name: str) -> None:
        """Do an action of the template. Raises BadInput `unknown_action`, or `starting` before it can."""
        await self._open_to(self._writer).do(Act(name))

    def _open_to(self, by: object) -> Live:
        self._touched = time.monotonic()
        if self._live is None or self.picture is None:
            raise BadInput("starting", "the session is not ready yet; send it again after session.ready")
        if self._writer not in (None, by):
            message = "another client is in the middle of a text or a sound; wait for its end, or interrupt"
            raise BadInput("being_written", message)
        return self._live

    def _queued(self, number: int, ref: str | None) -> None:
        if number not in self._utterances:
            self._utterances.add(number)
            self.log.append("speech.queued", SpeechQueued(utterance=number, ref=ref))

    # --- its life --------------------------------------------------------------------------------

    async def run(self, renderer: Renderer, figures: Figures) -> None:
        """Make the video until cancelled, or nobody wants it, or it fails."""
        try:
            await first_of(self._make(renderer, figures), self._unwanted())
        except Exception as error:  # told to whoever watches
            self.failure = error
            self.end("failed")
            if not isinstance(error, BadInput):
                log.warning("session %s failed", self.id, exc_info=True)
        else:
            self.end("idle")
        finally:
            if self._conversation is not None:
                self._conversation.hush()
            await self.pushes.close()

    def end(self, reason: Reason) -> None:
        """Tell whoever watches that it is over. Once: the first reason counts."""
        if not self.log.ended:
            error = explain(self.failure, None) if self.failure is not None else None
            self.log.append("session.ended", SessionEnded(reason=reason, error=error), last=True)
            self.ring.end(reason)
            self._settled.set()

    async def _unwanted(self) -> None:
        """Return once there has been no viewer and no input for `idle_s`."""
        idle_s = self.request.idle_s
        while True:
            wanted = self.viewers or self.picture is None
            left = idle_s if wanted else self._touched + idle_s - time.monotonic()
            if left <= 0:
                return
            await asyncio.sleep(left)

    async def _make(self, renderer: Renderer, figures: Figures) -> None:
        failed: deque[float] = deque(maxlen=TRIES)
        while True:
            try:
                async with renderer.session(wanted(self.request)) as self._live:
                    await self._live.run(partial(self._take, figures))
            except (StageError, NodeLost) as error:
                failed.append(time.monotonic())
                if len(failed) == TRIES and failed[-1] - failed[0] < TRIES_WITHIN_S:
                    raise
                log.warning("session %s begins anew", self.id, exc_info=True)
                self._lost(error)
            finally:
                self._live = None

    def _lost(self, error: StageError | NodeLost) -> None:
        """The pictures failed: what was to be said is gone, and viewers come back for a new video."""
        why = explain(error, None)
        self.log.append("error", SessionError(code=why.code, message=why.message))
        for number in sorted(self._utterances):
            self._ended(SpeechEnded(utterance=number, interrupted=True, position_s=0.0, text_spoken=""))
        self.picture = self._writer = self._format = None
        self.behind_s = 0.0
        self.ring.end(STOPPED)
        self.ring = Ring()

    async def _take(self, figures: Figures, item: Fragment | Event) -> None:
        """The pipeline's sink."""
        if isinstance(item, Fragment):
            if item.kind == "init":
                self._ready(item)
            self.ring.append(item)
            return
        async with self._order:  # whoever began it knows its number first
            self._happened(item, figures)

    def _happened(self, item: Event, figures: Figures) -> None:
        kind, data = told(item, self.picture.fps if self.picture else 1)
        match data:
            case SpeechStarted(after_s=after_s):
                self._first_s = after_s
                figures.heard(after_s)
            case SpeechEnded():
                if data.interrupted and self._interrupted is not None:
                    self._stopped_s = round(time.monotonic() - self._interrupted, 3)
                    self._interrupted = None
                    figures.stopped(self._stopped_s)
                return self._ended(data)
            case SessionBehind(behind_s=seconds):
                self.behind_s = seconds
        self.log.append(kind, data)

    def _ready(self, init: Fragment) -> None:
        if self._live is None:  # nobody else hands fragments out
            return
        shape = self._live.shape
        self.picture = Picture(mime=mime(init.data), width=shape.width, height=shape.height, fps=shape.fps)
        self.log.append("session.ready", SessionReady(**self.picture.model_dump()))
        self._touched = time.monotonic()
        self._settled.set()

    def _ended(self, event: SpeechEnded) -> None:
        self.log.append("speech.ended", event)
        if self._conversation is not None:
            self._conversation.ended(event)
        self._utterances.discard(event.utterance)
        if not self._utterances:
            self.log.append("session.idle", SessionIdle())
