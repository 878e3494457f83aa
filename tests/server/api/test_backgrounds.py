"""Backgrounds over HTTP: a job that makes a template, its preview, and what is refused."""

import asyncio
import io
import json
import re

import aiohttp
import pytest
from PIL import Image

from tests.support.serving import data_dir, library, served

__all__ = ["data_dir", "library"]  # fixtures

PATH = "/v1/templates/sample/backgrounds"


def png(colour=(20, 60, 200), size=(64, 48)):
    data = io.BytesIO()
    Image.new("RGB", size, colour).save(data, "PNG")
    return data.getvalue()


def form(image=None, **wanted):
    data = aiohttp.FormData()
    if wanted:
        data.add_field("request", json.dumps(wanted))
    if image is not None:
        data.add_field("image", image, filename="wall.png")
    return data


async def watched(it, job_id):
    async with it.http.ws_connect(f"/v1/jobs/{job_id}/events") as socket:
        return [json.loads(message.data) async for message in socket]


@pytest.mark.slow
async def test_a_prompt_becomes_a_template_whose_first_frame_is_seen_early(data_dir):
    async with served(data_dir) as it:
        job = await it.post(PATH, 202, {"prompt": "晚霞下的海边", "blur": 0.2, "focus": [0.5, 0.4]})
        assert (job["object"], job["title"]) == ("background", "sample: 晚霞下的海边")
        seen = await watched(it, job["id"])
        types = [m["type"] for m in seen]
        assert types[-1] == "job.completed", seen[-1]
        stages = [m["data"]["stage"] for m in seen if m["type"] == "stage.finished"]
        assert stages == ["paint", "matte", "compose", "prepare"]
        at = types.index("preview.frame")
        finished = [
            k for k, m in enumerate(seen) if m["data"].get("stage") == "prepare" and "items" in m["data"]
        ]
        assert at < finished[0]
        assert (seen[at]["data"]["width"], seen[at]["data"]["height"]) == (256, 256)
        async with it.http.get(seen[at]["data"]["url"]) as response:
            assert (response.status, response.content_type) == (200, "image/jpeg")
            assert Image.open(io.BytesIO(await response.read())).size == (256, 256)
        done = await it.get(f"/v1/jobs/{job['id']}")
        assert [output["name"] for output in done["outputs"]] == ["preview.jpg"]
        assert done["engines"] == seen[-1]["data"]["engines"]
        assert done["engines"]["paint"] == "builtin"
        assert done["engines"]["matte"] in ("key", "flat", "selfie")  # measured, and told
        info = await it.get(f"/v1/templates/{job['template']}")
        assert info["name"] == "sample: 晚霞下的海边"
        made = await it.ended(await it.video("By the sea.", template=job["template"]))
        assert made["status"] == "completed"
        # The same again is the same template, at once.
        again = await it.post(PATH, 202, {"prompt": "晚霞下的海边", "blur": 0.2, "focus": [0.5, 0.4]})
        assert again["template"] == job["template"]
        assert (await it.ended(again["id"]))["status"] == "completed"


@pytest.mark.slow
async def test_two_pictures_at_once_for_one_template_are_two_templates(data_dir):
    async with served(data_dir, jobs=2) as it:
        jobs = [
            await it.post(PATH, 202, data=form(png(colour), name=name))
            for colour, name in (((200, 0, 0), "Red"), ((0, 0, 200), "Blue"))
        ]
        ended = await asyncio.gather(*(it.ended(job["id"]) for job in jobs))
        assert [job["status"] for job in ended] == ["completed"] * 2
        ids = {template["id"] for template in (await it.get("/v1/templates"))["data"]}
        assert {"red", "blue"} < ids
        # Nothing of the uploads is kept beside the result.
        assert not list((data_dir / "server").rglob("file"))


@pytest.mark.slow
async def test_a_cancelled_background_leaves_no_template(data_dir):
    async with served(data_dir) as it:
        job = await it.post(PATH, 202, {"prompt": "a bookshelf"})
        async with it.http.ws_connect(f"/v1/jobs/{job['id']}/events") as socket:
            async for message in socket:
                if json.loads(message.data)["type"] == "preview.frame":
                    break
        ended = await it.post(f"/v1/jobs/{job['id']}/cancel", 200)
        assert ended["status"] == "cancelled"
        assert [t["id"] for t in (await it.get("/v1/templates"))["data"]] == ["sample"]
        await it.get(f"/v1/jobs/{job['id']}/preview.jpg", 404)
        for _ in range(200):  # the thread that cuts out ends with its frame
            if not (drafts := list((data_dir / "templates").rglob(".*"))):
                break
            await asyncio.sleep(0.05)
        assert not drafts


REFUSED = [
    ({}, "prompt_or_image", "prompt"),
    ({"prompt": ""}, "invalid_request", None),
    ({"prompt": "  "}, "invalid_request", None),
    ({"prompt": "海" * 1001}, "invalid_request", "prompt"),
    ({"prompt": "sea", "url": "https://example.org/x.png"}, "invalid_request", None),
    ({"prompt": "sea", "fit": "fill"}, "invalid_request", "fit"),
    ({"prompt": "sea", "focus": [0.5]}, "invalid_request", "focus"),
    ({"prompt": "sea", "focus": [0.5, 2]}, "invalid_request", "focus.1"),
    ({"prompt": "sea", "blur": 2}, "invalid_request", "blur"),
    ({"prompt": "sea", "seed": -1}, "invalid_request", "seed"),
    ({"prompt": "sea", "steps": 0}, "invalid_request", "steps"),
    ({"prompt": "sea", "engine": "oil"}, "unknown_engine", "engine"),
    ({"prompt": "sea", "matte": "scissors"}, "unknown_engine", "matte"),
    ({"prompt": "sea", "matte": "rvm"}, "engine_unavailable", None),
    ({"prompt": "sea", "name": "sample"}, "template_exists", "name"),
    ({"prompt": "sea", "colour": "red"}, "invalid_request", "colour"),
    ({"url": "http://127.0.0.1/x.png"}, "url_not_allowed", "url"),
]


@pytest.mark.slow
async def test_what_cannot_be_is_refused_before_it_is_a_job(data_dir):
    async with served(data_dir) as it:
        for body, code, param in REFUSED:
            error = (await it.post(PATH, 422, body))["error"]
            assert (error["code"], error["param"]) == (code, param), body
        for image, code in (
            (b"no picture", "not_a_picture"),
            (png(size=(1, 1)), "image_too_small"),
            (png()[:60], "malformed_media"),
        ):
            error = (await it.post(PATH, 422, data=form(image)))["error"]
            assert (error["code"], error["param"]) == (code, "image")
            assert re.match(r"\S+\.png is ", error["message"]), error  # its sender's name for it
        twice = await it.post(PATH, 422, data=form(png(), prompt="sea"))
        assert twice["error"]["code"] == "prompt_or_image"
        await it.post("/v1/templates/nobody/backgrounds", 404, {"prompt": "sea"})
        assert (await it.get("/v1/jobs"))["data"] == []
        await it.get("/v1/jobs/background_none/preview.jpg", 404)


async def test_a_template_that_shows_nobody_fails_its_job_with_the_reason(data_dir):
    async with served(data_dir) as it:
        job = await it.post(PATH, 202, {"prompt": "sea", "matte": "key"})
        ended = await it.ended(job["id"])
        assert (ended["status"], ended["error"]["code"]) == ("failed", "no_key_colour")
