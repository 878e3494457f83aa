"""Turn sentences into speech, piece by piece, on the job's sample clock.

What an engine returns is looked at here, whichever engine it is: sound that is not finite, or a sentence that
comes back silent or absurdly short or long, fails the job and names the sentence. Nothing is passed on as
silence.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace

import numpy as np

from core.errors import BadInput, SpeechFault, SpeechServerFailed
from core.protocols import Proofreads, SpeechEngine, Style
from core.serving.loaded import LoadedEngine, speak, voices
from core.text.scripts import PLAIN
from core.types import AudioChunk, Phoneme, Sentence, Spoken, Word

CHUNK_MS = 200
"""Longest chunk; an engine may give shorter pieces."""

_SILENT = 1e-3
"""Peak below which a sentence has not been spoken: -60 dBFS."""

_FASTEST_S, _FASTEST_ELSE_S = {"en": 0.015} | dict.fromkeys(PLAIN, 0.015), 0.04
_SLOWEST_S, _SLOWEST_ELSE_S = {"en": 0.4}, 1.0
_SLOWEST_AT_ALL_S = 3.0
"""Seconds a spoken character may take at speed 1, and may take longer all in all; outside, the engine has
skipped words or sticks at one. Voices need 0.06 s for a letter and 0.2 s for a Chinese character."""

_NOT_COUNTED = 1
"""A character more or less proves nothing, and a text of one or two is over in no time."""

_SOUNDLESS = "っッー"
"""Kana that stop or lengthen the sound before them; by themselves they are rightly silent."""


async def _speaker(speech: LoadedEngine[SpeechEngine], voice: str | None) -> tuple[str, Sequence[str]]:
    """Who speaks, and the languages that it reads; none where nobody knows.

    voice: None is the engine's first. One the engine does not have is for itself to refuse.
    """
    known = await voices(speech)
    if voice is not None:
        return voice, next((one.languages for one in known if one.name == voice), ())
    if not known:
        message = (
            "this engine has no voice yet; add one with: lipstream voices add NAME --audio FILE --text TEXT"
        )
        raise BadInput("no_voice", message, "voice")
    return known[0].name, known[0].languages


async def check_voice(speech: LoadedEngine[SpeechEngine], voice: str | None) -> None:
    """Raises BadInput `unknown_voice` for one that the engine does not have; None is its first."""
    known = [one.name for one in await voices(speech)]
    if voice is not None and voice not in known:
        message = f"the {speech.name} engine has no voice {voice[:80]!r}; it has: {', '.join(known)}"
        raise BadInput("unknown_voice", message, "voice")


def check_readable(said: Iterable[Sentence], engine: SpeechEngine, voice: str | None) -> None:
    """Raises BadInput for what the voice cannot read, as far as that can be told before it speaks.

    voice: None is the engine's first. A voice the engine does not have is for the caller to refuse.
    """
    known = {known.name: known.languages for known in engine.voices()}
    languages = known.get(voice, ()) if voice is not None else next(iter(known.values()), ())
    for sentence in said:
        _check_language(sentence, languages)
        if isinstance(engine, Proofreads):
            engine.proofread(sentence)


def _check_language(sentence: Sentence, languages: Sequence[str]) -> None:
    if languages and sentence.language not in languages:
        message = f"the voice reads {', '.join(languages)}, and {_quoted(sentence)} is {sentence.language}"
        raise BadInput("unsupported_language", f"{message}; take another voice", "text")


async def tts_stream(
    said: Iterable[Sentence], speech: LoadedEngine[SpeechEngine], voice: str | None, style: Style
) -> AsyncGenerator[AudioChunk, None]:
    """Yield the sound of `said`, in order, as soon as it is made; chunks of at most 200 ms.

    voice: None is the engine's first. Closing it frees the engine within one of its steps.

    Raises BadInput for what the voice cannot read, SpeechFault for sound that cannot be it,
    SpeechServerFailed.
    """
    name, languages = await _speaker(speech, voice)
    rate = speech.engine.rate
    first = 0
    for sentence in said:
        _check_language(sentence, languages)
        start, peak, known = first, 0.0, False
        retried: tuple[str, ...] = ()
        with _naming(sentence):
            async with aclosing(speech.steps(speak, sentence, name, style)) as pieces:
                async for piece in pieces:
                    if not np.isfinite(piece.samples).all():
                        raise SpeechFault(
                            f"the voice made a sound that is not a number at {_quoted(sentence)}"
                        )
                    peak = max(peak, float(np.abs(piece.samples).max(initial=0.0)))
                    retried += piece.retried
                    known = known or piece.phonemes is not None
                    for chunk in _chunks(piece, sentence, start, first, rate):
                        first += len(chunk.samples)
                        yield replace(chunk, retried=retried) if retried else chunk
                        retried = ()
                    _check_not_stuck(sentence, (first - start) / rate, style)
        _check_spoken(sentence, (first - start) / rate, peak, style)
        for chunk in _silence(sentence, first, rate, phonemes=known):
            first += len(chunk.samples)
            yield chunk
        await asyncio.sleep(0)  # a sentence made in no time must not keep other jobs off the loop


@contextmanager
def _naming(sentence: Sentence) -> Iterator[None]:
    """A speech server that fails in the block is told with the sentence at which it did."""
    try:
        yield
    except SpeechServerFailed as error:
        message = f"{error.message}; at {_quoted(sentence)}"
        raise SpeechServerFailed(message, error.why, error.retry_after_s) from error


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


def _silence(sentence: Sentence, first: int, rate: int, *, phonemes: bool) -> Iterator[AudioChunk]:
    """The pause that the text asks for after `sentence`, in chunks; whatever the voice, it is as long.

    phonemes: does the voice tell them?
    """
    end = first + round(rate * sentence.pause)
    size = rate * CHUNK_MS // 1000
    for at in range(first, end, size):
        samples = np.zeros(min(size, end - at), np.float32)
        silent = (Phoneme("", at),) if at == first else ()
        yield AudioChunk(samples, rate, at, sentence, phonemes=silent if phonemes else None)


def _in_text(word: Word, sentence: Sentence, start: int) -> Word:
    """`word` by its place in the job's text instead of in what is read; of a number, the whole number."""
    offsets = sentence.offsets
    last = len(offsets) - 1
    begin = offsets[min(word.start, last)]
    after = bisect_right(offsets, offsets[min(max(word.stop - 1, word.start), last)])
    return Word(start + word.first, begin, offsets[min(after, last)])


def _check_not_stuck(sentence: Sentence, seconds: float, style: Style) -> None:
    each = _SLOWEST_S.get(sentence.language, _SLOWEST_ELSE_S)
    if seconds * style.speed > _SLOWEST_AT_ALL_S + each * len(sentence.spoken):
        raise SpeechFault(f"the voice does not end: {seconds:.1f} s and more at {_quoted(sentence)}")


def _check_spoken(sentence: Sentence, seconds: float, peak: float, style: Style) -> None:
    characters = sum(character.isalnum() and character not in _SOUNDLESS for character in sentence.spoken)
    if not characters:
        return
    if peak < _SILENT:
        raise SpeechFault(f"the voice stayed silent at {_quoted(sentence)}")
    fastest = _FASTEST_S.get(sentence.language, _FASTEST_ELSE_S)
    if seconds * style.speed < (characters - _NOT_COUNTED) * fastest:
        raise SpeechFault(
            f"the voice took {seconds:.2f} s for {characters} characters at {_quoted(sentence)}"
        )


def _quoted(sentence: Sentence) -> str:
    text = sentence.text if len(sentence.text) <= 60 else sentence.text[:57] + "..."
    return f'sentence {sentence.index + 1}, "{text}"'
