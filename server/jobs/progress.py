"""What every work that makes a video tells: the growing video to viewers, how far it is to the job's log."""

import asyncio
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from core.media.fmp4 import codec_names
from core.progress import Progress
from core.types import Fragment
from server.folder import ServerFolder
from server.jobs.runner import Report
from server.schemas.events import Progress as ProgressEvent
from server.schemas.events import StageFinished, StageStarted, VideoInit
from server.schemas.responses import Metrics, StageProgress
from server.store.rows import OutputRow, Run
from server.stream.media import Clip

TICK_S = 0.2
"""Seconds between two looks at how far the stages are."""

HINT_JOBS, LOOKED_AT = 20, 200
"""Jobs whose speed tells what to expect of the next, and among how many of the last they are looked for."""

ALIKE = 1.5
"""How many times as many pixels a picture may have, or be short of, and still take about as long."""


def rate_hint(runs: Iterable[Run], engines: Mapping[str, str], pixels: int, fps: float) -> float | None:
    """Seconds of video per second to expect of a job with these engines, and pixels in a frame.

    What nine of ten of the last such jobs reached, preparations included; None if there was none.
    """
    rates = [
        run.metrics["fps"] / fps
        for run in runs
        if run.engines == engines
        and 1 / ALIKE <= run.video["width"] * run.video["height"] / pixels <= ALIKE
        and run.metrics["fps"] > 0
    ]
    rates = sorted(rates[:HINT_JOBS])
    return round(rates[len(rates) // 10], 2) if rates else None


class ClipSink:
    """The fragments of a video, put where viewers find them."""

    def __init__(
        self,
        clip: Clip,
        report: Report,
        progress: Progress,
        runs: Sequence[Run],
        engines: Mapping[str, str],
    ) -> None:
        """runs: how earlier jobs went; engines: those of this one. They tell how fast it will be."""
        self._clip = clip
        self._report = report
        self._progress = progress
        self._runs = runs
        self._engines = engines

    async def take(self, fragment: Fragment) -> None:
        """Add the next one."""
        if fragment.kind == "init":
            await self._report.event("video.init", self._init(fragment))
            await self._clip.append(fragment.data)
            return
        if fragment.frames:
            self._report.produced_s = (fragment.start + fragment.duration) / fragment.timescale
        key = fragment.key and fragment.kind == "video"
        await self._clip.append(fragment.data, key=key, until_s=self._report.produced_s)

    def _init(self, fragment: Fragment) -> VideoInit:
        progress = self._progress
        mime = f'video/mp4; codecs="{codec_names(fragment.data)}"'
        return VideoInit(
            mime=mime,
            width=progress.width,
            height=progress.height,
            fps=progress.fps,
            rate_hint=rate_hint(self._runs, self._engines, progress.width * progress.height, progress.fps),
        )


class RenderProgress:
    """Turns the pipeline's meters into events."""

    def __init__(self, report: Report, progress: Progress, stages: Sequence[str]) -> None:
        """stages: those that work of this kind may have."""
        self._report = report
        self._stages = stages
        self._progress = progress
        self._states: dict[str, str] = {}
        self._last: tuple[ProgressEvent, int] | None = None

    async def tick(self) -> None:
        """Tell for ever."""
        while True:
            await self.tell()
            await asyncio.sleep(TICK_S)

    async def tell(self) -> None:
        """Tell what has changed since the last time."""
        for name, meter in list(self._progress.meters.items()):
            before, now = self._states.get(name, "pending"), meter.state
            self._states[name] = now
            if before == "pending" != now:
                if name != "prepare" or self._report.stage is None:
                    self._report.stage = name
                await self._report.event("stage.started", StageStarted(stage=name))
            if before != "finished" == now:
                elapsed = round(meter.elapsed_s * 1000)
                done = StageFinished(stage=name, elapsed_ms=elapsed, items=meter.done)
                await self._report.event("stage.finished", done)
        told = describe_progress(self._progress, self._stages)
        latest = told, self._progress.tiles_made  # a frame may take minutes, which is no standstill
        if latest != self._last:
            self._last = latest
            await self._report.progress(told, self._progress.frames)


def describe_progress(progress: Progress, names: Sequence[str]) -> ProgressEvent:
    """All stages, counted in video frames, so that one can be held against another; `prepare` in its own."""
    stages = {name: _stage(progress, name) for name in names}
    total = progress.total_frames
    overall = min(1.0, progress.frames / total) if total else 0.0
    return ProgressEvent(overall=round(overall, 4), stages=stages)


def _stage(progress: Progress, name: str) -> StageProgress:
    meter = progress.meters.get(name)
    if meter is None:
        begun = "encode" in progress.meters  # the pipeline is laid: what is not part of it never will be
        return StageProgress(state="skipped" if begun else "pending")
    done, total = meter.done, progress.total_frames or None
    if name == "tts":
        done = round(progress.audio_s * progress.fps)
    elif name == "prepare":
        total = None
    elapsed = meter.elapsed_s
    return StageProgress(
        state=meter.state,
        done=done,
        total=total,
        rate=round(done / elapsed, 1) if elapsed else 0.0,
        queue_depth=meter.queued,
        busy=round(min(1.0, meter.busy_s / elapsed), 2) if elapsed else 0.0,
    )


def metrics(progress: Progress) -> Metrics:
    """What a job that has been done measured."""
    total = progress.elapsed_s
    return Metrics(
        first_audio_ms=_milliseconds(progress.first_audio_s),
        first_frame_ms=_milliseconds(progress.first_frame_s),
        total_ms=round(total * 1000),
        audio_s=round(progress.audio_s, 3),
        rtf=round(progress.real_time_factor, 4),
        fps=round(progress.frames / total, 1) if total else 0.0,
        frames=progress.frames,
        frames_without_face=progress.frames_without_face,
        frames_sharp=progress.frames_sharp,
        tiles_made=progress.tiles_made,
        tiles_reused=progress.tiles_reused,
        retries=progress.retries.total(),
    )


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def describe_file(folder: ServerFolder, path: Path, kind: str, type: str) -> OutputRow:
    """A finished file of a job, which is on the disk on return. Blocking."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    size = path.stat().st_size
    return OutputRow(path.name, kind, type, size, digest, str(path.relative_to(folder.root)))
