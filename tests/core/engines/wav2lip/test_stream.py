"""The Wav2Lip engine behind the stage that feeds it: however the sound comes, the video is the same."""

import asyncio

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from core.engines.wav2lip.engine import Wav2LipEngine  # noqa: E402  # needs torch
from core.lipsync_stream import lipsync_stream  # noqa: E402
from core.runtime.worker import Worker  # noqa: E402
from core.templates.template import Template  # noqa: E402
from core.types import AudioChunk, frame_count  # noqa: E402
from tests.core.engines.wav2lip.test_engine import IDLE, SIDE, Echo, settings, sound, track  # noqa: E402
from tests.support.fakes import loaded  # noqa: E402

pytestmark = pytest.mark.slow  # torch alone takes seconds to import


class Noise:
    """Frames of a template: I420 noise, another in every frame."""

    width = height = SIDE
    fps = 25

    def planes(self, number):
        random = np.random.default_rng(number)
        return random.integers(40, 200, (self.height * 3 // 2, self.width), dtype=np.uint8)

    def close(self):
        pass


@pytest.fixture
def engine(tmp_path):
    return Wav2LipEngine(net=Echo(), settings=settings(tmp_path))


def video(engine, samples, rate, sizes, batch):
    template = Template("noise", Noise(), track(7), {})

    async def chunks():
        at = 0
        for size in sizes:
            yield AudioChunk(samples[at : at + size], rate, at)
            at += size

    async def main():
        worker = Worker("lips")
        lips = loaded("lipsync", engine, worker)
        batches = [b async for b in lipsync_stream(chunks(), lips, template, IDLE, batch=batch)]
        await asyncio.to_thread(worker.close)
        return batches

    return np.concatenate([batch.patches for batch in asyncio.run(main())])


@pytest.mark.parametrize("rate", [16_000, 22_050])
def test_the_video_does_not_depend_on_how_the_sound_was_cut_or_frames_were_batched(engine, rate):
    samples = np.concatenate([sound(0.3, rate), np.zeros(rate // 2, np.float32), sound(0.21, rate, seed=4)])
    whole = video(engine, samples, rate, [len(samples)], 16)
    assert len(whole) == frame_count(len(samples), rate, 25)
    for batch, parts in ((1, 5), (6, 40)):
        sizes = np.random.default_rng(batch).multinomial(len(samples), [1 / parts] * parts)
        assert np.array_equal(video(engine, samples, rate, sizes, batch), whole)


def test_speech_up_to_the_last_sample_moves_the_mouth_in_the_last_frame(engine):
    for length in (0.05, 0.5, 1.019):
        made = video(engine, sound(length), 16_000, [int(length * 16_000)], 8)
        template = Template("noise", Noise(), track(7), {})
        walk = template.walk()
        last = [walk.step() for _ in made][-1]
        assert not np.array_equal(made[-1], template.crop(last))


def test_the_first_frame_is_out_after_a_fifth_of_a_second_of_speech(engine):
    heard = []

    async def chunks():
        for at in range(0, 32_000, 160):
            heard.append(at + 160)
            yield AudioChunk(np.zeros(160, np.float32), 16_000, at)

    async def main():
        worker = Worker("lips")
        template = Template("noise", Noise(), track(7), {})
        frames = lipsync_stream(chunks(), loaded("lipsync", engine, worker), template, IDLE, batch=8)
        await anext(frames)
        await frames.aclose()
        await asyncio.to_thread(worker.close)

    asyncio.run(main())
    assert heard[-1] <= 0.18 * 16_000
