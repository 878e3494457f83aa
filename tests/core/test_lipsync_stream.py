import asyncio

import numpy as np
import pytest

from core.lipsync_stream import lipsync_stream
from core.runtime.pipeline import Pipeline
from core.runtime.worker import Worker
from core.types import AudioChunk, Phoneme, frame_count
from tests.support.fakes import LoudMouth, loaded, template

RATE = 16_000


def render(samples, sizes, batch, engine=None, phonemes=None, fps=25, found=None):
    async def chunks():
        at = 0
        for size in sizes:
            here = None if phonemes is None else tuple(p for p in phonemes if at <= p.first < at + size)
            yield AudioChunk(samples[at : at + size], RATE, at, phonemes=here)
            at += size

    async def main():
        worker, out = Worker("lipsync"), []
        try:
            async with Pipeline() as pipe:
                audio = pipe.stage("tts", chunks(), limit=4)
                scene = template(fps=fps, found=found)
                lips = loaded("lipsync", engine or LoudMouth(), worker)
                frames = lipsync_stream(audio, lips, scene, {}, batch=batch)
                async for one in pipe.stage("lipsync", frames, limit=1):
                    out.append(one)
        finally:
            worker.close()
        return out

    return asyncio.run(main())


def join(batches, name):
    return np.concatenate([getattr(batch, name) for batch in batches])


@pytest.mark.parametrize("fps", [10, 24, 25, 30, 60])
@pytest.mark.parametrize("batch", [1, 5, 16])
@pytest.mark.parametrize("length", [1, 639, 640, 641, 40_000])
def test_frames_do_not_depend_on_how_the_audio_was_cut(length, batch, fps):
    rng = np.random.default_rng(0)
    samples = rng.uniform(-1, 1, length).astype(np.float32)
    phonemes = tuple(Phoneme("a", int(at)) for at in np.unique(rng.integers(0, length, length // 2000)))
    whole = render(samples, [length], 16, phonemes=phonemes, fps=fps)
    cut = render(samples, rng.multinomial(length, [1 / 7] * 7), batch, phonemes=phonemes, fps=fps)

    assert np.array_equal(join(whole, "patches"), join(cut, "patches"))
    assert np.array_equal(join(cut, "audio")[:length], samples)
    assert not join(cut, "audio")[length:].any()
    assert len(join(cut, "patches")) == frame_count(length, RATE, fps)
    assert [b.first for b in cut] == np.cumsum([0, *map(len, cut)])[:-1].tolist()


def test_no_audio_no_frames():
    assert render(np.zeros(0, np.float32), [], 8) == []


def test_the_first_batches_are_small_so_that_the_first_frame_is_early():
    batches = render(np.zeros(RATE * 2, np.float32), [RATE * 2], 8)
    assert [len(b) for b in batches][:4] == [1, 2, 4, 8]


def test_the_first_frame_waits_for_no_more_speech_than_it_listens_to():
    async def main():
        heard = 0

        async def chunks():
            nonlocal heard
            for at in range(0, RATE * 10, 160):
                heard = at + 160
                yield AudioChunk(np.zeros(160, np.float32), RATE, at)

        worker = Worker("lipsync")
        frames = lipsync_stream(chunks(), loaded("lipsync", LoudMouth(), worker), template(), {}, batch=8)
        await anext(frames)
        await frames.aclose()
        worker.close()
        return heard

    assert asyncio.run(main()) == RATE // 5


def test_frames_go_forwards_then_backwards_and_faceless_ones_are_marked():
    batches = render(np.ones(RATE // 25 * 9, np.float32), [RATE // 25 * 9], 4, found=[1, 1, 0, 1, 1])
    assert join(batches, "numbers").tolist() == [0, 1, 2, 3, 4, 3, 2, 1, 0]
    assert join(batches, "drawn").tolist() == [n != 2 for n in join(batches, "numbers")]


def test_the_engine_is_entered_by_its_own_thread_only():
    engine = LoudMouth()
    render(np.ones(RATE, np.float32), [RATE], 4, engine)
    assert engine.threads == {"lipsync_0"}


def test_phonemes_are_used_where_they_are_told_and_the_sound_alone_elsewhere():
    second = np.ones(RATE, np.float32) / 4
    told = (Phoneme("a", 0), Phoneme("", RATE - 1))
    seen = {}

    class Notes(LoudMouth):
        def draw(self, drawing):
            seen.update(dict.fromkeys(drawing.frames, drawing.speech.phonemes))
            return super().draw(drawing)

    def frames(sizes, batch):
        async def chunks():
            for number, first in enumerate(range(0, 4 * RATE, RATE)):
                for at in range(first, first + RATE, RATE // sizes):
                    marks = tuple(Phoneme(p.name, first + p.first) for p in told if at - first <= p.first)
                    here = tuple(p for p in marks if p.first < at + RATE // sizes)
                    samples = second[: RATE // sizes]
                    yield AudioChunk(samples, RATE, at, phonemes=None if number % 2 else here)

        async def main():
            worker = Worker("lipsync")
            lips = loaded("lipsync", Notes(), worker)
            made = [one async for one in lipsync_stream(chunks(), lips, template(), {}, batch=batch)]
            worker.close()
            return join(made, "patches")

        return asyncio.run(main())

    whole = frames(1, 16)
    nothing = [k for k in range(100) if seen[k] is None]
    assert nothing == [*range(21, 55), *range(71, 100)]  # the second and the fourth, and 0.2 s around
    assert seen[56][0] == Phoneme("a", 2 * RATE)  # nothing is left of what sounded before
    assert np.array_equal(frames(20, 1), whole)
    assert [k for k in range(100) if seen[k] is None] == nothing
