"""The live view: a person who idles, says what is written, and stops at a word."""

import asyncio
import importlib
import io
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.util import find_spec
from typing import Any

import av
import numpy as np
import pytest
from aiohttp import web
from numpy.typing import NDArray

from core.engines.builtin.mouth import WarpedMouth
from core.protocols import Drawing
from core.types import Image
from tests.support.browser import needs_chromium
from tests.support.rtmp import receiver
from tests.support.sessions import length_of
from tests.support.viewer import CHAT_PORT, PUSH_PORT, Viewer, in_browser, runner, viewer

pytestmark = [pytest.mark.slow, needs_chromium]
__all__ = ["runner", "viewer"]  # fixtures

WAY = "document.querySelector('#live-way').textContent"


@pytest.fixture(autouse=True)
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """By WebRTC the server is found on this machine alone, where it has that."""
    if find_spec("aioice"):
        monkeypatch.setattr("aioice.ice.get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])


VIDEO = "document.querySelector('#live-video')"
SAID = "document.querySelector('#live-said')"
STATUS = "document.querySelector('#live-status').textContent"
TEXT = "Good evening, and welcome. " + "Tonight we look at the stars above the old town. " * 8


@in_browser
async def test_a_session_begins_speaks_is_stopped_at_a_word_outlives_a_reload_and_ends(
    viewer: Viewer,
) -> None:
    page = viewer.page
    await page.open(viewer.url + "#/live")
    await page.until("document.querySelectorAll('#live-template option').length > 0")
    await page.click("#live-start")
    await page.until(f"{VIDEO}.currentTime > 0.3 && {STATUS}.includes('Waiting')", timeout_s=60)
    (session,) = (await viewer.ask("v1/sessions"))["data"]
    assert session["status"] == "idle"

    await page.evaluate("document.querySelector('#live-text').focus()")
    await page.type(TEXT)
    await page.press("Enter", 13)
    await page.until(f"{SAID}.querySelector('mark')?.textContent.length > 0")  # the word that sounds
    assert await page.evaluate(f"{SAID}.textContent") == TEXT.strip()
    assert "Speaking" in await page.evaluate(STATUS)
    await page.press("Escape", 27)
    await page.until(f"!!{SAID}.querySelector('.cut')")
    await page.until(f"{STATUS}.includes('Waiting')")
    unheard = await page.evaluate(f"{SAID}.querySelector('.cut .unheard').textContent")
    assert TEXT.strip().endswith(unheard)
    assert len(unheard) > len(TEXT) // 2

    await page.reload()
    await page.until(f"{VIDEO}.currentTime > 0.3 && !{VIDEO}.paused", timeout_s=60)
    assert (await page.evaluate("location.hash")).endswith(session["id"])
    if await page.evaluate(f"{VIDEO}.muted"):  # nobody has clicked since the reload
        await page.click("#live-play")
    await page.until(f"!{VIDEO}.muted && !{VIDEO}.paused")
    await page.click("#live-end")
    await page.until("document.querySelector('#live-begin').checkVisibility()")
    async with asyncio.timeout(10):
        while (await viewer.ask("v1/sessions"))["data"]:  # noqa: ASYNC110  # one is seen to end before it is gone
            await asyncio.sleep(0.05)


@in_browser
async def test_there_is_a_button_for_each_action_of_the_presenter(viewer: Viewer) -> None:
    page = viewer.page
    wanted = {"actions": {"wave": "sample", "talk": "sample"}, "name": "Waving"}
    job = (await viewer.ask("v1/templates/sample/actions", wanted))["id"]
    while (ended := await viewer.ask(f"v1/jobs/{job}"))["status"] in ("queued", "in_progress"):  # noqa: ASYNC110
        await asyncio.sleep(0.2)
    assert ended["status"] == "completed", ended["error"]
    session = (await viewer.ask("v1/sessions", {"template": "waving"}))["id"]
    await page.open(viewer.url + f"#/live/{session}")
    await page.until(f"{VIDEO}.currentTime > 0.3", timeout_s=60)
    assert await page.evaluate("document.querySelector('#live-actions').innerText") == "wave"
    await page.click("#live-actions button")
    problem = "document.querySelector('#live-problem')"
    await page.evaluate(f"setTimeout(() => {problem}.dataset.late = '1', 500)")
    await page.until(f"{problem}.dataset.late === '1'")
    assert not await page.evaluate(f"{problem}.checkVisibility()")
    async with viewer.http.delete(f"{viewer.url}v1/sessions/{session}"):
        pass
    async with viewer.http.delete(f"{viewer.url}v1/templates/waving"):
        pass


@asynccontextmanager
async def model(reply: str) -> AsyncGenerator[list[str], None]:
    """A language model's server; yields the questions that it was asked."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append((await request.json())["messages"][-1]["content"])
        piece = json.dumps({"choices": [{"index": 0, "delta": {"content": reply}}]})
        text = f"data: {piece}\n\ndata: [DONE]\n\n"
        return web.Response(text=text, content_type="text/event-stream")

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", CHAT_PORT).start()
        yield asked
    finally:
        await runner.cleanup()


@in_browser
async def test_what_is_asked_is_answered_where_somebody_answers(viewer: Viewer) -> None:
    page, ask = viewer.page, "document.querySelector('#live-ask')"
    for chat in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            if not chat:
                patch.setattr("server.jobs.sessions.Sessions._asked", lambda sessions: (None, None))
            session = (await viewer.ask("v1/sessions", {}))["id"]
        await page.open("about:blank")
        await page.open(viewer.url + f"#/live/{session}")
        await page.until(f"{STATUS}.includes('Waiting')", timeout_s=60)
        assert await page.evaluate(f"{ask}.checkVisibility()") is chat
        if chat:
            async with model("Very well, thank you.") as asked:
                await page.evaluate("document.querySelector('#live-text').focus()")
                await page.type("How are you?")
                await page.click("#live-ask")
                await page.until(f"{SAID}.textContent.includes('Very well')")
            assert asked == ["How are you?"]
            assert await page.evaluate("document.querySelector('#live-text').value") == ""
        async with viewer.http.delete(f"{viewer.url}v1/sessions/{session}"):
            pass


@in_browser
async def test_the_person_says_what_the_microphone_hears(viewer: Viewer) -> None:
    page = viewer.page
    session = (await viewer.ask("v1/sessions", {}))["id"]
    await page.open(viewer.url + f"#/live/{session}")
    await page.until(f"{VIDEO}.currentTime > 0.3 && {STATUS}.includes('Waiting')", timeout_s=60)
    await page.click("#live-microphone")  # the browser's own stand-in for one, which beeps
    await page.until("document.querySelector('#live-microphone').getAttribute('aria-pressed') === 'true'")
    await page.until(f"{STATUS}.includes('Speaking')")
    heard = await sound_of(f"{viewer.url}v1/sessions/{session}/stream.mp4", viewer, seconds=2.5)
    assert np.abs(heard).max() > 0.05
    await page.click("#live-microphone")
    await page.until(f"{STATUS}.includes('Waiting')")
    async with viewer.http.delete(f"{viewer.url}v1/sessions/{session}"):
        pass


@in_browser
async def test_the_video_is_sent_to_a_server_and_no_more(viewer: Viewer) -> None:
    page = viewer.page
    session = (await viewer.ask("v1/sessions", {}))["id"]
    await page.open(viewer.url + f"#/live/{session}")
    await page.until(f"{VIDEO}.currentTime > 0.3", timeout_s=60)
    await page.click("#live-push summary")
    row = "document.querySelector('#push-list li')"
    async with receiver(PUSH_PORT) as server:
        await page.evaluate(
            f"document.querySelector('#push-url').value = 'rtmp://127.0.0.1:{PUSH_PORT}/live';"
            "document.querySelector('#push-key').value = 'secret'"
        )
        await page.click("#push-keep")
        await page.click("#push-add")
        await page.until(f"{row}?.dataset.state === 'live'")
        await server.packets(20)
    await page.until(f"{row}.dataset.state === 'lost'")
    assert [one["keep"] for one in (await viewer.ask(f"v1/sessions/{session}/push"))["data"]] == [True]
    assert "secret" not in await page.evaluate("document.body.outerHTML")
    await page.click("#push-list button")
    await page.until(f"!{row}")
    assert (await viewer.ask(f"v1/sessions/{session}/push"))["data"] == []
    # What is refused is said where it was asked for.
    await page.evaluate("document.querySelector('#push-url').value = 'http://a.example/live/key'")
    await page.click("#push-add")
    await page.until("document.querySelector('#push-problem').textContent.includes('rtmp://HOST/APP')")
    page.complaints.clear()  # of an answer that refuses
    async with viewer.http.delete(f"{viewer.url}v1/sessions/{session}"):
        pass


async def sound_of(url: str, viewer: Viewer, seconds: float) -> NDArray[np.float32]:
    """What is heard of a session's video from now on."""
    data = b""
    async with asyncio.timeout(20), viewer.http.get(url) as response:
        async for piece in response.content.iter_any():
            data += piece
            if length_of(data) >= seconds:
                break
    with av.open(io.BytesIO(data)) as file:
        frames = [frame.to_ndarray()[0] for frame in file.decode(audio=0)]
    return np.concatenate(frames).astype(np.float32)


@in_browser
async def test_the_monitor_shows_sessions_and_can_end_them(viewer: Viewer) -> None:
    page = viewer.page
    session = (await viewer.ask("v1/sessions", {}))["id"]
    await page.open(viewer.url + "#/monitor")
    row = f"document.querySelector('[data-session=\"{session}\"]')"
    await page.until(f"{row}?.checkVisibility() && {row}.textContent.includes('waiting')", timeout_s=60)
    async with viewer.http.ws_connect(f"{viewer.url}v1/sessions/{session}") as control:
        await control.send_json({"type": "say", "text": TEXT})
        await page.until(f"{row}.dataset.status === 'in_progress'")
        await page.until(f"{row}.textContent.includes('first picture')")
        await control.send_json({"type": "interrupt"})
        await page.until(f"{row}.textContent.includes('stopped')")
    await page.click(f'[data-session="{session}"] button')
    await page.until(f"!{row} && !document.querySelector('#monitor-sessions').checkVisibility()")
    assert (await viewer.ask("v1/sessions"))["data"] == []


@in_browser
async def test_a_session_that_another_ends_says_so(viewer: Viewer) -> None:
    session = await viewer.ask("v1/sessions", {})
    page = viewer.page
    await page.open(viewer.url + f"#/live/{session['id']}")
    await page.until(f"{VIDEO}.currentTime > 0.3 || {VIDEO}.readyState >= 2", timeout_s=60)
    async with viewer.http.delete(f"{viewer.url}v1/sessions/{session['id']}") as response:
        assert response.status == 200
    await page.until(f"{STATUS}.includes('over')")
    await page.until(f"({BRIGHT})() > 50")  # the last picture stays
    assert await page.evaluate("document.querySelector('#live-begin').checkVisibility()")


async def watched(viewer: Viewer, way: str) -> None:
    """Wait until the page says by which way it is watched, and shows it."""
    seen = f"{WAY}.includes('{way}') && {VIDEO}.videoWidth === 256 && {VIDEO}.currentTime > 0.3"
    await viewer.page.until(f"{seen} && !{VIDEO}.paused", timeout_s=30)


BRIGHT = f"""() => {{
  const pen = Object.assign(document.createElement('canvas'), {{ width: 8, height: 8 }}).getContext('2d');
  pen.drawImage({VIDEO}, 0, 0, 8, 8);
  return Math.max(...pen.getImageData(0, 0, 8, 8).data.filter((_, at) => at % 4 < 3));
}}"""
"""Of what the video shows, 0 to 255."""


@contextmanager
def only(kind: str) -> Iterator[None]:
    """Viewers by WebRTC are sent nothing else."""
    track: Any = importlib.import_module("server.stream.webrtc")._Track
    give = track.give
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(track, "give", lambda self, one: self.kind == kind and give(self, one))
        yield


LISTEN = """(() => {
  const context = new AudioContext();
  const ear = new AnalyserNode(context);
  context.createMediaStreamSource(VIDEO.srcObject).connect(ear);
  const samples = new Float32Array(ear.fftSize);
  window.first = {};
  setInterval(() => {
    ear.getFloatTimeDomainData(samples);
    const now = performance.now();
    window.loud = Math.max(...samples.map(Math.abs));
    if (loud > 0.02) first.sound ??= now;
    if (SAID.querySelector('mark')) first.mark ??= now;
  }, 10);
})()"""


@in_browser
async def test_it_is_watched_by_webrtc_and_words_are_marked_as_they_are_heard(viewer: Viewer) -> None:
    pytest.importorskip("aiortc")
    page = viewer.page
    session = (await viewer.ask("v1/sessions", {"size": "256x256"}))["id"]
    assert (await viewer.ask(f"v1/sessions/{session}"))["webrtc"]
    await page.open(viewer.url + f"#/live/{session}")
    await watched(viewer, "WebRTC")
    if await page.evaluate(f"{VIDEO}.muted"):
        await page.click("#live-play")
    await page.evaluate(LISTEN.replace("VIDEO", VIDEO).replace("SAID", SAID))
    await page.evaluate("document.querySelector('#live-text').focus()")
    await page.type(TEXT)
    await page.press("Enter", 13)
    first = await page.until("first.sound && first.mark && first")
    assert abs(first["sound"] - first["mark"]) < 500
    await page.press("Escape", 27)
    await page.until(f"!!{SAID}.querySelector('.cut') && loud < 0.01")
    assert (await viewer.ask(f"v1/sessions/{session}"))["viewers"] == 1
    assert not any(address.endswith("/stream") for address in page.requests)
    await page.evaluate("location.hash = '#/'")
    async with asyncio.timeout(5):  # it says that it leaves: the server would wait half a minute
        while (await viewer.ask(f"v1/sessions/{session}"))["viewers"]:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    async with viewer.http.delete(f"{viewer.url}v1/sessions/{session}"):
        pass


WAYS = """addEventListener('DOMContentLoaded', () => {
  const way = document.querySelector('#live-way');
  const asks = fetch;
  fetch = (at, how) => {
    if (at.endsWith('/whep')) window.asked = performance.now();
    return asks(MISSING ? at.replace(/session_[^/]*(?=.whep$)/, 'none') : at, how);
  };
  new MutationObserver(() => { if (way.textContent) window.found ??= performance.now(); })
    .observe(way, { childList: true });
})"""
OLD_BROWSER = "delete window.RTCPeerConnection"


@in_browser
async def test_where_webrtc_brings_nothing_it_is_watched_by_websocket_within_2_s(viewer: Viewer) -> None:
    page = viewer.page
    ice = pytest.importorskip("aioice.ice")
    session = (await viewer.ask("v1/sessions", {"size": "256x256"}))["id"]

    async def open_after(script: str) -> None:
        await page.forget()
        await page.inject(script)
        await page.open("about:blank")
        await page.open(viewer.url + f"#/live/{session}")

    async def fallen_back(script: str) -> float:
        """Seconds from the offer until it is watched by WebSocket, in a page in which `script` ran first."""
        await open_after(script)
        await watched(viewer, "WebSocket")
        return float(await page.evaluate("(found - asked) / 1000"))

    await open_after(OLD_BROWSER)
    await watched(viewer, "WebSocket")
    assert not any(address.endswith("/whep") for address in page.requests)
    assert await fallen_back(WAYS.replace("MISSING", "true")) < 1
    assert page.complaints.pop().endswith("/none/whep")
    reached = WAYS.replace("MISSING", "false")
    with pytest.MonkeyPatch.context() as patch:  # no way through
        patch.setattr(ice, "get_host_addresses", lambda use_ipv4, use_ipv6: [])
        assert 1.5 < await fallen_back(reached) < 2.5
    with only("audio"):  # a way through, and nothing to be seen
        assert 1.5 < await fallen_back(reached) < 2.5
    await open_after("")  # what came and comes no more
    await watched(viewer, "WebRTC")
    with only("video"):
        await watched(viewer, "WebSocket")
    async with viewer.http.delete(f"{viewer.url}v1/sessions/{session}"):
        pass


@in_browser
async def test_a_session_that_begins_anew_is_watched_on(viewer: Viewer) -> None:
    pytest.importorskip("aiortc")
    page = viewer.page
    session = (await viewer.ask("v1/sessions", {"size": "256x256"}))["id"]
    await page.open(viewer.url + f"#/live/{session}")
    await watched(viewer, "WebRTC")

    def fail(engine: WarpedMouth, drawing: Drawing) -> Image:
        raise RuntimeError("no more")

    async with viewer.http.ws_connect(f"{viewer.url}v1/sessions/{session}") as control:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(WarpedMouth, "draw", fail)
            await control.send_json({"type": "say", "text": TEXT})
            async with asyncio.timeout(10):
                while (await control.receive_json())["type"] != "error":
                    pass
        async with asyncio.timeout(10):
            while (await control.receive_json())["type"] != "session.ready":
                pass
        await watched(viewer, "WebSocket")
        await control.send_json({"type": "say", "text": TEXT})
        await page.until(f"!!{SAID}.querySelector('mark')")
    page.complaints.clear()  # of a viewer that the server has let go
    async with viewer.http.delete(f"{viewer.url}v1/sessions/{session}"):
        pass
