"""The work of a video job: render into the growing clip, tell how it goes, keep the files.

Knows the pipeline and the record; knows no HTTP.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from core.captions.cues import main_language, spans
from core.captions.files import captions_as_files
from core.errors import BadInput, Error, blaming
from core.faces.choice import AUTO
from core.media.credentials import Credentials, credentials
from core.media.recording import make_whole, remux
from core.progress import Progress
from core.protocols import Style
from core.render import STAGES, Item, Request, Segment, Sink
from core.renderer import Renderer
from core.runtime.pipeline import Meter
from core.runtime.tasks import first_of, run_stoppable
from core.serving.engine_pool import EnginePool
from core.subtitle_style import SubtitleStyle, together
from core.templates.library import Templates
from core.text import sentences
from core.types import Cue, Fragment, VideoFormat
from server.fetch.fetcher import Fetcher
from server.folder import ServerFolder
from server.jobs.by_url import BY_URL, KEPT_BY_URL, with_files
from server.jobs.clip_sink import LOOKED_AT, ClipSink, metrics, output_row
from server.jobs.copies import deposit
from server.jobs.progress import ProgressReporter, of_meters
from server.jobs.work import Done, JobReport
from server.metrics import Figures
from server.schemas.events import (
    AudioSegment,
    SubtitleCue,
    SubtitleWord,
)
from server.schemas.requests import LipsyncRequest, VideoRequest, size_of
from server.schemas.specs import VideoSpec
from server.settings import ServerSettings
from server.store.rows import OutputRow, Run
from server.store.store import Store
from server.stream.media import Clip, Clips

VIDEOS: Mapping[VideoFormat, str] = {"mp4": "video/mp4", "webm": "video/webm", "mov": "video/quicktime"}
"""Media types of finished videos."""

SUBTITLES = {"srt": "application/x-subrip", "vtt": "text/vtt", "ass": "text/x-ssa"}
"""Formats of captions, and their media types."""

BEGINNING = 1000
"""Characters that tell which languages a text is in, before all of it is read."""


class VideoWork:
    """Makes videos of the templates of one library."""

    def __init__(
        self,
        pool: EnginePool,
        templates: Templates,
        renderer: Renderer,
        store: Store,
        clips: Clips,
        folder: ServerFolder,
        fetcher: Fetcher,
        figures: Figures,
        settings: ServerSettings,
    ) -> None:
        """pool: tells which engines there are. Raises BadInput `bad_credentials`."""
        self._settings = settings
        self._credentials = credentials(settings)
        self._renderer = renderer
        self._pool = pool
        self._templates = templates
        self._store = store
        self._clips = clips
        self._folder = folder
        self._fetcher = fetcher
        self._figures = figures

    def engines(self, spec: VideoSpec) -> dict[str, str]:
        """The engines that will be used, by kind; without those that cannot run, which the job then says."""
        request = _request(spec, self._folder.root)
        wanted = {"speech": request.speech, "lipsync": request.lipsync, "enhance": request.enhancer}
        if request.text is None:
            del wanted["speech"]
        if not request.enhance:
            del wanted["enhance"]
        return self._pool.choose_all(wanted, request.voice, _languages(request))

    async def run(self, job_id: str, spec: VideoSpec, report: JobReport) -> Done:
        """Render the job and write its files: `video.mp4`, and subtitles if it came from a text."""
        folder = self._folder.job(job_id)
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        job = await self._store.get(job_id)
        spec = await with_files(spec, job, folder, self._fetcher, self._store)
        request, progress = _request(spec, folder, job_id), Progress()
        clip = await self._clips.begin(job_id)
        runs = await self._store.recent_runs(LOOKED_AT)
        making = _Making(clip, report, progress, runs, await asyncio.to_thread(self.engines, spec))
        reporter = ProgressReporter(report, partial(of_meters, progress, STAGES))
        async with self._figures.running(job_id, progress):
            rendering = self._render(job_id, spec, request, making.take, progress)
            try:
                await first_of(rendering, reporter.run())
            except Exception:
                with suppress(Error):  # the record may be what failed
                    await reporter.tell()
                raise
        await reporter.tell()
        await clip.flush()
        await report.turn()
        style = together(spec.video.options.subtitle_style, self._settings.subtitle_style)
        keep = _Keep(self._folder, job_id, spec, style, self._credentials)
        outputs = await run_stoppable(
            lambda stopped: asyncio.to_thread(keep.write, making.cues, progress, stopped)
        )
        if keep.spec.service:
            await asyncio.to_thread(deposit, self._settings, folder, job_id)
        return Done(outputs, metrics(progress))

    async def _render(
        self, job_id: str, spec: VideoSpec, request: Request, sink: Sink, progress: Progress
    ) -> None:
        """Prepare the template, if that is not done yet, and render."""
        if spec.template_file is not None:
            meter = progress.meters["prepare"] = Meter("prepare", "running", started=time.perf_counter())

            def report(_step: str, done: int, _total: int | None) -> None:
                meter.done = done

            source = self._folder.job(job_id) / spec.template_file
            name = spec.template_name or source.name
            with blaming("video_url" if spec.service else "template_url"):
                await self._templates.keep(
                    source, request.template, name, report, sha256=spec.template_sha256
                )
            if spec.template_sha256 is not None:  # it came with the job, and has done its work
                await asyncio.to_thread(source.unlink, missing_ok=True)
                await self._templates.trim(BY_URL, KEPT_BY_URL)
        await self._renderer.render(request, sink, progress)


class _Making:
    """What comes out of the pipeline, put where it belongs."""

    def __init__(
        self,
        clip: Clip,
        report: JobReport,
        progress: Progress,
        runs: Sequence[Run],
        engines: Mapping[str, str],
    ) -> None:
        self.cues: list[Cue] = []
        self._said = 0  # words so far
        self._growing = ClipSink(clip, report, progress, runs, engines)
        self._report = report
        self._progress = progress

    async def take(self, item: Item) -> None:
        """The pipeline's sink."""
        match item:
            case Fragment():
                await self._growing.take(item)
            case Cue():
                self.cues.append(item)
                start, end = self._seconds(item.start), self._seconds(item.stop)
                cue = SubtitleCue(index=item.index, start_s=start, end_s=end, text=item.text)
                await self._report.event("subtitle.cue", cue)
                for word in self._words(item):
                    await self._report.event("subtitle.word", word)
            case Segment():
                start, end = self._seconds(item.start), self._seconds(item.stop)
                said = AudioSegment(
                    index=item.sentence.index, text=item.sentence.text[:1000], start_s=start, end_s=end
                )
                await self._report.event("audio.segment", said)

    def _words(self, cue: Cue) -> Iterator[SubtitleWord]:
        for word, stop in spans(cue):
            text = cue.text[word.start : word.stop].replace("\n", " ")
            start, end = self._seconds(word.first), self._seconds(stop)
            yield SubtitleWord(index=self._said, cue=cue.index, start_s=start, end_s=end, text=text)
            self._said += 1

    def _seconds(self, samples: int) -> float:
        return round(samples / self._progress.rate, 3)


