import asyncio

import numpy as np
import pytest

from core.engines.base import Style
from core.text import sentences
from core.tts_stream import SpeechFault, tts_stream
from core.types import Phoneme, Spoken, Word
from core.worker import Worker
from tests.fakes import Beeps


class Scripted(Beeps):
    """Says each sentence as the pieces it was given."""

    def __init__(self, *pieces):
        super().__init__()
        self.pieces = pieces

    def speak(self, sentence, voice, style):
        yield from self.pieces


def spoken(text, engine):
    async def main():
        worker = Worker("speech")
        try:
            return [chunk async for chunk in tts_stream(sentences(text), engine, worker, None, Style())]
        finally:
            worker.close()

    return asyncio.run(main())


def noise(seconds, rate=Beeps.rate):
    return np.random.default_rng(0).uniform(-0.1, 0.1, int(seconds * rate)).astype(np.float32)


def test_chunks_are_short_and_follow_one_another_without_a_gap():
    chunks = spoken("One two three. Four five six.", Scripted(Spoken(noise(1.1)), Spoken(noise(0.05))))
    assert max(len(chunk.samples) for chunk in chunks) <= 0.2 * Beeps.rate
    ends = np.cumsum([len(chunk.samples) for chunk in chunks])
    assert [chunk.first for chunk in chunks] == [0, *ends[:-1]]
    whole = np.concatenate([noise(1.1), noise(0.05)])
    assert np.array_equal(np.concatenate([chunk.samples for chunk in chunks]), np.tile(whole, 2))


def test_marks_travel_with_their_chunk_on_the_clock_of_the_job():
    piece = Spoken(noise(1.0), (Phoneme("a", 0), Phoneme("b", 9_000)), (Word(9_000, 4, 7),))
    chunks = spoken("One two. Six ten.", Scripted(piece))
    phonemes = [p for chunk in chunks for p in chunk.phonemes]
    assert phonemes == [Phoneme("a", 0), Phoneme("b", 9_000), Phoneme("a", 16_000), Phoneme("b", 25_000)]
    words = [(word, chunk) for chunk in chunks for word in chunk.words]
    text = "One two. Six ten."
    assert [text[word.start : word.stop] for word, _ in words] == ["two", "ten"]
    assert all(chunk.first <= word.first < chunk.first + len(chunk.samples) for word, chunk in words)


def test_a_voice_without_phonemes_says_so():
    assert {chunk.phonemes for chunk in spoken("Hello.", Scripted(Spoken(noise(0.5))))} == {None}


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ([Spoken(np.full(8000, np.nan, np.float32))], "not a number"),
        ([Spoken(np.zeros(8000, np.float32))], "stayed silent"),
        ([], "stayed silent"),
        ([Spoken(noise(60))], "took 60.0 s for"),
        ([Spoken(noise(0.05))], r"took 0.1 s for|took 0.0 s for"),
    ],
)
def test_what_is_not_the_sentence_spoken_fails_and_names_it(pieces, message):
    with pytest.raises(SpeechFault, match=message) as caught:
        spoken("Say this aloud.", Scripted(*pieces))
    assert "Say this aloud." in str(caught.value)


def test_leaving_early_frees_the_engine():
    made = []

    class Endless(Beeps):
        def speak(self, sentence, voice, style):
            try:
                while True:
                    made.append(1)
                    yield Spoken(noise(0.2))
            finally:
                made.append("closed")

    async def main():
        worker = Worker("speech")
        chunks = tts_stream(sentences("Hello there."), Endless(), worker, None, Style())
        await anext(chunks)
        await chunks.aclose()
        worker.close()

    asyncio.run(main())
    assert made == [1, "closed"]
