"""Make the drawn faces clearer, patch by patch, while speech is still being made."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.engines.base import FIDELITY
from core.reuse import Trail, Turns
from core.team import Team, enhance, in_order
from core.template import Template
from core.types import Arrays, FaceTrack, FrameBatch, Image


async def enhance_stream(
    batches: AsyncIterator[FrameBatch],
    team: Team,
    template: Template,
    prepared: Arrays,
    fidelity: float = FIDELITY,
    every: int = 1,
) -> AsyncGenerator[FrameBatch, None]:
    """Yield `batches` with clearer patches; those of frames without a face are left as they are.

    prepared: what the engine learnt of the template. fidelity: as in `FaceEnhancer.enhance`. every: one in
    so many goes to the engine, and those after it get what it changed (`core.reuse`). However frames are
    grouped, they come out the same.
    """

    async def clearer(turn: _Turn) -> _Turn:
        if not turn.due.any():
            return turn
        batch = turn.batch
        patches = batch.patches if turn.due.all() else batch.patches[turn.due]
        numbers = batch.numbers[turn.due].tolist()
        made = await team.call(enhance, patches, numbers, template.track, prepared, fidelity)
        return replace(turn, made=made)

    trail = Trail()
    async with (
        aclosing(_in_turns(batches, every)) as turns,
        aclosing(in_order(team, turns, clearer)) as done,
    ):
        async for turn in done:
            # Not on the engine's thread: meanwhile it works for other jobs.
            yield await asyncio.to_thread(_finished, turn, trail, template.track)


@dataclass(frozen=True, slots=True)
class _Turn:
    """A batch; which of its frames are due to be enhanced, bool (n,); and what was made of those."""

    batch: FrameBatch
    due: NDArray[np.bool_]
    made: Image | None = None


async def _in_turns(batches: AsyncIterator[FrameBatch], every: int) -> AsyncGenerator[_Turn, None]:
    turns = Turns(every)
    async for batch in batches:
        yield _Turn(batch, turns.due(batch.drawn.tolist()))


def _finished(turn: _Turn, trail: Trail, track: FaceTrack) -> FrameBatch:
    """The batch with all its faces clearer; batches come in order."""
    batch, made = turn.batch, iter(() if turn.made is None else turn.made)
    patches = batch.patches.copy()
    for k in np.flatnonzero(batch.drawn).tolist():
        pose = track.poses[batch.numbers[k]]
        patches[k] = trail.next(batch.patches[k], pose, next(made) if turn.due[k] else None)
    return replace(batch, patches=patches)
