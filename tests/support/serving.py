"""A real server on a loopback port with a small library, and engines whose pace and sound tests can tell."""

import asyncio
import logging
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from core.config import Settings
from core.engines import ENGINES, EngineSpec
from core.serving.engine_pool import EnginePool
from core.templates.library import SAMPLE, Templates
from server.api.entrance import Runner
from server.app import build, site_address
from server.logs import RequestLog
from server.settings import ServerSettings
from server.state import STATE, AppState

SLOW = {"options": {"engines": {"speech": "slow"}}}
"""What to add to a request that is to take a while: the voice takes 20 ms a character."""


def prepare_sample(folder: Path, clip: Path) -> None:
    """Make `clip` the sample template of a data folder: the true one takes 15 s to draw and prepare."""

    async def prepare() -> None:
        async with EnginePool() as pool:
            await Templates(Settings(data_dir=folder), pool).add(clip, SAMPLE)

    asyncio.run(prepare())


@pytest.fixture(scope="session")
def library(presenter_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose sample template is small, and prepared."""
    folder = tmp_path_factory.mktemp("library")
    prepare_sample(folder, presenter_clip)
    return folder


@pytest.fixture
def data_dir(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of one's own with the small sample in it; the tests' voices are the default."""
    voices = {"choir": "Choir", "slow": "SlowChoir"}
    specs = {
        name: EngineSpec(f"tests.support.choir:{target}", "for tests") for name, target in voices.items()
    }
    monkeypatch.setitem(ENGINES, "speech", specs | ENGINES["speech"])
    shutil.copytree(library / "templates", tmp_path / "data" / "templates")
    return tmp_path / "data"


@dataclass(frozen=True, slots=True)
class Served:
    """A server under test, and a client of it."""

    url: str
    state: AppState
    http: aiohttp.ClientSession

    async def post(self, path: str, status: int, json: object = None, **options: Any) -> Any:
        """What is answered, which must have this status."""
        async with self.http.post(path, json=json, **options) as response:
            assert response.status == status, await response.text()
            return await response.json()

    async def get(self, path: str, status: int = 200, **options: Any) -> Any:
        """What is answered, which must have this status."""
        async with self.http.get(path, **options) as response:
            assert response.status == status, await response.text()
            return await response.json()

    async def video(self, text: str = "Hello there.", **more: Any) -> str:
        """The id of a new job."""
        job = await self.post("/v1/videos", 202, {"text": text, **more})
        return str(job["id"])

    async def ended(self, job_id: str) -> Any:
        """The job, once it has ended."""
        async for _ in self.state.hub.watch(self.state.store, job_id):
            pass
        return await self.get(f"/v1/jobs/{job_id}")

    async def begun(self, job_id: str) -> None:
        """Wait until there is something to see."""
        while not self.state.clips.coming(job_id).size:  # noqa: ASYNC110  # bounded by the test's own limit
            await asyncio.sleep(0.01)


@asynccontextmanager
async def served(data_dir: Path, **settings: Any) -> AsyncGenerator[Served, None]:
    """A server with warm engines."""
    app = build(ServerSettings(data_dir=data_dir, **({"ballast_mb": 0} | settings)))
    runner = Runner(
        app,
        access_log=logging.getLogger("server.app"),
        access_log_class=RequestLog,
        handler_cancellation=True,
        shutdown_timeout=2,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url, state = site_address(runner), app[STATE]
        while not state.ready:  # noqa: ASYNC110  # bounded by the test's own limit
            await asyncio.sleep(0.01)
        async with aiohttp.ClientSession(url) as http:
            yield Served(url, state, http)
    finally:
        await runner.cleanup()


@asynccontextmanager
async def files_at(files: dict[str, Path]) -> AsyncGenerator[str, None]:
    """A web server elsewhere with these files, by their paths; yields its host and port."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(files[request.path])

    app = web.Application()
    app.router.add_get("/{name:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield site_address(runner).removeprefix("http://")
    finally:
        await runner.cleanup()


def run(coroutine: Any, timeout_s: float = 60) -> Any:
    """Run a test's coroutine, for a time at most."""
    return asyncio.run(asyncio.wait_for(coroutine, timeout_s))
