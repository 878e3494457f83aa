"""Make the drawn faces clearer, patch by patch, while speech is still being made."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.enhancement.every_nth import EACH, CarryOver, EnhancePolicy, EveryNth
from core.enhancement.sharpness import SharpnessGate
from core.protocols import FIDELITY, FaceEnhancer
from core.serving.loaded import LoadedEngine, enhance
from core.templates.template import Template
from core.types import Arrays, FaceTrack, FrameBatch, Image


async def enhance_stream(
    batches: AsyncIterator[FrameBatch],
    enhancer: LoadedEngine[FaceEnhancer],
    template: Template,
    prepared: Arrays,
    fidelity: float = FIDELITY,
    policy: EnhancePolicy = EACH,
) -> AsyncGenerator[FrameBatch, None]:
    """Yield `batches` with clearer patches; those of frames without a face are left as they are.

    prepared: what the engine learnt of the template. fidelity: as in `FaceEnhancer.enhance`. policy: which
    go to the engine; others get what it changed, or stay as they are. However frames are grouped, they come
    out the same.
    """

    async def clearer(turn: _Turn) -> _Turn:
        if not turn.due.any():
            return turn
        batch = turn.batch
        patches = batch.patches if turn.due.all() else batch.patches[turn.due]
        numbers = batch.numbers[turn.due].tolist()
        made = await enhancer.call(enhance, patches, numbers, template.track, prepared, fidelity)
        return replace(turn, made=made)

    carried = CarryOver()
    async with (
        aclosing(_in_turns(batches, template.track, policy)) as turns,
        aclosing(enhancer.in_order(turns, clearer)) as done,
    ):
        async for turn in done:
            # Not on the engine's thread: meanwhile it works for other jobs.
            yield await asyncio.to_thread(_finished, turn, carried, template.track)


@dataclass(frozen=True, slots=True)
class _Turn:
    """A batch. wanted: which of its faces are to be clearer; due: which of those the engine shall see; both
    bool (n,). made: what it made of the latter."""

    batch: FrameBatch
    wanted: NDArray[np.bool_]
    due: NDArray[np.bool_]
    made: Image | None = None


async def _in_turns(
    batches: AsyncIterator[FrameBatch], track: FaceTrack, policy: EnhancePolicy
) -> AsyncGenerator[_Turn, None]:
    turns, gate = EveryNth(policy.every), SharpnessGate(policy.enough)
    async for batch in batches:
        wanted = batch.drawn
        if policy.enough:
            wanted = await asyncio.to_thread(_wanted, batch, track, gate)
            policy.left(int((batch.drawn & ~wanted).sum()))
        yield _Turn(batch, wanted, turns.due(wanted.tolist()))


def _wanted(batch: FrameBatch, track: FaceTrack, gate: SharpnessGate) -> NDArray[np.bool_]:
    """Which faces are not sharp as they are."""
    numbers = batch.numbers.tolist()
    return np.array(
        [
            drawn and not gate.passes(patch, track.poses[number])
            for drawn, patch, number in zip(batch.drawn.tolist(), batch.patches, numbers, strict=True)
        ],
        np.bool_,
    )


def _finished(turn: _Turn, carried: CarryOver, track: FaceTrack) -> FrameBatch:
    """The batch with all its faces clearer; batches come in order."""
    batch, made = turn.batch, iter(() if turn.made is None else turn.made)
    patches = batch.patches.copy()
    for k in np.flatnonzero(turn.wanted).tolist():
        pose = track.poses[batch.numbers[k]]
        patches[k] = carried.next(batch.patches[k], pose, next(made) if turn.due[k] else None)
    return replace(batch, patches=patches)
