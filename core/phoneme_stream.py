"""Tell the phonemes of a voice that does not: the built-in voice reads the same sentences, and when its own
sound is carried over to what is heard."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace

import numpy as np

from core.engines.builtin.voice.alignment import Alignment
from core.errors import BadInput, EngineUnavailable, VoiceFailed
from core.protocols import SpeechEngine, Style
from core.serving.loaded import LoadedEngine, speak, voices
from core.types import AudioChunk, Phoneme, Samples, Sentence

Reader = Callable[[], Awaitable[LoadedEngine[SpeechEngine]]]
"""Loads a voice that tells its phonemes, or gives the one that is loaded."""

HELD_S = 0.06
"""How much of what was heard is held back, for the phonemes in it are known by what follows."""

STEP_S = 0.1
"""How much is passed on at a time, at least: servers may send less, and each time is some work."""


async def phoneme_stream(
    chunks: AsyncGenerator[AudioChunk, None], reader: Reader, style: Style
) -> AsyncGenerator[AudioChunk, None]:
    """The same speech, with phonemes where it has a sentence and told none; other chunks as they are.

    reader: asked for when first needed. Sentences that it cannot read stay as they are.
    """
    sentence: _Sentence | None = None
    async with aclosing(chunks):
        async for chunk in chunks:
            if sentence is not None and chunk.sentence is not sentence.said:
                async for left in sentence.rest():
                    yield left
                sentence = None
            if chunk.phonemes is not None or chunk.sentence is None or chunk.ahead is not None:
                yield chunk
                continue
            if sentence is None:
                sentence = _Sentence(chunk, await _reading(chunk.sentence, reader, style))
            if sentence.alignment is None:
                yield chunk
            elif (made := await sentence.add(chunk)) is not None:
                yield made
        if sentence is not None:
            async for left in sentence.rest():
                yield left


async def _reading(sentence: Sentence, load: Reader, style: Style) -> Alignment | None:
    """The reader's sentence to lay others beside; None where it cannot read it."""
    pieces: list[Samples] = []
    phonemes: list[Phoneme] = []
    try:
        reader = await load()
        name = next((v.name for v in await voices(reader) if sentence.language in v.languages), None)
        if name is None:
            return None
        async with aclosing(reader.steps(speak, sentence, name, Style(speed=style.speed))) as spoken:
            async for piece in spoken:
                pieces.append(piece.samples)
                phonemes.extend(piece.phonemes or ())
    except (BadInput, EngineUnavailable, VoiceFailed):
        return None
    if not phonemes:
        return None
    samples = np.concatenate(pieces)
    return await asyncio.to_thread(Alignment, samples, reader.engine.rate, phonemes)


class _Sentence:
    """A sentence of which some has been heard, and all but the last of it has been passed on."""

    def __init__(self, first: AudioChunk, alignment: Alignment | None) -> None:
        self.said, self.alignment = first.sentence, alignment
        self._start, self._rate = first.first, first.rate
        self._heard: list[AudioChunk] = []
        self._length = self._passed = 0

    async def add(self, chunk: AudioChunk) -> AudioChunk | None:
        """What can be passed on now that `chunk` is heard, if that is enough."""
        self._heard.append(chunk)
        self._length += len(chunk.samples)
        until = self._length - round(HELD_S * self._rate)
        enough = until - self._passed >= STEP_S * self._rate
        return await self._pass(until, whole=False) if enough else None

    async def rest(self) -> AsyncGenerator[AudioChunk, None]:
        """Yield what is left of it, if anything."""
        if self._length > self._passed:
            yield await self._pass(self._length, whole=True)

    async def _pass(self, until: int, *, whole: bool) -> AudioChunk:
        assert self.alignment is not None  # noqa: S101  # else nothing is held back
        samples = np.concatenate([chunk.samples for chunk in self._heard])
        told = await asyncio.to_thread(self.alignment.tell, samples, self._rate, until, whole=whole)
        low, high = self._start + self._passed, self._start + until
        last = 1 << 62 if whole else high
        words = [word for chunk in self._heard for word in chunk.words if low <= word.first < last]
        retried = tuple(why for chunk in self._heard for why in chunk.retried)
        self._heard = [replace(chunk, retried=()) for chunk in self._heard]
        passed = AudioChunk(
            samples=samples[self._passed : until],
            rate=self._rate,
            first=low,
            sentence=self.said,
            phonemes=tuple(replace(one, first=max(low, self._start + one.first)) for one in told),
            words=tuple(words),
            retried=retried,
        )
        self._passed = until
        return passed
