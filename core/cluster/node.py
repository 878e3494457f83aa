"""What runs on a node: engines, a cache of what jobs brought, and renders that are told item by item.

An actor, whose methods the server calls; it knows nothing of Ray.
"""

import asyncio
import fcntl
import os
import platform
import shutil
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import core
from core.cluster.files import Cache
from core.cluster.settings import ClusterSettings
from core.config import Settings
from core.enhancement.video import Enhancement
from core.errors import BadInput, Error
from core.live.commands import Command
from core.live.session import Event, SessionRequest
from core.progress import Progress
from core.render import Item, Request
from core.renderer import Here, Live, Shape
from core.runtime.processor import cores
from core.serving.engine_pool import EnginePool
from core.templates.library import Templates

AHEAD = 64
"""Items that may wait to be told."""

EAGER = 80
"""Items that are told as they come: the first second or so, when a player waits for each."""

PAUSE_S, STEP_S = 0.1, 0.02
"""Seconds for which later ones are gathered, unless half of AHEAD wait before, and between two looks: each
telling costs the server two milliseconds, whatever is in it."""

TICK_S = 0.2
"""Seconds after which progress is told although there is no new item."""

WARM = ("face", "lipsync", "enhance", "speech")
"""Engines that are loaded before the first job."""


Work = Request | Enhancement | SessionRequest
"""What a node may be asked to make."""

Piece = Item | Shape | Event
"""What comes of it; of a session its shape comes first."""


@dataclass(frozen=True, slots=True)
class Hello:
    """What a node is."""

    version: str
    python: str
    cores: int
    process: int


@dataclass(frozen=True, slots=True)
class Told:
    """What has come of a render since the last time. clock: of the node, when it was told, in seconds."""

    items: tuple[Piece, ...]
    progress: Progress
    clock: float


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """What a node does. running: renders. received: bytes of files that were sent to it, by digest."""

    running: int
    received: Mapping[str, int]


class Node:
    """The actor of one node."""

    def __init__(self, identity: str, settings: Mapping[str, object]) -> None:
        """identity: of the node, as Ray names it. settings: of the server, which videos depend on."""
        own = ClusterSettings()
        self._place = _own_folder(own.data_dir / "nodes", identity)
        self._settings = Settings(**{**settings, "data_dir": self._place})  # type: ignore[arg-type]
        self._limit = int(own.node_cache_gb * 1e9)
        self._ends = AsyncExitStack()
        self._renders: dict[int, asyncio.Event] = {}
        self._live: dict[int, Live] = {}

    async def open(self) -> Hello:
        """Load what every job needs; once. What cannot be loaded is each job's own failure."""
        pool = await self._ends.enter_async_context(EnginePool(settings=self._settings))
        templates = Templates(self._settings, pool)
        folder = self._place / "templates"
        self._templates, self._here = templates, Here(pool, templates)
        self._cache = Cache(folder, self._limit, self._forget)
        for kind in WARM:
            with suppress(Error):
                await pool.engine(kind)
        return Hello(core.__version__, platform.python_version(), cores(), os.getpid())

    async def wants(self, digest: str) -> bool:
        """See `Cache.wants`."""
        return await asyncio.to_thread(self._cache.wants, digest)

    async def write(self, digest: str, name: str, data: bytes) -> None:
        """See `Cache.write`."""
        await asyncio.to_thread(self._cache.write, digest, name, data)

    async def keep(self, digest: str) -> None:
        """See `Cache.keep`."""
        await self._cache.keep(digest)

    async def figures(self) -> NodeFigures:
        """What it does."""
        return NodeFigures(len(self._renders), dict(self._cache.received))

    async def make(self, number: int, what: Work, digests: Sequence[str]) -> AsyncGenerator[Told, None]:
        """Make the video, telling all that comes of it, in order. Raises what `Renderer` does.

        number: no other render's. digests: of the bundles that it needs, which are here. Paths in `what` are
        below the cache.
        """
        progress, waiting = Progress(), asyncio.Queue[Piece](AHEAD)
        eager = isinstance(what, SessionRequest)  # it is talked to
        with self._cache.using(digests):
            ended = self._renders[number] = asyncio.Event()
            work = asyncio.create_task(self._make(number, self._found(what), waiting, progress))
            try:
                over, told = False, 0
                while not over or not waiting.empty():
                    if told > EAGER and not eager:
                        await _gather(waiting, work)
                    over = work.done()  # then this tells how it ended
                    items = await _some(waiting, work)
                    told += len(items)
                    yield Told(items, progress.copy(), time.perf_counter())
                await work
            finally:
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
                del self._renders[number]
                ended.set()

    async def ended(self, number: int) -> None:
        """Wait for the end of a render that was cancelled."""
        if number in self._renders:
            await self._renders[number].wait()

    async def do(self, number: int, command: Command) -> int:
        """See `core.renderer.Live.do`. number: of the session."""
        if number not in self._live:
            raise BadInput("starting", "the session does not run any more; send it again after session.ready")
        return await self._live[number].do(command)

    async def _make(
        self, number: int, what: Work, waiting: "asyncio.Queue[Piece]", progress: Progress
    ) -> None:
        match what:
            case Request():
                await self._here.render(what, waiting.put, progress)
            case Enhancement():
                await self._here.enhance(what, waiting.put, progress)
            case SessionRequest():
                async with self._here.session(what) as live:
                    self._live[number] = live
                    try:
                        await waiting.put(live.shape)
                        await live.run(waiting.put)
                    finally:
                        del self._live[number]

    def _found(self, what: Work) -> Work:
        root = self._place / "templates"
        match what:
            case Request(audio=audio, video=video):
                return replace(what, audio=audio and root / audio, video=video and root / video)
            case Enhancement(source=source):
                return replace(what, source=root / source)
            case SessionRequest():
                return what

    async def _forget(self, digest: str) -> None:
        folder = self._place / "templates" / digest
        if (folder / "template.json").is_file():
            await self._templates.remove(digest)
        else:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _gather(waiting: "asyncio.Queue[Piece]", work: "asyncio.Task[None]") -> None:
    """Let some come together."""
    for _ in range(round(PAUSE_S / STEP_S)):
        if work.done() or waiting.qsize() >= AHEAD // 2:
            return
        await asyncio.sleep(STEP_S)


async def _some(waiting: "asyncio.Queue[Piece]", work: "asyncio.Task[None]") -> tuple[Piece, ...]:
    """All that waits; else what comes next; nothing after TICK_S, or once the work has ended."""
    first = asyncio.ensure_future(waiting.get())
    try:
        await asyncio.wait([first, work], timeout=TICK_S, return_when=asyncio.FIRST_COMPLETED)
    finally:
        first.cancel()
    items = [first.result()] if first.done() and not first.cancelled() else []
    while not waiting.empty():
        items.append(waiting.get_nowait())
    return tuple(items)


def _own_folder(root: Path, identity: str) -> Path:
    """A folder that is this process's alone; those of processes that have ended are removed."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    for other in root.iterdir():
        held = _lock(other)
        if held is not None:
            shutil.rmtree(other, ignore_errors=True)
            os.close(held)
    place = root / identity
    place.mkdir(mode=0o700, exist_ok=True)
    if _lock(place) is None:  # it is held until the process ends, however it ends
        raise Error(f"another process uses {place}; end it, or give this node a data_dir of its own")
    return place


def _lock(place: Path) -> int | None:
    """An open file that nobody else holds; None if somebody does."""
    with suppress(OSError):
        file = os.open(place / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
        else:
            return file
    return None