def _languages(request: Request) -> set[str]:
    """Those of the beginning of the request's text; none where it has no words."""
    with suppress(BadInput):
        return {one.language for one in sentences((request.text or "")[:BEGINNING], request.language)}
    return set()


def _request(spec: VideoSpec, folder: Path, number: str | None = None) -> Request:
    video = spec.video
    options = video.options
    said = video if isinstance(video, VideoRequest) else VideoRequest()  # else a recording is
    return Request(
        template=spec.template or "",
        text=said.text,
        audio=folder / spec.upload if spec.upload else None,
        video=folder / spec.scene if spec.scene else None,
        face=video.face if isinstance(video, LipsyncRequest) else AUTO,
        language=said.language,
        readings=said.readings,
        voice=said.voice,
        style=Style(options.speed, options.pitch, options.seed),
        fps=options.fps,
        size=size_of(options.size),
        enhance=options.enhance,
        burn_subtitles=options.burn_subtitles,
        subtitle_style=options.subtitle_style,
        fidelity=options.fidelity,
        every=options.every,
        still=options.still,
        speech=options.engines.speech,
        lipsync=options.engines.lipsync,
        enhancer=options.engines.enhance,
        format=options.format,
        label=options.label,
        number=number,
    )


@dataclass(frozen=True, slots=True)
class _Keep:
    """Writes the files of a job that has been rendered."""

    folder: ServerFolder
    job_id: str
    spec: VideoSpec
    style: SubtitleStyle
    credentials: Credentials | None

    def write(self, cues: Sequence[Cue], made: Progress, stopped: Callable[[], bool]) -> list[OutputRow]:
        """Each is whole and on the disk before anyone is told of it. Blocking; gives up once `stopped`."""
        place = self.folder.job(self.job_id)
        options, language = self.spec.video.options, main_language(cues)
        stream, video, speech = (
            place / name for name in ("stream.mp4", f"video.{options.format}", "speech.m4a")
        )
        track = cues if options.subtitle_track else ()
        make_whole(stream, video, stopped, cues=track, rate=made.rate, language=language)
        if self.credentials is not None:
            self.credentials.sign(video)
        outputs = [output_row(self.folder, video, "video", VIDEOS[options.format])]
        if self.spec.service:
            remux(stream, speech, stopped, language=language, kinds=("audio",))
            outputs.append(output_row(self.folder, speech, "audio", "audio/mp4"))
        if cues:
            size, style = (made.width, made.height), self.style
            for ending, text in captions_as_files(cues, made.rate, size, style).items():
                path = place / f"subtitles.{ending}"
                path.write_text(text, encoding="utf-8")
                outputs.append(output_row(self.folder, path, "subtitles", SUBTITLES[ending]))
        return outputs
