"""The work of a video job: render into the growing clip, tell how it goes, keep the files.

Knows the pipeline and the record; knows no HTTP.
"""

import asyncio
import hashlib
import os
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.captions import srt, vtt
from core.engines.base import Style
from core.engines.chosen import AUTO
from core.errors import BadInput, Error
from core.fmp4 import codec_names
from core.pipeline import Meter
from core.recording import remux
from core.render import STAGES, Item, Progress, Request, Segment, Sink, render
from core.studio import Studio
from core.templates import Templates
from core.types import Cue, Fragment
from server.deposit import deposit
from server.folder import ServerFolder
from server.metrics import Figures
from server.runner import Done, Report, alongside
from server.settings import ServerSettings
from server.store import Store
from server.store_rows import JobRow, OutputRow, Run
from server.stream.media import Clip, Clips
from server.wire import LipsyncRequest, Metrics, Order, StageProgress, VideoRequest, size_of
from server.wire_events import (
    AudioSegment,
    StageFinished,
    StageStarted,
    SubtitleCue,
    VideoInit,
)
from server.wire_events import Progress as ProgressEvent

TICK_S = 0.2
"""Seconds between two looks at how far the stages are."""

HINT_JOBS, _LOOKED_AT = 20, 200
"""Jobs whose speed tells what to expect of the next, and among how many of the last they are looked for."""

ALIKE = 1.5
"""How many times as many pixels a picture may have, or be short of, and still take about as long."""

KEPT_BY_URL = 16
"""Templates that came by URL and are kept prepared; the one not used for longest goes first."""


class VideoWork:
    """Makes videos with the engines of one studio."""

    def __init__(
        self,
        studio: Studio,
        templates: Templates,
        store: Store,
        clips: Clips,
        folder: ServerFolder,
        figures: Figures,
        settings: ServerSettings,
    ) -> None:
        self._settings = settings
        self._studio = studio
        self._templates = templates
        self._store = store
        self._clips = clips
        self._folder = folder
        self._figures = figures

    def engines(self, job: JobRow) -> dict[str, str]:
        """The engines that will be used, by kind; without those that cannot run, which the job then says."""
        request = _request(job, self._folder.job(job.id))
        wanted = {"speech": request.speech, "lipsync": request.lipsync, "enhance": request.enhancer}
        if request.text is None:
            del wanted["speech"]
        if not request.enhance:
            del wanted["enhance"]
        chosen = {}
        for kind, name in wanted.items():
            try:
                if kind == "speech":
                    chosen[kind] = self._studio.choose_speech(name, request.voice)
                else:
                    chosen[kind] = self._studio.choose(kind, name)
            except BadInput:
                continue
        return chosen

    async def run(self, job: JobRow, report: Report) -> Done:
        """Render the job and write its files: `video.mp4`, and subtitles if it came from a text."""
        folder = self._folder.job(job.id)
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        request, progress = _request(job, folder), Progress()
        clip = await self._clips.begin(job.id)
        runs = await self._store.recent_runs(_LOOKED_AT)
        making = _Making(clip, report, progress, runs, self.engines(job))
        teller = _Teller(report, progress)
        async with self._figures.running(job.id, progress):
            rendering = self._render(job, request, making.take, progress)
            try:
                await alongside(rendering, teller.tick())
            except Exception:
                with suppress(Error):  # the record may be what failed
                    await teller.tell()
                raise
        await teller.tell()
        await clip.flush()
        left = threading.Event()
        try:
            keep = _Keep(self._folder, job.id, Order.model_validate_json(job.request), left)
            outputs = await asyncio.to_thread(keep.write, making.cues, progress.rate)
            if keep.order.service:
                await asyncio.to_thread(deposit, self._settings, folder, job.id)
        finally:
            left.set()  # a copy that nobody waits for any more gives up
        return Done(outputs, _metrics(progress))

    async def _render(self, job: JobRow, request: Request, sink: Sink, progress: Progress) -> None:
        """Prepare the template, if that is not done yet, and render."""
        order = Order.model_validate_json(job.request)
        if order.template_file is not None:
            meter = progress.meters["prepare"] = Meter("prepare", "running", started=time.perf_counter())

            def report(_step: str, done: int, _total: int | None) -> None:
                meter.done = done

            source = self._folder.job(job.id) / order.template_file
            name = order.template_name or source.name
            await self._templates.keep(source, request.template, name, report, sha256=order.template_sha256)
            if order.template_sha256 is not None:  # it came with the job, and has done its work
                await asyncio.to_thread(source.unlink, missing_ok=True)
                await self._templates.trim(request.template.partition("_")[0] + "_", KEPT_BY_URL)
        await render(request, self._studio, self._templates, sink, progress)


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


