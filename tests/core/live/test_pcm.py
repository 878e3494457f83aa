"""Sound that is given to a session, cut anywhere, alone and among texts."""

import numpy as np
import pytest

from core.errors import BadInput
from core.lipsync_stream import lipsync_stream
from core.live.pcm import Pcm
from core.live.script import SOUND_WAITING_S
from core.runtime.worker import Worker
from core.types import frame_start
from tests.support.fakes import Beeps, LoudMouth, loaded, template
from tests.support.stage import FPS, STEP, offline, staged

RATE, CHANNELS = 24_000, 2
REACH = LoudMouth().span(0, Beeps.rate, FPS)[1] - frame_start(1, Beeps.rate, FPS)


def noise(seconds, rate=RATE, channels=CHANNELS):
    rng = np.random.default_rng(1)
    return (rng.uniform(-9000, 9000, (round(seconds * rate), channels))).astype("<i2").tobytes()


def pieces(data, size):
    return [data[at : at + size] for at in range(0, len(data), size)]


async def drawn(stage, count):
    """The next frames as they are drawn, and their sound."""
    worker = Worker("lipsync")
    frames = lipsync_stream(
        stage.chunks, loaded("lipsync", LoudMouth(), worker), template(fps=FPS), {}, batch=1
    )
    made = [await anext(frames) for _ in range(count)]
    worker.close()
    return np.concatenate([m.patches for m in made]), np.concatenate([m.audio for m in made])


def heard_in_pieces(data, size):
    found = []

    async def play(stage):
        stage.script.audio_format(RATE, CHANNELS)
        for piece in pieces(data, size):
            stage.script.add_audio(piece)
        stage.script.finish_audio()
        found.append(await drawn(stage, 20))
        assert [ended[:2] for ended in stage.ended] == [(1, False)]
        assert not stage.troubles

    staged(play, reach=REACH)
    return found[0]


@pytest.mark.slow
def test_sound_cut_anywhere_gives_the_same_frames():
    data = noise(0.5)
    patches, sound = heard_in_pieces(data, 1 << 20)
    assert sound[: STEP * 12].any()
    for size in (1, 2, 3, 977, 4800):
        other, same = heard_in_pieces(data, size)
        assert np.array_equal(other, patches)
        assert np.array_equal(same, sound)


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16_000, 1), (44_100, 2), (48_000, 6)])
def test_sound_lasts_as_long_as_it_did_and_is_as_loud(rate, channels):
    tone = np.sin(2 * np.pi * 300 * np.arange(rate) / rate) * 16_384
    pcm = Pcm(rate, channels, 24_000)
    data = np.repeat(tone[:, None], channels, 1).astype("<i2").tobytes()
    samples = np.concatenate([*(pcm.push(piece) for piece in pieces(data, 3333)), pcm.finish()])
    assert abs(len(samples) - 24_000) <= 1
    assert np.abs(samples[2000:-2000]).max() == pytest.approx(0.5, abs=0.01)
    assert pcm.cut == 0


