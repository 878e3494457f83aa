"""Videos whose background is made clearer, too: by a small Real-ESRGAN out of a file, all the way."""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.enhancement.faces import enhance_shots
from core.enhancement.tiles import Tiles
from core.enhancement.video import Enhancement, enhance_background, enhance_video
from core.errors import BadInput
from core.faces.shots import Shot
from core.media.clip import write_clip
from core.media.foreign import Frame, open_video
from core.media.planes import split, twice, whole_bgr
from core.progress import Progress
from core.protocols import FIDELITY
from core.runtime.worker import Worker
from core.serving.engine_pool import EnginePool
from core.types import Arrays, FaceTrack, Fragment, Image
from server.cli import main
from tests.core.enhancement.test_video import decoded
from tests.server.api.test_enhance import form
from tests.support.crowds import group, write_group
from tests.support.enhancers import Recorded
from tests.support.fakes import loaded
from tests.support.samples import write_video
from tests.support.serving import data_dir, library, run, served

pytestmark = pytest.mark.slow  # nearly each makes a video or starts a process

pytest.importorskip("torch")
__all__ = ["data_dir", "library"]  # fixtures

SIZE = (400, 240)
COUNT = 3 * 2
"""Tiles of such a picture."""


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small network in the place of the published one."""
    from tests.support.upscalers import write_checkpoint

    own = {"realesrgan-x2": str(write_checkpoint(tmp_path / "x2.pth"))}
    monkeypatch.setenv("LIPSTREAM_OWN_WEIGHTS", json.dumps(own))
    monkeypatch.setenv("LIPSTREAM_DEVICE", "cpu")
    monkeypatch.setenv("LIPSTREAM_PRECISION", "float32")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Somebody who does not move at all."""
    write_clip(tmp_path / "still.mp4", [group(*SIZE, 130, [(60, 40)])] * 5, 25)
    return tmp_path / "still.mp4"


def enhanced(path: Path, **more: Any) -> tuple[bytes, Progress]:
    async def work() -> tuple[bytes, Progress]:
        made: list[bytes] = []

        async def sink(fragment: Fragment) -> None:
            made.append(fragment.data)

        async with EnginePool() as pool:
            wanted = Enhancement(path, enhancer="builtin", face="builtin", background=True, **more)
            progress = await enhance_video(wanted, pool, sink)
        return b"".join(made), progress

    return asyncio.run(asyncio.wait_for(work(), 60))


def clear(path: Path, scale: int, step: int) -> list[np.ndarray]:
    """What tiles alone make of one frame in `step`, BGR."""
    from core.engines.neural import NeuralSettings
    from core.engines.upscaler import RealEsrgan
    from tests.support.upscalers import small_net

    async def frames() -> list[Frame]:
        source = await open_video(path)
        try:
            return [frame async for frame in source.frames()]
        finally:
            await source.close()

    engine = RealEsrgan(small_net(), settings=NeuralSettings(device="cpu", precision="float32"))
    pictures = []
    for frame in asyncio.run(frames())[::step]:
        *_, made = Tiles(engine, scale).enlarge(frame.planes)  # each for itself: nothing is reused
        assert made is not None
        pictures.append(whole_bgr(made))
    return pictures


@pytest.mark.usefixtures("weights")
@pytest.mark.parametrize("scale", [1, 2])
def test_a_still_clip_costs_one_frame_and_is_what_the_network_makes_of_each(
    clip: Path, tmp_path: Path, scale: int
) -> None:
    data, progress = enhanced(clip, upscale=scale)
    assert (progress.width, progress.height) == (scale * SIZE[0], scale * SIZE[1])
    assert (progress.tiles_made, progress.tiles_reused) == (COUNT, 4 * COUNT)
    assert progress.engines == {"enhance": "builtin", "face": "builtin", "upscale": "realesrgan-x2"}
    assert progress.meters["background"].done == 5
    frames = decoded(data, tmp_path / "out.mp4")
    for seen, wanted in zip(frames[::4], clear(clip, scale, step=4), strict=True):
        away = np.abs(seen.astype(int) - wanted)[:, 220 * scale :]  # the head is further left
        assert away.mean() < 3  # what encoding takes
        assert wanted[:, 220 * scale :].std() > 5


@pytest.mark.usefixtures("weights")
def test_where_somebody_moves_only_those_tiles_are_made(tmp_path: Path) -> None:
    path = write_group(
        tmp_path / "walk.mp4",
        lambda k: [(10 + 2 * k, 20)],
        size=(640, 240),
        head=110,
        frames=16,
        options={"crf": "16"},
    )
    _, progress = enhanced(path)
    assert progress.tiles_made + progress.tiles_reused == 16 * 8
    assert progress.tiles_made <= 8 + 15 * 4 + 4  # the left half, and what the encoder itself changes once
    assert progress.tiles_reused >= 15 * 4 - 4
    assert progress.frames_without_face == 0


class Looking(Recorded):
    """Notes what it is given, and lays black into what it is to lay faces into."""

    def enhance(
        self,
        patches: Image,
        numbers: Sequence[int],
        track: FaceTrack,
        prepared: Arrays,
        fidelity: float = FIDELITY,
        onto: Image | None = None,
    ) -> Image:
        """The middle of each patch is black."""
        assert onto is not None
        self.given = patches, onto
        out = onto.copy()
        out[:, 20:-20, 20:-20] = 0
        return out


