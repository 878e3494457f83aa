"""What the queues themselves cost: three stages that sleep, side by side and one after another."""

import asyncio
import statistics
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator

from bench import Figure
from core.runtime.pipeline import Pipeline

_ITEMS, _SLEEP_S, _STAGES = 50, 0.02, 3


def figures() -> Iterator[Figure]:
    """Wall time over the slowest stage plus the fill; 1 is perfect, one after another is about 3."""
    ideal = _SLEEP_S * (_ITEMS + _STAGES - 1)
    walls = [asyncio.run(_wall()) for _ in range(5)]
    in_turn = _SLEEP_S * _ITEMS * _STAGES
    yield Figure(
        "three sleeping stages: wall over slowest + fill",
        statistics.median(walls) / ideal,
        "x",
        1.10,
        higher=False,
        baseline=in_turn / ideal,
    )


async def _source() -> AsyncGenerator[int, None]:
    for n in range(_ITEMS):
        yield n


async def _sleeper(items: AsyncIterator[int]) -> AsyncGenerator[int, None]:
    async for item in items:
        await asyncio.sleep(_SLEEP_S)
        yield item


async def _wall() -> float:
    started = time.perf_counter()
    async with Pipeline() as pipe:
        items = pipe.stage("source", _source(), limit=1)
        for n in range(_STAGES):
            items = pipe.stage(f"sleeper {n}", _sleeper(items), limit=1)
        async for _ in items:
            pass
    return time.perf_counter() - started
