"""The work of an enhancement job: faces made clearer into the growing clip; at the end the sound is put back.

Knows the pipeline and the record; knows no HTTP.
"""

import asyncio
from contextlib import suppress
from pathlib import Path

from core.enhance_background import UPSCALER
from core.enhance_video import LIMITS, VIDEO_STAGES, Enhancement, enhance_video
from core.errors import Error
from core.media import splice
from core.render import Progress
from core.studio import Studio
from server.folder import ServerFolder
from server.metrics import Figures
from server.runner import Done, Report, alongside
from server.store import Store
from server.store_rows import JobRow
from server.stream.media import Clips
from server.telling import LOOKED_AT, Growing, Teller, describe_file, metrics
from server.wire import EnhancementRequest, Order


class EnhanceWork:
    """Makes faces clearer with the engines of one studio."""

    def __init__(
        self, studio: Studio, store: Store, clips: Clips, folder: ServerFolder, figures: Figures, face: str
    ) -> None:
        """face: the engine that finds faces."""
        self._studio = studio
        self._store = store
        self._clips = clips
        self._folder = folder
        self._figures = figures
        self._face = face

    def engines(self, job: JobRow) -> dict[str, str]:
        """The engines that will be used, by kind; without those that cannot run, which the job then says."""
        wanted = _wanted(job)
        background = {"upscale": UPSCALER} if wanted.background else {}
        return self._studio.choose_all({"enhance": wanted.engine, "face": self._face} | background)

    async def run(self, job: JobRow, report: Report) -> Done:
        """Make the job's `video.mp4` of what was uploaded."""
        folder = self._folder.job(job.id)
        order = Order.model_validate_json(job.request)
        source, progress = folder / (order.upload or ""), Progress()
        clip, runs = await self._clips.begin(job.id), await self._store.recent_runs(LOOKED_AT)
        growing = Growing(clip, report, progress, runs, self.engines(job))
        background = _wanted(job).background
        teller = Teller(report, progress, [s for s in VIDEO_STAGES if background or s != "background"])
        async with self._figures.running(job.id, progress):
            enhancing = enhance_video(self._request(job, source), self._studio, growing.take, progress)
            try:
                await alongside(enhancing, teller.tick())
            except Exception:
                with suppress(Error):  # the record may be what failed
                    await teller.tell()
                raise
        await teller.tell()
        await clip.flush()
        video = folder / "video.mp4"
        await splice(folder / "stream.mp4", source, video, LIMITS)
        output = await asyncio.to_thread(describe_file, self._folder, video, "video", "video/mp4")
        return Done([output], metrics(progress))

    def _request(self, job: JobRow, source: Path) -> Enhancement:
        wanted = _wanted(job)
        return Enhancement(
            source,
            wanted.engine,
            self._face,
            wanted.upscale,
            wanted.fidelity,
            wanted.every,
            wanted.background,
        )


def _wanted(job: JobRow) -> EnhancementRequest:
    wanted = Order.model_validate_json(job.request).enhancement
    assert wanted is not None  # noqa: S101  # it is an enhancement job
    return wanted
