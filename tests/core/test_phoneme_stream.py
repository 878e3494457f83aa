import asyncio
from functools import partial

import numpy as np
import pytest

from core.engines.builtin.voice import EspeakVoice
from core.engines.hibari.engine import HibariVoice
from core.phoneme_stream import HELD_S, STEP_S, phoneme_stream
from core.protocols import Style
from core.runtime.worker import Worker
from core.text import sentences
from core.tts_stream import tts_stream
from core.types import Spoken
from tests.support.fakes import Beeps, loaded

ENGLISH = "Please bring a big map. My brother bought a better bumper, and Pam may be upset."
CHINESE = "爸爸妈妈买了面包和苹果。明天不要忘记把票带来。"


class Untold:
    """A voice of another timbre that does not tell its phonemes; `truth` has them, on the job's clock."""

    def __init__(self, engine, voice, tells=False, size=None):
        """size: seconds of its pieces, instead of the engine's own."""
        self.engine, self.voice, self.rate, self.tells = engine, voice, engine.rate, tells
        self.size = round(size * engine.rate) if size else 1 << 30
        self.truth, self.said = [], 0

    def voices(self):
        return self.engine.voices()

    def speak(self, sentence, voice, style):
        for piece in self.engine.speak(sentence, self.voice, style):
            start = self.said - sum(len(s) for s in self.parts(sentence))
            self.truth += [(one.name, start + one.first) for one in piece.phonemes]
            self._parts[1].append(piece.samples)
            self.said += len(piece.samples)
            for at in range(0, len(piece.samples), self.size):
                some, words = piece.samples[at : at + self.size], piece.words if at == 0 else ()
                yield Spoken(some, piece.phonemes if self.tells else None, words)
        self.said += round(self.rate * sentence.pause)

    _parts = (None, [])

    def parts(self, sentence):
        if self._parts[0] is not sentence:
            self._parts = (sentence, [])
        return self._parts[1]

    def close(self):
        pass


@pytest.fixture(scope="module")
def espeak():
    engine = EspeakVoice()
    yield engine
    engine.close()


def streamed(text, voice, reader):
    """What the voice says, and the same with phonemes told."""

    async def main():
        workers = Worker("speech"), Worker("reader")

        async def load():
            return loaded("speech", reader, workers[1])

        try:
            said = partial(tts_stream, sentences(text), loaded("speech", voice, workers[0]), None, Style())
            return [c async for c in phoneme_stream(said(), load, Style())]
        finally:
            for worker in workers:
                worker.close()

    return asyncio.run(main())


def shut(marks):
    return np.array([at for name, at in marks if set(name) & set("pbm")])


@pytest.mark.slow
def test_lips_shut_where_a_voice_that_tells_nothing_shuts_them(espeak):
    close = total = 0
    for text, timbre in ((ENGLISH, "male-2"), (ENGLISH, "british-male"), (CHINESE, "male-2")):
        voice = Untold(espeak, timbre)
        chunks = streamed(text, voice, espeak)
        told = shut([(one.name, one.first) for chunk in chunks for one in chunk.phonemes])
        true = shut(voice.truth)
        assert len(told) == len(true) > 8
        total += len(true)
        close += int((np.abs(told - true) < 0.06 * voice.rate).sum())
    assert close >= 0.85 * total, f"{close} of {total}"


@pytest.mark.slow
def test_lips_shut_in_another_engines_voice_however_its_sound_comes(espeak):
    hibari = HibariVoice()
    for size in (0.2, 0.03):
        voice = Untold(hibari, "heart", size=size)
        chunks = streamed(ENGLISH, voice, espeak)
        told = shut([(one.name, one.first) for chunk in chunks for one in chunk.phonemes])
        true = shut(voice.truth)
        assert len(told) == len(true) > 8
        assert np.mean(np.abs(told - true) < 0.06 * voice.rate) >= 0.9
        assert abs(np.median(told - true)) < 0.02 * voice.rate
        parts = [len(chunk.samples) for chunk in chunks if chunk.first + len(chunk.samples) < voice.said]
        assert np.median(parts) >= round(STEP_S * voice.rate)
    hibari.close()


@pytest.mark.slow
def test_the_sound_is_the_same_and_follows_at_once(espeak):
    plain = streamed(ENGLISH, Untold(espeak, "male-2", tells=True), espeak)
    chunks = streamed(ENGLISH, Untold(espeak, "male-2"), espeak)
    assert np.array_equal(*(np.concatenate([c.samples for c in some]) for some in (plain, chunks)))
    ends = np.cumsum([len(chunk.samples) for chunk in chunks])
    assert [chunk.first for chunk in chunks] == [0, *ends[:-1]]
    assert all(chunk.first <= one.first for chunk in chunks for one in chunk.phonemes)
    assert len(chunks[0].samples) <= len(plain[0].samples) + round((HELD_S + STEP_S) * espeak.rate)
    assert [w for c in chunks for w in c.words] == [w for c in plain for w in c.words]
    assert {c.sentence.index for c in chunks} == {0, 1}


def test_a_voice_that_tells_its_phonemes_is_left_as_it_is(espeak):
    class Broken(Beeps):
        def speak(self, sentence, voice, style):
            raise AssertionError("nobody asks it")

    voice = Untold(espeak, "male-2", tells=True)
    chunks = streamed(ENGLISH, voice, Broken())
    assert [(one.name, one.first) for c in chunks for one in c.phonemes if one.name] == [
        mark for mark in voice.truth if mark[0]
    ]


def test_what_the_reader_cannot_read_stays_untold(espeak):
    class Illiterate(Beeps):
        def voices(self):
            return ()

    chunks = streamed(ENGLISH, Untold(espeak, "male-2"), Illiterate())
    assert all(chunk.phonemes is None for chunk in chunks)
    assert sum(len(chunk.samples) for chunk in chunks) > espeak.rate
