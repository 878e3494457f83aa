"""Everything a server lives in, put together once, opened and closed in order."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aiohttp import web

from core.backgrounds import Backgrounds
from core.engines.gpt_sovits.settings import VoiceSettings
from core.studio import Studio
from core.templates import Templates
from server.background_work import BackgroundWork
from server.catalog import Catalog
from server.catalog_voices import Voices
from server.enhance_work import EnhanceWork
from server.fetching import Fetcher, Kind, fetcher_of
from server.files import Files, open_files, sources
from server.folder import ServerFolder
from server.metrics import Figures
from server.problems import Refused
from server.publishing import Publisher, abandon
from server.runner import Runner, Work
from server.settings import ServerSettings
from server.speaker import Speaker
from server.store import Store
from server.stream.hub import Hub
from server.stream.media import Clips
from server.stream.progress import Progress
from server.stream.sockets import Lines
from server.template_work import TemplateWork
from server.uploads import Upload
from server.video_work import BY_URL, KEPT_BY_URL, VideoWork

log = logging.getLogger(__name__)


@dataclass(slots=True)
class House:
    """The parts, as request handlers use them.

    ready: engines are loaded. stopping: no new job is taken. restart: it is to start
    anew once it has stopped. errands: what goes on after an answer.
    """

    settings: ServerSettings
    folder: ServerFolder
    studio: Studio
    hub: Hub
    store: Store
    clips: Clips
    figures: Figures
    catalog: Catalog
    files: Files
    fetcher: Fetcher
    publisher: Publisher | None
    voices: Voices
    speaker: Speaker
    runner: Runner
    lines: Lines
    progress: Progress
    ready: bool = False
    stopping: bool = False
    restart: bool = False
    errands: set["asyncio.Task[Any]"] = field(default_factory=set)

    def take_jobs(self) -> None:
        """Raises Refused while no new job is taken."""
        if self.stopping:
            raise Refused(503, "stopping", "the server stops; try again soon", headers={"Retry-After": "5"})

    async def fetch(self, url: str, *kinds: Kind, param: str) -> Upload:
        """What a URL names, as if it had been uploaded. Raises like `Fetcher.fetch`."""
        path = self.folder.incoming()
        found = await self.fetcher.take(url, *kinds, into=path, param=param)
        return Upload(path, found.name, found.bytes, found.sha256)

    def send(self, errand: Coroutine[Any, Any, Any]) -> None:
        """Have something done that no request waits for."""
        task = asyncio.create_task(errand)
        self.errands.add(task)
        task.add_done_callback(self.errands.discard)

    async def stop(self) -> None:
        """Take no more, tell clients, put running jobs back in line. Once."""
        if self.stopping:
            return
        self.stopping, self.ready = True, False
        await self.runner.stop()
        if self.publisher is not None:
            await self.publisher.stop()
        await self.lines.close()


HOUSE = web.AppKey("house", House)


@asynccontextmanager
async def open_house(settings: ServerSettings) -> AsyncGenerator[House, None]:
    """The house of these settings, with jobs running in it. Raises FolderInUse."""
    folder = ServerFolder(settings.folder)
    try:
        async with Studio(settings=settings) as studio:
            house = _furnish(settings, folder, studio)
            await house.runner.start()
            if house.publisher is not None:
                await house.publisher.start()
            else:
                await abandon(house.store)
            house.send(_warm(house))
            try:
                yield house
            finally:
                for errand in house.errands:
                    errand.cancel()
                await asyncio.gather(*house.errands, return_exceptions=True)
                await house.stop()
                await house.clips.close()
                await asyncio.to_thread(house.store.close)
    finally:
        folder.close()


def _furnish(settings: ServerSettings, folder: ServerFolder, studio: Studio) -> House:
    templates = Templates(settings, studio)
    hub, figures = Hub(), Figures()
    store = Store(
        folder.database, hub.publish, max_waiting=settings.waiting, ballast=settings.ballast_mb << 20
    )
    clips = Clips(lambda job_id: folder.job(job_id) / "stream.mp4")
    works: dict[str, Work] = {
        "video": VideoWork(studio, templates, store, clips, folder, figures, settings),
        "template": TemplateWork(studio, templates, folder),
        "background": BackgroundWork(studio, Backgrounds(studio, templates), folder),
        "enhancement": EnhanceWork(studio, store, clips, folder, figures, settings.face),
    }
    files = open_files(settings, folder)
    publisher = Publisher(store, files.remote, folder, files.published) if files.remote else None
    runner = Runner(
        store,
        hub,
        clips,
        folder,
        works,
        slots=settings.jobs,
        keep_s=settings.keep_days * 86_400,
        keep_bytes=int(settings.keep_gb * 1e9),
        publish=publisher.publish if publisher else None,
        tidy=partial(templates.trim, BY_URL, KEPT_BY_URL, settings.keep_template_days * 86_400),
    )
    lines = Lines(settings.lines)
    catalog = Catalog(studio, templates, folder.root / "thumbnails")
    voices = VoiceSettings(data_dir=settings.data_dir)
    return House(
        settings=settings,
        folder=folder,
        studio=studio,
        hub=hub,
        store=store,
        clips=clips,
        figures=figures,
        catalog=catalog,
        files=files,
        fetcher=fetcher_of(settings, sources(files, settings, store, folder)),
        publisher=publisher,
        voices=Voices(studio, voices),
        speaker=Speaker(studio, catalog, voices),
        runner=runner,
        lines=lines,
        progress=Progress(store, hub, lines, runner.cancel, files.describe),
    )


KINDS = ("speech", "face", "lipsync", "enhance")
WARM = {"speech": ("speech",), "lipsync": ("face", "lipsync", "enhance"), "enhance": ("face", "enhance")}
"""Engines that every job needs; of a service alone."""


async def _warm(house: House) -> None:
    """Load what jobs will need. What cannot be loaded is each job's own failure, not the server's."""
    with suppress(asyncio.CancelledError):
        try:
            only = house.settings.only
            await house.catalog.warm(WARM.get(only or "", KINDS), sample=only is None)
        except Exception:
            log.exception("could not prepare the default engines and template")
        house.ready = True
