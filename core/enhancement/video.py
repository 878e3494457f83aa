"""Any video in, fragments of the same video with clearer faces out.

The one place where its stages and engines meet. Nothing is prepared in advance: faces are found and followed
while the beginning is encoded already.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from pathlib import Path

from core.enhancement.encode import encode_video
from core.enhancement.every_nth import EnhancePolicy, check_every
from core.enhancement.faces import enhance_shots
from core.enhancement.tiles import Tiles, enlarging
from core.errors import BadInput
from core.faces.shots import Shot, find_shots
from core.media.foreign import AudioSource, Frame, open_audio, open_video
from core.media.info import Limits, VideoHead, check_frame
from core.media.planes import twice
from core.progress import Progress
from core.protocols import FIDELITY, Upscaler
from core.runtime.pipeline import Pipeline
from core.runtime.worker import Worker
from core.serving.engine_pool import EnginePool
from core.serving.loaded import LoadedEngine
from core.types import Fragment

UPSCALER = "realesrgan-x2"
"""What makes backgrounds clearer. No other engine stands in for it: resampling makes nothing clearer."""


async def enhance_background(
    frames: AsyncIterator[Frame],
    upscaler: LoadedEngine[Upscaler],
    cpu: Worker,
    scale: int,
    note: Callable[[Tiles], None],
) -> AsyncGenerator[Frame, None]:
    """Yield `frames`, `scale` (1 or 2) times as large, each with its `clear` picture.

    A cancel waits for one tile.

    cpu: the thread on which the pictures that came are resampled. note: called after every tile.
    """
    tiles = Tiles(upscaler.engine, scale)
    async for frame in frames:
        clear = None
        async with aclosing(upscaler.steps(enlarging, tiles, frame.planes)) as steps:
            async for step in steps:
                clear = step
                note(tiles)
        planes = frame.planes if scale == 1 else await cpu.call(twice, frame.planes)
        yield replace(frame, planes=planes, clear=clear)


VIDEO_STAGES = ("decode", "background", "faces", "enhance", "encode")
"""Stages in the order a video meets them; all count frames."""

Sink = Callable[[Fragment], Awaitable[None]]
"""Receives what is made, in order; it is awaited, so a slow sink holds the whole job back."""

LIMITS = Limits(duration_s=4 * 3600, cpu_s=8 * 3600)
"""How much of a video we are willing to take."""

_AHEAD = 16 << 20
"""Bytes of frames that may be decoded and not looked at yet."""


@dataclass(frozen=True, slots=True)
class Enhancement:
    """What to make clearer: the video `source`.

    enhancer, face: engine names or "auto". upscale: 1, or 2 for pictures twice as large. fidelity: 0 the
    clearest faces, 1 those nearest to what they were; `FaceEnhancer.enhance`. every: one face in so many is
    enhanced, 1 to 8; those after it get what was changed in it (`core.enhancement.every_nth`). background:
    make what is around the faces clearer, too (`core.enhancement.video`); else it is as it was, or resampled.
    """

    source: Path
    enhancer: str = "auto"
    face: str = "auto"
    upscale: int = 1
    fidelity: float = FIDELITY
    every: int = 1
    background: bool = False


async def enhance_video(
    request: Enhancement,
    pool: EnginePool,
    sink: Sink,
    progress: Progress | None = None,
) -> Progress:
    """Make the faces of `request.source` clearer, handing every piece to `sink` as soon as it exists.

    The fragments are a playable MP4 with the first sound track in mono; `core.media.foreign.splice` makes of
    it a file with the sound as it was. Frames keep their times; those without a face are only encoded anew.
    Cancel the task to stop: engines are free within one batch (`FaceEnhancer.batch`), nothing stays behind.

    Raises BadInput for what cannot be used, StageError if a stage fails midway, and whatever `sink` raises.
    """
    progress = progress or Progress()
    if request.upscale not in (1, 2):
        raise BadInput("out_of_range", f"upscale {request.upscale} is neither 1 nor 2", "upscale")
    if not 0 <= request.fidelity <= 1:  # NaN is neither
        raise BadInput("out_of_range", f"fidelity {request.fidelity} is outside 0 to 1", "fidelity")
    check_every(request.every)
    enhance = await pool.enhancer(request.enhancer)
    face = await pool.face(request.face)
    upscaler = await pool.upscaler(UPSCALER) if request.background else None
    progress.engines = {loaded.kind: loaded.name for loaded in (enhance, face, upscaler) if loaded}
    async with AsyncExitStack() as ends:
        # What makes the background clearer wants the picture as it was, and makes the large one itself.
        scale = 1 if request.background else request.upscale
        source = await open_video(request.source, scale=scale, limits=LIMITS)
        ends.push_async_callback(source.close)
        head = _enlarged(request, source.head) if request.background else source.head
        sound = await _sound(request.source, head, ends)
        progress.width, progress.height = head.width, head.height
        progress.fps, progress.total_frames = max(1, round(head.fps)), head.frames or 0
        workers = [Worker(name) for name in ("faces", "encode")]
        for worker in workers:
            ends.push_async_callback(asyncio.to_thread, worker.close)
        watch = _Watch(progress)
        pipe = await ends.enter_async_context(Pipeline(progress.meters))
        waiting = max(1, _AHEAD // (source.head.width * source.head.height * 3 // 2))
        frames = pipe.stage("decode", source.frames(), limit=waiting)
        if upscaler is not None:
            clear = enhance_background(frames, upscaler, workers[0], request.upscale, watch.tiles)
            frames = pipe.stage("background", clear, limit=1)
        shots = pipe.stage("faces", find_shots(frames, face), limit=1, count=watch.shot)
        policy = EnhancePolicy(request.every, pool.settings.sharp_enough, progress.left)
        clearer = enhance_shots(shots, enhance, workers[0], request.fidelity, policy)
        done = pipe.stage("enhance", clearer, limit=1, count=len)
        encoded = encode_video(done, head, sound, workers[1])
        async for fragment in pipe.stage("encode", encoded, limit=16, count=watch.fragment):
            await sink(fragment)
    progress.total_frames = progress.frames
    progress.total_s = time.perf_counter() - progress.started
    return progress


def _enlarged(request: Enhancement, head: VideoHead) -> VideoHead:
    """The head of what is made, from that of what is read. Raises BadInput for what would be too large."""
    width, height = head.width * request.upscale, head.height * request.upscale
    check_frame(request.source.name, width, height, LIMITS, enlarged=request.upscale > 1)
    return replace(head, width=width, height=height)


async def _sound(path: Path, head: VideoHead, ends: AsyncExitStack) -> AudioSource | None:
    if not head.sound:
        return None
    try:
        sound = await open_audio(path, limits=LIMITS)
    except BadInput:
        return None  # a sound nobody can decode is copied, and not heard before
    ends.push_async_callback(sound.close)
    return sound


class _Watch:
    """Looks at what leaves the stages and keeps `Progress`."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def shot(self, shot: Shot) -> int:
        """Note a stretch of frames; worth their number."""
        self._progress.frames_without_face += sum(
            not any(track.found[k] for track in shot.tracks) for k in range(len(shot))
        )
        return len(shot)

    def tiles(self, tiles: Tiles) -> None:
        """Note what became of the background so far."""
        self._progress.tiles_made, self._progress.tiles_reused = tiles.made, tiles.reused

    def fragment(self, fragment: Fragment) -> int:
        """Note a fragment; worth its frames."""
        progress = self._progress
        if fragment.frames:
            if progress.first_frame_s is None:
                progress.first_frame_s = time.perf_counter() - progress.started
            progress.audio_s = (fragment.start + fragment.duration) / fragment.timescale
        progress.frames += fragment.frames
        return fragment.frames
