"""A session's text, sound and clock, driven frame by frame without a wall clock."""

import asyncio
import itertools
import threading
from dataclasses import replace

import numpy as np
import pytest

from core.engines.builtin.mouth import visemes
from core.errors import BadInput
from core.lipsync_stream import lipsync_stream
from core.live.cutter import Cutter
from core.live.pacer import paced
from core.live.script import FADE_S, TEXT_WAITING
from core.live.sound import Sound
from core.live.voices import Speaker, Voices
from core.protocols import Style
from core.runtime.worker import Worker
from core.text import sentences
from core.types import AudioChunk, Voice, Word
from tests.support.fakes import Beeps, LoudMouth, loaded, template
from tests.support.stage import FPS, STEP, Stage, offline, staged, until


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
        assert stage.behind == pytest.approx([0.54, 1.08], abs=0.05)
        await stage.frames(2)
        assert stage.behind[2:] == [0]
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
    for at, said in ((0, 0), (332, 0), (333, 3), (639, 3), (640, 7), (999, 7)):
        sound.take(at - sound.taken)
        assert sound.spoken == said
    sound.rest()
    sound.take(1)
    assert sound.spoken == 13


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


def test_words_are_told_as_they_sound_where_the_voice_marks_none():
    text = "Good morning, it is <b>half</b> past 3.50. 你好吗？"

    async def play(stage):
        stage.script.say(text)
        await stage.spoken()
        lengths = []
        while not stage.ended:
            await stage.frames(1)
            lengths.append(len(stage.words))
        assert stage.words[:7] == ["Good", "morning", "it", "is", "half", "past", "3.50"]
        assert "".join(stage.words[7:]) == "你好吗"  # by words where they are known
        assert lengths[0] == 1
        assert max(np.diff(lengths)) == 1
        assert stage.ended[0][3] == text

    staged(play)


def test_what_was_said_grows_word_by_word():
    text = "Good morning to all of you. And so on."

    async def play(stage):
        stage.script.say(text)
        await stage.spoken()
        said = [""]
        while stage.script._texts:
            await stage.frames(1)
            said += [one.spoken() for one in stage.script._texts]
        grown = [b[len(a) :] for a, b in itertools.pairwise(said) if a != b]
        assert all(text.startswith(one) for one in said)
        assert grown == ["Good", " morning", " to", " all", " of", " you.", " And", " so", " on."]
        assert stage.ended[0][3] == text

    staged(play)


@pytest.mark.parametrize("moment", range(1, 33, 3))
def test_however_it_is_interrupted_the_lips_are_shut_soon(moment):
    """Frames: one may still sound, then the lips have three."""

    async def play(stage):
        lips = Gaps()
        worker = Worker("lipsync")
        frames = lipsync_stream(stage.chunks, loaded("lipsync", lips, worker), template(), {}, batch=1)

        async def made(count):
            return [await anext(frames) for _ in range(count)]

        stage.script.say("One two three. Four five six, seven.")
        stage.script.say("Never said.")
        await stage.spoken()
        before = await made(moment)
        stage.script.interrupt()
        after = await made(6)
        sound = np.concatenate([one.audio for one in before])
        assert before[-1].patches.any()
        assert not any(one.audio.any() for one in after[1:])
        assert not any(one.patches.any() for one in after[3:])
        assert stage.ended[0][:3] == (1, True, len(sound))
        assert "One two three. Four five six, seven.".startswith(stage.ended[0][3])
        assert stage.ended[1] == (2, True, 0, "")
        stage.script.say("Again.")
        await stage.spoken()
        (first,) = await made(1)
        assert first.audio.any()
        assert first.patches.any()
        await frames.aclose()
        worker.close()

    staged(play, reach=visemes.span(0, Beeps.rate, FPS)[1] - STEP)


class Gaps(LoudMouth):
    """Paints how far the built-in lips would be open."""

    def span(self, frame, rate, fps):
        return visemes.span(frame, rate, fps)

    def draw(self, drawing):
        gaps = visemes.mouth_track(drawing.frames, drawing.fps, drawing.speech)[:, 0]
        out = np.zeros_like(drawing.crops)
        out[:] = np.clip(gaps * 255, 0, 255).astype(np.uint8)[:, None, None, None]
        return out


class Choir(Beeps):
    """Voices that say other tones."""

    def __init__(self, voices=4):
        super().__init__()
        self.names = [f"v{k}" for k in range(voices)]

    def voices(self):
        return [Voice(name, ("en", "zh")) for name in self.names]

    def speak(self, sentence, voice, style):
        for piece in super().speak(sentence, voice, style):
            yield replace(piece, samples=piece.samples * (1 + self.names.index(voice)) / 8)


