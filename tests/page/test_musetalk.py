"""The page with MuseTalk to choose: chosen there, it makes the video. Its networks are small."""

import asyncio
import shutil

import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")

from tests.support import musetalks  # needs torch
from tests.support.browser import needs_chromium, open_browser
from tests.support.serving import library
from tests.support.viewer import open_server

pytestmark = [pytest.mark.slow, needs_chromium]
__all__ = ["library"]  # a fixture


def test_who_chooses_it_on_the_page_gets_a_video_by_it(library, tmp_path):
    shutil.copytree(library / "templates", tmp_path / "data" / "templates")
    choice = "document.querySelector('#engine-lipsync')"

    async def main() -> None:
        async with open_server(tmp_path / "data") as url, open_browser(tmp_path / "profile") as page:
            await page.open(url)
            await page.until(f"[...{choice}.options].some((one) => one.value === 'musetalk')")
            await page.evaluate(f"{choice}.value = 'musetalk'")
            await page.evaluate("document.querySelector('#text').select()")
            await page.type("Good morning.")
            await page.click("#speak")
            await page.until("!document.querySelector('#mp4').hidden")
            assert "musetalk" in await page.evaluate("document.querySelector('#engines').textContent")
            assert page.complaints == []

    with musetalks.installed(tmp_path / "weights"):
        asyncio.run(asyncio.wait_for(main(), 90))
