"""CodeFormer in one process and in two: half the channels, in the fastest numbers the processor has, in turn.

What is fair: two processes of half the cores each, against one of half the cores, and against one of all.
"""

import asyncio
import os
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import numpy as np

from bench import Figure
from bench._small_codeformer import downloaded
from core.engines import ENGINES
from core.pipeline import side_by_side
from core.team import Post, Processes, enhance, prepare
from core.types import FaceTrack, Image

_FACES = 6
_ROUNDS = 5


def figures() -> Iterator[Figure]:
    """Seconds a face and how many times faster two processes are, each the median of rounds in turn."""
    half = max(1, (os.cpu_count() or 1) // 2)
    with downloaded():
        one, two, all_cores = zip(*asyncio.run(_measured(half)), strict=True)
    kind = f"codeformer, {half} thread{'s'[: half > 1]} a process"
    yield Figure(f"{kind}: 1 process", statistics.median(one), "s/face", higher=False)
    yield Figure(f"{kind}: 2 processes", statistics.median(two), "s/face", higher=False)
    yield Figure("codeformer, 1 process of all threads", statistics.median(all_cores), "s/face", higher=False)
    yield Figure("2 processes over 1 of as many threads as each", _times(one, two), "x", 1.5)
    yield Figure("2 processes over 1 of all threads", _times(all_cores, two), "x")


async def _measured(half: int) -> list[tuple[float, ...]]:
    """Seconds a face with each of the three ways, round by round."""
    target = ENGINES["enhance"]["codeformer"].target
    ways = ([Post(target, "cpu", half)], [Post(target, "cpu", half)] * 2, [Post(target, "cpu", 2 * half)])
    async with AsyncExitStack() as stack:
        teams = []
        for posts in ways:
            teams.append(Processes(posts))
            stack.push_async_callback(teams[-1].close)
            await teams[-1].start()
            await _taken(teams[-1])  # once unmeasured
        return [tuple([await _taken(team) for team in teams]) for _ in range(_ROUNDS)]


async def _taken(team: Processes) -> float:
    noise = np.random.default_rng(0).normal(128, 12, (1, 512, 512, 3)).clip(0, 255).astype(np.uint8)
    pose = np.array([[300.0, 0, 106], [0, 300, 90]])
    track = FaceTrack(512, np.zeros((1, 2), np.int32), pose[None], np.ones(1, np.bool_))
    learnt = await team.call(prepare, track, list(noise))

    async def numbers() -> AsyncIterator[int]:
        for number in range(_FACES):
            yield number

    async def call(_number: int) -> Image:
        return await team.call(enhance, noise, [0], track, learnt)

    began = time.perf_counter()
    async for _ in side_by_side(numbers(), call, team.width):
        pass
    return (time.perf_counter() - began) / _FACES


def _times(slow: tuple[float, ...], fast: tuple[float, ...]) -> float:
    return statistics.median(a / b for a, b in zip(slow, fast, strict=True))
