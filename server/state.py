"""Everything a server lives in, put together once, opened and closed in order."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncGenerator, Coroutine
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import web

from core.engines.gpt_sovits.settings import VoiceSettings
from core.renderer import Here, Renderer
from core.runtime.slots import Slots
from core.serving.engine_pool import EnginePool
from core.templates.background import Backgrounds
from core.templates.library import Templates
from core.types import AudioChunk
from server import logs
from server.access.caller import Ownership, caller
from server.access.cookies import Cookies
from server.access.keys import Keys
from server.access.opened import Opened
from server.addresses import allowed
from server.catalog.engines_and_templates import Catalog
from server.catalog.speaker import Speaker
from server.catalog.voices import Voices
from server.doors import Doors
from server.errors import Refused
from server.fetch.fetcher import Fetcher, Kind, fetcher_of
from server.fetch.own_files import sources
from server.folder import ServerFolder
from server.jobs.background import BackgroundWork
from server.jobs.by_url import BY_URL, KEPT_BY_URL
from server.jobs.enhancement import EnhanceWork
from server.jobs.runner import Runner
from server.jobs.sessions import Sessions
from server.jobs.template import TemplateWork
from server.jobs.video import VideoWork
from server.jobs.webhooks import Webhooks, secret_word, webhook_secret
from server.jobs.work import Work
from server.metrics import Figures
from server.schemas.specs import same_body
from server.settings import ServerSettings
from server.storage.links import Files, open_files
from server.storage.local import link_secret
from server.storage.publisher import Publisher, abandon
from server.store.database import unusable
from server.store.line import Line
from server.store.owners import Quota, exceeded
from server.store.rows import JobRow
from server.store.store import Store
from server.stream.hub import Hub
from server.stream.media import Clips
from server.stream.progress import JobEvents
from server.stream.sockets import Connections
from server.turns import Turns
from server.uploads import Upload

if TYPE_CHECKING:
    from core.cluster.placement import Cluster  # brings Ray
    from server.stream.webrtc import Webrtc  # brings aiortc

log = logging.getLogger(__name__)


@dataclass(slots=True)
class AppState:
    """The parts, as request handlers use them.

    webrtc: once somebody has asked for it. ready: engines are loaded. stopping: no new job is taken.
    restart: it is to start anew once it has stopped. background_tasks: what goes on after an answer.
    """

    settings: ServerSettings
    folder: ServerFolder
    keys: Keys
    cookies: Cookies
    ownership: Ownership
    opened: Opened
    pool: EnginePool
    cluster: "Cluster | None"
    hub: Hub
    store: Store
    clips: Clips
    figures: Figures
    catalog: Catalog
    files: Files
    fetcher: Fetcher
    publisher: Publisher | None
    webhooks: Webhooks
    voices: Voices
    speaker: Speaker
    runner: Runner
    sessions: Sessions
    doors: Doors
    connections: Connections
    speaking: Turns
    looking: Turns
    job_events: JobEvents
    webrtc: "Webrtc | None" = None
    ready: bool = False
    stopping: bool = False
    restart: bool = False
    background_tasks: set["asyncio.Task[Any]"] = field(default_factory=set)

    def take_jobs(self) -> None:
        """Raises Refused while no new job is taken."""
        if self.stopping:
            raise Refused(503, "stopping", "the server stops; try again soon", headers={"Retry-After": "5"})

    async def metered(
        self, chunks: AsyncGenerator[AudioChunk, None], rate: int
    ) -> AsyncGenerator[AudioChunk, None]:
        """The chunks; what there was of them is counted for whoever asks. rate: Hz."""
        seconds, owner = 0.0, caller.get().owner
        try:
            async with aclosing(chunks):
                async for chunk in chunks:
                    seconds += len(chunk.samples) / rate
                    yield chunk
        finally:
            if owner:
                await asyncio.shield(self.store.owners.spend(owner, seconds))

    async def fetch(self, url: str, *kinds: Kind, param: str) -> Upload:
        """What a URL names, as if it had been uploaded. Raises like `Fetcher.fetch`."""
        path = self.folder.incoming()
        found = await self.fetcher.take(url, *kinds, into=path, param=param)
        return Upload(path, found.name, found.bytes, found.sha256)

    def send(self, work: Coroutine[Any, Any, Any]) -> None:
        """Have something done that no request waits for."""
        task = asyncio.create_task(work)
        self.background_tasks.add(task)
        task.add_done_callback(self.background_tasks.discard)

    async def end_background_tasks(self) -> None:
        """Cancel them, and see them end."""
        for task in self.background_tasks:
            task.cancel()
        await asyncio.gather(*self.background_tasks, return_exceptions=True)

    async def stop(self) -> None:
        """Take no more, tell clients, put running jobs back in line. Once."""
        if self.stopping:
            return
        self.stopping, self.ready = True, False
        self.clips.stop()  # whoever waits for a video that has not begun is told so
        await asyncio.gather(self.runner.stop(), self.sessions.stop())
        if self.webrtc is not None:
            await self.webrtc.close()
        await self.webhooks.stop()
        if self.publisher is not None:
            await self.publisher.stop()
        await self.connections.close()


LOOKING = 2
"""Child processes at once that look at what requests send, before there is a job; of a GB each, at most."""

STATE = web.AppKey("state", AppState)


def state_of(request: web.Request) -> AppState:
    """The server's parts."""
    return request.app[STATE]


