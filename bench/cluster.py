"""Two nodes of a cluster on this machine, each on a core of its own, held against this process and one node.

Whoever asks, the server or this process, has no core of its own here: it takes from the nodes what it needs.
"""

import asyncio
import hashlib
import importlib.util
import os
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import psutil

from bench import Figure
from bench._scene import PARAGRAPH, SENTENCE
from bench.server import serving
from core.config import Settings
from core.live.commands import Interrupt, Say
from core.live.session import SessionRequest, SpeechEnded, SpeechStarted
from core.progress import Progress
from core.render import Item, Request
from core.renderer import Here, Renderer
from core.runtime.slots import Slots
from core.serving.engine_pool import EnginePool
from core.templates.library import Templates
from core.types import Fragment
from server.schemas.requests import TERMINAL
from tests.support.clusters import SmallCluster, small_cluster

if importlib.util.find_spec("ray") is None:  # it is loaded once its environment is made
    raise ImportError("Ray is not installed")
if TYPE_CHECKING:
    from core.cluster.placement import Cluster

LINE = Request(text=SENTENCE, speech="builtin")
LONG = Request(text=PARAGRAPH[:100], speech="builtin")

_TURNS = 12
"""Times that a session is talked to."""

JOBS = 200
"""Jobs of the crowd, in which a node dies and another comes."""


def figures() -> Iterator[Figure]:
    """What docs/cluster.md states."""
    with tempfile.TemporaryDirectory(prefix="lipstream-bench-") as name, small_cluster(0, Path(name)) as ray:
        for core in (0, 1):
            ray.add(core % len(os.sched_getaffinity(0)))
        data_dir = Path(name) / "data"
        yield from asyncio.run(_rendered(ray, data_dir))
        yield from asyncio.run(_served(ray))


async def _rendered(ray: SmallCluster, folder: Path) -> list[Figure]:
    async with _both(ray, folder) as (here, cluster):
        local, there = await _made(here, LINE), await _made(cluster, LINE)
        await asyncio.gather(_made(cluster, LINE), _made(cluster, LINE))  # one on each: both are warm
        found = [Figure("cluster: same bytes as here", local.sha256 == there.sha256, "", 1)]
        extra = [await _first_s(cluster) - await _first_s(here) for _ in range(25)]
        name = "cluster: first fragment, later than here by"
        found.append(Figure(name, statistics.median(extra) * 1000, "ms", 60, higher=False))
        found += await _talked(here, cluster)
        cuts = [await _cancel_s(cluster) for _ in range(8)]
        found.append(Figure("cluster: cancel, until nothing runs", max(cuts), "s", 1, higher=False))
        template = sum(file.stat().st_size for file in (folder / "templates/sample").rglob("*"))
        sent = max(machine.sent for machine in cluster.machines.values())
        found.append(
            Figure("cluster: template sent to a node, times", sent / template, "x", 1.05, higher=False)
        )
        rates = [await _rates(cluster) for _ in range(3)]
        more = statistics.median(two.processor / one.processor for one, two in rates)
        found.append(Figure("cluster: jobs of two nodes, of one, by processor time", more, "x", 1.7))
        more = statistics.median(two.clock / one.clock for one, two in rates)
        return [*found, Figure("cluster: the same by the clock, which other work here disturbs", more, "x")]


