"""A session's text, sound and clock, driven frame by frame without a wall clock."""

import threading

import numpy as np
import pytest

from core.errors import BadInput
from core.live.cutter import Cutter
from core.live.pacer import paced
from core.live.script import FADE_S, TEXT_WAITING
from core.live.sound import Sound
from core.text import sentences
from core.types import AudioChunk, Word
from tests.support.fakes import Beeps
from tests.support.stage import FPS, STEP, offline, staged, until


def cut_as_written(text, size):
    cutter, found = Cutter(), []
    for at in range(0, len(text), size):
        cutter.add(text[at : at + size])
        found += cutter.take(whole=False)
    return found + cutter.take(whole=True)


TEXT = "Good morning to all of you, it is 3.5 degrees here. Dr. Smith says: wear a coat! Is it far? No."


@pytest.mark.parametrize("size", [1, 2, 7])
def test_text_as_it_is_written_is_cut_like_a_whole_text(size):
    assert [s.spoken for s in cut_as_written(TEXT, size)][-3:] == [s.spoken for s in sentences(TEXT)][-3:]
    assert cut_as_written(TEXT, size)[0].text == "Good morning to all of you,"


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_offsets_are_those_of_the_text(size):
    text = "你好，今天天气很好。明天呢？It costs 12 dollars. 后天再说。"
    found = cut_as_written(text, size)
    assert [s.index for s in found] == list(range(len(found)))
    for sentence in found:
        assert text[sentence.start :].startswith(sentence.text)
        assert sentence.start <= sentence.offsets[0] <= sentence.offsets[-1] <= len(text)


def test_text_that_never_ends_is_said_in_parts():
    found = cut_as_written("a" * 3000, 1)
    assert sum(len(s.text) for s in found) == 3000
    assert len(found) > 7


def test_marks_without_words_are_passed_over():
    assert cut_as_written("... !!! ", 1) == []


