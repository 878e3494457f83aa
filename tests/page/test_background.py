"""The page's background step in a real browser, against a real server."""

import tempfile
from functools import cache
from pathlib import Path

import aiohttp
import cv2
import numpy as np
import pytest

from core.engines.builtin import presenter
from core.media.clip import write_clip
from tests.support.browser import Page, needs_chromium
from tests.support.viewer import Viewer, in_browser, runner, viewer

pytestmark = [pytest.mark.slow, needs_chromium]
__all__ = ["runner", "viewer"]  # fixtures

NOTE = "document.querySelector('#background-note').textContent"
CHOSEN = "document.querySelector('.person input:checked').value"


async def give_picture(page: Page, data: list[int]) -> None:
    await page.evaluate(f"""(() => {{
      const input = document.querySelector('#background-file');
      const files = new DataTransfer();
      files.items.add(new File([new Uint8Array({data})], 'wall.png'));
      input.files = files.files;
      input.dispatchEvent(new Event('change'));
    }})()""")


async def with_short_presenter(viewer: Viewer) -> Page:
    """The page, a presenter of a few frames chosen: of the sample's hundred and fifty each takes its time."""
    form = aiohttp.FormData()
    form.add_field("file", clip(), filename="short.mp4")
    async with viewer.http.post(f"{viewer.url}v1/templates", data=form) as response:
        job = (await response.json())["id"]
    async with viewer.http.get(f"{viewer.url}v1/jobs/{job}/events") as events:
        assert b"job.completed" in await events.read()
    page = await viewer.visit()
    await page.click("input[value=short]")
    await page.click(".backdrop summary")
    return page


@cache
def clip() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "short.mp4"
        write_clip(path, presenter.frames(6, 25, 256), 25)
        return path.read_bytes()


@in_browser
async def test_a_prompt_shows_a_preview_then_becomes_the_chosen_presenter(viewer: Viewer) -> None:
    page = await with_short_presenter(viewer)
    await page.click("#background-make")
    assert "Say what should be behind" in await page.until(NOTE)
    await page.click("#background-prompt")
    await page.type("晚霞下的海边")
    await page.press("Enter", 13)  # makes a presenter, not a video
    await page.until("document.querySelector('#background-still').naturalWidth > 100", timeout_s=60)
    await page.until(f"{NOTE}.includes('is ready')", timeout_s=90)
    await page.until(f"{CHOSEN} !== 'short'")
    assert "#/job" not in await page.evaluate("location.hash")
    templates = (await viewer.ask("v1/templates"))["data"]
    assert await page.evaluate(CHOSEN) in {template["id"] for template in templates}


@in_browser
async def test_a_picture_replaces_the_prompt_and_one_that_is_none_is_explained(viewer: Viewer) -> None:
    page = await with_short_presenter(viewer)
    await page.click("#background-prompt")
    await page.type("sea")
    await give_picture(page, list(b"no picture at all"))
    assert await page.evaluate("document.querySelector('#background-prompt').value") == ""
    await page.click("#background-make")
    await page.until(f"{NOTE}.includes('not a picture')")
    page.complaints.clear()  # the browser reports every refused request
    blue = np.full((90, 160, 3), (200, 60, 20), np.uint8)
    await give_picture(page, list(cv2.imencode(".png", blue)[1].tobytes()))
    await page.click("#background-make")
    await page.until("document.querySelector('#background-still').naturalWidth > 100", timeout_s=60)
    await page.until(f"{NOTE}.includes('is ready')", timeout_s=90)
