"""The stage in front of an enhancer that writes down what it is asked."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import numpy as np

from core.enhance_stream import enhance_stream
from core.protocols import FIDELITY
from core.runtime.worker import Worker
from core.types import FrameBatch
from tests.support.enhancers import Recorded
from tests.support.fakes import loaded, template


def batch(drawn: Sequence[bool]) -> FrameBatch:
    count = len(drawn)
    patches = np.full((count, 16, 16, 3), 7, np.uint8)
    numbers = np.arange(count, dtype=np.int32)
    return FrameBatch(0, patches, numbers, np.array(drawn), np.zeros(640 * count, np.float32), 16_000)


def run(engine: Recorded, batches: Sequence[FrameBatch], **given: float) -> list[FrameBatch]:
    async def source() -> AsyncIterator[FrameBatch]:
        for one in batches:
            yield one

    async def collect() -> list[FrameBatch]:
        clear = loaded("enhance", engine, Worker("clear"))
        try:
            return [one async for one in enhance_stream(source(), clear, template(), {}, **given)]
        finally:
            await clear.close()

    return asyncio.run(collect())


def test_the_jobs_fidelity_reaches_the_engine():
    engine = Recorded()
    run(engine, [batch([True])], fidelity=0.25)
    run(engine, [batch([True])])
    assert [fidelity for _, fidelity in engine.calls] == [0.25, FIDELITY]


def test_only_drawn_faces_are_enhanced_and_the_given_patches_stay():
    engine = Recorded()
    given = [batch([True, False, True]), batch([False, False]), batch([True, True])]
    made = run(engine, given)
    assert [numbers for numbers, _ in engine.calls] == [[0, 2], [0, 1]]
    assert [one.patches[:, 0, 0, 0].tolist() for one in made] == [[8, 7, 8], [7, 7], [8, 8]]
    assert all((one.patches == 7).all() for one in given)
