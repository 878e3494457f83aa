"""The lip-sync service of old: a video and a recording in, one answer when they are together."""

import asyncio
import io

import aiohttp
import av
import pytest

from core.errors import BadInput
from server.compat.named_files import allowed_path
from server.settings import ServerSettings
from tests.support.samples import tone, write_sound
from tests.support.serving import data_dir, files_at, library, served

__all__ = ["data_dir", "library"]  # fixtures


@pytest.fixture
def recording(tmp_path):
    return write_sound(tmp_path / "said.wav", tone(0.6, 16_000), 16_000)


def form(video, recording, video_part="video", audio_part="audio"):
    data = aiohttp.FormData()
    data.add_field(video_part, io.BytesIO(video.read_bytes()), filename="v.mp4")
    data.add_field(audio_part, io.BytesIO(recording.read_bytes()), filename="a.wav")
    return data


async def check(it, made, tmp_path):
    """The video is that person's, as long as the recording."""
    assert made.keys() == {"video_url", "job_id"}
    async with it.http.get(made["video_url"]) as response:
        (tmp_path / "made.mp4").write_bytes(await response.read())
    with av.open(str(tmp_path / "made.mp4")) as file:
        assert [s.type for s in file.streams] == ["video", "audio"]
        assert file.streams.video[0].width == 256
        assert sum(1 for _ in file.decode(video=0)) == 15


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["", "_file"])
async def test_a_form_with_both_is_answered_with_the_video(
    data_dir, presenter_clip, recording, tmp_path, suffix
):
    async with served(data_dir) as it:
        data = form(presenter_clip, recording, "video" + suffix, "audio" + suffix)
        made = await it.post("/process_sync/", 200, data=data)
        await check(it, made, tmp_path)
        assert not list((it.state.folder.root / "incoming").iterdir())


@pytest.mark.slow
async def test_urls_and_paths_in_allowed_folders_do_as_well(data_dir, presenter_clip, recording, tmp_path):
    async with files_at({"/v.mp4": presenter_clip, "/a.wav": recording}) as place:
        folders = (presenter_clip.parent, tmp_path)
        async with served(data_dir, fetch_allow=(place,), media_paths=folders) as it:
            for wanted in (
                {"video_url": f"http://{place}/v.mp4", "audio_url": f"http://{place}/a.wav"},
                {"video_path": str(presenter_clip), "audio_path": str(recording)},
                {"video_url": str(presenter_clip), "audio_url": f"file://{recording}"},
            ):
                await check(it, await it.post("/process_sync/", 200, wanted), tmp_path)
            # The same video three times over has been prepared once.
            kept = [t["id"] for t in (await it.get("/v1/templates"))["data"]]
            assert [name[:4] for name in kept] == ["samp", "url_"]


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({}, "invalid_request"),
        ({"video_path": "V"}, "invalid_request"),
        ({"video_path": "V", "audio_path": "/etc/passwd"}, "unknown_file"),
        ({"video_path": "V", "audio_path": "A/../../../../../../etc/passwd"}, "unknown_file"),
        ({"video_path": "V", "audio_path": "A/nothing.wav"}, "unknown_file"),
        ({"video_path": "V", "audio_path": "A/link"}, "unknown_file"),
        ({"video_path": "V", "audio_path": "A/\0"}, "invalid_request"),
        ({"video_path": "V", "audio_path": "x" * 5000}, "unknown_file"),
        ({"video_path": "V", "audio_path": "V"}, "no_audio"),
    ],
)
async def test_what_cannot_be_had_is_refused(data_dir, presenter_clip, recording, tmp_path, wanted, code):
    (tmp_path / "said").mkdir()
    (tmp_path / "said/link").symlink_to("/etc/passwd")
    wanted = {
        name: value.replace("V", str(presenter_clip)).replace("A", str(tmp_path / "said"))
        for name, value in wanted.items()
    }

    folders = (presenter_clip.parent, tmp_path / "said")
    async with served(data_dir, media_paths=folders) as it:
        refused = await it.post("/process_sync/", 422, wanted)
        assert refused["error"]["code"] == code
        assert not list((it.state.folder.root / "incoming").iterdir())


def test_without_folders_no_path_is_read(recording):
    with pytest.raises(BadInput, match="media_paths"):
        allowed_path(ServerSettings(), str(recording), "audio_url")


@pytest.mark.slow
async def test_the_job_of_a_client_that_leaves_is_cancelled(data_dir, presenter_clip, tmp_path):
    long = write_sound(tmp_path / "long.wav", tone(120, 16_000), 16_000)

    async with served(data_dir) as it:
        asking = asyncio.create_task(it.http.post("/process_sync/", data=form(presenter_clip, long)))
        while not (jobs := (await it.get("/v1/jobs"))["data"]):  # noqa: ASYNC110  # the test has a limit
            await asyncio.sleep(0.01)
        await it.begun(jobs[0]["id"])
        asking.cancel()
        assert (await it.ended(jobs[0]["id"]))["status"] == "cancelled"
