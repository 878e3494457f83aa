"""Any video made clearer by the built-in engine: frames a second, a second process, memory by length."""

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import numpy as np

from bench import Figure
from bench._scene import WIDE
from core.engines import ENGINES
from core.engines.builtin import presenter
from core.enhancement.video import Enhancement, enhance_video
from core.media.clip import write_clip
from core.progress import Progress
from core.protocols import FaceEnhancer
from core.runtime.pipeline import map_ordered
from core.serving.engine_pool import EnginePool
from core.serving.loaded import prepare_unheard
from core.serving.processes import Processes, ProcessSpec
from core.types import Arrays, FaceTrack, Fragment, Image

_SECONDS = 8
_SMALL = (384, 216)
"""Pictures of the videos that last minutes: memory is what counts there."""


def figures() -> Iterator[Figure]:
    """A drawn presenter in the middle of the picture, 25 frames a second."""
    with tempfile.TemporaryDirectory(prefix="lipstream-bench-") as folder:
        clip = Path(folder) / "720p.mp4"
        write_clip(clip, _frames(WIDE["720p"], 25 * _SECONDS), 25)
        for devices, name in (((), "in a thread"), (("cpu",), "1 process"), (("cpu", "cpu"), "2 processes")):
            progress = asyncio.run(_enhanced(clip, devices))
            yield Figure(f"enhance 720p, {name}", progress.frames / progress.elapsed_s, "frames/s")
            if not devices:
                yield Figure("enhance 720p, first frame", 1000 * (progress.first_frame_s or 0), "ms")
                yield Figure("enhance 720p, efficiency", progress.efficiency, "of 1")
    one, two = (asyncio.run(_called(posts)) for posts in (1, 2))
    yield Figure("engine of 50 ms a face, 2 processes over 1", two / one, "x", 1.5)
    peaks = {minutes: _measured(minutes) for minutes in (1, 10)}
    for minutes, peak in peaks.items():
        yield Figure(f"enhance {_SMALL[1]}p, peak memory, {minutes} min", peak, "MB", 400, higher=False)
    yield Figure("enhance, peak memory, 10 min over 1 min", peaks[10] / peaks[1], "x", 1.15, higher=False)


def _frames(size: tuple[int, int], count: int) -> Iterator[Image]:
    width, height = size
    side = (width - height) // 2
    loop = list(presenter.frames(50, 25, height))
    for k in range(count):
        picture = loop[k % len(loop)]
        yield np.pad(picture, ((0, 0), (side, width - height - side), (0, 0)), mode="edge")


async def _enhanced(clip: Path, devices: Sequence[str]) -> Progress:
    """Enhance to nowhere, with engines that are loaded."""

    async def sink(_fragment: Fragment) -> None:
        pass

    async with EnginePool([], enhance_devices=devices) as pool:
        for kind in ("enhance", "face"):
            await pool.engine(kind)
        progress = Progress(started=time.perf_counter())
        return await enhance_video(Enhancement(clip), pool, sink, progress)


async def _called(posts: int) -> float:
    """Batches a second through an engine in so many processes, a core each."""
    calls = Processes[FaceEnhancer]([ProcessSpec(ENGINES["enhance"]["builtin"].target, "cpu", 1)] * posts)
    noise = np.random.default_rng(0).normal(128, 12, (8, 512, 512, 3)).clip(0, 255).astype(np.uint8)
    pose = np.array([[300.0, 0, 106], [0, 300, 90]])
    track = FaceTrack(512, np.zeros((8, 2), np.int32), np.repeat(pose[None], 8, 0), np.ones(8, np.bool_))
    count = 12

    async def numbers() -> AsyncIterator[int]:
        for number in range(count):
            yield number

    try:
        await calls.start()
        learnt = await calls.call(prepare_unheard, track, list(noise))

        async def call(_number: int) -> Image:
            return await calls.call(_long, noise, range(8), track, learnt)

        began = time.perf_counter()
        async for _ in map_ordered(numbers(), call, calls.width):
            pass
        return count / (time.perf_counter() - began)
    finally:
        await calls.close()


def _long(
    engine: FaceEnhancer, patches: Image, numbers: Sequence[int], track: FaceTrack, learnt: Arrays
) -> Image:
    """Twenty times over: some 50 ms a face."""
    for _ in range(20):
        made = engine.enhance(patches, numbers, track, learnt)
    return made


def _measured(minutes: int) -> float:
    with tempfile.TemporaryDirectory(prefix="lipstream-bench-") as folder:
        clip = Path(folder) / "long.mp4"
        write_clip(clip, _frames(_SMALL, 25 * 60 * minutes), 25)
        done = subprocess.run(
            [sys.executable, "-m", "bench.enhance", str(clip)], check=True, capture_output=True, text=True
        )
    return float(json.loads(done.stdout.splitlines()[-1])["peak_mb"])


def _peak_mb() -> float:
    """Of this process alone; what the system counts as its peak begins, on Linux, with its parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 if sys.platform != "darwin" else 2**20)


if __name__ == "__main__":
    asyncio.run(_enhanced(Path(sys.argv[1]), ()))
    print(json.dumps({"peak_mb": _peak_mb()}))
