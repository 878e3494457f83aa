import asyncio

import numpy as np
import pytest

from core.engines.builtin.voice import EspeakVoice
from core.errors import BadInput, SpeechFault
from core.protocols import Style
from core.runtime.worker import Worker
from core.text import sentences
from core.tts_stream import tts_stream
from core.types import Phoneme, Spoken, Word
from tests.support.fakes import Beeps, loaded


class Scripted(Beeps):
    """Says each sentence as the pieces it was given."""

    def __init__(self, *pieces):
        super().__init__()
        self.pieces = pieces

    def speak(self, sentence, voice, style):
        yield from self.pieces


@pytest.fixture(scope="module")
def built_in_voice():
    engine = EspeakVoice()
    yield engine
    engine.close()


def spoken(text, engine, style=None, language="auto"):
    async def main():
        worker = Worker("speech")
        try:
            said = sentences(text, language)
            return [
                chunk
                async for chunk in tts_stream(said, loaded("speech", engine, worker), None, style or Style())
            ]
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
        ([Spoken(noise(60))], "does not end"),
        ([Spoken(noise(1))] * 60, "does not end: 1"),
        ([Spoken(noise(0.05))], "took 0.05 s for 12 characters"),
    ],
)
def test_what_is_not_the_sentence_spoken_fails_and_names_it(pieces, message):
    with pytest.raises(SpeechFault, match=message) as caught:
        spoken("Say this aloud.", Scripted(*pieces))
    assert "Say this aloud." in str(caught.value)


def test_a_chinese_sentence_cannot_be_said_as_fast_as_an_english_one():
    assert spoken("Nine letters.", Scripted(Spoken(noise(0.3))))
    with pytest.raises(SpeechFault, match=r"sentence 1, \"这句话一共有十二个汉字呢。"):
        spoken("这句话一共有十二个汉字呢。", Scripted(Spoken(noise(0.3))))


@pytest.mark.parametrize("text", ["っ", "ッッ", "あっ。っ", "r", "𠴄¢r", "嗯", "㗎"])
@pytest.mark.parametrize("speed", [0.5, 1.0, 2.0])
def test_what_the_built_in_voice_says_shortly_is_the_sentence_spoken(built_in_voice, text, speed):
    assert spoken(text, built_in_voice, Style(speed=speed), "ja" if "っ" in text or "ッ" in text else "yue")


@pytest.mark.parametrize("text", ["好r", "好"])
def test_one_character_more_or_less_proves_nothing(text):
    assert spoken(text, Scripted(Spoken(noise(0.045))))


def test_a_voice_that_never_ends_is_left():
    closed = []

    class Endless(Beeps):
        def speak(self, sentence, voice, style):
            try:
                while True:
                    yield Spoken(noise(0.2))
            finally:
                closed.append(True)

    with pytest.raises(SpeechFault, match="does not end"):
        spoken("Hello there.", Endless())
    assert closed == [True]


def test_a_word_of_a_number_stands_for_the_whole_number():
    text = "共有12345人。"
    (sentence,) = sentences(text)
    starts = [sentence.spoken.index(word) for word in ("共有", "一万", "四十五", "人")]
    stops = [*starts[1:], len(sentence.spoken) - 1]
    words = tuple(Word(k * 4000, *span) for k, span in enumerate(zip(starts, stops, strict=True)))
    chunks = spoken(text, Scripted(Spoken(noise(2), (), words)))
    marked = [text[w.start : w.stop] for chunk in chunks for w in chunk.words]
    assert marked == ["共有", "12345", "12345", "人"]


def test_empty_pieces_are_dropped():
    empty = Spoken(np.zeros(0, np.float32))
    chunks = spoken("Hello there.", Scripted(empty, Spoken(noise(0.5)), empty))
    assert all(len(chunk.samples) for chunk in chunks)


def test_the_built_in_voice_marks_what_was_written():
    text = "价格是$1,250.99，熊猫买API。It costs 5kg."
    engine = EspeakVoice()
    try:
        chunks = spoken(text, engine)
    finally:
        engine.close()
    words = [w for chunk in chunks for w in chunk.words]
    assert [w.start for w in words] == sorted(w.start for w in words)
    written = [text[w.start : w.stop] for w in words]
    assert "$1,250.99" in written
    assert "API" in written
    assert written[-2:] == ["5", "kg"]
    assert all(part.strip() for part in written)


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
        chunks = tts_stream(sentences("Hello there."), loaded("speech", Endless(), worker), None, Style())
        await anext(chunks)
        await chunks.aclose()
        worker.close()

    asyncio.run(main())
    assert made == [1, "closed"]


def test_what_the_voice_tried_again_is_told_once_with_the_next_sound():
    none = np.zeros(0, np.float32)
    pieces = [
        Spoken(none, retried=("silent",)),
        Spoken(none, retried=("too_short",)),
        Spoken(noise(0.5)),
        Spoken(noise(0.1), retried=("no_end",)),
    ]
    chunks = spoken("Hello there.", Scripted(*pieces))
    assert [chunk.retried for chunk in chunks] == [("silent", "too_short"), (), (), ("no_end",)]


def test_a_sentence_in_a_language_that_the_voice_does_not_read_is_refused_before_it_is_spoken():
    with pytest.raises(BadInput, match="the voice reads zh, en, yue, ja, ko") as caught:
        spoken("Bonjour à tous.", Beeps(), language="fr")
    assert caught.value.code == "unsupported_language"
