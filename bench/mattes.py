"""New backgrounds: how fast and how exactly people are cut out, what a long template costs in memory, and
whether jobs on a template with another background are as fast as on the one it was made from.

Speeds are of one core: OpenCV on one thread, processor time. The true matte is the drawn presenter's.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice, pairwise
from pathlib import Path

import cv2
import numpy as np
import psutil
from numpy.typing import NDArray

from bench import Figure
from bench._scene import rendered, scene, speech_text
from core.engines import load
from core.media.clip import Frames, write_clip
from core.render import Request
from core.templates import scene as scene_
from core.templates.background import Background, Backgrounds, compose
from core.templates.mattes import make_mattes
from core.templates.template import Template
from core.types import FaceTrack
from tests.support.mattes import WALLS, before, face, known

_SIZE, _COUNT = 512, 6
_ERROR = {"key": 0.02, "flat": 0.02, "selfie": 0.02, "grabcut": 0.06}
_SPEED = {"key": 40.0, "flat": 12.0, "selfie": 20.0, "grabcut": 12.0}


def figures() -> Iterator[Figure]:
    """Exactness and speed of each engine, then the template as a whole."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        for engine in ("key", "flat", "selfie", "grabcut"):
            yield from _engine(engine)
    finally:
        cv2.setNumThreads(threads)
    yield from asyncio.run(_jobs())
    yield from _memory()


def _engine(name: str) -> Iterator[Figure]:
    matting, truth = load("matte", name), known(_COUNT, _SIZE)[1][..., 0]
    errors, seconds, restless = {}, [], []
    for wall, draw in WALLS[name].items():
        clip = before(draw(_SIZE), _COUNT, _SIZE)
        began = time.process_time()
        mattes = list(matting.mattes(clip, [face(_SIZE)] * _COUNT))
        seconds.append((time.process_time() - began) / _COUNT)
        errors[wall] = float(np.abs(np.stack(mattes) / 255 - truth).mean())
        still = before(draw(_SIZE), 3, _SIZE, still=True)
        restless.append(_change(list(matting.mattes(still, [face(_SIZE)] * 3))))
    worst = max(errors, key=lambda wall: errors[wall])
    yield Figure(
        f"{name}: error of alpha, mean of six walls", statistics.mean(errors.values()), "of 1", higher=False
    )
    yield Figure(
        f"{name}: error of alpha, worst ({worst})", errors[worst], "of 1", _ERROR[name], higher=False
    )
    yield Figure(f"{name}: change a frame, still person, worst", max(restless), "of 1", 0.01, higher=False)
    yield Figure(
        f"{name}: {_SIZE}x{_SIZE}, one core", 1 / statistics.median(seconds), "frames/s", _SPEED[name]
    )


def _change(mattes: list[NDArray[np.uint8]]) -> float:
    return max(float(cv2.absdiff(a, b).mean()) / 255 for a, b in pairwise(mattes))


async def _jobs() -> list[Figure]:
    """Frames a second on the sample and on the same person before another background, in turn."""
    async with scene() as (pool, templates):
        backgrounds = Backgrounds(pool, templates)
        began = time.perf_counter()
        made = await backgrounds.make("sample", Background(prompt="晚霞下的海边"), report=_nobody)
        first = time.perf_counter() - began
        began = time.perf_counter()
        await backgrounds.make("sample", Background(prompt="bookshelf"), report=_nobody)
        second = time.perf_counter() - began
        text, speeds = speech_text(17), {"sample": [0.0], made.info.id: [0.0]}
        for _ in range(4):
            for name, seen in speeds.items():
                progress = await rendered(Request(template=name, text=text), pool, templates)
                seen.append(progress.frames / progress.elapsed_s)
        plain, other = (statistics.median(seen[2:]) for seen in speeds.values())
    return [
        Figure("a background for the 6 s sample, mattes included", first, "s", higher=False),
        Figure("another one, mattes there", second, "s", higher=False),
        Figure("job on the new template", other, "frames/s", baseline=plain),
        Figure("job on the new template, to the old one's speed", other / plain, "x", 0.95),
    ]


def _nobody(_step: str, _done: int, _total: int | None) -> None:
    pass


def _memory() -> Iterator[Figure]:
    """Growth of the process while a clip of a key wall, 256x256, is cut out and composed."""
    start = psutil.Process().memory_info().rss
    peaks = [_grown(minutes, start) for minutes in (1, 10)]
    yield Figure("memory to cut out and compose 1 minute", peaks[0], "MB", higher=False)
    yield Figure(
        "memory to cut out and compose 10 minutes", peaks[1], "MB", 1.15 * peaks[0] + 20, higher=False
    )


def _grown(minutes: int, start: int) -> float:
    """Megabytes over `start`, at most."""
    process, peak, count = psutil.Process(), 0, minutes * 60 * 25
    with tempfile.TemporaryDirectory(prefix="lipstream-bench-") as name:
        clip, mattes = Path(name) / "long.mp4", Path(name) / "mattes.mp4"
        write_clip(clip, islice(cycle(before(WALLS["key"]["green"](256), 8, 256)), count), 25)
        pose = np.array([[100.0, 0, 10], [0, 100.0, 10]])
        corners = np.full((count, 2), 60, np.int32)
        track = FaceTrack(120, corners, np.broadcast_to(pose, (count, 2, 3)), np.ones(count, np.bool_))
        template = Template("long", Frames(clip, 16 << 20), track, {})

        def look(_step: str, done: int, _total: int | None) -> None:
            nonlocal peak
            if done % 100 == 0:
                peak = max(peak, process.memory_info().rss - start)

        make_mattes(load("matte", "key"), template, mattes, look, lambda: False)
        ground = scene_.fitted(np.full((256, 256, 4), 200, np.uint8), 256, 256)
        compose(template, mattes, ground, Path(name) / "made.mp4", look, lambda: False)
        template.close()
    return peak / 1e6
