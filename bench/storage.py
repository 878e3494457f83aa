"""Uploading to an object storage that fails in every way it can: what becomes of each job, and of the server.

The server is a process of its own with its real pauses, the storage one on loopback that checks signatures.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bench import Figure
from bench.server import serving
from core.runtime.tasks import in_daemon_thread
from server.settings import ServerSettings
from server.storage.oss import OssStorage
from tests.support.oss import Fault, Oss, oss, settings_for

FILES = 4
"""What a job makes: a video and three files of captions."""

FAULTS: dict[str, list[Fault | None]] = {
    "no fault": [],
    "503 twice": [None, 503, None, 503],
    "line reset": ["reset"],
    "line cut after the body": [None, "cut"],
    "answer lost": [None, "lost"],
    "no answer": [None, 60.0],
    "wrong checksum": [None, "badcrc"],
}
"""What happens to the first requests of a job's upload; the first asks whether the object is there."""


def figures() -> Iterator[Figure]:
    """A line a fault, then what held during all of them."""
    with oss() as (storage, url):
        yield from asyncio.run(_faults(storage, url))
    with oss() as (_, url):
        wrong = settings_for(url, oss_access_key_secret="wrong")  # noqa: S106  # it opens nothing
        yield asyncio.run(_refused(wrong))
    yield asyncio.run(_lag_of_a_large_file())


@dataclass(frozen=True, slots=True)
class _Upload:
    """What became of a job's upload, and after how long since the job was completed."""

    ended: str
    took_s: float
    attempts: int
    reasons: tuple[str, ...]

    def figure(self, name: str, expected: str) -> Figure:
        """One line of the table; missed if it ended otherwise."""
        ok, reasons = self.ended == expected, ", ".join(sorted(set(self.reasons)))
        told = f"s to {self.ended}, attempts: {self.attempts}" + (f" ({reasons})" if reasons else "")
        return Figure(f"storage: {name}", self.took_s, told, 3600 if ok else 0, higher=False)


async def _faults(storage: Oss, url: str) -> list[Figure]:
    found, jobs = [], 0
    async with serving(**settings_for(url)) as (http, _), _answering(http) as took:
        for name, faults in FAULTS.items():
            storage.faults.extend(faults)
            found.append((await _upload(http)).figure(name, "job.published"))
            jobs += 1

        async def up_again() -> None:
            await asyncio.sleep(30)
            storage.down = False

        storage.down = True
        waiting = asyncio.create_task(up_again())
        found.append((await _upload(http)).figure("down for 30 s", "job.published"))
        jobs += 1
        await waiting
    off = abs(len(storage.objects) - jobs * FILES)
    found.append(Figure("storage: objects missing or too many", off, "", 0, higher=False))
    twice = sum(count - 1 for count in storage.written.values())
    # An answer that is lost, or denied its checksum, leaves nothing to know but to look; then it is not sent.
    found.append(Figure("storage: objects written again", twice, "", 0, higher=False))
    p99 = statistics.quantiles(took, n=100)[98]
    found.append(Figure("storage: answer time meanwhile, 99 %", p99, "ms", 50, higher=False))
    return found


async def _refused(settings: dict[str, str]) -> Figure:
    async with serving(**settings) as (http, _):
        return (await _upload(http)).figure("wrong secret", "job.upload_failed")


async def _lag_of_a_large_file() -> Figure:
    """How late a loop is while 100 MB leave its process; the storage is another's."""
    command = [sys.executable, "-m", "tests.support.oss"]
    with (
        subprocess.Popen(  # noqa: ASYNC220  # a bench waits for nothing else
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process,
        tempfile.TemporaryDirectory(prefix="lipstream-bench-") as name,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        file, url = Path(name) / "video.mp4", process.stdout.readline().strip()
        file.write_bytes(os.urandom(100 << 20))
        storage = OssStorage(
            ServerSettings.model_validate({"data_dir": name} | settings_for(url)), Path(name) / "parts"
        )
        late: list[float] = []
        looking = asyncio.create_task(_look(late))
        await in_daemon_thread(
            lambda: storage.put(file, f"job/{'0' * 32}/video.mp4", "video/mp4", lambda done: None)
        )
        looking.cancel()
        process.stdin.close()
    return Figure(
        "storage: event loop late, 100 MB in parts, 99 %",
        statistics.quantiles(late, n=100)[98],
        "ms",
        50,
        higher=False,
    )


async def _look(late: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.005)
        late.append((time.perf_counter() - began - 0.005) * 1000)


async def _upload(http: aiohttp.ClientSession) -> _Upload:
    """Have a video made, and follow it to the end of its log."""
    async with http.post("/v1/videos", json={"text": "Hello there."}) as response:
        job = (await response.json())["id"]
    completed, reasons, attempts = 0.0, [], 1
    async with http.ws_connect(f"/v1/jobs/{job}/events") as events:
        async for message in events:
            told = json.loads(message.data)
            data = told["data"]
            match told["type"]:
                case "job.completed":
                    completed = told["ts"]
                case "job.upload_failed":
                    reasons.append(data["error"]["code"])
                case "job.uploading":
                    attempts = max(attempts, data["attempt"])
    return _Upload(told["type"], told["ts"] - completed, attempts, tuple(reasons))


@asynccontextmanager
async def _answering(http: aiohttp.ClientSession) -> AsyncGenerator[list[float], None]:
    """Milliseconds the server took to answer, time and again while the block runs."""
    took: list[float] = []

    async def ask() -> None:
        while True:
            began = time.perf_counter()
            async with http.get("/healthz"):
                took.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(0.01)

    asking = asyncio.create_task(ask())
    try:
        yield took
    finally:
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
