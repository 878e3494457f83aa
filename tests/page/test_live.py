"""The live view: a person who idles, says what is written, and stops at a word."""

import asyncio
import io

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.browser import needs_chromium
from tests.support.rtmp import receiver
from tests.support.sessions import length_of
from tests.support.viewer import PUSH_PORT, Viewer, in_browser, runner, viewer

pytestmark = [pytest.mark.slow, needs_chromium]
__all__ = ["runner", "viewer"]  # fixtures

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
    assert (await viewer.ask("v1/sessions"))["data"] == []


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
    assert await page.evaluate("document.querySelector('#live-begin').checkVisibility()")


WATCH = """(async () => {
  const line = new RTCPeerConnection();
  const video = Object.assign(document.createElement('video'), { muted: true, autoplay: true });
  video.srcObject = new MediaStream();
  line.ontrack = ({ track }) => video.srcObject.addTrack(track);
  for (const kind of ['video', 'audio']) line.addTransceiver(kind, { direction: 'recvonly' });
  await line.setLocalDescription(await line.createOffer());
  const headers = { 'Content-Type': 'application/sdp' };
  const body = line.localDescription.sdp;
  const answer = await fetch('v1/sessions/SESSION/whep', { method: 'POST', headers, body });
  await line.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
  document.body.append(video);
  await video.play();
  window.watched = { line, video };
})()"""


RECEIVED = """(async () => {
  const stats = [...(await watched.line.getStats()).values()];
  return Object.fromEntries(stats.filter(({ type }) => type === 'inbound-rtp').map((one) => [one.kind, one]));
})()"""


@in_browser
async def test_a_browser_watches_by_webrtc(viewer: Viewer) -> None:
    pytest.importorskip("aiortc")
    ice = pytest.importorskip("aioice.ice")
    page = viewer.page
    session = (await viewer.ask("v1/sessions", {"size": "256x256"}))["id"]
    await page.open(viewer.url)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])
        await page.evaluate(WATCH.replace("SESSION", session))
        await page.until("watched.video.videoWidth === 256 && watched.video.currentTime > 1")
    figures = await page.evaluate(RECEIVED)
    assert figures["video"]["framesDecoded"] > 15
    assert figures["audio"]["packetsReceived"] > 30
    async with viewer.http.delete(f"{viewer.url}v1/sessions/{session}"):
        pass
