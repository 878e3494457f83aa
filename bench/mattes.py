"""New backgrounds: how fast and how exactly people are cut out, what a long template costs in memory, and
whether jobs on a template with another background are as fast as on the one it was made from.

Speeds are of one core: OpenCV on one thread, processor time. The true matte is the drawn presenter's.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import islice, pairwise
from pathlib import Path

import cv2
import numpy as np
import psutil
from numpy.typing import NDArray

from bench import Figure
from bench._scene import rendered, scene, speech_text
from core.backgrounds import Background, Backgrounds
from core.config import Settings
from core.engines import load
from core.media import write_clip
from core.render import Request
from core.studio import Studio
from core.templates import Templates
from core.types import Image
from tests.mattes import WALLS, before, face, known

_SIZE, _COUNT = 512, 6
_ERROR = {"key": 0.02, "flat": 0.02, "grabcut": 0.06}
_SPEED = {"key": 40.0, "flat": 12.0, "grabcut": 12.0}


def figures() -> Iterator[Figure]:
    """Exactness and speed of each engine, then the template as a whole."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        for engine in ("key", "flat", "grabcut"):
            yield from _engine(engine)
    finally:
        cv2.setNumThreads(threads)
    yield from asyncio.run(_jobs())
    yield from _memory()


def _engine(name: str) -> Iterator[Figure]:
    matter, truth = load("matte", name), known(_COUNT, _SIZE)[1][..., 0]
    errors, seconds, restless = {}, [], []
    for wall, draw in WALLS[name].items():
        clip = before(draw(_SIZE), _COUNT, _SIZE)
        began = time.process_time()
        mattes = list(matter.mattes(clip, [face(_SIZE)] * _COUNT))
        seconds.append((time.process_time() - began) / _COUNT)
        errors[wall] = float(np.abs(np.stack(mattes) / 255 - truth).mean())
        still = before(draw(_SIZE), 3, _SIZE, still=True)
        restless.append(_change(list(matter.mattes(still, [face(_SIZE)] * 3))))
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
    async with scene() as (studio, templates):
        backgrounds = Backgrounds(studio, templates)
        began = time.perf_counter()
        made = await backgrounds.make("sample", Background(prompt="晚霞下的海边"), report=_nobody)
        first = time.perf_counter() - began
        began = time.perf_counter()
        await backgrounds.make("sample", Background(prompt="bookshelf"), report=_nobody)
        second = time.perf_counter() - began
        text, speeds = speech_text(17), {"sample": [0.0], made.info.id: [0.0]}
        for _ in range(4):
            for name, seen in speeds.items():
                progress = await rendered(Request(template=name, text=text), studio, templates)
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
    """Growth of the process over a background for ten minutes of a key wall, and for one minute."""
    peaks = [asyncio.run(_long(minutes)) for minutes in (1, 10)]
    yield Figure("memory for a background, 1 minute at 256x256", peaks[0], "MB", higher=False)
    yield Figure("memory for a background, 10 minutes", peaks[1], "MB", peaks[0] * 1.15 + 20, higher=False)


async def _long(minutes: int) -> float:
    process, peak = psutil.Process(), 0.0
    with tempfile.TemporaryDirectory(prefix="lipstream-bench-") as name:
        folder = Path(name)
        loop = before(WALLS["key"]["green"](256), 25, 256)
        await asyncio.to_thread(write_clip, folder / "long.mp4", _round(loop, minutes * 60 * 25), 25)
        async with Studio() as studio:
            templates = Templates(Settings(data_dir=folder, frame_cache_mb=16), studio)
            await templates.add(folder / "long.mp4", "long")
            start = process.memory_info().rss

            def look(_step: str, _done: int, _total: int | None) -> None:
                nonlocal peak
                peak = max(peak, process.memory_info().rss - start)

            await Backgrounds(studio, templates).make("long", Background(prompt="sea"), report=look)
    return peak / 1e6


def _round(loop: list[Image], count: int) -> Iterable[Image]:
    """The clip forwards and backwards, `count` frames long."""

    def endless() -> Iterator[Image]:
        while True:
            yield from loop
            yield from loop[-2:0:-1]

    return islice(endless(), count)
