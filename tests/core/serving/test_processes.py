"""An engine in several processes does what it does on a thread, whatever becomes of a process."""

import asyncio
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from core.enhancement.video import Enhancement, enhance_video
from core.errors import BadInput, Error
from core.runtime.pipeline import Meter, Pipeline, map_ordered
from core.serving.engine_pool import EnginePool
from core.serving.loaded import enhance, prepare, prepare_unheard
from core.serving.processes import Processes, ProcessSpec, Remote, described
from core.types import Arrays, Fragment, Image
from server.cli import main
from tests.support.crowds import write_group
from tests.support.fakes import track
from tests.support.odd import threads
from tests.support.samples import write_video

pytestmark = pytest.mark.slow  # nearly each makes a video or starts a process

SPEC = ProcessSpec("tests.support.odd:Odd", "cpu", 1)


def worked(scenario: Callable[[Processes], Any], specs: int = 2) -> Any:
    async def work() -> Any:
        calls = Processes([SPEC] * specs)
        try:
            await calls.start()
            return await scenario(calls)
        finally:
            await calls.close()

    made = asyncio.run(asyncio.wait_for(work(), 60))
    assert not any(_holds_an_engine(child) for child in psutil.Process().children())
    return made


def patches(*numbers: int) -> Image:
    return np.zeros((len(numbers), 4, 4, 3), np.uint8)


def test_calls_are_dealt_out_and_order_is_kept(tmp_path: Path) -> None:
    learnt: Arrays = {"count": np.array(5), "deaths": np.array(2), "folder": np.array(str(tmp_path))}
    face = track(40)

    async def scenario(calls: Processes) -> list[int]:
        async def numbers() -> Any:
            for number in range(40):
                yield number

        async def one(number: int) -> int:
            made = await calls.call(enhance, patches(number), [number], face, learnt)
            return int(made[0, 0, 0, 0])

        async with Pipeline() as pipe:
            done = pipe.stage("work", map_ordered(numbers(), one, calls.width), limit=1)
            return [made async for made in done]

    assert worked(scenario) == [number + 5 for number in range(40)]
    assert len(list(tmp_path.iterdir())) == 2  # its process ended twice at frame 13


def test_work_that_ends_every_process_is_given_up(tmp_path: Path) -> None:
    learnt: Arrays = {"count": np.array(5), "deaths": np.array(99), "folder": np.array(str(tmp_path))}

    async def scenario(calls: Processes) -> int:
        with pytest.raises(Error, match="3 times"):
            await calls.call(enhance, patches(13), [13], track(20), learnt)
        return int((await calls.call(enhance, patches(1), [1], track(20), learnt))[0, 0, 0, 0])

    assert worked(scenario, specs=1) == 6


def test_what_an_engine_raises_is_raised_here_and_the_process_lives() -> None:
    learnt: Arrays = {"count": np.array(0)}

    async def scenario(calls: Processes) -> Any:
        with pytest.raises(BadInput) as refused:
            await calls.call(enhance, patches(99), [99], track(100), learnt)
        await calls.call(prepare_unheard, track(3), [patches(0)[0]] * 3)
        return refused.value.code, refused.value.param, await calls.call(described)

    assert worked(scenario, specs=1) == ("ninety_nine", "numbers", Remote("odd/1", 3))


def test_an_engine_learns_a_template_although_its_process_has_died() -> None:
    async def scenario(calls: Processes) -> list[int]:
        learnt: list[int] = []
        for _ in range(2):
            _kill_one()
            made = await calls.patiently(prepare, learnt.append, track(3), [patches(0)[0]] * 3)
            learnt.append(int(made["count"]))
        return learnt  # reports stay in the process

    assert worked(scenario, specs=1) == [3, 3]


def test_cancelled_calls_lose_nothing_that_later_ones_need() -> None:
    learnt: Arrays = {"count": np.array(7)}
    face = track(20)

    async def scenario(calls: Processes) -> list[int]:
        given = [asyncio.create_task(calls.call(enhance, patches(k), [k], face, learnt)) for k in range(12)]
        await asyncio.sleep(0)
        for call in given:
            call.cancel()
        await asyncio.gather(*given, return_exceptions=True)
        made = [await calls.call(enhance, patches(k), [k], face, learnt) for k in range(4)]
        return [int(one[0, 0, 0, 0]) for one in made]

    assert worked(scenario, specs=1) == [7, 8, 9, 10]