@asynccontextmanager
async def open_state(settings: ServerSettings) -> AsyncGenerator[AppState, None]:
    """The parts of a server of these settings, with jobs running in it.

    Raises FolderInUse, and Error for whatever else it cannot start with; nothing stays open then.
    """
    folder = ServerFolder(settings.folder)
    async with AsyncExitStack() as ends:
        ends.callback(folder.close)
        pool = await ends.enter_async_context(EnginePool(settings=settings))
        hub, figures = Hub(), Figures()
        store = Store(
            folder.database,
            figures.jobs(logs.jobs(hub.publish)),
            line=Line(settings.waiting, settings.backlog),
            ballast=settings.ballast_mb << 20,
            same=same_body,
        )
        # Before the engines are ended: one that hangs keeps nothing of the record from the disk.
        ends.push_async_callback(asyncio.to_thread, store.close)
        files = open_files(settings, folder)
        studio = await _studio(settings, pool, ends)
        state = _furnish(settings, folder, studio, hub, store, files, figures)
        ends.push_async_callback(state.clips.close)
        ends.push_async_callback(asyncio.to_thread, state.catalog.close)
        ends.push_async_callback(state.stop)
        try:
            await state.runner.start()
            await state.sessions.start()
            await state.webhooks.start()
            await (abandon(store) if state.publisher is None else state.publisher.start())
        except sqlite3.Error as error:  # it opens, and is damaged further in
            raise unusable(folder.database, error) from error
        ends.push_async_callback(state.end_background_tasks)
        state.send(state.opened.cut_of_removed())
        state.send(_warm(state))
        yield state


@dataclass(frozen=True, slots=True)
class _Studio:
    """What videos are made with. slots: as many jobs run at once. cluster: whose nodes make them, if any."""

    pool: EnginePool
    templates: Templates
    renderer: Renderer
    slots: Slots
    cluster: "Cluster | None" = None


async def _studio(settings: ServerSettings, pool: EnginePool, ends: AsyncExitStack) -> _Studio:
    """The cluster, if there shall be one, is known to let us in."""
    templates, slots = Templates(settings, pool), Slots(settings.jobs)
    if not settings.on_cluster:
        return _Studio(pool, templates, Here(pool, templates), slots)
    from core.cluster.connect import open_cluster

    slots.resize(0)  # until there are nodes
    cluster = await ends.enter_async_context(open_cluster(settings.cluster, templates, slots))
    return _Studio(pool, templates, cluster, slots, cluster)


def _furnish(
    settings: ServerSettings,
    folder: ServerFolder,
    studio: _Studio,
    hub: Hub,
    store: Store,
    files: Files,
    figures: Figures,
) -> AppState:
    pool, templates, renderer = studio.pool, studio.templates, studio.renderer
    clips = Clips(lambda job_id: folder.job(job_id) / "stream.mp4")
    fetcher = fetcher_of(settings, sources(files, settings, store, folder))
    works: dict[str, Work[Any]] = {
        "video": VideoWork(pool, templates, renderer, store, clips, folder, fetcher, figures, settings),
        "template": TemplateWork(pool, templates, folder),
        "background": BackgroundWork(pool, Backgrounds(pool, templates), folder, settings.prefix),
        "enhancement": EnhanceWork(pool, renderer, store, clips, folder, figures, settings.face),
    }
    keys, ownership = Keys(settings.data_dir), Ownership(store.owners)
    keys.all()

    async def within_quota(job: JobRow) -> None:
        exceeded(await store.owners.left(job.owner, Quota(minutes=keys.minutes_a_day(job.owner))))

    publisher = Publisher(store, files.remote, folder, files.published) if files.remote else None
    runner = Runner(
        store,
        hub,
        clips,
        folder,
        works,
        slots=studio.slots,
        rests=studio.cluster is None,
        keep_s=settings.keep_days * 86_400,
        keep_bytes=int(settings.keep_gb * 1e9),
        prefix=settings.prefix,
        allow=within_quota,
        publish=publisher.publish if publisher else None,
        tidy=partial(templates.trim, BY_URL, KEPT_BY_URL, settings.keep_template_days * 86_400),
    )
    connections = Connections(settings.lines)
    secret = webhook_secret(secret_word(folder.root, settings.webhook_secret.get_secret_value()))
    catalog = Catalog(pool, templates, folder.root / "thumbnails", ownership, settings.prefix)
    voices = VoiceSettings(data_dir=settings.data_dir)
    return AppState(
        settings=settings,
        folder=folder,
        keys=keys,
        cookies=Cookies(keys, link_secret(folder.root)),
        ownership=ownership,
        opened=Opened(keys),
        pool=pool,
        cluster=studio.cluster,
        hub=hub,
        store=store,
        clips=clips,
        figures=figures,
        catalog=catalog,
        files=files,
        fetcher=fetcher,
        publisher=publisher,
        webhooks=Webhooks(store, hub, secret, allowed(settings.fetch_allow)),
        voices=Voices(pool, voices, ownership),
        speaker=Speaker(pool, catalog, voices, ownership),
        runner=runner,
        sessions=Sessions(renderer, figures, store.sessions, settings, store.owners.spend),
        doors=Doors(settings.connections, settings.connections_each),
        connections=connections,
        speaking=Turns(settings.speaking, settings.speaking, "requests for speech"),
        looking=Turns(LOOKING, 32, "files to look at"),
        job_events=JobEvents(store, hub, connections, runner.cancel, files.describe),
    )


KINDS = ("speech", "face", "lipsync", "enhance")
WARM = {"speech": ("speech",), "lipsync": ("face", "lipsync", "enhance"), "enhance": ("face", "enhance")}
"""Engines that every job needs; of a service alone."""


async def _warm(state: AppState) -> None:
    """Load what jobs will need. What cannot be loaded is each job's own failure, not the server's."""
    with suppress(asyncio.CancelledError):
        try:
            only = state.settings.only
            await state.catalog.warm(WARM.get(only or "", KINDS), sample=only is None)
        except Exception:
            log.exception("could not prepare the default engines and template")
        state.ready = True