def test_text_and_sound_are_heard_in_their_order():
    text = "One two three."
    whole = offline(text)

    async def play(stage):
        stage.script.audio_format(Beeps.rate)
        stage.script.add_audio(noise(0.2, Beeps.rate, 1))
        stage.script.add(text)  # the sound is whole now
        stage.script.add_audio(noise(0.2, Beeps.rate, 1))  # and so is the text
        stage.script.finish_audio()
        await stage.spoken()
        sound = await stage.frames(10 + len(whole) // STEP)
        assert np.array_equal(sound[5 * STEP : 5 * STEP + len(whole)], whole)
        assert [n for n in stage.heard if n] == [1] * 5 + [2] * -(-len(whole) // STEP) + [3] * 5
        assert [ended[:2] for ended in stage.ended] == [(1, False), (2, False)]

    staged(play, reach=REACH)


def test_the_lips_know_what_comes_before_it_is_let_go():
    async def play(stage):
        stage.script.audio_format(Beeps.rate)
        stage.script.add_audio(noise(1, Beeps.rate, 1))
        chunk = await anext(stage.chunks)
        (ahead, rest) = chunk.ahead
        assert (ahead.first, len(ahead.samples), rest.first) == (STEP, REACH, STEP + REACH)
        assert stage.heard == [1]  # one frame of it has been let go
        stage.script.interrupt()
        await anext(stage.chunks)
        _, sound = await drawn(stage, 1)
        assert not sound.any()

    staged(play, reach=REACH)


def test_sound_that_is_just_being_made_waits_until_the_lips_hear_enough_of_it():
    async def play(stage):
        script = stage.script
        script.audio_format(Beeps.rate)
        for piece in pieces(noise(0.4, Beeps.rate, 1), 2 * STEP):
            script.add_audio(piece)
            await stage.frames(1)
        late = -(-REACH // STEP)
        assert stage.heard == [None] * late + [1] * (10 - late)
        script.finish_audio()
        await stage.frames(late + 1)
        assert stage.heard[10:] == [1] * late + [None]

    staged(play, reach=REACH)


def test_sound_that_stays_away_holds_the_clock_once_and_not_at_every_frame():
    async def play(stage):
        stage.script.audio_format(Beeps.rate)
        stage.script.add_audio(noise(0.4, Beeps.rate, 1))
        await stage.frames(60)  # ten of sound, then nothing comes any more
        assert stage.at < 60 / FPS + 0.6
        assert not stage.ended
        stage.script.finish_audio()
        await stage.frames(1)
        assert stage.ended == [(1, False, 10 * STEP, "")]

    staged(play)


def test_an_interrupt_drops_the_sound_that_waits():
    async def play(stage):
        stage.script.audio_format(Beeps.rate)
        stage.script.add_audio(noise(3, Beeps.rate, 1))
        await stage.frames(5)
        stage.script.interrupt()
        assert stage.ended == [(1, True, 5 * STEP, "")]
        assert not (await stage.frames(3))[STEP:].any()
        stage.script.add_audio(noise(1, Beeps.rate, 1))
        await stage.frames(1)
        assert stage.heard[-1] == 2

    staged(play)


def test_sound_that_breaks_off_within_a_sample_is_told_and_heard():
    async def play(stage):
        stage.script.audio_format(Beeps.rate)
        stage.script.add_audio(noise(0.2, Beeps.rate, 1) + b"\0")
        stage.script.finish_audio()
        await stage.frames(6)
        assert [error.code for _, error in stage.troubles] == ["audio_cut"]
        assert stage.ended == [(1, False, 5 * STEP, "")]

    staged(play)


def test_what_cannot_be_heard_is_refused():
    async def play(stage):
        script = stage.script
        with pytest.raises(BadInput, match="first"):
            script.add_audio(b"\0\0")
        for wrong in ((7999,), (200_000,), (16_000, 0), (16_000, 9), (16_000, 1, "f32le")):
            with pytest.raises(BadInput) as error:
                script.audio_format(*wrong)
            assert error.value.code == "audio_format"
        script.audio_format(Beeps.rate)
        second = bytes(2 * Beeps.rate)
        for _ in range(int(SOUND_WAITING_S)):
            script.add_audio(second)
        with pytest.raises(BadInput, match="at most 120") as error:
            script.add_audio(second)
        assert error.value.code == "audio_waiting"
        await stage.frames(26)
        script.add_audio(second)  # there is room again

    staged(play)


def test_silence_for_ever_is_no_trouble():
    async def play(stage):
        stage.script.audio_format(Beeps.rate)
        for _ in range(100):
            stage.script.add_audio(bytes(2 * Beeps.rate))
            assert not (await stage.frames(FPS)).any()
            assert stage.script._waiting_s() == 0
        assert not stage.troubles
        assert not stage.ended

    staged(play)


def test_a_session_that_has_slipped_is_in_time_again_in_a_silence_of_the_sound():
    loud, quiet = noise(0.4, Beeps.rate, 1), bytes(2 * Beeps.rate)

    async def play(stage):
        stage.script.audio_format(Beeps.rate)
        stage.script.add_audio(loud + quiet + loud + quiet)
        heard = []
        for _ in range(10):
            heard.append(await stage.frames(1))
            stage.at += 0.1
        assert stage.behind == pytest.approx([0.54], abs=0.05)
        began = stage.at
        heard.append(await stage.frames(1))
        assert stage.behind[1:] == [0]
        while (
            len(stage.heard) < 11 + 25 + 10 - 15
        ):  # the silence is shorter, by 15 frames; the speech is whole
            heard.append(await stage.frames(1))
        assert stage.at - began == pytest.approx(20 / FPS, abs=0.1)
        sound = np.concatenate(heard)
        parts = np.frombuffer(loud, "<i2") / np.float32(32768)
        assert np.array_equal(sound[: 10 * STEP], parts)
        assert np.array_equal(sound[-10 * STEP :], parts)

    staged(play)
