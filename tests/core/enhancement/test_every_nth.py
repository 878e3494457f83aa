"""What an enhancer changed in one face, carried to the faces after it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import pytest

from core.engines import ENGINES, EngineSpec
from core.engines.builtin.clarity import Clarity
from core.enhance_stream import enhance_stream
from core.enhancement.every_nth import MOST_EVERY, CarryOver, EnhancePolicy, EveryNth, check_every
from core.enhancement.video import Enhancement, enhance_video
from core.errors import BadInput
from core.protocols import FaceEnhancer
from core.runtime.worker import Worker
from core.serving.engine_pool import EnginePool
from core.serving.loaded import InThread, LoadedEngine
from core.templates.template import Template
from core.types import FaceTrack, FrameBatch, Image
from tests.core.enhancement.test_video import decoded, enhanced
from tests.support.crowds import write_group
from tests.support.enhancers import Recorded
from tests.support.faces import tracked
from tests.support.fakes import GreyFrames, loaded

T = TypeVar("T")


def blurred(picture: Image) -> Image:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 2.5), np.uint8)


def likeness(a: Image, b: Image) -> float:
    """PSNR in dB."""
    return float(10 * np.log10(255**2 / max(1e-9, np.mean((a.astype(float) - b) ** 2))))


def test_of_each_run_the_first_is_due_and_every_nth_after_it() -> None:
    wanted = [False, True, True, True, True, False, True, True]
    assert EveryNth(3).due(wanted).tolist() == [False, True, False, False, True, False, True, False]
    assert EveryNth(1).due(wanted).tolist() == wanted


@pytest.mark.parametrize("every", range(1, MOST_EVERY + 1))
def test_turns_do_not_depend_on_how_frames_are_grouped(every: int) -> None:
    wanted = (np.random.default_rng(every).random(200) < 0.8).tolist()
    whole = EveryNth(every).due(wanted).tolist()
    for size in (1, 3, 7):
        turns = EveryNth(every)
        assert [due for k in range(0, 200, size) for due in turns.due(wanted[k : k + size])] == whole


def test_detail_that_was_restored_moves_with_the_face() -> None:
    track, sharp = tracked(12)
    carried = CarryOver()
    carried.next(blurred(sharp[0]), track.poses[0], sharp[0])
    for k in range(1, 8):
        shown = carried.next(blurred(sharp[k]), track.poses[k], None)
        assert likeness(shown, sharp[k]) > likeness(blurred(sharp[k]), sharp[k]) + 4


@pytest.mark.slow
def test_where_nothing_was_changed_the_frame_is_shown_as_it_is() -> None:
    track, crops = tracked(6)
    carried = CarryOver()
    carried.next(crops[0], track.poses[0], crops[0].copy())
    assert (carried.next(crops[5], track.poses[5], None) == crops[5]).all()


@pytest.mark.slow
def test_another_picture_gets_nothing_of_the_earlier_face() -> None:
    track, crops = tracked(2)
    carried = CarryOver()
    carried.next(blurred(crops[0]), track.poses[0], crops[0])
    other = np.ascontiguousarray(255 - crops[1][::-1])
    change = np.abs(carried.next(other, track.poses[1], None).astype(int) - other).mean()
    assert change < 0.1 * np.abs(blurred(crops[0]).astype(int) - crops[0]).mean()


class OutOfOrder(InThread[Clarity]):
    """An engine in four places at once; whoever was asked last is often done first."""

    width = 4
    _asked = 0

    async def call(self, function: Callable[..., T], *args: object) -> T:
        self._asked += 1
        await asyncio.sleep(0.004 * (3 - self._asked % 4))
        return function(self._engine, *args)


def batches(track: FaceTrack, crops: Sequence[Image], sizes: Iterator[int]) -> Iterator[FrameBatch]:
    """A job of 24 frames that goes through the template forwards and backwards; some have no face."""
    numbers = np.array([*range(12), *range(11, -1, -1)], np.int32)
    drawn = np.ones(24, np.bool_)
    drawn[[4, 5, 13]] = False
    first = 0
    while first < 24:
        part = slice(first, first + next(sizes))
        patches = np.stack([blurred(crops[k]) for k in numbers[part]])
        sound = np.zeros(640 * len(patches), np.float32)
        yield FrameBatch(first, patches, numbers[part], drawn[part], sound, 16_000)
        first += len(patches)


def shown(clear: LoadedEngine[FaceEnhancer], size: int, every: int) -> Image:
    track, crops = tracked(12)
    template = Template("fake", GreyFrames(12), track, {})  # type: ignore[arg-type]  # a stand-in

    async def source() -> AsyncIterator[FrameBatch]:
        for one in batches(track, crops, iter([size] * 24)):
            yield one

    async def main() -> Image:
        learnt = {"noise": np.array(0, np.float32)}
        made = enhance_stream(source(), clear, template, learnt, policy=EnhancePolicy(every))
        try:
            return np.concatenate([one.patches async for one in made])
        finally:
            await clear.close()

    return asyncio.run(asyncio.wait_for(main(), 30))


@pytest.mark.parametrize("every", [1, 3])
def test_cut_anywhere_and_enhanced_anywhere_it_is_the_same_video(every: int) -> None:
    whole = shown(loaded("enhance", Clarity(), Worker("clear")), 24, every)
    for size in (1, 5):
        assert (shown(loaded("enhance", Clarity(), Worker("clear")), size, every) == whole).all()
    worker = Worker("clear")
    calls = OutOfOrder(Clarity(), worker)
    assert (shown(replace(loaded("enhance", Clarity(), worker), calls=calls), 2, every) == whole).all()


def test_an_engine_is_asked_for_one_face_in_so_many() -> None:
    engine = Recorded()
    shown(loaded("enhance", engine, Worker("clear")), 8, 4)
    assert [number for numbers, _ in engine.calls for number in numbers] == [0, 6, 10, 9, 5, 1]


@pytest.mark.slow
def test_in_any_video_one_face_in_so_many_is_enhanced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        ENGINES["enhance"], "test", EngineSpec("tests.support.enhancers:Recorded", "for a test")
    )
    path = write_group(
        tmp_path / "two.mp4", lambda k: [(20 + k, 40), (180, 60)], size=(320, 240), head=130, frames=24
    )

    async def asked(every: int) -> int:
        async def sink(_item: object) -> None:
            pass

        async with EnginePool([]) as pool:
            await enhance_video(Enhancement(path, "test", every=every), pool, sink)
            return sum(len(numbers) for numbers, _ in (await pool.engine("enhance", "test")).engine.calls)

    assert asyncio.run(asyncio.wait_for(asked(1), 30)) == 2 * 24
    assert asyncio.run(asyncio.wait_for(asked(4), 30)) == 2 * 6


@pytest.mark.slow
def test_a_video_with_one_face_in_four_enhanced_is_much_like_one_with_all(tmp_path: Path) -> None:
    path = write_group(
        tmp_path / "one.mp4", lambda k: [(40 + 2 * k, 40)], size=(320, 240), head=130, frames=24
    )
    all_of_them, some = (decoded(enhanced(path, every=every)[0], tmp_path / "out.mp4") for every in (1, 4))
    assert len(some) == 24
    assert min(likeness(a, b) for a, b in zip(all_of_them, some, strict=True)) > 38


@pytest.mark.parametrize("every", [0, -1, MOST_EVERY + 1])
def test_a_distance_that_makes_no_sense_is_refused(every: int) -> None:
    with pytest.raises(BadInput) as refused:
        check_every(every)
    assert (refused.value.code, refused.value.param) == ("out_of_range", "every")