async def test_four_sessions_with_four_voices_hear_nobody_else():
    texts = [f"Number {k}, here. " * (k + 1) for k in range(4)]
    wholes = [await asyncio.to_thread(offline, text) for text in texts]

    worker = Worker("speech")
    speech = loaded("speech", Choir(), worker)
    stages = [Stage(speech, voice=f"v{k}") for k in range(4)]
    speaking = [asyncio.create_task(stage.script.speak()) for stage in stages]
    for stage, text in zip(stages, texts, strict=True):
        stage.script.say(text)
    await asyncio.gather(*(stage.spoken() for stage in stages))
    for k, (stage, whole) in enumerate(zip(stages, wholes, strict=True)):
        heard = await stage.frames(len(whole) // STEP + 2)
        assert np.allclose(heard[: len(whole)], whole * np.float32((1 + k) / 8))
        assert not heard[len(whole) :].any()
    for task in speaking:
        task.cancel()
    await asyncio.gather(*speaking, return_exceptions=True)
    worker.close()


class Low(Beeps):
    rate = 8_000


def test_a_voice_of_another_rate_speaks_the_sentences_that_it_reads():
    asked = []

    async def main():
        workers = Worker("a"), Worker("b")
        english, chinese = (loaded("speech", e, w) for e, w in zip((Beeps(), Low()), workers, strict=True))

        async def find(_voice, languages):
            asked.append(sorted(languages))
            return chinese if "zh" in languages else english

        voices = Voices(find, Speaker(), Beeps.rate)
        found = []
        for text in ("One two.", "你好。"):
            (sentence,) = sentences(text)
            chunks = [chunk async for chunk in voices.speak(sentence, {sentence.language})]
            assert [c.first for c in chunks] == np.cumsum([0, *(len(c.samples) for c in chunks)])[
                :-1
            ].tolist()
            found.append([p.first for c in chunks for p in c.phonemes])
            length = len(sentence.spoken) * STEP
            assert sum(len(c.samples) for c in chunks) == pytest.approx(length, abs=2)
            assert {c.rate for c in chunks} == {Beeps.rate}
        assert found[1] == [0, *([0] * (len(found[1]) - 1))]  # as `Beeps` marks them
        for worker in workers:
            worker.close()

    asyncio.run(main())
    assert asked == [["en"], ["zh"]]


def test_one_voice_reads_all_of_a_text():
    async def play(stage):
        asked = []

        async def find(_voice, languages):
            asked.append(sorted(languages))
            return loaded("speech", Beeps(), worker)

        worker = Worker("speech")
        stage.script._voices = Voices(find, Speaker(), Beeps.rate)
        stage.script.say("Hello. 你好。")
        stage.script.say("Hello.")
        await stage.spoken()
        worker.close()
        assert asked == [["en", "zh"], ["en", "zh"], ["en"]]

    staged(play)


def test_each_text_may_have_a_voice_and_a_style_of_its_own():
    whole = offline("One two.")

    async def play(stage):
        stage.script.say("One two.", Speaker("v3"))
        stage.script.say("One two.", Speaker("nobody"))
        stage.script.say("One two.", Speaker("v1", Style(speed=2)))
        stage.script.say("One two.")
        await stage.spoken()
        texts = list(stage.script._texts)
        sounds = [text.sound.peek(1 << 30).samples for text in texts]
        assert np.allclose(sounds[0], whole / 2)
        assert [(number, error.code) for number, error in stage.troubles] == [(2, "unknown_voice")]
        assert len(sounds[1]) == 0
        assert len(sounds[2]) == pytest.approx(len(whole) / 2, abs=2)
        assert np.allclose(sounds[3], whole / 8)

    staged(play, Choir())


def test_a_sentence_whose_end_is_known_only_after_it_was_heard_has_been_said():
    sound, _, _ = spoken_in_parts()
    sound.take(1000)
    sound.rest()
    assert sound.spoken == 13


@pytest.mark.parametrize("size", [1, 7, 200])
def test_actions_come_with_their_words_and_those_behind_the_last_one_too(size):
    text = "Well, [[nod]] hello to you all. [[wave]] Good bye! [[bow]]"

    async def play(stage):
        for at in range(0, len(text), size):
            stage.script.add(text[at : at + size])
            await stage.frames(2)
        stage.script.finish()
        await stage.spoken()
        await stage.frames(200)
        assert [name for _, name in stage.actions] == ["nod", "wave", "bow"]
        assert stage.actions[0][0] <= stage.heard.index(1) + 40
        assert stage.actions[1][0] < stage.actions[2][0] <= len(stage.heard)
        assert not stage.troubles

    staged(play)


def test_a_text_may_be_an_action_alone():
    async def play(stage):
        stage.script.say("[[wave]]")
        await stage.spoken()
        await stage.frames(3)
        assert [name for _, name in stage.actions] == ["wave"]
        assert not stage.troubles

    staged(play)
