"""The page while the server or the network is away: what it says is true, and it goes on by itself."""

import pytest

from tests.support.browser import needs_chromium
from tests.support.viewer import Viewer, in_browser, runner, viewer

pytestmark = [pytest.mark.slow, needs_chromium]
__all__ = ["runner", "viewer"]  # fixtures

VIDEO = "document.querySelector('#video')"
STATUS = "document.querySelector('#status').textContent"
LINK = "document.querySelector('#link').dataset.state"

LINES = r"""(() => {
  const Native = window.WebSocket;
  window.deaf = false;  // connected, but nothing comes or goes
  window.away = false;  // nothing answers where the server was
  window.sockets = [];
  window.refused = 0;  // of the job's stream
  window.WebSocket = class extends Native {
    constructor(url) {
      super(window.away ? String(url).replace(/v1\/.*/, 'nothing') : url);
      if (window.away && String(url).endsWith('/stream')) window.refused += 1;
      window.sockets.push(this);
      this.addEventListener('message', (event) => window.deaf && event.stopImmediatePropagation());
    }
    send(data) {
      if (!window.deaf) super.send(data);
    }
  };
})()"""

HURRY = """(() => {
  const real = window.setTimeout;
  window.setTimeout = (act, ms, ...more) => real(act, ms / 8, ...more);
})()"""
"""Delays take an eighth of their time."""

LEAVE = "window.away = true; window.sockets.forEach((socket) => WebSocket.prototype.close.call(socket, 4000))"


@in_browser
async def test_a_server_that_falls_silent_is_told_and_no_rate_is_made_of_its_silence(viewer: Viewer) -> None:
    await viewer.page.inject(LINES)
    page = await viewer.visit()
    await page.evaluate(
        """(() => {
          window.said = [];
          new MutationObserver(() => window.said.push(document.querySelector('#status').textContent))
            .observe(document.querySelector('#status'), { childList: true });
        })()"""
    )
    job = await viewer.speak("This goes on for a while. " * 60)
    await page.until(f"{VIDEO}.buffered.length")
    await page.evaluate("window.deaf = true")
    await page.until(f"{STATUS}.includes('interrupted')", timeout_s=8)
    assert await page.evaluate(LINK) == "silent"
    await page.evaluate("window.deaf = false")
    # The events that were lost are asked for again once a later one comes.
    await page.until(f"{LINK} === 'open' && !{STATUS}.includes('interrupted')", timeout_s=20)
    said = await page.evaluate("window.said")
    assert not [one for one in said if "e+" in one or "0.0×" in one]
    await viewer.ask(f"v1/jobs/{job}/cancel", {})


@in_browser
async def test_a_server_that_is_away_before_the_first_picture_costs_no_preview(viewer: Viewer) -> None:
    await viewer.page.inject(HURRY)
    await viewer.page.inject(LINES)
    page = await viewer.visit()
    # The page never got a byte of the stream when the server left.
    await page.evaluate("window.away = true")
    job = await viewer.speak("This goes on for a while. " * 60)
    await page.evaluate(LEAVE)
    await page.until("window.refused > 8", timeout_s=60)
    assert "interrupted" in await page.evaluate(STATUS)
    await page.evaluate("window.away = false")
    await page.until(f"{LINK} === 'open'")
    await page.until(f"{VIDEO}.currentTime > 0.2")
    assert await page.evaluate(f"{VIDEO}.currentSrc.startsWith('blob:')")  # the live preview
    await viewer.ask(f"v1/jobs/{job}/cancel", {})
    page.complaints.clear()  # of connections that were refused
