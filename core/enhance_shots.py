"""Make every face of a video clearer: the crops of each track go through the engine and back into the frames.

Faces of one frame are done one after another, each in what the others have become already: in a group their
crops overlap.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import overload

import numpy as np

from core.media import Frame
from core.paste import paste
from core.shots import Shot, crop
from core.team import Team, enhance, in_order, prepare
from core.types import Arrays, FaceTrack, Image
from core.worker import Worker


async def enhance_shots(
    shots: AsyncIterator[Shot], team: Team, hands: Worker, batch: int, fidelity: float
) -> AsyncGenerator[Sequence[Frame], None]:
    """Yield the frames of `shots`, faces made clearer, a batch at a time. Those without a face stay the same.

    hands: the thread on which crops are cut out and pasted. batch, fidelity: as in `FaceEnhancer`.
    """

    async def clearer(batch: _Batch) -> Sequence[Frame]:
        return await _clearer(batch, team, hands, fidelity)

    async with (
        aclosing(_batches(shots, team, batch)) as batches,
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


async def _clearer(batch: _Batch, team: Team, hands: Worker, fidelity: float) -> Sequence[Frame]:
    shot, first = batch.shot, batch.numbers.start
    frames = shot.frames[first : batch.numbers.stop]
    faces = [(track, [k for k in batch.numbers if track.found[k]]) for track in shot.tracks]
    if not any(numbers for _, numbers in faces):
        return frames
    frames = await hands.call(_copies, frames)  # a stage does not write into what it was given
    for (track, numbers), learnt in zip(faces, batch.prepared, strict=True):
        if numbers:
            there = [frames[k - first] for k in numbers]
            patches = await hands.call(_cut_out, there, numbers, track)
            made = await team.call(enhance, patches, numbers, track, learnt, fidelity)
            await hands.call(_put_back, there, numbers, track, made)
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


def _put_back(frames: Sequence[Frame], numbers: Sequence[int], track: FaceTrack, patches: Image) -> None:
    for frame, number, patch in zip(frames, numbers, patches, strict=True):
        x, y = track.corners[number].tolist()
        paste(frame.planes, patch, x, y)
