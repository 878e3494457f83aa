"""CodeFormer in one process and in two: half the channels, in the fastest numbers the processor has, in turn.

What is fair: two processes of half the cores each, against one of half the cores, and against one of all.
"""

import asyncio
import os
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import numpy as np

from bench import Figure
from bench._small_codeformer import downloaded
from core.engines import ENGINES
from core.protocols import FaceEnhancer
from core.runtime.pipeline import map_ordered
from core.serving.loaded import prepare_unheard
from core.serving.processes import Processes, ProcessSpec
from core.types import Arrays, FaceTrack, Image

_FACES = 4
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class _Round:
    """A face's share of the time of all, and the processor time of one, in seconds."""

    wall: float
    cpu: float


def figures() -> Iterator[Figure]:
    """Seconds a face by the clock and by processor time, medians of rounds in turn."""
    half = max(1, (os.cpu_count() or 1) // 2)
    with downloaded():
        one, two, whole = zip(*asyncio.run(_measured(half)), strict=True)
    ways = {f"1 process of {half}": one, f"2 processes of {half}": two, f"1 process of {2 * half}": whole}
    for name, rounds in ways.items():
        wall = statistics.median(each.wall for each in rounds)
        yield Figure(f"codeformer, {name}: by the clock", wall, "s/face", higher=False)
        cpu = statistics.median(each.cpu for each in rounds)
        yield Figure(f"codeformer, {name}: processor time", cpu, "s/face", higher=False)
    # Two that cost what one does are twice as fast where each has its cores; what else runs does not count.
    twice = statistics.median(2 * a.cpu / b.cpu for a, b in zip(one, two, strict=True))
    yield Figure("2 processes over 1 of as many threads as each", twice, "x", 1.5)
    clock = statistics.median(a.wall / b.wall for a, b in zip(whole, two, strict=True))
    yield Figure("2 processes over 1 of all threads, by the clock", clock, "x")


async def _measured(half: int) -> list[tuple[_Round, ...]]:
    """Each of the three ways, round by round."""
    target = ENGINES["enhance"]["codeformer"].target
    ways = (
        [ProcessSpec(target, "cpu", half)],
        [ProcessSpec(target, "cpu", half)] * 2,
        [ProcessSpec(target, "cpu", 2 * half)],
    )
    async with AsyncExitStack() as stack:
        teams: list[Processes[FaceEnhancer]] = []
        for specs in ways:
            teams.append(Processes(specs))
            stack.push_async_callback(teams[-1].close)
            await teams[-1].start()
            await _round(teams[-1])  # once unmeasured
        return [tuple([await _round(calls) for calls in teams]) for _ in range(_ROUNDS)]


async def _round(calls: Processes[FaceEnhancer]) -> _Round:
    noise = np.random.default_rng(0).normal(128, 12, (1, 512, 512, 3)).clip(0, 255).astype(np.uint8)
    pose = np.array([[300.0, 0, 106], [0, 300, 90]])
    track = FaceTrack(512, np.zeros((1, 2), np.int32), pose[None], np.ones(1, np.bool_))
    learnt = await calls.call(prepare_unheard, track, list(noise))

    async def numbers() -> AsyncIterator[int]:
        for number in range(_FACES):
            yield number

    async def call(_number: int) -> float:
        return await calls.call(_cost, noise, track, learnt)

    began = time.perf_counter()
    costs = [cost async for cost in map_ordered(numbers(), call, calls.width)]
    return _Round((time.perf_counter() - began) / _FACES, statistics.median(costs))


def _cost(engine: FaceEnhancer, patch: Image, track: FaceTrack, learnt: Arrays) -> float:
    """Processor time for a face, in the engine's process."""
    began = time.process_time()
    engine.enhance(patch, [0], track, learnt)
    return time.process_time() - began
