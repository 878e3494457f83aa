"""Turn sentences into speech, piece by piece, on the job's sample clock.

What an engine returns is looked at here, whichever engine it is: sound that is not finite, or a sentence that
comes back silent or absurdly short or long, fails the job and names the sentence. Nothing is passed on as
silence.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

import numpy as np

from core.engines.base import SpeechEngine, Style
from core.errors import Error
from core.types import AudioChunk, Phoneme, Sentence, Spoken, Word
from core.worker import Worker

CHUNK_MS = 200
"""Longest chunk; an engine may give shorter pieces."""

_SILENT = 1e-3
"""Peak below which a sentence has not been spoken: -60 dBFS."""

_SLOWEST_S, _FASTEST_S = 3.0, 0.015
"""Seconds a spoken character may take at speed 1; outside, the engine has stuck or skipped."""


class SpeechFault(Error):
    """The voice engine returned something that is not the sentence spoken."""


async def tts_stream(
    said: Iterable[Sentence], engine: SpeechEngine, worker: Worker, voice: str | None, style: Style
) -> AsyncGenerator[AudioChunk, None]:
    """Yield the sound of `said`, in order, as soon as it is made; chunks of at most 200 ms.

    voice: None is the engine's first. Closing it frees the engine within one of its steps.

    Raises BadInput for what the voice cannot read, SpeechFault for sound that cannot be it.
    """
    name = voice if voice is not None else engine.voices()[0].name
    first = 0
    for sentence in said:
        start, peak = first, 0.0
        async with aclosing(worker.steps(engine.speak(sentence, name, style))) as pieces:
            async for piece in pieces:
                if not np.isfinite(piece.samples).all():
                    raise SpeechFault(f"the voice made a sound that is not a number in {_quoted(sentence)}")
                peak = max(peak, float(np.abs(piece.samples).max(initial=0.0)))
                for chunk in _chunks(piece, sentence, start, first, engine.rate):
                    first += len(chunk.samples)
                    yield chunk
        _check_length(sentence, (first - start) / engine.rate, peak, style)
        await asyncio.sleep(0)  # a sentence made in no time must not keep other jobs off the loop


def _chunks(piece: Spoken, sentence: Sentence, start: int, first: int, rate: int) -> Iterable[AudioChunk]:
    """`piece` in chunks; its marks count from `start`, the sentence's first sample."""
    size = rate * CHUNK_MS // 1000
    phonemes = None if piece.phonemes is None else [Phoneme(p.name, start + p.first) for p in piece.phonemes]
    words = [_in_text(word, sentence, start) for word in piece.words]
    end = first + len(piece.samples)
    for at in range(first, end, size):
        stop = min(at + size, end)
        # Marks of silence cut away at a seam belong to the chunk next to it.
        low, high = (at if at > first else 0), (stop if stop < end else 1 << 62)
        yield AudioChunk(
            samples=np.asarray(piece.samples[at - first : stop - first], np.float32),
            rate=rate,
            first=at,
            sentence=sentence,
            phonemes=None if phonemes is None else tuple(p for p in phonemes if low <= p.first < high),
            words=tuple(w for w in words if low <= w.first < high),
        )


def _in_text(word: Word, sentence: Sentence, start: int) -> Word:
    """`word` by its place in the job's text instead of in what is read."""
    last = len(sentence.offsets) - 1
    offsets = sentence.offsets
    return Word(start + word.first, offsets[min(word.start, last)], offsets[min(word.stop, last)])


def _check_length(sentence: Sentence, seconds: float, peak: float, style: Style) -> None:
    spoken = sum(character.isalnum() for character in sentence.spoken)
    if not spoken:
        return
    if peak < _SILENT:
        raise SpeechFault(f"the voice stayed silent at {_quoted(sentence)}")
    each = seconds * style.speed / spoken
    if each > _SLOWEST_S or each < _FASTEST_S:
        raise SpeechFault(f"the voice took {seconds:.1f} s for {spoken} characters, at {_quoted(sentence)}")


def _quoted(sentence: Sentence) -> str:
    text = sentence.text if len(sentence.text) <= 60 else sentence.text[:57] + "..."
    return f'sentence {sentence.index + 1}, "{text}"'