class _Making:
    """What comes out of the pipeline, put where it belongs."""

    def __init__(
        self,
        clip: Clip,
        report: Report,
        progress: Progress,
        runs: Sequence[Run],
        engines: Mapping[str, str],
    ) -> None:
        self.cues: list[Cue] = []
        self._clip = clip
        self._report = report
        self._progress = progress
        self._runs = runs
        self._engines = engines

    async def take(self, item: Item) -> None:
        """The pipeline's sink."""
        match item:
            case Fragment(kind="init"):
                await self._report.event("video.init", self._init(item))
                await self._clip.append(item.data)
            case Fragment():
                self._report.produced_s += item.frames / self._progress.fps
                key, until_s = item.key and item.kind == "video", self._report.produced_s
                await self._clip.append(item.data, key=key, until_s=until_s)
            case Cue():
                self.cues.append(item)
                start, end = self._seconds(item.start), self._seconds(item.stop)
                cue = SubtitleCue(index=item.index, start_s=start, end_s=end, text=item.text)
                await self._report.event("subtitle.cue", cue)
            case Segment():
                start, end = self._seconds(item.start), self._seconds(item.stop)
                said = AudioSegment(
                    index=item.sentence.index, text=item.sentence.text[:1000], start_s=start, end_s=end
                )
                await self._report.event("audio.segment", said)

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

    def _seconds(self, samples: int) -> float:
        return round(samples / self._progress.rate, 3)


class _Teller:
    """Turns the pipeline's meters into events."""

    def __init__(self, report: Report, progress: Progress) -> None:
        self._report = report
        self._progress = progress
        self._states: dict[str, str] = {}
        self._last: ProgressEvent | None = None

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
        told = describe_progress(self._progress)
        if told != self._last:
            self._last = told
            await self._report.progress(told, self._progress.frames)


def describe_progress(progress: Progress) -> ProgressEvent:
    """All stages, counted in video frames, so that one can be held against another; `prepare` in its own."""
    stages = {name: _stage(progress, name) for name in STAGES}
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


def _request(job: JobRow, folder: Path) -> Request:
    order = Order.model_validate_json(job.request)
    video = order.video
    assert video is not None  # noqa: S101  # it is a video job
    options = video.options
    said = video if isinstance(video, VideoRequest) else VideoRequest()  # else a recording is
    return Request(
        template=order.template or "",
        text=said.text,
        audio=folder / order.upload if order.upload else None,
        video=folder / order.scene if order.scene else None,
        face=video.face if isinstance(video, LipsyncRequest) else AUTO,
        language=said.language,
        voice=said.voice,
        style=Style(options.speed, options.pitch, options.seed),
        fps=options.fps,
        size=size_of(options.size),
        enhance=options.enhance,
        fidelity=options.fidelity,
        speech=options.engines.speech,
        lipsync=options.engines.lipsync,
        enhancer=options.engines.enhance,
    )


def _metrics(progress: Progress) -> Metrics:
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
        retries=progress.retries.total(),
    )


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


@dataclass(frozen=True, slots=True)
class _Keep:
    """Writes the files of a job that has been rendered. left: set when nobody waits for that any more."""

    folder: ServerFolder
    job_id: str
    order: Order
    left: threading.Event

    def write(self, cues: Sequence[Cue], rate: int) -> list[OutputRow]:
        """Each is whole and on the disk before anyone is told of it. Blocking."""
        place = self.folder.job(self.job_id)
        stream, video, speech = (place / name for name in ("stream.mp4", "video.mp4", "speech.m4a"))
        track = cues if self.order.video and self.order.video.options.subtitle_track else ()
        remux(stream, video, self.left.is_set, cues=track, rate=rate)
        outputs = [_output(self.folder, video, "video", "video/mp4")]
        if self.order.service:
            remux(stream, speech, self.left.is_set, kinds=("audio",))
            outputs.append(_output(self.folder, speech, "audio", "audio/mp4"))
        if cues:
            for name, text, kind in (
                ("subtitles.srt", srt(cues, rate), "application/x-subrip"),
                ("subtitles.vtt", vtt(cues, rate), "text/vtt"),
            ):
                (place / name).write_text(text, encoding="utf-8")
                outputs.append(_output(self.folder, place / name, "subtitles", kind))
        return outputs


def _output(folder: ServerFolder, path: Path, kind: str, type: str) -> OutputRow:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    size = path.stat().st_size
    return OutputRow(path.name, kind, type, size, digest, str(path.relative_to(folder.root)))
