"""What is to be said in a session: texts, whole or as they are written, spoken ahead of time into sound; and
sound as it comes.

Speaking ahead makes an interrupt free: what waits is dropped, and nothing of it was ever drawn.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import aclosing
from copy import copy
from dataclasses import replace

import numpy as np

from core.errors import BadInput
from core.live.cutter import Cutter
from core.live.marks import moved
from core.live.pcm import Pcm
from core.live.sound import Sound, Taken
from core.live.voices import Speaker, Voices
from core.types import AudioChunk, Samples, Sentence

AHEAD_S = 10.0
"""Seconds of sound that are spoken ahead, at most: work that an interrupt throws away."""

TEXT_WAITING = 20_000
"""Characters that may wait to be spoken, at most."""

SOUND_WAITING_S = 120.0
"""Seconds of sound given that may wait to be heard, at most; 23 MB at 48 kHz."""

SETTLED_S = 0.5
"""Seconds without more text after which what looks like the end of a sentence is taken for one."""

FADE_S = 0.02
"""Seconds over which an interrupt lets the voice fade: a hard cut would be a click."""


_SILENT = 1e-3
"""Loudest sample of silence."""

_ENDS = tuple(".!?…。！？")


class Utterance:
    """One text or sound being said. number: counts from 1 in the session. closed: all its sound is made.

    pcm: what its sound comes in by; None for text. begun: something of it has been heard. flows: so it was in
    the frame before. dropped: an interrupt has ended it. failed: something of it could not be spoken.
    acts: it asks for an action behind its words, or has none.
    languages: of its sentences so far; one voice reads them all, if there is one.
    speaker: None is the session's.
    """

    def __init__(self, number: int, written: Cutter, pcm: Pcm | None = None) -> None:
        self.number = number
        self.written = written
        self.pcm = pcm
        self.flows = False
        self.done = False
        self.sound = Sound()
        self.closed = False
        self.begun = False
        self.dropped = False
        self.failed = False
        self.acts = False
        self.languages: set[str] = set()
        self.speaker: Speaker | None = None

    def spoken(self) -> str:
        """The part of the text that has been said, up to the last whole word."""
        return self.written.text[: self.sound.spoken]


Trouble = Callable[[Utterance, Exception], None]
"""Called with what went wrong with a text; the session lives, and so does the rest of the text."""

Ended = Callable[[Utterance, bool], None]
"""Called once for every utterance when nothing more of it will be heard, with whether it was interrupted."""


class Script:
    """Texts in their order. `speak` runs beside the pacer, which takes what it says with `take`."""

    def __init__(
        self,
        voices: Voices,
        cutter: Cutter,
        trouble: Trouble,
        ended: Ended,
        *,
        reach: int = 0,
    ) -> None:
        """cutter: without text, copied for each. reach: samples that the lips listen ahead of a frame."""
        self.rate = voices.rate
        self._reach = reach
        self._voices, self._cutter = voices, cutter
        self._trouble, self._ended = trouble, ended
        self._texts: deque[Utterance] = deque()  # the first may be sounding
        self._open: Utterance | None = None  # the last, if more of it is to come
        self._format: tuple[int, int] | None = None
        self._fading: Taken | None = None
        self._count = 0
        self._news, self._room = asyncio.Event(), asyncio.Event()

    def say(self, text: str, speaker: Speaker | None = None) -> int:
        """Say a whole text after what there is. Returns its number; raises BadInput `text_waiting`."""
        self.finish()
        number = self.add(text)
        self._texts[-1].speaker = speaker
        self.finish()
        return number

    def add(self, delta: str) -> int:
        """More of a text that is being written; begins one if none is. Raises BadInput `text_waiting`."""
        waiting = sum(text.written.left for text in self._texts) + len(delta)
        if waiting > TEXT_WAITING:
            message = f"{waiting} characters would wait to be spoken, at most {TEXT_WAITING} may; send less"
            raise BadInput("text_waiting", message, "text")
        self.finish_audio()
        text = self._open or self._begin(None)
        text.written.add(delta)
        self._news.set()
        return text.number

    def finish(self) -> None:
        """The text that is being written is whole."""
        if self._open is not None and self._open.pcm is None:
            self._open.done, self._open = True, None
            self._news.set()

    def audio_format(self, rate: int, channels: int = 1, encoding: str = "s16le") -> None:
        """What the sound is that comes from now on. Raises BadInput `audio_format` for what no sound is."""
        if encoding != "s16le":
            message = (
                f"encoding {encoding[:20]!r} is not known; send s16le: 16 bits, signed, little end first"
            )
            raise BadInput("audio_format", message, "encoding")
        Pcm(rate, channels, self.rate)  # complains
        if (rate, channels) != self._format:
            self.finish_audio()
            self._format = rate, channels

    def add_audio(self, data: bytes) -> int:
        """More of a sound that is coming, cut anywhere; begins one if none is. Returns its number.

        Raises BadInput `audio_format` if none was told, `audio_waiting` if too much waits: it is left out.
        """
        if self._format is None:
            message = "say first what sound comes: its rate and channels (s16le)"
            raise BadInput("audio_format", message, "audio")
        rate, channels = self._format
        waiting = self._waiting_s(given=True) + len(data) / (2 * channels * rate)
        if waiting > SOUND_WAITING_S:
            message = f"{waiting:.0f} s of sound would wait to be heard, at most {SOUND_WAITING_S:.0f} may"
            raise BadInput("audio_waiting", f"{message}; send it as it is heard", "audio")
        self.finish()
        sound = self._open or self._begin(Pcm(rate, channels, self.rate))
        if sound.pcm is not None:
            sound.sound.add(self._given(sound, sound.pcm.push(data)))
        return sound.number

    def finish_audio(self) -> None:
        """The sound that is coming is whole."""
        sound = self._open
        if sound is None or sound.pcm is None:
            return
        sound.sound.add(self._given(sound, sound.pcm.finish()))
        sound.sound.rest()
        sound.closed, self._open = True, None
        if sound.pcm.cut:
            message = "the sound ended in the middle of a sample; what was whole of it is heard"
            self._trouble(sound, BadInput("audio_cut", message, "audio"))

    async def room(self) -> None:
        """Wait until so little waits that more is wanted."""
        while sum(text.written.left for text in self._texts) or self._waiting_s() > AHEAD_S:
            self._room.clear()
            await self._room.wait()

    def _begin(self, pcm: Pcm | None) -> Utterance:
        self._count += 1
        self._open = Utterance(self._count, copy(self._cutter), pcm)
        self._texts.append(self._open)
        return self._open

    def _given(self, utterance: Utterance, samples: Samples) -> AudioChunk:
        return AudioChunk(samples, self.rate, utterance.sound.made)

    def interrupt(self) -> None:
        """Say no more of anything that was given until now."""
        self._open = None
        texts, self._texts = self._texts, deque()
        for text in texts:  # before anything more is taken: the fading rest has not been said
            text.dropped = True
            self._ended(text, True)
        if texts and texts[0].begun and texts[0].sound.waiting:
            taken = texts[0].sound.take(round(self.rate * FADE_S))
            ramp = np.linspace(1, 0, len(taken.samples), dtype=np.float32)
            self._fading = Taken(taken.samples * ramp, taken.phonemes)
        self._news.set()
        self._room.set()

    @property
    def empty(self) -> bool:
        """Whether there is nothing left to say."""
        return not self._texts and self._fading is None

    @property
    def torn(self) -> bool:
        """Whether silence now would tear a sentence that is being heard."""
        return bool(self._texts) and self._texts[0].begun and not self._texts[0].sound.between

    def take(self, count: int) -> tuple[Utterance | None, Taken] | None:
        """The next `count` samples to be heard, fewer at a sentence's end; None: there is nothing now.

        Without an utterance it is the fading rest of one that was interrupted.
        """
        if self._fading is not None:
            fading, self._fading = self._fading, None
            return None, fading
        while self._texts:
            first = self._texts[0]
            sound = first.sound
            # Of sound that is just being made the lips want to hear what comes, or they would open too late.
            least = count if first.pcm is None or first.flows else count + self._reach
            first.flows = sound.waiting > 0 and (sound.waiting >= least or sound.whole)
            if first.flows:
                first.begun = True
                taken = sound.take(count)
                self._room.set()
                return first, taken
            if sound.waiting or not first.closed:
                return None
            self._texts.popleft()
            self._ended(first, False)
        return None

    def skip_silence(self, count: int) -> bool:
        """Leave out `count` samples of a sound that is still coming if they are silent; tell if so."""
        first = self._texts[0] if self._texts and self._fading is None else None
        if first is None or first is not self._open or first.pcm is None or first.sound.waiting < count:
            return False
        if np.abs(first.sound.peek(count).samples).max() > _SILENT:
            return False
        first.sound.take(count)
        return True

    def upcoming(self) -> list[Taken]:
        """What is meant to be heard next, as far ahead as the lips listen."""
        found = []
        left = self._reach
        for text in self._texts:
            found.append(text.sound.peek(left))
            left -= len(found[-1].samples)
            if left <= 0 or not text.closed:
                break
        return found

    async def speak(self) -> None:
        """Turn texts into sound for ever, in their order."""
        while True:
            self._news.clear()  # before looking: what comes meanwhile is looked at next
            self._room.set()
            text = next((text for text in self._texts if text.pcm is None and not text.closed), None)
            if text is None:
                await self._news.wait()
                continue
            whole = text.done
            if await self._say_certain(text, whole=whole):
                continue
            if whole:
                self._close(text)
            elif await self._settled() and text.written.text.rstrip().endswith(_ENDS):
                await self._say_certain(text, whole=True)

    async def _say_certain(self, text: Utterance, *, whole: bool) -> bool:
        """Speak the sentences that are certain; whether there were any."""
        try:
            sentences = await asyncio.to_thread(text.written.take, whole=whole)
        except BadInput as error:
            text.failed = True
            self._trouble(text, error)
            return True
        text.languages |= {sentence.language for sentence in sentences}
        for sentence in sentences:
            if not text.dropped:
                await self._voiced(text, sentence)
        for name in text.written.behind:
            text.sound.ask(name)
            text.acts = True
        text.written.behind = ()
        return bool(sentences)

    async def _settled(self) -> bool:
        """Wait for more text; whether none came for a while."""
        try:
            async with asyncio.timeout(SETTLED_S):
                await self._news.wait()
        except TimeoutError:
            return True
        return False

    def _close(self, text: Utterance) -> None:
        text.closed = True
        if not (text.sound.made or text.failed or text.dropped or text.acts):
            message = "the text has no words to speak; write at least one"
            self._trouble(text, BadInput("empty_text", message, "text"))

    async def _voiced(self, text: Utterance, sentence: Sentence) -> None:
        sound = text.sound
        base = sound.made
        sound.begin(sentence)
        try:
            async with aclosing(self._voices.speak(sentence, text.languages, text.speaker)) as chunks:
                async for chunk in chunks:
                    sound.add(replace(moved(chunk, base.__add__), first=base + chunk.first))
                    while not text.dropped and self._waiting_s() > AHEAD_S:
                        self._room.clear()
                        await self._room.wait()
                    if text.dropped:
                        return
        except Exception as error:  # noqa: BLE001  # a voice that fails at a sentence may say the next
            text.failed = True
            self._trouble(text, error)
        finally:
            sound.rest()

    def _waiting_s(self, *, given: bool = False) -> float:
        """Seconds of sound that wait; given: of that alone which was not made of text."""
        return sum(t.sound.waiting for t in self._texts if t.pcm is not None or not given) / self.rate