def test_what_is_said_sounds_like_the_whole_text_spoken_at_once():
    text = "One two three. Four five."
    whole = offline(text)

    async def play(stage):
        await stage.frames(3)
        stage.script.say(text)
        await stage.spoken()
        heard = await stage.frames(3 + len(whole) // STEP)
        assert np.array_equal(heard[: len(whole)], whole)
        assert not heard[len(whole) :].any()
        assert stage.heard[:3] == [None] * 3
        assert stage.ended == [(1, False, len(whole), text)]
        assert stage.at == pytest.approx((5 + len(whole) // STEP) / FPS)  # and it took as long as it lasts

    staged(play)


def test_text_comes_while_it_is_spoken():
    async def play(stage):
        for delta in ("Good morning to ", "all of you, ", "my dear ", "friends. And"):
            stage.script.add(delta)
        await until(lambda: stage.script._texts[0].sound.waiting >= 10 * STEP)
        assert (await stage.frames(10)).any()
        stage.script.add(" so on.")
        stage.script.finish()
        await stage.spoken()
        await stage.frames(200)
        ((number, cut, _, said),) = stage.ended
        assert (number, cut, said) == (1, False, "Good morning to all of you, my dear friends. And so on.")

    staged(play)


def test_an_interrupt_drops_what_waits_and_fades():
    async def play(stage):
        stage.script.interrupt()  # when idle: nothing
        stage.script.say("One two three. Four five.")
        stage.script.say("Never said.")
        await stage.spoken()
        before = await stage.frames(7)
        stage.script.interrupt()
        after = await stage.frames(3)
        fade = round(Beeps.rate * FADE_S)
        assert before[-STEP:].any()
        assert after[:fade].any()
        assert not after[fade:].any()
        assert [ended[:3] for ended in stage.ended] == [(1, True, 7 * STEP), (2, True, 0)]
        assert "One two three. Four five.".startswith(stage.ended[0][3])
        stage.script.interrupt()
        assert len(stage.ended) == 2
        stage.script.say("Again.")
        await stage.spoken()
        assert (await stage.frames(1)).any()

    staged(play)


def test_an_interrupt_frees_a_voice_that_is_far_ahead():
    async def play(stage):
        stage.script.say("One two three four five six seven eight nine ten. " * 20)
        await until(lambda: not (stage.script._waiting_s() < 10))
        stage.script.interrupt()
        stage.script.say("Again.")
        await stage.spoken()
        assert stage.script._texts[0].number == 2

    staged(play)


def test_a_slow_pipeline_slips_and_is_in_time_again_after_the_speech():
    text = "One two three four."
    whole = offline(text)

    async def play(stage):
        stage.script.say(text)
        await stage.spoken()
        heard = []
        for _ in range(-(-len(whole) // STEP)):
            heard.append(await stage.frames(1))
            stage.at += 0.1  # whoever draws takes longer than a frame lasts
        assert np.array_equal(np.concatenate(heard)[: len(whole)], whole)
        await stage.frames(2)
        began = stage.at
        await stage.frames(25)
        assert stage.at - began == pytest.approx(1)  # no burst of silence makes up for what was lost

    staged(play)


class Waits(Beeps):
    """Says its next tone when it is told to."""

    def __init__(self):
        super().__init__()
        self.turn = threading.Semaphore(1)

    def speak(self, sentence, voice, style):
        for piece in super().speak(sentence, voice, style):
            assert self.turn.acquire(timeout=20)
            yield piece


def test_a_voice_that_is_late_within_a_sentence_holds_the_clock():
    text, voice = "One two three four.", Waits()
    whole = offline(text)

    async def play(stage):
        naps = 0

        async def sleep(seconds):
            nonlocal naps
            naps, stage.at = naps + 1, stage.at + seconds
            if naps % 6 == 0 and stage.script._texts:
                first = stage.script._texts[0]
                made = first.sound.made
                voice.turn.release()
                await until(lambda: first.sound.made > made or first.closed)

        stage.sleep = sleep
        stage.chunks = paced(stage.script, FPS, lambda *_: None, lambda: stage.at, sleep)
        stage.script.say(text)
        await until(lambda: stage.script._texts[0].sound.made)
        heard = []
        while not stage.ended:
            heard.append(await stage.frames(1))
        sound = np.concatenate(heard)
        assert np.array_equal(sound[: len(whole)], whole)
        assert stage.at > 1.2 * len(whole) / Beeps.rate

    staged(play, voice)


def test_a_voice_that_fails_at_a_sentence_says_the_next():
    async def play(stage):
        stage.script.say("One. Two. Three.")
        stage.script.say("Four.")
        await stage.spoken()
        await stage.frames(200)
        assert [number for number, _ in stage.troubles] == [1]
        assert [ended[:2] for ended in stage.ended] == [(1, False), (2, False)]
        assert set(stage.heard) == {1, 2, None}

    staged(play, Beeps(fail_at=1))


def test_text_without_words_is_told_and_ends():
    async def play(stage):
        stage.script.say("!!!")
        await stage.spoken()
        await stage.frames(1)
        assert [error.code for _, error in stage.troubles] == ["empty_text"]
        assert stage.ended == [(1, False, 0, "")]

    staged(play)


def test_too_much_waiting_text_is_refused():
    async def play(stage):
        with pytest.raises(BadInput, match="at most"):
            stage.script.say("a" * (TEXT_WAITING + 1))
        assert stage.script.empty

    staged(play)


def spoken_in_parts():
    sound = Sound()
    (sentence,) = sentences("one two three")
    sound.begin(sentence)
    words = (Word(0, 0, 3), Word(333, 4, 7), Word(640, 8, 13))
    samples = np.random.default_rng(0).uniform(-1, 1, 1000).astype(np.float32)
    for first in range(0, 1000, 250):
        here = tuple(word for word in words if first <= word.first < first + 250)
        sound.add(AudioChunk(samples[first : first + 250], 16_000, first, phonemes=(), words=here))
    return sound, samples, words


def test_position_in_the_text_is_that_of_whole_words():
    sound, _, _ = spoken_in_parts()
    assert [sound.spoken(at) for at in (0, 332, 333, 639, 640, 999)] == [0, 0, 3, 3, 7, 7]
    sound.rest()
    assert sound.spoken(1000) == 13


@pytest.mark.parametrize("size", [1, 3, 640, 1000])
def test_marks_go_with_their_samples_however_they_are_taken(size):
    sound, samples, words = spoken_in_parts()
    sound.rest()
    found, taken = [], []
    while sound.waiting:
        piece = sound.take(size)
        taken.append(piece.samples)
        found += piece.words
    assert np.array_equal(np.concatenate(taken), samples)
    assert found == [(words[0], 333), (words[1], 640), (words[2], 1000)]
