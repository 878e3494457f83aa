"""The work of an enhancement job: faces made clearer into the growing clip; at the end the sound is put back.

Knows the pipeline and the record; knows no HTTP.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from core.enhancement.video import LIMITS, UPSCALER, VIDEO_STAGES, Enhancement
from core.errors import Error
from core.media.foreign import splice
from core.progress import Progress
from core.renderer import Renderer
from core.runtime.tasks import first_of
from core.serving.engine_pool import EnginePool
from server.folder import ServerFolder
from server.jobs.clip_sink import LOOKED_AT, ClipSink, metrics, output_row
from server.jobs.progress import ProgressReporter, of_meters
from server.jobs.work import Done, JobReport
from server.metrics import Figures
from server.schemas.requests import EnhancementRequest
from server.schemas.specs import EnhancementSpec
from server.store.store import Store
from server.stream.media import Clips


@dataclass(frozen=True, slots=True)
class EnhanceWork:
    """Makes faces clearer. pool: tells which engines there are. face: the engine that finds faces."""

    pool: EnginePool
    renderer: Renderer
    store: Store
    clips: Clips
    folder: ServerFolder
    figures: Figures
    face: str

    def engines(self, spec: EnhancementSpec) -> dict[str, str]:
        """The engines that will be used, by kind; without those that cannot run, which the job then says."""
        wanted = spec.enhancement
        background = {"upscale": UPSCALER} if wanted.background else {}
        return self.pool.choose_all({"enhance": wanted.engine, "face": self.face} | background)

    async def run(self, job_id: str, spec: EnhancementSpec, report: JobReport) -> Done:
        """Make the job's `video.mp4` of what was uploaded."""
        folder, wanted = self.folder.job(job_id), spec.enhancement
        source, progress = folder / spec.upload, Progress()
        clip, runs = await self.clips.begin(job_id), await self.store.recent_runs(LOOKED_AT)
        growing = ClipSink(clip, report, progress, runs, await asyncio.to_thread(self.engines, spec))
        background = wanted.background
        stages = [stage for stage in VIDEO_STAGES if background or stage != "background"]
        reporter = ProgressReporter(report, partial(of_meters, progress, stages))
        async with self.figures.running(job_id, progress):
            enhancing = self.renderer.enhance(self._request(wanted, source), growing.take, progress)
            try:
                await first_of(enhancing, reporter.run())
            except Exception:
                with suppress(Error):  # the record may be what failed
                    await reporter.tell()
                raise
        await reporter.tell()
        await clip.flush()
        await report.turn()
        video = folder / "video.mp4"
        await splice(folder / "stream.mp4", source, video, LIMITS)
        output = await asyncio.to_thread(output_row, self.folder, video, "video", "video/mp4")
        return Done([output], metrics(progress))

    def _request(self, wanted: EnhancementRequest, source: Path) -> Enhancement:
        return Enhancement(
            source,
            wanted.engine,
            self.face,
            wanted.upscale,
            wanted.fidelity,
            wanted.every,
            wanted.background,
        )
