"""POST /v1/enhancements: a video in, the same with clearer faces out, watched while it is made."""

import asyncio
import io
import json
from itertools import pairwise

import aiohttp
import av
import pytest

from tests.core.media.test_frames import packets, write_tracks
from tests.support.crowds import write_group
from tests.support.samples import write_video
from tests.support.serving import data_dir, library, run, served

__all__ = ["data_dir", "library"]  # fixtures

STAGES = ["decode", "faces", "enhance", "encode"]


@pytest.fixture(scope="module")
def group(tmp_path_factory):
    path = tmp_path_factory.mktemp("group") / "group.mp4"
    return write_group(
        path, lambda k: [(20, 40), (180, 60)], size=(320, 240), head=130, frames=40, sound=True
    )


def form(path, **wanted):
    data = aiohttp.FormData()
    data.add_field("file", path.read_bytes(), filename=path.name)
    if wanted:
        data.add_field("request", json.dumps(wanted))
    return data


async def events_of(it, job_id):
    return [json.loads(e.data) | {"type": e.type} async for e in it.state.hub.watch(it.state.store, job_id)]


@pytest.mark.slow
def test_it_is_a_job_like_any_other_and_its_file_has_the_sound_as_it_was(data_dir, group, tmp_path):
    async def main():
        async with served(data_dir) as it:
            job = await it.post(
                "/v1/enhancements", 202, data=form(group, engine="builtin", fidelity=0.5, every=3)
            )
            assert job["object"] == "enhancement"
            assert job["title"] == "group.mp4"
            log = await events_of(it, job["id"])
            done = await it.get(f"/v1/jobs/{job['id']}")
            async with it.http.get(done["outputs"][0]["url"]) as response:
                (tmp_path / "video.mp4").write_bytes(await response.read())
            async with it.http.get(f"/v1/jobs/{job['id']}/stream") as response:
                growing = await response.read()
            return log, done, growing

    log, done, growing = run(main())
    assert done["status"] == "completed", done["error"]
    assert done["engines"] == {"enhance": "builtin", "face": "builtin"}
    assert done["request"]["fidelity"] == 0.5
    assert [e["stage"] for e in log if e["type"] == "stage.finished"] == STAGES
    assert next(e for e in log if e["type"] == "video.init")["mime"].endswith('mp4a.40.2"')
    assert done["metrics"]["frames"] == 40
    assert done["metrics"]["frames_without_face"] == 0
    assert done["metrics"]["audio_s"] == pytest.approx(1.6)
    progress = [e["overall"] for e in log if e["type"] == "job.progress"]
    assert all(a <= b for a, b in pairwise(progress))
    assert list(done["stages"]) == STAGES
    assert packets(tmp_path / "video.mp4", 0) == packets(group, 0)
    with av.open(io.BytesIO(growing)) as file:
        assert sum(1 for _ in file.decode(video=0)) == 40


@pytest.mark.slow
def test_it_can_be_asked_for_the_video_itself(data_dir, tmp_path):
    video = write_video(tmp_path / "mute.mp4", frames=12)

    async def main():
        async with served(data_dir) as it:
            data = form(video, upscale=2)
            async with it.http.post("/v1/enhancements?stream=true", data=data) as response:
                assert response.status == 200
                assert response.content_type == "video/mp4"
                return await response.read()

    with av.open(io.BytesIO(run(main()))) as file:
        frames = list(file.decode(video=0))
        assert not file.streams.audio
    assert len(frames) == 12
    assert (frames[0].width, frames[0].height) == (320, 240)


@pytest.mark.slow
def test_it_is_seen_while_it_is_made_and_ends_when_it_is_cancelled(data_dir, tmp_path):
    video = write_group(
        tmp_path / "long.mp4", lambda k: [(60, 40)], size=(320, 240), head=130, frames=900,
        options={"preset": "ultrafast"},
    )  # fmt: skip

    async def main():
        async with served(data_dir) as it:
            job = await it.post("/v1/enhancements", 202, data=form(video))
            await it.begun(job["id"])
            async with it.http.get(f"/v1/jobs/{job['id']}/stream") as response:
                seen = await response.content.readexactly(2000)
            running = await it.get(f"/v1/jobs/{job['id']}")
            began = asyncio.get_running_loop().time()
            cancelled = await it.post(f"/v1/jobs/{job['id']}/cancel", 200)
            took = asyncio.get_running_loop().time() - began
            return seen, running, cancelled, took, it.state.folder.job(job["id"]).exists()

    seen, running, cancelled, took, left = run(main())
    assert seen[4:8] == b"ftyp"
    assert running["status"] == "in_progress"
    assert cancelled["status"] == "cancelled"
    assert took < 1
    assert not left


@pytest.mark.slow
def test_a_stopped_server_makes_it_again_from_the_upload(data_dir, tmp_path):
    video = write_tracks(tmp_path / "in.mp4", [("aac", 48_000, "eng")])

    async def main():
        async with served(data_dir, jobs=1) as it:
            first = await it.post("/v1/enhancements", 202, data=form(video))
            await it.begun(first["id"])
        async with served(data_dir, jobs=1) as it:
            return await it.ended(first["id"])

    done = run(main())
    assert done["status"] == "completed"
    assert done["attempt"] >= 1
    assert done["metrics"]["frames"] == 50


@pytest.mark.parametrize(
    ("wanted", "status", "code"),
    [
        ({"fidelity": 1.5}, 422, "invalid_request"),
        ({"fidelity": -0.1}, 422, "invalid_request"),
        ({"upscale": 3}, 422, "invalid_request"),
        ({"every": 0}, 422, "invalid_request"),
        ({"every": 9}, 422, "invalid_request"),
        ({"engine": "nothing"}, 422, "unknown_engine"),
        ({"more": 1}, 422, "invalid_request"),
        ({"video_url": "http://127.0.0.1/x.mp4"}, 422, "invalid_request"),
    ],
)
async def test_what_cannot_be_done_is_said_at_once(data_dir, tmp_path, wanted, status, code):
    video = write_video(tmp_path / "in.mp4", frames=2)

    async with served(data_dir) as it:
        refused = await it.post("/v1/enhancements", status, data=form(video, **wanted))
        assert refused["error"]["code"] == code
        await it.post("/v1/enhancements", 422, json={})
        await it.post("/v1/enhancements", 415, data=b"video")
        assert (await it.get("/v1/jobs"))["data"] == []
        assert list((it.state.folder.root / "incoming").iterdir()) == []


@pytest.mark.parametrize(
    ("data", "code"), [(b"#EXTM3U\nhttp://127.0.0.1/x.ts\n" * 9, "not_media"), (b"\0" * 5000, "not_media")]
)
def test_a_file_that_is_no_video_fails_its_job_in_words(data_dir, tmp_path, data, code):
    path = tmp_path / "file.mp4"
    path.write_bytes(data)

    async def main():
        async with served(data_dir) as it:
            job = await it.post("/v1/enhancements", 202, data=form(path))
            ended = await it.ended(job["id"])
            async with it.http.get(f"/v1/jobs/{job['id']}/stream") as response:
                return ended, response.status

    ended, status = run(main())
    assert ended["status"] == "failed"
    assert ended["error"]["code"] == code
    assert "/" not in ended["error"]["message"].replace(path.name, "")
    assert status == 422
