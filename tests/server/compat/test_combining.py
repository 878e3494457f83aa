"""The combining service of old: one request, one answer when the video is done."""

import asyncio
import json
import os
import shutil
import time

import av
import pytest

from core.engines.builtin import presenter
from core.media.clip import write_clip
from tests.support.serving import data_dir, files_at, library, served

pytestmark = pytest.mark.slow  # nearly each makes a video or starts a process

__all__ = ["data_dir", "library"]  # fixtures


@pytest.fixture
def numbers(presenter_clip, tmp_path):
    """A folder of videos by number."""
    folder = tmp_path / "videos"
    folder.mkdir()
    shutil.copyfile(presenter_clip, folder / "1.mp4")
    return folder


async def fetched(it, url):
    assert url.startswith(it.url), url
    async with it.http.get(url) as response:
        assert response.status == 200
        return response.content_type, await response.read()


async def test_the_answer_is_where_the_video_the_speech_and_the_captions_are(data_dir, numbers, tmp_path):
    async with served(data_dir, video_base_path=numbers) as it:
        wanted = {"text": "Hello there.", "video_number": "1", "is_srt": True, "user": "old field"}
        made = await it.post("/create-video/", 200, wanted)
        assert made.keys() == {"video_url", "audio_url", "srt_url", "job_id"}
        kind, video = await fetched(it, made["video_url"])
        assert kind == "video/mp4"
        (tmp_path / "v.mp4").write_bytes(video)
        with av.open(str(tmp_path / "v.mp4")) as file:
            assert [s.type for s in file.streams] == ["video", "audio", "subtitle"]
            assert (file.streams.video[0].width, file.streams.video[0].height) == (256, 256)
            said = [bytes(p)[2:].decode() for p in file.demux(subtitles=0)]
            assert [text for text in said if text] == ["Hello there."]
        kind, sound = await fetched(it, made["audio_url"])
        assert kind == "audio/mp4"
        (tmp_path / "a.m4a").write_bytes(sound)
        with av.open(str(tmp_path / "a.m4a")) as file:
            assert [s.type for s in file.streams] == ["audio"]
            assert 0.3 < file.duration / av.time_base < 2
        kind, srt = await fetched(it, made["srt_url"])
        assert "Hello there." in srt.decode()
        job = await it.get(f"/v1/jobs/{made['job_id']}")
        assert (job["status"], job["template"]) == ("completed", "number_1")


async def test_without_captions_there_are_none(data_dir, numbers, tmp_path):
    async with served(data_dir, video_base_path=numbers) as it:
        made = await it.post("/create-video/", 200, {"text": "Hi.", "video_number": 1, "video_url": ""})
        assert made["srt_url"] is None
        (tmp_path / "v.mp4").write_bytes((await fetched(it, made["video_url"]))[1])
        with av.open(str(tmp_path / "v.mp4")) as file:
            assert [s.type for s in file.streams] == ["video", "audio"]


async def test_a_numbered_video_is_prepared_once_and_anew_when_its_file_changes(data_dir, numbers, tmp_path):
    async with served(data_dir, video_base_path=numbers) as it:
        templates = it.state.catalog._templates
        added = []
        install = templates._install

        async def counted(info, *rest, **more):
            added.append(info.width)
            await install(info, *rest, **more)

        templates._install = counted
        wanted = {"text": "Hello.", "video_number": "1"}
        both = await asyncio.gather(*(it.post("/create-video/", 200, wanted) for _ in range(2)))
        assert both[0]["job_id"] != both[1]["job_id"]
        await it.post("/create-video/", 200, wanted)
        assert added == [256]
        # Rewritten in the same second or not: what counts is what is in it.
        write_clip(tmp_path / "new.mp4", presenter.frames(10, 25, 320), 25)
        shutil.copyfile(tmp_path / "new.mp4", numbers / "1.mp4")
        made = await it.post("/create-video/", 200, wanted)
        assert added == [256, 320]
        (tmp_path / "v.mp4").write_bytes((await fetched(it, made["video_url"]))[1])
        with av.open(str(tmp_path / "v.mp4")) as file:
            assert file.streams.video[0].width == 320
        await it.post("/create-video/", 200, wanted)
        assert added == [256, 320]
        assert [t["id"] for t in (await it.get("/v1/templates"))["data"]] == ["sample", "number_1"]


