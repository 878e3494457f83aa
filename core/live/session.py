"""A live session: texts and sound in, an endless talking video and what is said out, until it is cancelled.

The stages are those of `core.render`; only the source differs, which is the pacer.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field, replace
from functools import partial

from core.captions.mark import UNSIGNED, Sign, sign
from core.encode_stream import encode_stream
from core.enhance_stream import enhance_stream
from core.errors import BadInput
from core.lipsync_stream import lipsync_stream
from core.live.cutter import Cutter
from core.live.pacer import paced
from core.live.script import Script, Utterance
from core.live.sound import Taken
from core.live.voices import Speaker, Voices
from core.protocols import ByPhonemes, FaceEnhancer, LipsyncEngine, Style
from core.runtime.pipeline import Pipeline
from core.runtime.tasks import first_of
from core.runtime.worker import Worker
from core.serving.engine_pool import EnginePool
from core.serving.loaded import LoadedEngine
from core.templates.library import Templates
from core.templates.template import Template, check_shape
from core.templates.walk import check_actions
from core.text import sentences
from core.text.dictionary import load
from core.tts_stream import check_voice
from core.types import AudioChunk, Fragment, frame_start


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """Who shall speak, and how; fields as in `core.render.Request`.

    readings: how some words are said, before those of the settings. enhance: off unless it is asked for, as
    every picture has to be made in its own time.
    """

    template: str = "sample"
    language: str = "auto"
    readings: Mapping[str, str] | None = None
    voice: str | None = None
    style: Style = field(default_factory=Style)
    fps: int | None = None
    size: tuple[int, int] | None = None
    speech: str = "auto"
    lipsync: str = "auto"
    enhance: bool = False
    enhancer: str = "auto"


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The first picture in which an utterance is heard has left, `after_s` seconds after its text came."""

    utterance: int
    frame: int
    after_s: float


@dataclass(frozen=True, slots=True)
class SpeechWord:
    """A word is heard between two moments of the video, in seconds."""

    utterance: int
    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """Nothing more of an utterance is heard. position_s: how much of its sound was. text: what was said."""

    utterance: int
    interrupted: bool
    position_s: float
    text: str


@dataclass(frozen=True, slots=True)
class SpeechFailed:
    """A text, or a sentence of it, could not be spoken; the session goes on."""

    utterance: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class SessionBehind:
    """The machine is too slow: pictures leave this late, after those of before; 0: in time again."""

    seconds: float


Event = SpeechStarted | SpeechWord | SpeechEnded | SpeechFailed | SessionBehind
UNDER_WAY = 2
"""Pictures being made at once: enough for the stages to work side by side, and an interrupt cannot call them
back, which matters where the machine is too slow."""

Sink = Callable[[Fragment | Event], Awaitable[None]]
"""Receives what is made, in order; it is awaited, so a slow sink makes the clock slip."""


async def open_session(wanted: SessionRequest, pool: EnginePool, templates: Templates) -> "Session":
    """A session, ready to run. Raises BadInput for a template, voice or engine that is not there."""
    wanted.style.check()
    own = load(pool.settings.readings, wanted.readings)
    sentences("0", wanted.language)  # complains of one that is not known
    check_shape(wanted.fps, wanted.size)
    lipsync = await pool.lipsync(wanted.lipsync)
    known = () if wanted.language == "auto" else (wanted.language,)
    speech = await pool.speech(wanted.speech, wanted.voice, known)
    await check_voice(speech, wanted.voice)
    enhance = await pool.enhancer(wanted.enhancer) if wanted.enhance else None
    template = await templates.open(
        wanted.template,
        fps=wanted.fps,
        size=wanted.size,
        lipsync=lipsync,
        enhance=enhance,
        report=lambda _step, _done, _total: None,
    )
    find = partial(pool.speech, wanted.speech)
    reader = partial(pool.speech, "builtin") if isinstance(lipsync.engine, ByPhonemes) else None
    voices = Voices(find, Speaker(wanted.voice, wanted.style), speech.engine.rate, reader)
    engines = {one.kind: one.name for one in (speech, lipsync, enhance) if one}
    shape = template.width, template.height, template.fps
    label = await asyncio.to_thread(sign, pool.settings, engines, wanted.language, *shape)
    life = None if pool.settings.still_pictures else 0
    cutter = Cutter(wanted.language, own)
    return Session(lipsync, template, voices, cutter, label, enhance=enhance, life=life)


