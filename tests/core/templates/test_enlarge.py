"""Templates at twice their size."""

import asyncio
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.config import Settings
from core.engines.builtin.lanczos import Lanczos
from core.enhancement.tiles import Tiles
from core.errors import BadInput, Stopped
from core.media.clip import write_clip
from core.media.planes import to_i420, whole_bgr
from core.serving.engine_pool import EnginePool
from core.templates.enlarge import enlarge
from core.templates.library import Templates
from tests.support.crowds import group


def picture(height=90, width=122):
    small = np.random.default_rng(3).uniform(20, 235, (9, 9, 3)).astype(np.float32)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)


def is_there(planes):
    return planes is not None


def run(library: Path, work):
    async def go():
        async with EnginePool(weights=()) as pool:
            return await work(pool, Templates(Settings(data_dir=library), pool))

    return asyncio.run(go())


@pytest.fixture
def library(small_library, tmp_path):
    shutil.copytree(small_library, tmp_path / "data")
    return tmp_path / "data"


@pytest.mark.slow
def test_a_template_becomes_one_of_twice_the_size_and_the_same_face(library):
    steps = []

    async def work(pool, templates):
        report = lambda step, done, total: steps.append((step, done))  # noqa: E731  # as a StepReport is
        made = await enlarge("small", pool, templates, report=report)
        again = await enlarge("small", pool, templates, report=report)
        assert again.info == made.info
        return made, await templates.open("small"), await templates.open(made.info.id)

    made, small, large = run(library, work)
    assert made.engine == "builtin"
    assert (large.width, large.height, large.fps) == (2 * small.width, 2 * small.height, small.fps)
    assert len(large) == len(small)
    assert large.track.side == pytest.approx(2 * small.track.side, rel=0.1)
    back = cv2.resize(whole_bgr(large.planes(3)), (small.width, small.height), interpolation=cv2.INTER_AREA)
    assert np.abs(back.astype(int) - whole_bgr(small.planes(3))).mean() < 2.5
    enlarged = [done for step, done in steps if step == "enlarge"]  # tiles
    assert enlarged == sorted(enlarged)
    assert enlarged[-1] % len(small) == 0
    assert len(enlarged) < enlarged[-1]  # most were there already
    assert not list(library.glob(".*.mp4"))


@pytest.mark.slow
def test_stopping_leaves_nothing_behind(library):
    async def work(pool, templates):
        started = asyncio.Event()
        task = asyncio.create_task(
            enlarge("small", pool, templates, report=lambda step, *_: step == "enlarge" and started.set())
        )
        await asyncio.wait_for(started.wait(), 60)
        task.cancel()
        with pytest.raises((asyncio.CancelledError, Stopped)):
            await task
        return [info.id for info in templates.all()]

    assert run(library, work) == ["small"]
    assert not list(library.glob(".*.mp4"))


@pytest.mark.slow
def test_what_was_made_here_keeps_its_size_and_what_others_bring_is_no_larger_than_hd(library):
    clip = library / "wide.mp4"
    frame = group(2000, 1126, 700, [(650, 200)])
    write_clip(clip, [frame] * 3, 25)

    async def work(pool, templates):
        made = await templates.add(clip, "made", recipe="here")
        brought = await templates.add(clip, "brought")
        return [(await templates.open(info.id)).width for info in (made, brought)]

    assert run(library, work) == [2000, 1920]


def test_what_would_be_too_large_or_is_not_there_is_refused(small_library):
    async def missing(pool, templates):
        await enlarge("nobody", pool, templates, report=lambda *_: None)

    with pytest.raises(BadInput, match="no template 'nobody'"):
        run(small_library, missing)

    async def unknown(pool, templates):
        await enlarge("small", pool, templates, wanted="waifu2x", report=lambda *_: None)

    with pytest.raises(BadInput, match="realesrgan-x2, builtin"):
        run(small_library, unknown)


def test_lanczos_doubles():
    image = picture()
    large = Lanczos().enlarge(image)
    assert large.shape == (180, 244, 3)
    assert np.abs(large[::2, ::2].astype(int) - image).mean() < 3


@pytest.mark.slow
def test_tiles_show_no_seams_and_every_size_is_doubled():
    torch = pytest.importorskip("torch")
    from core.engines.neural import NeuralSettings
    from core.engines.upscaler import RealEsrgan
    from core.nets.rrdbnet import Layout, RRDBNet

    torch.manual_seed(0)
    net = RRDBNet(Layout(width=8, blocks=1, growth=4)).eval()
    with torch.no_grad():
        net.conv_last.bias.fill_(0.5)
        net.conv_last.weight.mul_(8)
    settings = NeuralSettings(device="cpu", precision="float32")
    image = to_i420(picture(40, 58))
    whole, tiled = (
        whole_bgr(
            next(filter(is_there, Tiles(RealEsrgan(net, settings=settings, tile=tile), 2).enlarge(image)))
        )
        for tile in (64, 32)
    )
    assert whole.shape == (80, 116, 3)
    assert whole.std() > 5
    assert np.abs(whole.astype(int) - tiled).max() <= 2


def test_weights_for_another_size_are_refused(tmp_path):
    torch = pytest.importorskip("torch")
    from core.engines.neural import NeuralSettings
    from core.engines.upscaler import RealEsrgan
    from core.nets.rrdbnet import Layout, RRDBNet

    path = tmp_path / "x4.pth"
    torch.save({"params_ema": RRDBNet(Layout(scale=4, width=8, blocks=1, growth=4)).state_dict()}, path)
    with pytest.raises(BadInput, match="4 times as large") as refused:
        RealEsrgan(settings=NeuralSettings(device="cpu", own_weights={"realesrgan-x2": path}))
    assert refused.value.code == "weights_wrong"
