"""Make every face of a video clearer: the crops of each track go through the engine and back into the frames.

Faces of one frame are done one after another, each in what the others have become already: in a group their
crops overlap. Where a frame has a clear picture (`Frame.clear`), faces are laid into that one.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.enhancement.every_nth import EACH, CarryOver, EnhancePolicy, EveryNth
from core.enhancement.sharpness import SharpnessGate
from core.faces.shots import Shot, crop
from core.media.foreign import Frame
from core.media.paste import Crops, paste
from core.protocols import FIDELITY, FaceEnhancer
from core.runtime.worker import Worker
from core.serving.loaded import LoadedEngine, enhance, prepare_unheard
from core.types import Arrays, FaceTrack, Image


async def enhance_shots(
    shots: AsyncIterator[Shot],
    enhancer: LoadedEngine[FaceEnhancer],
    cpu: Worker,
    fidelity: float = FIDELITY,
    policy: EnhancePolicy = EACH,
) -> AsyncGenerator[Sequence[Frame], None]:
    """Yield the frames of `shots`, faces made clearer, a batch at a time. Those without a face stay the same.

    cpu: the thread on which crops are cut out and pasted. fidelity: as in `FaceEnhancer.enhance`. policy:
    which faces go to the engine; others get what it changed, or stay as they are.
    """

    async def clearer(batch: _Batch) -> Sequence[Frame]:
        return await _clearer(batch, enhancer, cpu, fidelity, policy.every)

    async with (
        aclosing(_batches(shots, enhancer, cpu, policy)) as batches,
        aclosing(enhancer.in_order(batches, clearer)) as done,
    ):
        async for frames in done:
            yield frames


@dataclass(frozen=True, slots=True)
class _Batch:
    """Some frames of a shot. prepared: what the engine learnt of each track. wanted: of each track, in which
    frames of the shot its face is to be made clearer, bool (n,)."""

    shot: Shot
    numbers: range
    prepared: Sequence[Arrays]
    wanted: Sequence[NDArray[np.bool_]]


async def _batches(
    shots: AsyncIterator[Shot], enhancer: LoadedEngine[FaceEnhancer], cpu: Worker, policy: EnhancePolicy
) -> AsyncGenerator[_Batch, None]:
    size = enhancer.engine.batch * policy.every
    gates: Sequence[_FaceGate] = ()
    async for shot in shots:
        wanted: Sequence[NDArray[np.bool_]] = [track.found for track in shot.tracks]
        if policy.enough:
            gates = [_juror(track, gates, policy.enough) for track in shot.tracks]
            wanted = [
                await cpu.call(_wanted, shot, track, one.gate)
                for track, one in zip(shot.tracks, gates, strict=True)
            ]
            policy.left(_all_sharp(shot, wanted))
        prepared = [await enhancer.call(prepare_unheard, track, _Crops(shot, track)) for track in shot.tracks]
        for first in range(0, len(shot), size):
            yield _Batch(shot, range(first, min(first + size, len(shot))), prepared, wanted)


async def _clearer(
    batch: _Batch, enhancer: LoadedEngine[FaceEnhancer], cpu: Worker, fidelity: float, every: int
) -> Sequence[Frame]:
    shot, first = batch.shot, batch.numbers.start
    frames = shot.frames[first : batch.numbers.stop]
    if not any(wanted[batch.numbers].any() for wanted in batch.wanted):
        return [_clear(frame) for frame in frames]
    done = await cpu.call(_copies, frames)  # a stage does not write into what it was given
    for track, learnt, wanted in zip(shot.tracks, batch.prepared, batch.wanted, strict=True):
        found = wanted[batch.numbers]
        due = [first + k for k in np.flatnonzero(EveryNth(every).due(found.tolist())).tolist()]
        if not due:
            continue
        under = await cpu.call(_cut_out, [done[k - first] for k in due], due, track)
        patches, onto = under, None
        if frames[0].clear is not None:
            patches, onto = await cpu.call(_cut_out, [frames[k - first] for k in due], due, track), under
        made = await enhancer.call(enhance, patches, due, track, learnt, fidelity, onto)
        clear, carried = dict(zip(due, zip(under, made, strict=True), strict=True)), CarryOver()
        for number in (first + np.flatnonzero(found)).tolist():  # one a step: a cancel waits for no more
            await cpu.call(_put_back, done[number - first], number, track, carried, clear.get(number))
    return done


@dataclass(frozen=True, slots=True)
class _FaceGate:
    """Looks at one face. last: float64 (3,), its middle in the last frame it was in, its width; in pixels."""

    gate: SharpnessGate
    last: NDArray[np.float64]


def _juror(track: FaceTrack, before: Sequence[_FaceGate], enough: float) -> _FaceGate:
    """One for a face; that of the stretch before, if the face was in it."""
    first, last = np.flatnonzero(track.found)[[0, -1]].tolist()
    here = _place(track, first)
    for one in before:
        if np.hypot(*(one.last - here)[:2]) < 0.5 * here[2]:
            return _FaceGate(one.gate, _place(track, last))
    return _FaceGate(SharpnessGate(enough), _place(track, last))


def _place(track: FaceTrack, number: int) -> NDArray[np.float64]:
    pose = track.poses[number]
    return np.array([*(track.corners[number] + pose @ (0.5, 0.5, 1)), np.hypot(pose[0, 0], pose[1, 0])])


def _wanted(shot: Shot, track: FaceTrack, gate: SharpnessGate) -> NDArray[np.bool_]:
    """In which frames the face is not sharp as it is."""
    wanted = track.found.copy()
    for k in np.flatnonzero(track.found).tolist():
        wanted[k] = not gate.passes(crop(shot.frames[k].planes, track, k), track.poses[k])
    return wanted


def _all_sharp(shot: Shot, wanted: Sequence[NDArray[np.bool_]]) -> int:
    """Frames with faces, none of them wanted."""
    if not wanted:
        return 0
    found = np.any([track.found for track in shot.tracks], axis=0)
    return int((found & ~np.any(wanted, axis=0)).sum())


class _Crops(Crops):
    """The crops of a track; to another process they travel as pictures, not with their whole frames."""

    def __init__(self, shot: Shot, track: FaceTrack) -> None:
        super().__init__(len(shot), lambda number: crop(shot.frames[number].planes, track, number))

    def __reduce__(self) -> tuple[object, ...]:
        return list, ([*self],)


def _clear(frame: Frame) -> Frame:
    """The frame, its clear picture in place of the one that came."""
    return frame if frame.clear is None else replace(frame, planes=frame.clear, clear=None)


def _copies(frames: Sequence[Frame]) -> Sequence[Frame]:
    return [replace(frame, planes=frame.planes.copy()) for frame in map(_clear, frames)]


def _cut_out(frames: Sequence[Frame], numbers: Sequence[int], track: FaceTrack) -> Image:
    return np.stack([crop(f.planes, track, k) for f, k in zip(frames, numbers, strict=True)])


def _put_back(
    frame: Frame, number: int, track: FaceTrack, carried: CarryOver, clear: tuple[Image, Image] | None
) -> None:
    """Paste a face. clear: its crop as it was and enhanced; None where the face follows an earlier one."""
    given, made = (crop(frame.planes, track, number), None) if clear is None else clear
    x, y = track.corners[number].tolist()
    paste(frame.planes, carried.next(given, track.poses[number], made), x, y)
