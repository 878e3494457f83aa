"""Videos and jobs over HTTP, against a whole server."""

import asyncio
import hashlib
import io

import aiohttp
import av
import pytest

from tests.support.samples import tone, write_sound
from tests.support.serving import SLOW, data_dir, library, served

__all__ = ["data_dir", "library"]  # fixtures

LONG = "This sentence is said again and again. " * 40


def frames_and_sound(data):
    with av.open(io.BytesIO(data)) as file:
        frames = sum(1 for _ in file.decode(video=0))
    with av.open(io.BytesIO(data)) as file:
        samples = sum(frame.samples for frame in file.decode(audio=0))
    return frames, samples


@pytest.mark.slow
async def test_a_text_becomes_a_job_that_becomes_files(data_dir):
    async with served(data_dir) as it:
        async with it.http.post("/v1/videos", json={"text": "Hello there. Good day."}) as response:
            job = await response.json()
            assert response.status == 202
            assert response.headers["Location"] == f"/v1/jobs/{job['id']}"
        assert (job["object"], job["status"], job["title"]) == (
            "video",
            "queued",
            "Hello there. Good day.",
        )
        job = await it.ended(job["id"])
        assert (job["status"], job["progress"], job["error"]) == ("completed", 1.0, None)
        assert job["request"]["text"] == "Hello there. Good day."
        assert job["engines"] == {"speech": "choir", "lipsync": "builtin", "enhance": "builtin"}
        assert {s["state"] for s in job["stages"].values()} == {"finished"}
        metrics = job["metrics"]
        assert 0 < metrics["first_audio_ms"] <= metrics["first_frame_ms"] <= metrics["total_ms"]
        worked = metrics["total_ms"] - metrics["prepare_ms"]
        assert metrics["rtf"] == pytest.approx(worked / 1000 * 25 / metrics["frames"], abs=0.002)
        assert 0 <= metrics["prepare_ms"] < metrics["first_frame_ms"]
        assert metrics["frames"] == round(metrics["audio_s"] * 25) == job["stages"]["encode"]["done"]
        names = [output["name"] for output in job["outputs"]]
        assert names == ["subtitles.ass", "subtitles.srt", "subtitles.vtt", "video.mp4"]
        for output in job["outputs"]:
            async with it.http.get(output["url"]) as response:
                data = await response.read()
                assert response.status == 200
                assert response.headers["Content-Type"].startswith(output["type"])
                assert (len(data), hashlib.sha256(data).hexdigest()) == (
                    output["bytes"],
                    output["sha256"],
                )
            if output["name"] == "video.mp4":
                frames, samples = frames_and_sound(data)
                assert frames == metrics["frames"]
                assert samples / 16_000 == pytest.approx(metrics["audio_s"], abs=0.07)
        async with it.http.get(f"/v1/jobs/{job['id']}/subtitles.srt") as response:
            assert "Hello there." in await response.text()
        assert [j["id"] for j in (await it.get("/v1/jobs"))["data"]] == [job["id"]]


async def check_ranges(it, url, whole, etag):
    """Every kind of range of what grows no more; etag: what `If-Range` may name, if it is heeded."""
    size = len(whole)
    parts = {
        "bytes=0-0": (0, 1),
        "bytes=100-": (100, size),
        "bytes=-100": (size - 100, size),
        f"bytes=-{size + 5}": (0, size),
        f"bytes=5-{size + 5}": (5, size),
        f"bytes={'0' * 5000}5-{'9' * 40}": (5, size),
        f"bytes=-{'9' * 40}": (0, size),
        "Bytes= 7-8 ": (7, 9),
    }
    for wanted, (start, stop) in parts.items():
        async with it.http.get(url, headers={"Range": wanted}) as response:
            assert response.status == 206, wanted
            assert response.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{size}"
            assert int(response.headers["Content-Length"]) == stop - start
            assert await response.read() == whole[start:stop]
    for ignored in ("items=0-1", "bytes=abc", "bytes=5-2", "bytes=-", "bytes=0-1,5-6", "bytes=1", ""):
        async with it.http.get(url, headers={"Range": ignored}) as response:
            assert response.status == 200, ignored
            assert await response.read() == whole
    for beyond in (f"bytes={size}-", f"bytes={'9' * 18}-", f"bytes={'9' * 5000}-", "bytes=-0"):
        async with it.http.get(url, headers={"Range": beyond}) as response:
            assert response.status == 416
            assert response.headers["Content-Range"] == f"bytes */{size}"
            assert (await response.json())["error"]["code"] == "range_not_satisfiable"
    modified = (await it.http.get(url)).headers.get("Last-Modified", "")
    fits = dict.fromkeys([etag, modified] if etag else [], 206)
    for same, status in (fits | dict.fromkeys(['"other"', f"W/{etag}", "yesterday"], 200)).items():
        async with it.http.get(url, headers={"Range": "bytes=0-1", "If-Range": same}) as response:
            assert response.status == status, same


async def test_of_a_video_that_grows_the_part_that_is_there_can_be_had(data_dir):
    async with served(data_dir) as it:
        job = await it.video("A sentence that lasts. " * 40, **SLOW)
        await it.begun(job)
        url = f"/v1/jobs/{job}/stream"
        clip = it.state.clips.coming(job)
        async with it.http.get(url, headers={"Range": "bytes=3-200"}) as response:
            assert (response.status, response.headers["Content-Range"]) == (206, "bytes 3-200/*")
            part = await response.read()
        for wanted in ("bytes=0-", "bytes=-5", "bytes=0-999999999"):  # no end that is there yet
            async with it.http.get(url, headers={"Range": wanted}) as response:
                assert response.status == 200, wanted
                assert (await response.content.readexactly(201))[3:] == part
        assert clip.ended is None
        await it.post(f"/v1/jobs/{job}/cancel", 200)


