"""What every work that makes a video has: the growing clip, and in the end figures and files."""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from core.media.growing import mime
from core.progress import Progress
from core.types import Fragment
from server.folder import ServerFolder
from server.jobs.work import JobReport
from server.schemas.events import VideoInit
from server.schemas.responses import Metrics
from server.store.rows import OutputRow, Run
from server.stream.media import Clip

HINT_JOBS, LOOKED_AT = 20, 200
"""Jobs whose speed tells what to expect of the next, and among how many of the last they are looked for."""

ALIKE = 1.5
"""How many times as many pixels a picture may have, or be short of, and still take about as long."""


def rate_hint(runs: Iterable[Run], engines: Mapping[str, str], pixels: int, fps: float) -> float | None:
    """Seconds of video per second to expect of a job with these engines, and pixels in a frame.

    What nine of ten of the last such jobs reached, preparations included; None if there was none.
    """
    rates = [
        run.fps / fps
        for run in runs
        if run.engines == engines and 1 / ALIKE <= run.pixels / pixels <= ALIKE and run.fps > 0
    ]
    rates = sorted(rates[:HINT_JOBS])
    return round(rates[len(rates) // 10], 2) if rates else None


class ClipSink:
    """The fragments of a video, put where viewers find them."""

    def __init__(
        self,
        clip: Clip,
        report: JobReport,
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
        await self._report.turn()
        if fragment.frames:
            self._report.produced_s = (fragment.start + fragment.duration) / fragment.timescale
        key = fragment.key and fragment.kind == "video"
        await self._clip.append(fragment.data, key=key, until_s=self._report.produced_s)

    def _init(self, fragment: Fragment) -> VideoInit:
        progress = self._progress
        return VideoInit(
            mime=mime(fragment.data),
            width=progress.width,
            height=progress.height,
            fps=progress.fps,
            rate_hint=rate_hint(self._runs, self._engines, progress.width * progress.height, progress.fps),
        )


def metrics(progress: Progress) -> Metrics:
    """What a job that has been done measured."""
    total = progress.elapsed_s
    return Metrics(
        prepare_ms=round(progress.prepared_s * 1000),
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
        warnings=list(progress.remarks),
    )


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def output_row(folder: ServerFolder, path: Path, kind: str, type: str) -> OutputRow:
    """A finished file of a job, which is on the disk on return. Blocking."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    size = path.stat().st_size
    return OutputRow(path.name, kind, type, size, digest, str(path.relative_to(folder.root)))
