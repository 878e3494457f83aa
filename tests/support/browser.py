"""Drive a headless Chromium over its DevTools protocol: one WebSocket, no driver to install.

Knows browsers, not our page. Nothing the browser does leaves this machine: it can resolve no name.
Protocol: https://chromedevtools.github.io/devtools-protocol/
"""

import asyncio
import base64
import itertools
import json
import os
import shutil
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",  # containers run as root, where the sandbox refuses to start
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--mute-audio",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-port=0",
)


def find_chromium() -> str | None:
    """Where a Chromium is installed, or None."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


needs_chromium = pytest.mark.skipif(
    find_chromium() is None and os.environ.get("CI") != "true",
    reason="no Chromium here; get it with: apt-get install chromium",
)
"""Skips where there is no browser; but in CI, where there must be one, that is a failure."""


class Page:
    """A tab. Waits are bounded: `until` fails with what it was waiting for.

    complaints: errors, uncaught or written to the console. requests: addresses that were asked for.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._injected: list[str] = []
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reader = asyncio.ensure_future(self._read())

    async def call(self, method: str, **params: object) -> dict[str, Any]:
        """Call a method of the protocol; raises RuntimeError with the browser's message."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        return await asyncio.wait_for(answer, 30)

    async def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression; a promise is awaited."""
        result = await self.call(
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
            userGesture=False,
        )
        if "exceptionDetails" in result:
            raise RuntimeError(json.dumps(result["exceptionDetails"])[:2000])
        return result["result"].get("value")

    async def until(self, expression: str, timeout_s: float = 20) -> Any:
        """The value of `expression` once it is truthy; it may fail while the page is loading."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while asyncio.get_running_loop().time() < deadline:
            try:
                value = await self.evaluate(expression)
            except RuntimeError as error:
                value, last = None, str(error)
            else:
                last = repr(value)
            if value:
                return value
            await asyncio.sleep(0.03)
        raise AssertionError(f"still not true after {timeout_s} s: {expression}; last: {last[:500]}")

    async def open(self, url: str) -> None:
        """Go to `url`, or load it anew."""
        await self.call("Page.navigate", url=url)

    async def inject(self, script: str) -> None:
        """Run `script` in every page from now on, before any of the page's own, until `forget`."""
        added = await self.call("Page.addScriptToEvaluateOnNewDocument", source=script)
        self._injected.append(added["identifier"])

    async def forget(self) -> None:
        """Forget what was injected, complained of and asked for."""
        for identifier in self._injected:
            await self.call("Page.removeScriptToEvaluateOnNewDocument", identifier=identifier)
        self._injected.clear()
        self.complaints.clear()
        self.requests.clear()

    async def reload(self) -> None:
        """Load the page anew, as a viewer would."""
        await self.call("Page.reload")

    async def click(self, selector: str) -> None:
        """Click the middle of an element, like a hand: it counts as the viewer's gesture."""
        found = json.dumps(selector)
        await self.until(f"document.querySelector({found})?.checkVisibility()")
        x, y = await self.evaluate(
            f"""(() => {{ const e = document.querySelector({found}); e.scrollIntoView({{block: 'center'}});
            const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; }})()"""
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def type(self, text: str) -> None:
        """Type into whatever has the focus."""
        await self.call("Input.insertText", text=text)

    async def press(self, key: str, code: int, modifiers: int = 0) -> None:
        """Press a key by its name and its Windows key code; modifiers: 2 is Ctrl, 8 is Shift."""
        text = {"text": "\r"} if key == "Enter" else {}
        common = {"key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        await self.call("Input.dispatchKeyEvent", type="keyDown", **common, **text)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    async def screenshot(self, path: Path) -> None:
        """Write what is seen as a PNG."""
        shot = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    async def close(self) -> None:
        """Leave; whoever still waits for an answer is told."""
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def _read(self) -> None:
        async for message in self._socket:
            answer = json.loads(message.data)
            future = self._answers.pop(answer.get("id", 0), None)
            if future is None:
                self._notice(answer)
            elif "error" in answer:
                future.set_exception(RuntimeError(answer["error"]["message"]))
            else:
                future.set_result(answer["result"])

    def _notice(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"])[:2000])
        elif event.get("method") == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif event.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            entry = params["entry"]
            self.complaints.append(f"{entry['text']} {entry.get('url', '')}")


@asynccontextmanager
async def open_browser(profile: Path, *flags: str) -> AsyncGenerator[Page, None]:
    """A Chromium of our own with an empty profile and one tab; it is gone when the block ends."""
    program = find_chromium()
    if program is None:
        raise FileNotFoundError("no Chromium here; get it with: apt-get install chromium")
    process = await asyncio.create_subprocess_exec(
        program,
        *FLAGS,
        *flags,
        f"--user-data-dir={profile}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,  # its helpers must go with it
    )
    try:
        port = await _port(profile / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as response:
                target = next(one for one in await response.json() if one["type"] == "page")
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                page = Page(socket)
                for domain in ("Page", "Runtime", "Log", "Network"):
                    await page.call(f"{domain}.enable")
                yield page
                await page.close()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _port(file: Path) -> int:
    for _ in range(1500):
        if file.exists() and (lines := file.read_text().splitlines()):
            return int(lines[0])
        await asyncio.sleep(0.02)
    raise TimeoutError("chromium did not start within 30 s")