async def test_a_file_can_be_had_in_parts_and_only_if_it_changed(data_dir):
    async with served(data_dir) as it:
        job = await it.ended(await it.video())
        url = f"/v1/jobs/{job['id']}/outputs/video.mp4"
        async with it.http.get(url) as response:
            whole, etag = await response.read(), response.headers["ETag"]
        async with it.http.get(url, headers={"Range": "bytes=100-199"}) as response:
            assert response.status == 206
            assert response.headers["Content-Range"] == f"bytes 100-199/{len(whole)}"
            assert await response.read() == whole[100:200]
        async with it.http.get(url, headers={"If-None-Match": etag}) as response:
            assert response.status == 304
        await check_ranges(it, url, whole, etag)
        # The video as it was watched, which grows no more.
        stream = f"/v1/jobs/{job['id']}/stream"
        async with it.http.get(stream) as response:
            whole = await response.read()
        await check_ranges(it, stream, whole, None)
        whole_file = (await it.http.get(url)).headers
        assert whole_file["Accept-Ranges"] == "bytes"
        async with it.http.head(url, headers={"Range": "bytes=0-1"}) as response:
            assert (response.status, response.headers["ETag"]) == (200, etag)
        other = {"Range": "bytes=0-1", "If-Range": '"another version"'}
        async with it.http.get("/static/app.js", headers=other) as response:
            assert response.status == 200


@pytest.mark.slow
@pytest.mark.parametrize(("query", "body"), [("", {"stream": True}), ("?stream=true", {})])
async def test_one_request_answers_with_the_video_while_it_is_made(data_dir, query, body):
    async with served(data_dir) as it:
        order = {"text": "A sentence that lasts. " * 2, **body, **SLOW}
        async with it.http.post(f"/v1/videos{query}", json=order) as response:
            assert (response.status, response.content_type) == (200, "video/mp4")
            job_id = response.headers["X-Job-Id"]
            data = await response.content.readany()
            assert (await it.get(f"/v1/jobs/{job_id}"))["progress"] < 0.5
            data += await response.content.read()
        job = await it.ended(job_id)
        assert job["status"] == "completed"
        assert frames_and_sound(data)[0] == job["metrics"]["frames"]
        # The same again, afterwards.
        async with it.http.get(f"/v1/jobs/{job_id}/stream") as response:
            assert await response.read() == data


@pytest.mark.slow
async def test_who_leaves_the_stream_it_asked_for_ends_the_job(data_dir):
    async with served(data_dir) as it:
        response = await it.http.post("/v1/videos", json={"text": LONG, "stream": True, **SLOW})
        job_id = response.headers["X-Job-Id"]
        await response.content.readany()
        response.close()
        job = await asyncio.wait_for(it.ended(job_id), 5)
        assert job["status"] == "cancelled"
        # Who only watches a job does not.
        watched = await it.video("Short and watched.", **SLOW)
        response = await it.http.get(f"/v1/jobs/{watched}/stream")
        await response.content.readany()
        response.close()
        assert (await it.ended(watched))["status"] == "completed"


async def test_a_stream_that_comes_to_nothing_says_why(data_dir):
    async with served(data_dir, jobs=1) as it:
        running = await it.video(LONG, **SLOW)
        await it.begun(running)
        waiting = await it.video("I wait.")
        asked = asyncio.create_task(it.get(f"/v1/jobs/{waiting}/stream", 409))
        await asyncio.sleep(0.05)
        await it.post(f"/v1/jobs/{waiting}/cancel", 200)
        assert (await asked)["error"]["code"] == "job_cancelled"
        broken = await it.http.get(f"/v1/jobs/{running}/stream")
        await it.post(f"/v1/jobs/{running}/cancel", 200)
        with pytest.raises(aiohttp.ClientPayloadError):
            await broken.read()  # half a video is not passed off as a whole one


@pytest.mark.slow
async def test_a_recording_can_be_sent_instead_of_a_text(data_dir, tmp_path):
    speech = write_sound(tmp_path / "speech.wav", tone(1.0, 16_000), 16_000).read_bytes()

    async with served(data_dir) as it:
        form = aiohttp.FormData()
        form.add_field("request", '{"options":{"fps":25}}', content_type="application/json")
        form.add_field("audio", speech, filename="../../etc/voice.wav")
        async with it.http.post("/v1/videos", data=form) as response:
            job = await response.json()
            assert response.status == 202, job
        job = await it.ended(job["id"])
        assert job["status"] == "completed", job["error"]
        assert job["title"] == "..%2F..%2Fetc%2Fvoice.wav"  # as the client wrote it: shown, never opened
        assert job["metrics"]["audio_s"] == pytest.approx(1.0, abs=0.05)
        form = aiohttp.FormData()
        form.add_field("audio", b"this is no sound at all" * 50, filename="x.wav")
        async with it.http.post("/v1/videos", data=form) as response:
            job = await it.ended((await response.json())["id"])
        assert (job["status"], job["error"]["code"]) == ("failed", "not_media")
