"""Faces that are sharp as they are, and what is left out for them."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.enhance_stream import enhance_stream
from core.enhancement.every_nth import EnhancePolicy
from core.enhancement.sharpness import SharpnessGate, sharpness
from core.enhancement.video import Enhancement, enhance_video
from core.progress import Progress
from core.runtime.worker import Worker
from core.serving.engine_pool import EnginePool
from core.templates.template import Template
from core.types import FrameBatch, Image
from server.configuration import check
from tests.support.crowds import write_group
from tests.support.enhancers import Recorded
from tests.support.faces import tracked
from tests.support.fakes import GreyFrames, loaded


def enlarged(picture: Image, times: float) -> Image:
    """As it would be if it had been a smaller picture."""
    side = len(picture)
    small = cv2.resize(picture, (int(side / times), int(side / times)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)


def noisy(picture: Image, deviation: float) -> Image:
    noise = np.random.default_rng(1).normal(0, deviation, picture.shape)
    return np.asarray((picture + noise).clip(0, 255), np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("size", [256, 512])
def test_the_more_a_face_was_enlarged_the_less_sharp_it_is(size: int) -> None:
    track, crops = tracked(2, size)
    seen = [sharpness(enlarged(crops[0], times), track.poses[0]) for times in (1, 1.5, 2, 3, 4)]
    assert all(a > b + 0.01 for a, b in pairwise(seen))
    assert seen[0] > 0.6
    assert seen[-1] < 0.45


def test_noise_light_and_contrast_make_no_face_sharper() -> None:
    track, crops = tracked(2, 512)
    blurred = enlarged(crops[0], 4)
    plain = sharpness(blurred, track.poses[0])
    for other in (noisy(blurred, 4), noisy(blurred, 8), np.asarray(blurred // 2 + 90, np.uint8)):
        assert sharpness(other, track.poses[0]) == pytest.approx(plain, abs=0.08)


def test_a_face_whose_mouth_alone_was_drawn_coarsely_is_not_sharp() -> None:
    track, crops = tracked(2, 512)
    mixed = crops[0].copy()
    half = int((track.poses[0] @ (0.5, 0.5, 1))[1])
    mixed[half:] = enlarged(crops[0], 4)[half:]
    assert sharpness(mixed, track.poses[0]) < 0.5


def test_a_face_of_a_few_pixels_or_outside_the_picture_is_not_sharp() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    assert sharpness(picture, np.array([[9.0, 0, 20], [0, 9.0, 20]])) == 0
    assert sharpness(picture, np.array([[40.0, 0, 200], [0, 40.0, 20]])) == 0


def test_near_the_threshold_nothing_flickers() -> None:
    track, crops = tracked(2, 256)
    pose = track.poses[0]
    a, b = crops[0], enlarged(crops[0], 1.2)
    between = (sharpness(a, pose) + sharpness(b, pose)) / 2
    gate = SharpnessGate(between)
    passed = [gate.passes(a if k % 2 else b, pose) for k in range(60)]
    assert sum(x != y for x, y in pairwise(passed)) <= 1
    assert not any(SharpnessGate(0.0).passes(a, pose) for _ in range(3))


def test_sharp_faces_stay_as_they_are_and_are_counted_however_frames_are_grouped() -> None:
    track, crops = tracked(12)
    shown = np.stack([crops[k] if k >= 3 else enlarged(crops[k], 4) for k in range(12)] * 4)
    template = Template("fake", GreyFrames(12), track, {})  # type: ignore[arg-type]  # a stand-in

    def made(size: int) -> tuple[Image, int]:
        left: list[int] = []

        async def source() -> AsyncIterator[FrameBatch]:
            for first in range(0, 48, size):
                part = slice(first, min(first + size, 48))
                numbers = np.arange(48, dtype=np.int32)[part] % 12
                sound = np.zeros(640 * len(numbers), np.float32)
                yield FrameBatch(first, shown[part], numbers, np.ones(len(numbers), np.bool_), sound, 16_000)

        async def main() -> Image:
            clear = loaded("enhance", Recorded(), Worker("clear"))
            policy = EnhancePolicy(every=3, enough=0.55, left=left.append)
            try:
                batches = enhance_stream(source(), clear, template, {}, policy=policy)
                return np.concatenate([one.patches async for one in batches])
            finally:
                await clear.close()

        return asyncio.run(asyncio.wait_for(main(), 30)), sum(left)

    whole, skipped = made(48)
    same = (whole == shown).all(axis=(1, 2, 3))
    assert 5 < skipped == same.sum() < 43
    for size in (1, 7):
        patches, count = made(size)
        assert count == skipped
        assert (patches == whole).all()


@pytest.mark.slow
def test_the_setting_counts_for_any_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_group(
        tmp_path / "one.mp4", lambda k: [(60 + k, 40)], size=(320, 240), head=130, frames=30,
        options={"crf": "10"},
    )  # fmt: skip

    async def enhanced() -> Progress:
        async def sink(_item: object) -> None:
            pass

        async with EnginePool([]) as pool:
            return await enhance_video(Enhancement(path), pool, sink)

    def skipped(enough: str) -> int:
        monkeypatch.setenv("LIPSTREAM_SHARP_ENOUGH", enough)
        return asyncio.run(asyncio.wait_for(enhanced(), 30)).frames_sharp

    assert [skipped(enough) for enough in ("0", "0.1", "2")] == [0, 30, 0]
    assert not check()
