"""The server in a process of its own, and what a client of it sees: first fragments, crowds, lag, events."""

import asyncio
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import psutil

from bench import Figure
from bench._old_way import file_first_ms
from bench._scene import SENTENCE, speech_text
from server.store.new_jobs import NewJob
from server.store.store import Store

_SERVE = (
    "import sys; from pathlib import Path; from server.app import run;"
    "from server.settings import ServerSettings;"
    "run(ServerSettings(data_dir=Path(sys.argv[1]), port=0, jobs=2), lambda url: print(url, flush=True))"
)


def figures() -> Iterator[Figure]:
    """What docs/performance.md states of the server."""
    imports = [_import_s() for _ in range(5)]
    yield Figure("server: import server.app", min(imports), "s", 0.5, higher=False)
    yield Figure("server: durable events", asyncio.run(_events_a_second()), "/s", 2000)
    yield from asyncio.run(_served())


async def _served() -> list[Figure]:
    async with serving() as (http, process):
        first = [await _first_fragment(http) for _ in range(12)][2:]
        found = [Figure("server: first video fragment", statistics.median(first), "ms", 150, higher=False)]
        minutes = [await _first_fragment(http, speech_text(60)) for _ in range(3)]
        minute, plain = statistics.median(minutes), await file_first_ms(speech_text(60))
        name = "server: first fragment of a minute of speech"
        found.append(Figure(name, minute, "ms", 150, higher=False, baseline=plain))
        found.append(Figure("server: how much sooner than stage after stage", plain / minute, "x", 20))
        found.append(
            Figure("server: answer time, 99 %, two jobs running", await _lag(http), "ms", 30, higher=False)
        )
        return found + await _crowd(http, process)


@asynccontextmanager
async def serving(**settings: str) -> AsyncGenerator[tuple[aiohttp.ClientSession, psutil.Process], None]:
    """A client of a server with these settings and an empty data folder, and the server's process."""
    environment = os.environ | {f"LIPSTREAM_{name}".upper(): value for name, value in settings.items()}
    with tempfile.TemporaryDirectory(prefix="lipstream-bench-") as folder:
        process = subprocess.Popen(  # noqa: ASYNC220  # a bench waits for nothing else
            [sys.executable, "-c", _SERVE, folder], stdout=subprocess.PIPE, text=True, env=environment
        )
        assert process.stdout is not None
        url = await asyncio.to_thread(process.stdout.readline)
        try:
            async with aiohttp.ClientSession(url.strip()) as http:
                while True:
                    async with http.get("/readyz") as response:
                        if response.status == 200:
                            break
                    await asyncio.sleep(0.1)
                yield http, psutil.Process(process.pid)
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait)


async def _first_fragment(http: aiohttp.ClientSession, text: str = SENTENCE) -> float:
    """Milliseconds from the request to the first fragment with a picture; then the client leaves."""
    began = time.perf_counter()
    async with http.post("/v1/videos", json={"text": text, "stream": True}) as response:
        data = b""
        response.raise_for_status()
        while data.count(b"moof") < 2:  # sound and picture
            piece = await response.content.readany()
            assert piece, "the video ended before it began"
            data += piece
        took = time.perf_counter() - began
        job = response.headers["X-Job-Id"]
    await _ended(http, job)
    return took * 1000


async def _post(http: aiohttp.ClientSession, text: str) -> str:
    async with http.post("/v1/videos", json={"text": text}) as response:
        return str((await response.json())["id"])


async def _ended(http: aiohttp.ClientSession, job: str) -> float:
    """Frames a second of a job, once it has ended."""
    async with http.ws_connect(f"/v1/jobs/{job}/events") as events:
        async for message in events:
            told = json.loads(message.data)
    return float((told["data"].get("metrics") or {"fps": 0.0})["fps"])


async def _lag(http: aiohttp.ClientSession) -> float:
    jobs = [await _post(http, speech_text(30)) for _ in range(2)]
    over, took = asyncio.gather(*(_ended(http, job) for job in jobs)), []
    while not over.done():
        began = time.perf_counter()
        async with http.get("/healthz"):
            took.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(0.01)
    await over
    return statistics.quantiles(took, n=100)[98]


async def _crowd(http: aiohttp.ClientSession, process: psutil.Process) -> list[Figure]:
    """20 viewers that look and 20 that do not, against none."""
    text, grown = speech_text(34), 0.0
    rates: tuple[list[float], list[float]] = ([], [])
    costs: tuple[list[float], list[float]] = ([], [])
    for _ in range(4):  # in turn, so that a busy machine slows both
        for viewers in (0, 20):
            before, spent = process.memory_info().rss, _cpu_s(process)
            job = await _post(http, text)
            stuck = [_stuck(http, job) for _ in range(viewers)]
            sizes = await asyncio.gather(*(_view(http, job) for _ in range(viewers)))
            assert len(set(sizes)) <= 1, "viewers got different amounts"
            rates[viewers > 0].append(await _ended(http, job))
            costs[viewers > 0].append(_cpu_s(process) - spent)
            grown = max(grown, process.memory_info().rss - before)
            for line in stuck:
                line.close()
    (alone, crowded), (plain, dear) = map(statistics.median, rates), map(statistics.median, costs)
    return [
        Figure("server: frames a second with 40 viewers", crowded, "/s", baseline=alone),
        Figure("server: CPU for a job with 40 viewers", dear, "s", higher=False, baseline=plain),
        Figure("server: memory for 40 viewers", grown / (1 << 20), "MB", 32, higher=False),
    ]


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def _view(http: aiohttp.ClientSession, job: str) -> int:
    size = 0
    async with http.ws_connect(f"/v1/jobs/{job}/stream", max_msg_size=0) as stream:
        async for message in stream:
            size += len(message.data)
    return size


def _stuck(http: aiohttp.ClientSession, job: str) -> socket.socket:
    url = http._base_url
    assert url is not None
    line = socket.create_connection((url.host or "", url.port or 0))
    head = f"GET /v1/jobs/{job}/stream HTTP/1.1\r\nHost: localhost\r\n"
    head += "Connection: Upgrade\r\nUpgrade: websocket\r\n"
    line.sendall(
        f"{head}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    return line


async def _events_a_second() -> float:
    """Events of 32 writers, each waiting for its commit."""
    with tempfile.TemporaryDirectory(prefix="lipstream-bench-") as folder:
        store = Store(Path(folder) / "jobs.db", lambda events: None, ballast=0)
        try:
            await store.accept(NewJob("a", "video", "{}", "{}"))
            await store.claim(lambda job, attempt: "{}")

            async def write() -> None:
                for _ in range(500):
                    await store.append(
                        "a", "note", '{"done": 100, "total": 1000, "rate": 25.0, "queue_depth": 3}'
                    )

            began = time.perf_counter()
            await asyncio.gather(*(write() for _ in range(32)))
            return 32 * 500 / (time.perf_counter() - began)
        finally:
            store.close()


def _import_s() -> float:
    """Processor time, which a busy machine does not change."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", "import server.app"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
