"""Make every face of a video clearer: the crops of each track go through the engine and back into the frames.

Faces of one frame are done one after another, each in what the others have become already: in a group their
crops overlap.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.engines.base import FaceEnhancer
from core.media import Frame
from core.paste import paste
from core.shots import Shot, crop
from core.studio import Staffed
from core.types import Arrays, FaceTrack, Image
from core.worker import Worker

BATCH = 8
"""Frames in one call of the engine: what a cancel waits for, at most."""


async def enhance_shots(
    shots: AsyncIterator[Shot], enhance: Staffed, hands: Worker, fidelity: float
) -> AsyncGenerator[Sequence[Frame], None]:
    """Yield the frames of `shots`, faces made clearer, a batch at a time. Those without a face stay the same.

    hands: the thread on which crops are cut out and pasted. fidelity: as in `FaceEnhancer.enhance`.
    """
    async for shot in shots:
        prepared = [
            await enhance.worker.call(_prepare, enhance.engine, track, _Crops(shot, track))
            for track in shot.tracks
        ]
        for first in range(0, len(shot), BATCH):
            batch = range(first, min(first + BATCH, len(shot)))
            yield await _clearer(shot, batch, prepared, enhance, hands, fidelity)


async def _clearer(
    shot: Shot,
    batch: range,
    prepared: Sequence[Arrays],
    enhance: Staffed,
    hands: Worker,
    fidelity: float,
) -> Sequence[Frame]:
    frames = shot.frames[batch.start : batch.stop]
    faces = [(track, [k for k in batch if track.found[k]]) for track in shot.tracks]
    if not any(numbers for _, numbers in faces):
        return frames
    frames = await hands.call(_copies, frames)  # a stage does not write into what it was given
    for (track, numbers), learnt in zip(faces, prepared, strict=True):
        if numbers:
            there = [frames[k - batch.start] for k in numbers]
            patches = await hands.call(_cut_out, there, numbers, track)
            clearer = await enhance.worker.call(
                enhance.engine.enhance, patches, numbers, track, learnt, fidelity
            )
            await hands.call(_put_back, there, numbers, track, clearer)
    return frames


@dataclass(frozen=True, slots=True)
class _Crops:
    """The crops of a track, cut out on access."""

    shot: Shot
    track: FaceTrack

    def __len__(self) -> int:
        return len(self.shot)

    def __getitem__(self, number: int) -> Image:
        if not 0 <= number < len(self):
            raise IndexError(number)
        return crop(self.shot.frames[number].planes, self.track, number)


def _prepare(engine: FaceEnhancer, track: FaceTrack, crops: Sequence[Image]) -> Arrays:
    return engine.prepare(track, crops, lambda _: None)


def _copies(frames: Sequence[Frame]) -> Sequence[Frame]:
    return [replace(frame, planes=frame.planes.copy()) for frame in frames]


def _cut_out(frames: Sequence[Frame], numbers: Sequence[int], track: FaceTrack) -> Image:
    return np.stack([crop(f.planes, track, k) for f, k in zip(frames, numbers, strict=True)])


def _put_back(frames: Sequence[Frame], numbers: Sequence[int], track: FaceTrack, patches: Image) -> None:
    for frame, number, patch in zip(frames, numbers, patches, strict=True):
        x, y = track.corners[number].tolist()
        paste(frame.planes, patch, x, y)
