"""The enhancement service of old: a video in, the same with clearer faces out."""

import asyncio

import aiohttp
import av
import pytest

from tests.support.samples import write_video
from tests.support.serving import data_dir, files_at, library, served

pytestmark = pytest.mark.slow  # nearly each makes a video or starts a process

__all__ = ["data_dir", "library"]  # fixtures


async def seen(it, made, tmp_path):
    async with it.http.get(made["video_url"]) as response:
        (tmp_path / "made.mp4").write_bytes(await response.read())
    with av.open(str(tmp_path / "made.mp4")) as file:
        return file.streams.video[0].width, sum(1 for _ in file.decode(video=0))


async def test_a_video_by_url_path_or_form_is_answered_with_the_clearer_one(
    data_dir, presenter_clip, tmp_path
):
    async with (
        files_at({"/v.mp4": presenter_clip}) as place,
        served(data_dir, fetch_allow=(place,), media_paths=(presenter_clip.parent,)) as it,
    ):
        form = aiohttp.FormData()
        form.add_field("video", presenter_clip.read_bytes(), filename="v.mp4")
        for wanted in (
            {"json": {"video_url": f"http://{place}/v.mp4"}},
            {"json": {"video_url": str(presenter_clip)}},
            {"data": form},
        ):
            made = await it.post("/process_video/", 200, **wanted)
            assert made.keys() == {"video_url", "job_id"}
            assert await seen(it, made, tmp_path) == (256, 12)
            job = await it.get(f"/v1/jobs/{made['job_id']}")
            assert (job["object"], job["status"]) == ("enhancement", "completed")


async def test_the_result_of_one_service_is_what_another_is_given(data_dir, presenter_clip, tmp_path):
    """A server reads its own results from the disk, whatever it was addressed as."""

    async with served(data_dir, video_base_path=presenter_clip.parent) as it:
        wanted = {"text": "Hi there.", "video_number": presenter_clip.stem}
        made = await it.post("/create-video/", 200, wanted)
        sharp = await it.post("/process_video/", 200, {"video_url": made["video_url"]})
        assert await seen(it, sharp, tmp_path) == await seen(it, made, tmp_path)


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({}, "invalid_request"),
        ({"video_url": ""}, "invalid_request"),
        ({"video_url": "/etc/passwd"}, "unknown_file"),
        ({"video_url": "http://127.0.0.1:1/v.mp4"}, "url_not_allowed"),
    ],
)
async def test_what_cannot_be_had_is_refused(data_dir, wanted, code):
    async with served(data_dir) as it:
        assert (await it.post("/process_video/", 422, wanted))["error"]["code"] == code


async def test_the_job_of_a_client_that_leaves_is_cancelled(data_dir, tmp_path):
    write_video(tmp_path / "long.mp4", frames=1500)

    async with served(data_dir, media_paths=(tmp_path,)) as it:
        wanted = {"video_url": str(tmp_path / "long.mp4")}
        asking = asyncio.create_task(it.http.post("/process_video/", json=wanted))
        while not (jobs := (await it.get("/v1/jobs"))["data"]):  # noqa: ASYNC110  # the test has a limit
            await asyncio.sleep(0.01)
        await it.begun(jobs[0]["id"])
        asking.cancel()
        assert (await it.ended(jobs[0]["id"]))["status"] == "cancelled"
