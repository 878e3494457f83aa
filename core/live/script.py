"""What is to be said in a session: texts, whole or as they are written, spoken ahead of time into sound.

Speaking ahead makes an interrupt free: what waits is dropped, and nothing of it was ever drawn.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace

import numpy as np

from core.errors import BadInput
from core.live.cutter import Cutter
from core.live.sound import Sound, Taken
from core.protocols import SpeechEngine, Style
from core.serving.loaded import LoadedEngine
from core.tts_stream import check_readable, tts_stream
from core.types import Phoneme, Sentence, Word

AHEAD_S = 10.0
"""Seconds of sound that are spoken ahead, at most: work that an interrupt throws away."""

TEXT_WAITING = 20_000
"""Characters that may wait to be spoken, at most."""

SETTLED_S = 0.5
"""Seconds without more text after which what looks like the end of a sentence is taken for one."""

FADE_S = 0.02
"""Seconds over which an interrupt lets the voice fade: a hard cut would be a click."""


_ENDS = tuple(".!?…。！？")


class Utterance:
    """One text being said. number: counts from 1 in the session. closed: all its sound is made.

    begun: something of it has been heard. dropped: an interrupt has ended it. failed: something of it could
    not be spoken.
    """

    def __init__(self, number: int, language: str) -> None:
        self.number = number
        self.written = Cutter(language)
        self.done = False
        self.sound = Sound()
        self.closed = False
        self.begun = False
        self.dropped = False
        self.failed = False

    def spoken(self) -> str:
        """The part of the text that has been said, up to the last whole word."""
        return self.written.text[: self.sound.spoken(self.sound.taken)]


Trouble = Callable[[Utterance, Exception], None]
"""Called with what went wrong with a text; the session lives, and so does the rest of the text."""

Ended = Callable[[Utterance, bool], None]
"""Called once for every utterance when nothing more of it will be heard, with whether it was interrupted."""


class Script:
    """Texts in their order. `speak` runs beside the pacer, which takes what it says with `take`."""

    def __init__(
        self,
        speech: LoadedEngine[SpeechEngine],
        voice: str | None,
        style: Style,
        language: str,
        trouble: Trouble,
        ended: Ended,
    ) -> None:
        self.rate = speech.engine.rate
        self._speech = speech
        self._voice, self._style, self._language = voice, style, language
        self._trouble, self._ended = trouble, ended
        self._texts: deque[Utterance] = deque()  # the first may be sounding
        self._open: Utterance | None = None
        self._fading: Taken | None = None
        self._count = 0
        self._news, self._room = asyncio.Event(), asyncio.Event()

    def say(self, text: str) -> int:
        """Say a whole text after what there is. Returns its number; raises BadInput `text_waiting`."""
        self.finish()
        number = self.add(text)
        self.finish()
        return number

    def add(self, delta: str) -> int:
        """More of a text that is being written; begins one if none is. Raises BadInput `text_waiting`."""
        waiting = sum(text.written.left for text in self._texts) + len(delta)
        if waiting > TEXT_WAITING:
            message = f"{waiting} characters would wait to be spoken, at most {TEXT_WAITING} may; send less"
            raise BadInput("text_waiting", message, "text")
        if self._open is None:
            self._count += 1
            self._open = Utterance(self._count, self._language)
            self._texts.append(self._open)
        self._open.written.add(delta)
        self._news.set()
        return self._open.number

    def finish(self) -> None:
        """The text that is being written is whole."""
        if self._open is not None:
            self._open.done, self._open = True, None
            self._news.set()

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
            if sound.waiting and (sound.waiting >= count or sound.whole):
                first.begun = True
                taken = sound.take(count)
                self._room.set()
                return first, taken
            if sound.waiting or not first.closed:
                return None
            self._texts.popleft()
            self._ended(first, False)
        return None

    async def speak(self) -> None:
        """Turn texts into sound for ever, in their order."""
        while True:
            self._news.clear()  # before looking: what comes meanwhile is looked at next
            text = next((text for text in self._texts if not text.closed), None)
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
        for sentence in sentences:
            if not text.dropped:
                await self._voiced(text, sentence)
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
        if not text.sound.made and not text.failed and not text.dropped:
            message = "the text has no words to speak; write at least one"
            self._trouble(text, BadInput("empty_text", message, "text"))

    async def _voiced(self, text: Utterance, sentence: Sentence) -> None:
        sound = text.sound
        base = sound.made
        sound.begin(sentence)
        try:
            check_readable([sentence], self._speech.engine, self._voice)
            async with aclosing(tts_stream([sentence], self._speech, self._voice, self._style)) as chunks:
                async for chunk in chunks:
                    marks = chunk.phonemes
                    sound.add(
                        replace(
                            chunk,
                            first=base + chunk.first,
                            phonemes=None
                            if marks is None
                            else tuple(Phoneme(p.name, base + p.first) for p in marks),
                            words=tuple(Word(base + w.first, w.start, w.stop) for w in chunk.words),
                        )
                    )
                    while not text.dropped and self._ahead_s() > AHEAD_S:
                        self._room.clear()
                        await self._room.wait()
                    if text.dropped:
                        return
        except Exception as error:  # noqa: BLE001  # a voice that fails at a sentence may say the next
            text.failed = True
            self._trouble(text, error)
        finally:
            sound.rest()

    def _ahead_s(self) -> float:
        return sum(text.sound.waiting for text in self._texts) / self.rate