def test_side_by_side_keeps_order_and_bound_and_ends_its_tasks() -> None:
    under_way = most = 0

    async def work(number: int) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        try:
            await asyncio.sleep(0.005 + 0.005 * (number % 3))
            if number == 17:
                raise ValueError("seventeen")
            return number
        finally:
            under_way -= 1

    async def numbers() -> Any:
        for number in range(1000):
            yield number

    async def main() -> list[int]:
        seen: list[int] = []
        before = asyncio.all_tasks()

        async def until_it_fails() -> None:
            async for number in map_ordered(numbers(), work, 4):
                seen.append(number)

        with pytest.raises(ValueError, match="seventeen"):
            await until_it_fails()
        assert asyncio.all_tasks() == before
        stage = map_ordered(numbers(), work, 4)
        assert await anext(stage) == 0
        await stage.aclose()
        assert asyncio.all_tasks() == before
        return seen

    assert asyncio.run(main()) == list(range(17))
    assert most == 4
    assert under_way == 0


def test_a_slow_source_does_not_hold_finished_work_back() -> None:
    async def main() -> Meter:
        asked = asyncio.Event()

        async def numbers() -> Any:
            yield 1
            await asked.wait()
            yield 2

        async def work(number: int) -> int:
            return number

        async with Pipeline() as pipe:
            made = pipe.stage("work", map_ordered(numbers(), work, 8), limit=1)
            assert await anext(made) == 1
            asked.set()
            assert await anext(made) == 2
            assert [number async for number in made] == []
        return pipe.meters["work"]

    assert asyncio.run(asyncio.wait_for(main(), 5)).state == "finished"


@pytest.mark.parametrize("count", [1, 2])
def test_processes_on_the_processor_share_its_cores(count: int) -> None:
    pytest.importorskip("torch")

    async def work() -> tuple[int, int]:
        async with EnginePool([], enhance_devices=["cpu"] * count) as pool:
            return await (await pool.enhancer("builtin")).call(threads)

    cores = len(psutil.Process().cpu_affinity())
    each = max(1, cores // count)
    assert asyncio.run(asyncio.wait_for(work(), 60)) == (each, each)


def enhanced(path: Path, devices: Sequence[str], kill_at: int | None = None) -> tuple[bytes, int]:
    async def work() -> tuple[bytes, int]:
        made: list[bytes] = []
        frames = killed = 0

        async def sink(fragment: Fragment) -> None:
            nonlocal frames, killed
            made.append(fragment.data)
            frames += fragment.frames
            if kill_at is not None and frames >= kill_at and not killed:
                killed = _kill_one()

        async with EnginePool([], enhance_devices=devices) as pool:
            progress = await enhance_video(Enhancement(path), pool, sink)
        assert kill_at is None or killed
        return b"".join(made), progress.frames

    return asyncio.run(asyncio.wait_for(work(), 90))


def _kill_one() -> int:
    """End one of the processes that hold an engine."""
    workers = [child for child in psutil.Process().children() if _holds_an_engine(child)]
    workers[0].send_signal(signal.SIGKILL)
    return workers[0].pid


def _holds_an_engine(child: psutil.Process) -> bool:
    try:
        return any("spawn_main" in part for part in child.cmdline())
    except psutil.NoSuchProcess:  # it has ended, and perhaps nobody has asked how
        return False


def test_a_process_killed_at_frame_50_of_200_changes_nothing(tmp_path: Path) -> None:
    path = write_group(
        tmp_path / "two.mp4", lambda k: [(20 + k // 8, 40), (180, 60)], size=(384, 240), head=130, frames=200
    )
    alone, frames = enhanced(path, ())
    assert frames == 200
    assert enhanced(path, ["cpu", "cpu"], kill_at=50) == (alone, 200)


@pytest.mark.parametrize("devices", ['["cuda:99"]', '["gpu"]', '["cpu", "cuda:99"]'])
def test_devices_that_do_not_exist_are_told_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, devices: str
) -> None:
    monkeypatch.setenv("LIPSTREAM_ENHANCE_DEVICES", devices)
    source = write_video(tmp_path / "in.mp4", frames=2)
    assert main(["enhance", str(source), "-o", str(tmp_path / "out.mp4")]) == 2
    said = capsys.readouterr().err
    assert "there is no device" in said
    assert said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]
