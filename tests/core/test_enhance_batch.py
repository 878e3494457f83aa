"""As many faces go to an enhancer at once as it asks for; a cancel waits for those and no more."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from core.config import Settings
from core.engines import ENGINES, EngineSpec
from core.enhancement.video import Enhancement, enhance_video
from core.render import Request, render
from core.serving.engine_pool import EnginePool
from core.templates.library import Templates
from tests.support.crowds import write_group

Work = Callable[[EnginePool, Path], Awaitable[object]]


async def nowhere(_item: object) -> None:
    """A sink that takes all."""


async def talking(pool: EnginePool, data_dir: Path) -> object:
    templates = Templates(Settings(data_dir=data_dir), pool)
    request = Request(template="small", text="One frame and one more.", enhancer="test")
    return await render(request, pool, templates, nowhere)


async def any_video(pool: EnginePool, _data_dir: Path) -> object:
    return await enhance_video(Enhancement(Path("group.mp4"), "test"), pool, nowhere)


@pytest.fixture
def data_dir(small_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_group(Path("group.mp4"), lambda k: [(60, 40)], size=(320, 240), head=130, frames=30)
    return small_library


@pytest.mark.slow
@pytest.mark.parametrize("work", [talking, any_video])
def test_a_cancel_waits_for_one_face_if_the_engine_takes_one(
    work: Work, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENGINES["enhance"], "test", EngineSpec("tests.support.enhancers:Slow", "for a test"))

    async def main() -> list[int]:
        async with EnginePool([]) as pool:
            engine = (await pool.engine("enhance", "test")).engine
            task = asyncio.ensure_future(work(pool, data_dir))
            assert await asyncio.to_thread(engine.at_twelfth.wait, 30)
            task.cancel()
            await asyncio.sleep(0)
            engine.go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await task
        return [len(numbers) for numbers, _ in engine.calls]

    assert asyncio.run(asyncio.wait_for(main(), 50)) == [1] * 12


@pytest.mark.slow
@pytest.mark.parametrize("work", [talking, any_video])
def test_an_engine_that_takes_eight_gets_eight(
    work: Work, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        ENGINES["enhance"], "test", EngineSpec("tests.support.enhancers:Recorded", "for a test")
    )

    async def main() -> list[int]:
        async with EnginePool([]) as pool:
            await work(pool, data_dir)
            return [len(numbers) for numbers, _ in (await pool.engine("enhance", "test")).engine.calls]

    assert max(asyncio.run(asyncio.wait_for(main(), 50))) == 8