async def _served(ray: SmallCluster) -> list[Figure]:
    """The server itself, with its record, its growing files and JOBS jobs."""
    settings = {"cluster": ray.address, "speech": "builtin", "waiting": str(JOBS + 1)}
    async with serving(**settings) as (http, process):
        before, video_s = _cpu_s(process), 0.0
        for job in [await _posted(http, PARAGRAPH * 2) for _ in range(4)]:
            video_s += (await _ended(http, job))["metrics"]["audio_s"]
        spent = (_cpu_s(process) - before) / video_s * 1000
        jobs = [await _posted(http, "Hi.") for _ in range(JOBS)]
        await _ended(http, jobs[JOBS // 4])
        ray.kill(ray.nodes[-1])
        await _ended(http, jobs[JOBS // 2])
        ray.add(1 % len(os.sched_getaffinity(0)))
        states = [(await _ended(http, job))["status"] for job in jobs]
        lost = len(states) - states.count("completed")
    return [
        Figure("cluster: processor time of the server, a second of video", spent, "ms"),
        Figure(f"cluster: lost of {JOBS} jobs, one node killed and one added", lost, "", 0, higher=False),
    ]


async def _posted(http: aiohttp.ClientSession, text: str) -> str:
    async with http.post("/v1/videos", json={"text": text}) as response:
        assert response.status == 202, await response.text()
        return str((await response.json())["id"])


async def _ended(http: aiohttp.ClientSession, job_id: str) -> dict[str, Any]:
    while True:
        async with http.get(f"/v1/jobs/{job_id}") as response:
            job: dict[str, Any] = await response.json()
        if job["status"] in TERMINAL:
            return job
        await asyncio.sleep(0.1)


@dataclass(frozen=True, slots=True)
class _Rate:
    """Jobs a second: of the clock, and of processor time of the node that worked most."""

    clock: float
    processor: float


@asynccontextmanager
async def _both(ray: SmallCluster, folder: Path) -> AsyncGenerator[tuple[Renderer, "Cluster"], None]:
    from core.cluster.connect import open_cluster

    settings, slots = Settings(data_dir=folder, speech="builtin"), Slots(0)
    async with EnginePool(settings=settings) as pool:
        templates = Templates(settings, pool)
        await templates.open("sample")
        async with open_cluster(ray.address, templates, slots) as cluster:
            while slots.limit < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            yield Here(pool, templates), cluster


class _Made:
    """What came of a render. first_s: until the first fragment with a picture. seconds: of video."""

    def __init__(self) -> None:
        self.first_s = self.seconds = 0.0
        self._began, self._hash = time.perf_counter(), hashlib.sha256()

    async def take(self, item: Item) -> None:
        if isinstance(item, Fragment):
            self._hash.update(item.data)
            if item.frames:
                self.first_s = self.first_s or time.perf_counter() - self._began
                self.seconds = (item.start + item.duration) / item.timescale

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


async def _made(renderer: Renderer, request: Request) -> _Made:
    made = _Made()
    await renderer.render(request, made.take, Progress())
    return made


async def _first_s(renderer: Renderer) -> float:
    return (await _made(renderer, LINE)).first_s


async def _talked(here: Renderer, cluster: "Cluster") -> list[Figure]:
    """What a session's being elsewhere adds, for who talks to it; both idle and talk in turn."""
    async with _talking(here) as near, _talking(cluster) as far:
        turns = [await talk() for _ in range(_TURNS) for talk in (near, far)]
    found = []
    for k, name in enumerate(("text to its first picture", "interrupt to its last")):
        extra = statistics.median(b[k] - a[k] for a, b in zip(turns[::2], turns[1::2], strict=True))
        name = f"cluster: session, {name}, later than here by"
        found.append(Figure(name, extra * 1000, "ms", 60, higher=False))
    return found


@asynccontextmanager
async def _talking(renderer: Renderer) -> AsyncGenerator[Callable[[], Awaitable[tuple[float, float]]], None]:
    """Of a session: seconds from a text to its first picture, and from an interrupt to its last."""
    seen: asyncio.Queue[object] = asyncio.Queue()

    async def until(kind: type, began: float) -> float:
        while not isinstance(await seen.get(), kind):
            pass
        return time.perf_counter() - began

    async with renderer.session(SessionRequest(speech="builtin")) as live:

        async def talk() -> tuple[float, float]:
            await asyncio.sleep(0.5)
            began = time.perf_counter()
            await live.do(Say(PARAGRAPH))
            first = await until(SpeechStarted, began)
            await asyncio.sleep(0.3)
            began = time.perf_counter()
            await live.do(Interrupt())
            return first, await until(SpeechEnded, began)

        running = asyncio.create_task(live.run(seen.put))
        try:
            yield talk
        finally:
            running.cancel()
            await asyncio.wait([running])


async def _cancel_s(cluster: "Cluster") -> float:
    made = _Made()
    work = asyncio.create_task(cluster.render(LONG, made.take, Progress()))
    while not made.seconds:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    began = time.perf_counter()
    work.cancel()
    await asyncio.wait([work])
    running = [(await machine.figures()).running for machine in cluster.machines.values()]
    assert not any(running)
    return time.perf_counter() - began


async def _rates(cluster: "Cluster") -> tuple[_Rate, _Rate]:
    """Of one node, then of two."""
    found, last = [], cluster.nodes()[-1].name
    for drained in (True, False):
        await cluster.drain(last, drained)
        nodes = [psutil.Process(m.hello.process) for m in cluster.machines.values() if m.hello is not None]
        before, began = [_cpu_s(node) for node in nodes], time.perf_counter()
        await asyncio.gather(*(_made(cluster, replace(LONG, text=f"{LONG.text} {n}.")) for n in range(4)))
        took = time.perf_counter() - began
        busiest = max(_cpu_s(node) - spent for node, spent in zip(nodes, before, strict=True))
        found.append(_Rate(4 / took, 4 / busiest))
    return found[0], found[1]


def _cpu_s(process: psutil.Process) -> float:
    """Of a process and of those that it started and that live, in seconds."""
    every = [process, *process.children(recursive=True)]
    return sum(spent.user + spent.system for spent in (one.cpu_times() for one in every))