def test_faces_come_from_the_picture_that_came_and_go_into_the_clear_one() -> None:
    planes, better = (np.full((180, 160), level, np.uint8) for level in (100, 180))
    frames = [Frame(planes, 0, 3600, better), Frame(planes, 3600, 7200, better)]
    pose = np.repeat(np.array([[[40.0, 0, 12], [0, 40, 12]]]), 2, 0)
    track = FaceTrack(64, np.full((2, 2), 16, np.int32), pose, np.array([True, False]))

    async def shots() -> AsyncGenerator[Shot, None]:
        yield Shot(frames, [track])

    async def work() -> list[Frame]:
        engine, worker, cpu = Looking(), Worker("looking"), Worker("hands")
        looking = loaded("enhance", engine, worker)
        try:
            async with aclosing(enhance_shots(shots(), looking, cpu, 0.5)) as batches:
                done = [frame async for batch in batches for frame in batch]
        finally:
            cpu.close()
            await looking.close()
        patches, onto = engine.given
        assert np.abs(patches.astype(int).mean() - onto.mean()) > 40
        return done

    first, second = asyncio.run(asyncio.wait_for(work(), 30))
    assert np.array_equal(second.planes, better)
    luma = split(first.planes)[0]
    assert luma[48, 48] < 30
    assert luma[2, 2] == luma[110, 150] == 180
    assert (planes == 100).all()
    assert (better == 180).all()
    assert first.clear is None


def test_frames_twice_as_large_are_the_same_picture() -> None:
    image = group(64, 48, 40, [(10, 10)])
    from core.media.planes import to_i420

    small = whole_bgr(to_i420(image))
    large = whole_bgr(twice(to_i420(image)))
    assert large.shape == (96, 128, 3)
    back = large.reshape(48, 2, 64, 2, 3).mean((1, 3))
    assert np.abs(back - small).mean() < 3


class Waiting:
    """An upscaler that says when it begins a tile, and waits to be let go."""

    version = "1"
    tile, margin = 64, 16

    def __init__(self) -> None:
        self.calls = 0
        self.begun, self.go_on = threading.Event(), threading.Event()

    def enlarge(self, image: Image) -> Image:
        """Grey."""
        self.calls += 1
        self.begun.set()
        assert self.go_on.wait(30)
        return np.zeros((2 * image.shape[0], 2 * image.shape[1], 3), np.uint8)


def test_a_cancel_waits_for_one_tile() -> None:
    engine, worker = Waiting(), Worker("upscale")

    async def frames() -> AsyncGenerator[Frame, None]:
        yield Frame(np.zeros((288, 256), np.uint8), 0, 3600)

    async def work() -> None:
        stage = enhance_background(frames(), loaded("upscale", engine, worker), worker, 1, lambda _: None)
        task = asyncio.create_task(anext(stage))  # type: ignore[arg-type]  # it is a coroutine
        await asyncio.to_thread(engine.begun.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        engine.go_on.set()
        await stage.aclose()

    asyncio.run(asyncio.wait_for(work(), 30))
    worker.close()
    assert engine.calls == 1


@pytest.mark.usefixtures("weights")
def test_what_would_be_too_large_is_refused_before_any_work(tmp_path: Path) -> None:
    path = write_video(tmp_path / "wide.mp4", size=(2560, 1440), frames=2, options={"preset": "ultrafast"})
    with pytest.raises(BadInput) as refused:
        enhanced(path, upscale=2)
    assert refused.value.code == "too_large_frames"


def test_without_the_weights_it_says_what_to_download_and_leaves_nothing(
    clip: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(tmp_path / "data"))
    assert main(["enhance", str(clip), "-o", str(tmp_path / "out.mp4"), "--background"]) == 2
    said = capsys.readouterr().err
    assert "weights realesrgan-x2 (67 MB, with terms to accept) missing" in said
    assert "lipstream models download realesrgan-x2" in said
    assert said.count("\n") == 1
    assert [path.name for path in tmp_path.glob("*.mp4")] == ["still.mp4"]


@pytest.mark.usefixtures("weights")
def test_on_the_command_line_it_tells_how_many_tiles_were_made(
    clip: Path, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "out.mp4"
    wanted = ["--background", "--upscale", "2", "--engine", "builtin"]
    assert main(["enhance", str(clip), "-o", str(out), *wanted]) == 0
    said = capsys.readouterr().err
    assert f"{COUNT} tiles of background made and {4 * COUNT} reused" in said
    assert "5 frames of 800x480" in said


@pytest.mark.usefixtures("weights")
def test_as_a_job_it_has_a_stage_of_its_own_and_counts_tiles(data_dir: Path, clip: Path) -> None:
    async def work() -> tuple[Any, Any]:
        async with served(data_dir) as it:
            jobs = []
            for wanted in ({"background": True}, {}):
                data = form(clip, engine="builtin", **wanted)
                job = await it.post("/v1/enhancements", 202, data=data)
                jobs.append(await it.ended(job["id"]))
            return jobs[0], jobs[1]

    done, plain = run(work())
    assert done["status"] == "completed", done["error"]
    assert list(done["stages"]) == ["decode", "background", "faces", "enhance", "encode"]
    assert "background" not in plain["stages"]
    assert done["engines"]["upscale"] == "realesrgan-x2"
    assert (done["metrics"]["tiles_made"], done["metrics"]["tiles_reused"]) == (COUNT, 4 * COUNT)
    assert plain["metrics"]["tiles_made"] == 0


def test_a_server_without_the_weights_refuses_the_job(data_dir: Path, clip: Path) -> None:
    async def work() -> Any:
        async with served(data_dir) as it:
            return await it.post("/v1/enhancements", 422, data=form(clip, background=True))

    error = run(work())["error"]
    assert error["code"] == "engine_unavailable"
    assert "lipstream models download realesrgan-x2" in error["message"]
