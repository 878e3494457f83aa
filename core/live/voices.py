"""Who speaks a sentence of a session: the voice that reads its language, at the session's rate."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from core.live.marks import moved
from core.media.resample import Resampler
from core.phoneme_stream import Reader, phoneme_stream
from core.protocols import SpeechEngine, Style
from core.serving.loaded import LoadedEngine
from core.tts_stream import check_readable, check_voice, tts_stream
from core.types import AudioChunk, Sentence

Find = Callable[[str | None, Collection[str]], Awaitable[LoadedEngine[SpeechEngine]]]
"""The engine that has a voice, for texts in these languages, as `EnginePool.speech` finds it."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who speaks, and how. voice: as in `tts_stream`; None is the first of whichever engine speaks."""

    voice: str | None = None
    style: Style = field(default_factory=Style)


class Voices:
    """rate: samples a second of all that they say. speaker: of what nobody else is chosen for."""

    def __init__(self, find: Find, speaker: Speaker, rate: int, reader: Reader | None = None) -> None:
        """reader: see `phoneme_stream`; None: phonemes that a voice does not tell are not told."""
        self.speaker, self.rate = speaker, rate
        self._find, self._reader = find, reader

    async def speak(
        self, sentence: Sentence, languages: Collection[str], speaker: Speaker | None = None
    ) -> AsyncGenerator[AudioChunk, None]:
        """Yield the sound of a sentence of a text in `languages`. Raises like `check_voice`, `tts_stream`."""
        one = speaker or self.speaker
        speech = await self._find(one.voice, languages)
        await check_voice(speech, one.voice)
        await asyncio.to_thread(check_readable, [sentence], speech.engine, one.voice)
        said = tts_stream([sentence], speech, one.voice, one.style)
        if self._reader is not None:
            said = phoneme_stream(said, self._reader, one.style)
        if speech.engine.rate != self.rate:
            said = _resampled(said, speech.engine.rate, self.rate)
        async with aclosing(said) as chunks:
            async for chunk in chunks:
                yield chunk


async def _resampled(
    said: AsyncGenerator[AudioChunk, None], old: int, rate: int
) -> AsyncGenerator[AudioChunk, None]:
    resampler = Resampler(old, rate)
    first, told = 0, None
    async with aclosing(said) as chunks:
        async for chunk in chunks:
            samples = resampler.push(chunk.samples)
            scaled = moved(chunk, lambda at: at * rate // old)
            yield replace(scaled, samples=samples, rate=rate, first=first)
            first += len(samples)
            told = chunk.phonemes
    yield AudioChunk(resampler.finish(), rate, first, phonemes=told and ())