class Session:
    """One person who idles and speaks. `run` it once; say things meanwhile, as text or as sound."""

    def __init__(
        self,
        lipsync: LoadedEngine[LipsyncEngine],
        template: Template,
        voices: Voices,
        cutter: Cutter,
        label: Sign = UNSIGNED,
        *,
        enhance: LoadedEngine[FaceEnhancer] | None = None,
        life: int | None = 0,
    ) -> None:
        """cutter: without text; says how it is read. label: of what is made. life: see `Drawing`.

        enhance: None leaves faces as they were drawn.
        """
        self._enhance = enhance
        self._lipsync, self._template, self._label = lipsync, template, label
        self._speaker = voices.speaker
        self._life = life
        rate, fps = voices.rate, template.fps
        reach = lipsync.engine.span(0, rate, fps)[1] - frame_start(1, rate, fps) + 1
        self.script = Script(voices, cutter, self._failed, self._ended, reach=reach)
        self._told: deque[tuple[int, Event]] = deque()  # by the frame with which each leaves
        self._came: dict[int, float] = {}
        self._frame = 0  # the next whose sound is let go
        self._begun = 0  # the newest utterance that has been heard
        self._walk = template.walk()
        self._idle = asyncio.Event()
        self._slots = asyncio.Semaphore(UNDER_WAY)

    def say(self, text: str, voice: str | None = None, style: Style | None = None) -> int:
        """Say a whole text; the number of its utterance. voice, style: None is the session's own.

        A voice that is not there is told as `SpeechFailed`. Raises like `Script.say`, and BadInput
        `out_of_range` for a style that no voice has.
        """
        if voice is None and style is None:
            return self._noted(self.script.say(text))
        speaker = Speaker(voice or self._speaker.voice, style or self._speaker.style)
        speaker.style.check()
        return self._noted(self.script.say(text, speaker))

    def add(self, delta: str) -> int:
        """More of a text that is being written. Raises like `Script.add`."""
        return self._noted(self.script.add(delta))

    def finish(self) -> None:
        """The text that is being written is whole."""
        self.script.finish()

    def audio_format(self, rate: int, channels: int = 1, encoding: str = "s16le") -> None:
        """What the sound is that `add_audio` gives from now on. Raises like `Script.audio_format`."""
        self.script.audio_format(rate, channels, encoding)

    def add_audio(self, data: bytes) -> int:
        """More of a sound that is coming; the number of its utterance. Raises like `Script.add_audio`."""
        return self._noted(self.script.add_audio(data))

    def finish_audio(self) -> None:
        """The sound that is coming is whole."""
        self.script.finish_audio()

    async def room(self) -> None:
        """Wait until so little waits to be said that more is wanted."""
        await self.script.room()

    def interrupt(self) -> None:
        """Stop speaking."""
        self.script.interrupt()

    def act(self, name: str) -> None:
        """Do something besides, as soon as there is a way to it. Raises BadInput `unknown_action`."""
        check_actions([name], self._template.actions.names, self._template.name)
        self._walk.want(name)

    @property
    def template(self) -> Template:
        """Who is seen."""
        return self._template

    async def idle(self) -> None:
        """Wait until all that was given has been said, and its last picture has left."""
        self._idle.clear()
        await self._idle.wait()

    async def run(
        self,
        sink: Sink,
        now: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Make the video until cancelled, handing every piece to `sink`. Raises StageError.

        now, sleep: the clock, in seconds.
        """
        sound = self._few(paced(self.script, self._template.fps, self._heard, now, sleep, self._behind))
        async with AsyncExitStack() as ends:
            encoder = Worker("encode")
            ends.push_async_callback(asyncio.to_thread, encoder.close)
            await first_of(self._make(sound, encoder, sink), self.script.speak())

    async def _few(self, sound: AsyncGenerator[AudioChunk, None]) -> AsyncGenerator[AudioChunk, None]:
        """`sound`, none of which is let go while `UNDER_WAY` pictures are being made."""
        async with aclosing(sound) as chunks:
            while True:
                await self._slots.acquire()
                yield await anext(chunks)

    async def _make(self, sound: AsyncGenerator[AudioChunk, None], encoder: Worker, sink: Sink) -> None:
        template, rate = self._template, self.script.rate
        async with Pipeline() as pipe:
            audio = pipe.stage("tts", sound, limit=1)
            prepared = template.prepared[self._lipsync.key]
            # A frame at a time: here it is latency that counts. Calls of sessions are joined by the engine.
            lips = self._lipsync
            frames = lipsync_stream(
                audio, lips, template, prepared, batch=1, own=True, life=self._life, walk=self._walk
            )
            faces = pipe.stage("lipsync", frames, limit=1)
            if self._enhance is not None:
                learnt = template.prepared[self._enhance.key]
                faces = pipe.stage("enhance", enhance_stream(faces, self._enhance, template, learnt), limit=1)
            shown = 0
            async for fragment in pipe.stage(
                "encode",
                encode_stream(
                    faces, template, encoder, rate=rate, mark=self._label.mark, tags=self._label.tags
                ),
                limit=1,
            ):
                await sink(fragment)
                shown += fragment.frames
                for _ in range(fragment.frames):
                    self._slots.release()
                while self._told and self._told[0][0] < shown:
                    await sink(self._timed(self._told.popleft()[1]))
                if self.script.empty and not self._told:
                    self._idle.set()

    def _timed(self, event: Event) -> Event:
        """The event as it leaves."""
        if not isinstance(event, SpeechStarted):
            return event
        now = time.perf_counter()
        return replace(event, after_s=round(now - self._came.pop(event.utterance, now), 3))

    def _noted(self, number: int) -> int:
        self._came.setdefault(number, time.perf_counter())
        self._idle.clear()
        return number

    def _heard(self, frame: int, utterance: Utterance | None, taken: Taken | None) -> None:
        """The sound of a frame is let go."""
        self._frame = frame + 1
        if utterance is None or taken is None:
            return
        self._ask(utterance, taken.actions)
        first = frame_start(frame, self.script.rate, self._template.fps)
        number, rate = utterance.number, self.script.rate
        if number > self._begun:
            self._begun = number
            self._told.append((frame, SpeechStarted(number, frame, 0.0)))
        begin = utterance.sound.taken - len(taken.samples)
        for word, after in taken.words:
            start, stop = (round((first + at - begin) / rate, 3) for at in (word.first, after))
            said = utterance.written.text[word.start : word.stop].strip()
            self._told.append((frame, SpeechWord(number, said, start, stop)))

    def _ask(self, utterance: Utterance, actions: Sequence[str]) -> None:
        """The actions that an utterance's text asks for now; one that is not there is told."""
        for name in actions:
            try:
                self.act(name)
            except BadInput as error:
                self._failed(utterance, error)

    def _ended(self, utterance: Utterance, interrupted: bool) -> None:
        """For `Script`: told with the last frame in which something of it is heard."""
        if not interrupted:
            self._ask(utterance, utterance.sound.asked())
        if not utterance.begun:
            self._came.pop(utterance.number, None)
        position = round(utterance.sound.taken / self.script.rate, 3)
        event = SpeechEnded(utterance.number, interrupted, position, utterance.spoken())
        self._told.append((self._frame - 1, event))

    def _failed(self, utterance: Utterance, error: Exception) -> None:
        """For `Script`: told at once, as it were."""
        code = error.code if isinstance(error, BadInput) else "speech_failed"
        self._told.append((self._frame - 1, SpeechFailed(utterance.number, code, str(error))))

    def _behind(self, seconds: float) -> None:
        self._told.append((self._frame - 1, SessionBehind(round(seconds, 3))))
