"""Make the drawn faces clearer, patch by patch, while speech is still being made."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace

import numpy as np

from core.engines.base import FIDELITY, FaceEnhancer
from core.template import Template
from core.types import Arrays, FrameBatch
from core.worker import Worker


async def enhance_stream(
    batches: AsyncIterator[FrameBatch],
    engine: FaceEnhancer,
    worker: Worker,
    template: Template,
    prepared: Arrays,
    fidelity: float = FIDELITY,
) -> AsyncGenerator[FrameBatch, None]:
    """Yield `batches` with clearer patches; those of frames without a face are left as they are.

    prepared: what the engine learnt of the template. fidelity: as in `FaceEnhancer.enhance`.
    """
    async for batch in batches:
        drawn = np.flatnonzero(batch.drawn)
        if not len(drawn):
            yield batch
            continue
        whole = len(drawn) == len(batch)
        patches = batch.patches if whole else batch.patches[drawn]
        numbers = batch.numbers[drawn].tolist()
        clearer = await worker.call(engine.enhance, patches, numbers, template.track, prepared, fidelity)
        if not whole:
            merged = batch.patches.copy()
            merged[drawn] = clearer
            clearer = merged
        yield replace(batch, patches=clearer)
