"""Several renders at once on one lips engine that can draw for all of them in one go."""

import asyncio
from collections import Counter

import pytest

from core.config import Settings
from core.engines import ENGINES, EngineSpec
from core.errors import StageError
from core.render import Request, render
from core.serving.engine_pool import EnginePool
from core.templates.library import Templates
from core.types import Fragment
from tests.support import fakes

pytestmark = pytest.mark.slow  # nearly each makes a video or starts a process

TEXTS = ("One two three four five six seven eight nine ten.", "Good evening, and welcome to the programme.")


class Choir(fakes.LoudMouth):
    """Draws together, and fails whenever a job at 30 frames a second is among them."""

    together = 16

    def __init__(self):
        super().__init__()
        self.sizes = Counter()

    def draw(self, drawing):
        raise AssertionError("nobody sings alone")

    def draw_together(self, drawings):
        self.sizes[len(drawings)] += 1
        if any(drawing.fps == 30 for drawing in drawings):
            raise RuntimeError("out of tune")
        return [super(Choir, self).draw(drawing) for drawing in drawings]


@pytest.fixture(autouse=True)
def _choir(monkeypatch):
    spec = EngineSpec("tests.core.test_lipsync_together:Choir", "for a test")
    monkeypatch.setitem(ENGINES["lipsync"], "choir", spec)


def request(text, fps=None):
    return Request(template="small", text=text, fps=fps, lipsync="choir", enhance=False)


def in_studio(folder, work):
    async def main():
        async with EnginePool() as pool:
            made = await work(pool, Templates(Settings(data_dir=folder), pool))
            return made, (await pool.engine("lipsync", "choir")).engine

    return asyncio.run(main())


async def video(wanted, pool, templates, started=None):
    parts = []

    async def sink(item):
        if isinstance(item, Fragment):
            parts.append(item.data)
            if item.frames and started is not None:
                started.set()

    await render(wanted, pool, templates, sink)
    return b"".join(parts)


@pytest.fixture(scope="module")
def alone(small_library):
    """The videos of both texts, made one after the other."""
    with pytest.MonkeyPatch.context() as patch:
        spec = EngineSpec("tests.core.test_lipsync_together:Choir", "for a test")
        patch.setitem(ENGINES["lipsync"], "choir", spec)

        async def work(pool, templates):
            return [await video(request(text), pool, templates) for text in TEXTS]

        made, engine = in_studio(small_library, work)
    assert set(engine.sizes) == {1}
    return made


def test_jobs_at_once_are_drawn_together_and_their_videos_are_those_of_jobs_alone(small_library, alone):
    async def work(pool, templates):
        return await asyncio.gather(*(video(request(text), pool, templates) for text in TEXTS))

    made, engine = in_studio(small_library, work)
    assert made == alone
    assert engine.sizes[2] > 3


def test_a_job_whose_drawing_fails_takes_no_other_with_it(small_library, alone):
    async def work(pool, templates):
        jobs = [request(TEXTS[0]), request(TEXTS[1], fps=30)]
        await templates.open("small", fps=30)  # so that both begin at once
        return await asyncio.gather(*(video(j, pool, templates) for j in jobs), return_exceptions=True)

    (made, error), _ = in_studio(small_library, work)
    assert made == alone[0]
    assert isinstance(error, StageError)
    assert "out of tune" in str(error)


def test_a_cancelled_job_takes_no_other_with_it(small_library, alone):
    async def work(pool, templates):
        started = asyncio.Event()
        stays = asyncio.create_task(video(request(TEXTS[0]), pool, templates))
        goes = asyncio.create_task(video(request(TEXTS[1] * 20), pool, templates, started))
        await started.wait()
        goes.cancel()
        with pytest.raises(asyncio.CancelledError):
            await goes
        return await stays

    made, _ = in_studio(small_library, work)
    assert made == alone[0]


class Placed(Choir):
    """Knows where it was told to be."""

    def __init__(self, settings=None):
        super().__init__()
        self.device = settings.device


def test_several_devices_have_an_engine_each_and_share_out_the_jobs(small_library, alone, monkeypatch):
    pytest.importorskip("torch")  # what runs on no device is never there twice
    spec = EngineSpec("tests.core.test_lipsync_together:Placed", "for a test", packages=("torch",))
    monkeypatch.setitem(ENGINES["lipsync"], "choir", spec)
    monkeypatch.setenv("LIPSTREAM_DEVICE", "cuda:0, cuda:1")

    async def main():
        async with EnginePool() as pool:
            templates = Templates(Settings(data_dir=small_library), pool)
            made = await asyncio.gather(*(video(request(text), pool, templates) for text in TEXTS))
            staff = [await pool.engine("lipsync", "choir") for _ in range(2)]
            return made, {one.engine.device: one.engine.sizes for one in staff}

    made, sizes = asyncio.run(main())
    assert made == alone
    assert set(sizes) == {"cuda:0", "cuda:1"}
    assert all(set(count) == {1} for count in sizes.values()), "each job had an engine to itself"
