"""A server that asks for a key, in a browser: the form, the page behind it, and the way out."""

from pathlib import Path

import pytest

from server.access.keys import Keys
from tests.support.browser import needs_chromium, open_browser
from tests.support.serving import library
from tests.support.viewer import open_server

pytestmark = [pytest.mark.slow, needs_chromium]
__all__ = ["library"]  # a fixture


async def test_the_form_takes_a_key_and_the_page_lets_go_of_it(library: Path, tmp_path: Path) -> None:
    (tmp_path / "templates").symlink_to(library / "templates")
    key = Keys(tmp_path).add("anna", "make", None, None, None)
    async with open_server(tmp_path) as url, open_browser(tmp_path / "profile") as page:
        form, out = "document.querySelector('#key')", "document.querySelector('#signout')"
        await page.open(url)
        for tried in ("lipstream_wrong", key):
            await page.until(f"document.activeElement === {form}")
            await page.evaluate(f"{form}.value = ''")
            await page.type(tried)
            await page.click(".login button")
            if tried != key:
                await page.until(f"{form}?.value === '' && document.readyState === 'complete'")
        await page.until(f"{out}?.checkVisibility() && !!document.querySelector('.person input')")
        link = "document.querySelector('#link').dataset.state"
        await page.until(f"{link} === 'open'")  # the socket came in by the cookie, too
        assert "lipstream=" not in await page.evaluate("document.cookie")
        await page.click("#signout")
        await page.until(f"{form} !== null")
        assert await page.evaluate("document.cookie") == ""
        assert await page.evaluate("fetch('v1/jobs').then((answer) => answer.status)") == 401
        Keys(tmp_path).remove("anna")
