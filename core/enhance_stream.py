"""Make the drawn faces clearer, patch by patch, while speech is still being made."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import numpy as np

from core.engines.base import FIDELITY
from core.team import Team, enhance, in_order
from core.template import Template
from core.types import Arrays, FrameBatch


async def enhance_stream(
    batches: AsyncIterator[FrameBatch],
    team: Team,
    template: Template,
    prepared: Arrays,
    fidelity: float = FIDELITY,
) -> AsyncGenerator[FrameBatch, None]:
    """Yield `batches` with clearer patches; those of frames without a face are left as they are.

    prepared: what the engine learnt of the template. fidelity: as in `FaceEnhancer.enhance`.
    """

    async def clearer(batch: FrameBatch) -> FrameBatch:
        drawn = np.flatnonzero(batch.drawn)
        if not len(drawn):
            return batch
        whole = len(drawn) == len(batch)
        patches = batch.patches if whole else batch.patches[drawn]
        numbers = batch.numbers[drawn].tolist()
        made = await team.call(enhance, patches, numbers, template.track, prepared, fidelity)
        if not whole:
            merged = batch.patches.copy()
            merged[drawn] = made
            made = merged
        return replace(batch, patches=made)

    async with aclosing(in_order(team, batches, clearer)) as done:
        async for batch in done:
            yield batch
