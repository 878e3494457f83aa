"""Make every face of a video clearer: the crops of each track go through the engine and back into the frames.

Faces of one frame are done one after another, each in what the others have become already: in a group their
crops overlap.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import overload

import numpy as np

from core.engines.base import FIDELITY
from core.media import Frame
from core.paste import paste
from core.reuse import Trail, Turns
from core.shots import Shot, crop
from core.team import Team, enhance, in_order, prepare
from core.types import Arrays, FaceTrack, Image
from core.worker import Worker


async def enhance_shots(
    shots: AsyncIterator[Shot],
    team: Team,
    hands: Worker,
    batch: int,
    fidelity: float = FIDELITY,
    every: int = 1,
) -> AsyncGenerator[Sequence[Frame], None]:
    """Yield the frames of `shots`, faces made clearer, a batch at a time. Those without a face stay the same.

    hands: the thread on which crops are cut out and pasted. batch, fidelity: as in `FaceEnhancer`. every: of
    each face one in so many goes to the engine, and those after it get what it changed (`core.reuse`).
    """

    async def clearer(batch: _Batch) -> Sequence[Frame]:
        return await _clearer(batch, team, hands, fidelity, every)

    async with (
        aclosing(_batches(shots, team, batch * every)) as batches,
        aclosing(in_order(team, batches, clearer)) as done,
    ):
        async for frames in done:
            yield frames


@dataclass(frozen=True, slots=True)
class _Batch:
    """Some frames of a shot. prepared: what the engine learnt of each track."""

    shot: Shot
    numbers: range
    prepared: Sequence[Arrays]


async def _batches(shots: AsyncIterator[Shot], team: Team, size: int) -> AsyncGenerator[_Batch, None]:
    async for shot in shots:
        prepared = [await team.call(prepare, track, _Crops(shot, track)) for track in shot.tracks]
        for first in range(0, len(shot), size):
            yield _Batch(shot, range(first, min(first + size, len(shot))), prepared)


async def _clearer(batch: _Batch, team: Team, hands: Worker, fidelity: float, every: int) -> Sequence[Frame]:
    shot, first = batch.shot, batch.numbers.start
    frames = shot.frames[first : batch.numbers.stop]
    if not any(track.found[batch.numbers].any() for track in shot.tracks):
        return frames
    frames = await hands.call(_copies, frames)  # a stage does not write into what it was given
    for track, learnt in zip(shot.tracks, batch.prepared, strict=True):
        found = track.found[batch.numbers]
        due = [first + k for k in np.flatnonzero(Turns(every).due(found.tolist())).tolist()]
        if not due:
            continue
        patches = await hands.call(_cut_out, [frames[k - first] for k in due], due, track)
        made = await team.call(enhance, patches, due, track, learnt, fidelity)
        clear, trail = dict(zip(due, zip(patches, made, strict=True), strict=True)), Trail()
        for number in (first + np.flatnonzero(found)).tolist():  # one a step: a cancel waits for no more
            await hands.call(_put_back, frames[number - first], number, track, trail, clear.get(number))
    return frames


@dataclass(frozen=True, slots=True)
class _Crops(Sequence[Image]):
    """The crops of a track, cut out on access; to another process they travel as pictures."""

    shot: Shot
    track: FaceTrack

    def __len__(self) -> int:
        return len(self.shot)

    @overload
    def __getitem__(self, index: int) -> Image: ...
    @overload
    def __getitem__(self, index: slice) -> list[Image]: ...
    def __getitem__(self, index: int | slice) -> Image | list[Image]:
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        number = index % len(self)
        return crop(self.shot.frames[number].planes, self.track, number)

    def __reduce__(self) -> tuple[object, ...]:
        return list, ([*self],)


def _copies(frames: Sequence[Frame]) -> Sequence[Frame]:
    return [replace(frame, planes=frame.planes.copy()) for frame in frames]


def _cut_out(frames: Sequence[Frame], numbers: Sequence[int], track: FaceTrack) -> Image:
    return np.stack([crop(f.planes, track, k) for f, k in zip(frames, numbers, strict=True)])


def _put_back(
    frame: Frame, number: int, track: FaceTrack, trail: Trail, clear: tuple[Image, Image] | None
) -> None:
    """Paste a face. clear: its crop as it was and enhanced; None where the face follows an earlier one."""
    given, made = (crop(frame.planes, track, number), None) if clear is None else clear
    x, y = track.corners[number].tolist()
    paste(frame.planes, trail.next(given, track.poses[number], made), x, y)