@pytest.mark.parametrize(
    ("wanted", "status", "code"),
    [
        ({"text": "Hi."}, 422, "number_or_url"),
        ({"text": "Hi.", "video_number": "1", "video_url": "http://example.com/x.mp4"}, 422, "number_or_url"),
        ({"text": "Hi.", "video_number": "7"}, 422, "unknown_video_number"),
        ({"text": "Hi.", "video_number": "../1"}, 422, "bad_video_number"),
        ({"text": "Hi.", "video_number": "/etc/passwd"}, 422, "bad_video_number"),
        ({"text": "Hi.", "video_number": "1\0"}, 422, "bad_video_number"),
        ({"text": "Hi.", "video_number": "x" * 300}, 422, "bad_video_number"),
        ({"text": "", "video_number": "1"}, 422, "invalid_request"),
        ({"text": "🙂", "video_number": "1"}, 422, "empty_text"),
        ({"text": "مرحبا.", "video_number": "1"}, 422, "unsupported_language"),
        ({"video_number": "1"}, 422, "invalid_request"),
        ([], 422, "invalid_request"),
    ],
)
async def test_what_cannot_be_made_is_refused_and_says_why(data_dir, numbers, wanted, status, code):
    async with served(data_dir, video_base_path=numbers) as it:
        refused = await it.post("/create-video/", status, wanted)
        assert refused["error"]["code"] == code
        assert (await it.get("/v1/jobs"))["data"] == []


async def test_without_a_folder_of_videos_there_are_no_numbers(data_dir):
    async with served(data_dir) as it:
        refused = await it.post("/create-video/", 422, {"text": "Hi.", "video_number": "1"})
        assert "VIDEO_BASE_PATH" in refused["error"]["message"]


async def test_a_video_without_a_face_is_the_jobs_own_failure(data_dir, numbers):
    (numbers / "2.mp4").write_bytes(b"no video" * 100)

    async with served(data_dir, video_base_path=numbers) as it:
        refused = await it.post("/create-video/", 422, {"text": "Hi.", "video_number": "2"})
        assert refused["error"]["code"] == "not_media"
        (job,) = (await it.get("/v1/jobs"))["data"]
        assert job["status"] == "failed"


async def test_the_job_of_a_client_that_leaves_is_cancelled(data_dir, numbers):
    async with served(data_dir, video_base_path=numbers) as it:
        wanted = {"text": "This takes a while to say. " * 400, "video_number": "1"}
        asking = asyncio.create_task(it.http.post("/create-video/", json=wanted))
        while not (jobs := (await it.get("/v1/jobs"))["data"]):  # noqa: ASYNC110  # the test has a limit
            await asyncio.sleep(0.01)
        await it.begun(jobs[0]["id"])
        asking.cancel()
        job = await it.ended(jobs[0]["id"])
        assert job["status"] == "cancelled"
        assert not it.state.folder.job(job["id"]).exists()


async def test_the_video_streams_when_that_is_asked_for(data_dir, numbers, tmp_path):
    async with served(data_dir, video_base_path=numbers) as it:
        wanted = {"text": "Hello there.", "video_number": "1"}
        async with it.http.post("/create-video/?stream=true", json=wanted) as response:
            assert (response.status, response.content_type) == (200, "video/mp4")
            (tmp_path / "v.mp4").write_bytes(await response.read())
        with av.open(str(tmp_path / "v.mp4")) as file:
            assert sum(1 for _ in file.decode(video=0)) > 5


@pytest.mark.parametrize("keep", [False, True])
async def test_copies_are_left_where_the_settings_say(data_dir, numbers, tmp_path, keep):
    folders = {
        name: tmp_path / name
        for name in ("result_dir_base", "srt_path", "temp_video_path", "temp_srt_path", "temp_dir_base")
    }

    async with served(data_dir, video_base_path=numbers, keep_temp=keep, **folders) as it:
        made = await it.post("/create-video/", 200, {"text": "Hi.", "video_number": 1, "is_srt": True})
        job = made["job_id"]
        left = {p.relative_to(tmp_path).as_posix() for f in folders.values() for p in f.glob("*")}
        results = {f"result_dir_base/{job}.mp4", f"srt_path/{job}.srt"}
        kept = {f"temp_video_path/{job}.mp4", f"temp_srt_path/{job}.srt", f"temp_dir_base/{job}.m4a"}
        assert left == (results | kept if keep else results)
        assert (folders["result_dir_base"] / f"{job}.mp4").read_bytes() == (
            await fetched(it, made["video_url"])
        )[1]


