"""Behind a proxy that gives the server a path of its host: every address that is told leads back to it."""

import json

import pytest

from tests.support.serving import data_dir, library, served

__all__ = ["data_dir", "library"]  # fixtures

PROXY = {"Host": "example.org"}


@pytest.mark.slow
async def test_addresses_have_the_prefix_and_lead_back_with_it_and_without(data_dir):
    async with served(data_dir, public_url="https://example.org/lipstream/") as it:
        # As nginx passes requests on that is told no more than `proxy_pass`: Host is the server's own.
        asked = {"text": "Hello there."}
        page = {"Origin": "https://example.org"}
        for before in ("", "/lipstream"):
            async with it.http.post(f"{before}/v1/videos", json=asked, headers=page) as answer:
                assert answer.status == 202, await answer.text()
                job = await answer.json()
                place = answer.headers["Location"]
            assert place == f"/lipstream/v1/jobs/{job['id']}"
            assert (await it.get(place, headers=PROXY))["id"] == job["id"]
            done = await it.ended(job["id"])
            async with it.http.get(f"{place}/events") as answer:
                events = [line[6:] for line in (await answer.text()).splitlines() if line[:5] == "data:"]
            completed = json.loads(events[-1])["data"]
            told = [output["url"] for output in (*done["outputs"], *completed["outputs"])]
            assert len(told) >= 6
            for url in told:
                assert url.startswith(f"{place}/outputs/")
                async with it.http.get(url) as answer:
                    assert answer.status == 200
        link = (await it.get(f"{place}/outputs/video.mp4/link"))["url"]
        assert link.startswith("https://example.org/lipstream/v1/files/")
        async with it.http.get(link.removeprefix("https://example.org"), headers=PROXY) as answer:
            assert answer.status == 200
        listed = (await it.get("/v1/templates"))["data"]
        thumbnails = [one["thumbnail"] for one in listed] + [
            (await it.get("/v1/templates/sample"))["thumbnail"]
        ]
        for url in thumbnails:
            assert url == "/lipstream/v1/templates/sample/thumbnail.jpg"
        async with it.http.get("/lipstream/tts/?text=a", allow_redirects=False) as answer:
            assert answer.headers["Location"] == "../tts?text=a"
        for other in ("/lipstreams/v1/jobs", "/other/lipstream/v1/jobs"):
            await it.get(other, 404)
        foreign = {"Origin": "https://example.org:444"}
        async with it.http.post("/v1/videos", json=asked, headers=foreign) as answer:
            assert answer.status == 403
