"""A viewer: the real server and a real browser on it, shared by the tests of a module."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from core import engines
from core.engines.builtin.mouth import WarpedMouth
from core.protocols import Drawing
from core.types import Image
from server.api.entrance import Runner
from server.app import build
from server.settings import ServerSettings
from tests.support.browser import Page, open_browser
from tests.support.rtmp import free_port
from tests.support.serving import prepare_sample

PACES = {"half": 0.5, "fifths": 0.8, "real": 1.0}
"""Lips engines for tests, and how many seconds of video they make in a second."""


class PacedMouth(WarpedMouth):
    """The built-in lips, kept to a pace. For one job at a time."""

    pace = 1.0

    def __init__(self) -> None:
        super().__init__()
        self._began = 0.0

    def draw(self, drawing: Drawing) -> Image:
        """See `LipsyncEngine.draw`."""
        first = drawing.frames.start
        if first == 0:
            self._began = time.monotonic()
        drawn = super().draw(drawing)
        due = self._began + first / drawing.fps / self.pace  # the first ones at once
        while (early := due - time.monotonic()) > 0:
            time.sleep(min(early, 0.05))
        return drawn


class HalfPace(PacedMouth):
    """At half the speed it plays."""

    pace = PACES["half"]


class FourFifthsPace(PacedMouth):
    """A little slower than it plays."""

    pace = PACES["fifths"]


class RealPace(PacedMouth):
    """As fast as it plays."""


ENGINES = {"half": HalfPace, "fifths": FourFifthsPace, "real": RealPace}


MICROPHONE = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
"""A browser's flags for one that beeps, and that pages may use unasked."""

PUSH_PORT = free_port()
"""Where a test may have an RTMP server: the only place of this machine that the server may send to."""

CHAT_PORT = free_port()
"""Where the server looks for a language model; a test may have one there."""

LOOPBACK = "--allow-loopback-in-peer-connection"
"""Its flag for WebRTC within this machine."""


def served(tmp_path_factory: pytest.TempPathFactory, clip: Path) -> Path:
    """A data folder for one server after another, `clip` its sample."""
    folder = tmp_path_factory.getbasetemp() / "served"
    if not folder.exists():
        prepare_sample(folder, clip)
    return folder


@asynccontextmanager
async def open_server(folder: Path) -> AsyncGenerator[str, None]:
    """A server with warm engines; yields its address, with a slash at the end."""
    runner = Runner(
        build(
            ServerSettings(
                data_dir=folder,
                fetch_allow=(f"127.0.0.1:{PUSH_PORT}",),
                chat_url=f"http://127.0.0.1:{CHAT_PORT}/v1",
            )
        ),
        handler_cancellation=True,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        await _warm(url)
        yield url
    finally:
        await runner.cleanup()


async def _warm(url: str) -> None:
    async with aiohttp.ClientSession() as http:
        for _ in range(9000):
            async with http.get(url + "readyz") as response:
                if response.status == 200:
                    return
            await asyncio.sleep(0.02)
    raise TimeoutError("the server was not ready within three minutes")


class Viewer:
    """A tab on the page of a server, and a client of the server's own. folder: the server's data."""

    def __init__(self, url: str, folder: Path, page: Page, http: aiohttp.ClientSession) -> None:
        self.url = url
        self.folder = folder
        self.page = page
        self.http = http

    async def watch(self, scenario: Callable[["Viewer"], Coroutine[Any, Any, None]]) -> None:
        """Run a scenario from an empty tab. It may leave no complaint, and ask for nothing from elsewhere."""
        page = self.page
        await page.open("about:blank")
        await page.call("Storage.clearDataForOrigin", origin=self.url.rstrip("/"), storageTypes="all")
        await page.call("Emulation.setUserAgentOverride", userAgent="Chromium", acceptLanguage="en-GB")
        await page.forget()
        await scenario(self)
        assert page.complaints == [], page.complaints
        own = (self.url, self.url.replace("http", "ws"), "blob:", "data:", "about:")
        assert [address for address in page.requests if not address.startswith(own)] == []

    async def visit(self, address: str = "") -> Page:
        """Open the page and wait until it can be used."""
        await self.page.open(self.url + address)
        await self.page.until("document.querySelectorAll('.person input').length > 1")
        return self.page

    async def speak(self, text: str) -> str:
        """Type a text over what is there, press the button; the id of the job."""
        page, job = self.page, "location.hash.match(/^#\\/job\\/(.+)/)?.[1]"
        before = await page.evaluate(job)
        await page.evaluate("document.querySelector('#text').select()")
        await page.type(text)
        await page.click("#speak")
        return str(await page.until(f"({job}) !== {before!r} && {job}".replace("None", "undefined")))

    async def ask(self, path: str, body: object = None) -> Any:
        """Ask the server itself."""
        method = "GET" if body is None else "POST"
        async with self.http.request(method, self.url + path, json=body) as response:
            assert response.ok, await response.text()
            return await response.json()

    async def make(self, text: str, **options: object) -> str:
        """Have a video made, without the page; the id of the completed job."""
        job = (await self.ask("v1/videos", {"text": text, "options": options}))["id"]
        async with self.http.get(f"{self.url}v1/jobs/{job}/events") as events:
            assert b"job.completed" in await events.read()
        return str(job)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """The loop in which server, browser and tests take turns."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def viewer(
    runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory, presenter_clip: Path
) -> Iterator[Viewer]:
    """A server, a browser, and engines of every pace to choose."""
    engines.ENGINES["enhance"]["held"] = engines.EngineSpec("tests.support.enhancers:Held", "for tests")
    for name, engine in ENGINES.items():
        engines.ENGINES["lipsync"][name] = engines.EngineSpec(
            f"tests.support.viewer:{engine.__name__}", "for tests"
        )
    folder = served(tmp_path_factory, presenter_clip)
    stack = AsyncExitStack()

    async def enter() -> Viewer:
        url = await stack.enter_async_context(open_server(folder))
        profile = tmp_path_factory.mktemp("profile")
        page = await stack.enter_async_context(open_browser(profile, *MICROPHONE, LOOPBACK))
        return Viewer(url, folder, page, await stack.enter_async_context(aiohttp.ClientSession()))

    try:
        yield runner.run(enter())
    finally:
        runner.run(stack.aclose())
        del engines.ENGINES["enhance"]["held"]
        for name in ENGINES:
            del engines.ENGINES["lipsync"][name]


def in_browser(scenario: Callable[[Viewer], Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make a scenario a test; the module imports the fixtures `runner` and `viewer`."""

    def test(runner: asyncio.Runner, viewer: Viewer) -> None:
        runner.run(viewer.watch(scenario))

    test.__doc__ = scenario.__doc__
    return test