async def test_the_answer_comes_as_soon_as_the_job_is_done(data_dir, numbers):
    async with served(data_dir, video_base_path=numbers) as it:
        wanted = {"text": "This sentence is said three times over. " * 3, "video_number": "1"}
        await it.post("/create-video/", 200, wanted)
        began = time.perf_counter()
        made = await it.post("/create-video/", 200, wanted)
        waited = time.perf_counter() - began
        job = await it.get(f"/v1/jobs/{made['job_id']}")
        assert waited < 1.2 * (job["finished_at"] - job["started_at"]) + 0.05  # what HTTP itself takes


async def test_a_video_at_a_url_is_prepared_once(data_dir, presenter_clip, tmp_path):
    files = files_at({"/a.mp4": presenter_clip, "/b.mp4": presenter_clip})
    async with files as place, served(data_dir, fetch_allow=(place,)) as it:
        wanted = {"text": "Hi there.", "video_url": f"http://{place}/a.mp4"}
        made = await it.post("/create-video/", 200, wanted)
        (tmp_path / "v.mp4").write_bytes((await fetched(it, made["video_url"]))[1])
        with av.open(str(tmp_path / "v.mp4")) as file:
            assert file.streams.video[0].width == 256
        again = await it.post("/create-video/", 200, wanted | {"video_url": f"http://{place}/b.mp4"})
        jobs = [await it.get(f"/v1/jobs/{one['job_id']}") for one in (made, again)]
        assert jobs[0]["template"] == jobs[1]["template"]
        assert len((await it.get("/v1/templates"))["data"]) == 2
        left = {path.name for path in it.state.folder.job(made["job_id"]).iterdir()}
        assert "template" not in left
        refused = await it.post(
            "/create-video/", 422, {"text": "Hi.", "video_url": "http://127.0.0.1:1/x.mp4"}
        )
        assert refused["error"]["code"] == "url_not_allowed"


async def test_the_templates_of_urls_used_longest_ago_go(data_dir, presenter_clip, tmp_path):
    async with served(data_dir) as it:
        templates = it.state.catalog._templates
        for k in range(3):
            await templates.keep(presenter_clip, f"url_{k}", "x")
            os.utime(data_dir / f"templates/url_{k}", (k, k))
        digest = templates.show("url_0").sha256
        await templates.keep(presenter_clip, "url_0", "x", sha256=digest)  # used again
        await templates.trim("url_", 2)
        assert [info.id for info in templates.all()] == ["sample", "url_0", "url_2"]


async def test_drafts_of_killed_processes_go_after_a_day_and_those_in_the_making_stay(data_dir):
    async with served(data_dir) as it:
        drafts = [f"{folder}.{age}" for folder in ("", "sample/prepared/") for age in ("old", "young")]
        for draft in drafts:
            (data_dir / "templates" / draft).mkdir(parents=True)
            if draft.endswith("old"):
                os.utime(data_dir / "templates" / draft, (0, 0))
        await it.state.catalog._templates.trim("url_", 2)
        left = [draft for draft in drafts if (data_dir / "templates" / draft).exists()]
        assert left == [".young", "sample/prepared/.young"]


async def test_templates_of_urls_that_nobody_uses_go_in_time(data_dir, monkeypatch):
    monkeypatch.setattr("server.jobs.runner.SWEEP_S", 0.02)
    days = 86_400
    for name in ("url_old", "url_used", "mine"):
        folder = data_dir / "templates" / name
        shutil.copytree(data_dir / "templates/sample", folder)
        told = json.loads((folder / "template.json").read_text())
        (folder / "template.json").write_text(json.dumps(told | {"id": name}))
        os.utime(folder, (time.time() - 3 * days,) * 2)

    async with served(data_dir, keep_template_days=4) as it:
        await it.ended(await it.video(template="url_used"))
        assert len(await asyncio.to_thread(it.state.catalog._templates.all)) == 4
    async with served(data_dir, keep_template_days=2) as it:
        for _ in range(400):
            left = [one["id"] for one in (await it.get("/v1/templates"))["data"]]
            if "url_old" not in left:
                break
            await asyncio.sleep(0.02)
        assert left == ["sample", "mine", "url_used"]


async def test_engines_are_those_the_settings_name(data_dir, numbers):
    """Clients of old cannot name any."""

    async with served(data_dir, video_base_path=numbers, speech="slow") as it:
        made = await it.post("/create-video/", 200, {"text": "Hi.", "video_number": "1"})
        job = await it.get(f"/v1/jobs/{made['job_id']}")
        assert job["engines"]["speech"] == "slow"
        made = await it.ended(await it.video("Hi.", options={"engines": {"speech": "choir"}}))
        assert made["engines"]["speech"] == "choir"
