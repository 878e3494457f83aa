"""Recordings in, videos out: POST /v1/lipsync; and whose face it is, in templates and in videos used once."""

import base64
import io
import json

import aiohttp
import av
import cv2
import numpy as np
import pytest

from core.media.clip import write_clip
from tests.support import couples
from tests.support.faces import sentence
from tests.support.samples import write_sound, write_video
from tests.support.serving import data_dir, library, served

pytestmark = pytest.mark.slow  # nearly each makes a video or starts a process

__all__ = ["data_dir", "library"]  # fixtures


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "said.wav"
    samples, rate, _ = sentence()
    return write_sound(path, samples[: rate * 4 // 5], rate).read_bytes()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A video of two people."""
    path = tmp_path_factory.mktemp("couple") / "two.mp4"
    write_clip(path, couples.clip(couples.SIDE_BY_SIDE), 25)
    return path.read_bytes()


def form(**parts):
    data = aiohttp.FormData(quote_fields=False)  # as browsers do
    for name, value in parts.items():
        if isinstance(value, bytes):
            data.add_field(name, value, filename=f"{name}.bin")
        else:
            data.add_field(name, value if isinstance(value, str) else json.dumps(value))
    return data


def pictures(data):
    with av.open(io.BytesIO(data)) as file:
        return [frame.to_ndarray(format="gray").astype(int) for frame in file.decode(video=0)]


async def video_of(it, job):
    async with it.http.get(job["outputs"][0]["url"]) as response:
        return await response.read()


async def test_a_template_speaks_a_recording(data_dir, recording):
    async with served(data_dir) as it:
        options = {"options": {"fps": 10, "enhance": False}}
        job = await it.post("/v1/lipsync", 202, data=form(audio=recording, request=options))
        assert (job["object"], job["template"], job["title"]) == ("video", "sample", "audio.bin")
        done = await it.ended(job["id"])
        assert done["status"] == "completed", done["error"]
        assert done["engines"] == {"lipsync": "builtin"}
        assert done["metrics"]["audio_s"] == pytest.approx(0.8, abs=0.01)
        assert done["metrics"]["frames"] == 8
        assert len(pictures(await video_of(it, done))) == 8
        assert done["request"]["options"]["fps"] == 10
        # A recording through the older door is the same work.
        other = await it.post("/v1/videos", 202, data=form(audio=recording, request=options))
        assert (await it.ended(other["id"]))["metrics"]["frames"] == 8


async def test_a_video_sent_along_is_used_once_and_the_chosen_one_speaks(data_dir, recording, two):
    async with served(data_dir) as it:
        for face, here, there in (("1", (0, 256), (256, 512)), ("2", (256, 512), (0, 256))):
            wanted = {"face": face, "options": {"enhance": False}}
            parts = form(audio=recording, video=two, request=wanted)
            done = await it.ended((await it.post("/v1/lipsync", 202, data=parts))["id"])
            assert done["status"] == "completed", done["error"]
            assert done["template"] is None
            assert done["request"]["face"] == face
            shown = pictures(await video_of(it, done))
            moved = np.max([np.abs(picture - shown[-1]) for picture in shown], axis=0)
            assert moved[:, slice(*here)].max() > 60
            assert moved[:, slice(*there)].max() < 30
        assert [t["id"] for t in (await it.get("/v1/templates"))["data"]] == ["sample"]
        assert not list((data_dir / "templates").glob(".once-*"))
        missing = form(audio=recording, video=two, request={"face": "3"})
        failed = await it.ended((await it.post("/v1/lipsync", 202, data=missing))["id"])
        assert (failed["error"]["code"], failed["error"]["stage"]) == ("no_such_face", "prepare")


async def test_the_video_itself_is_the_answer_if_asked_for(data_dir, recording, two):
    async with served(data_dir) as it:
        for address, wanted in (("/v1/lipsync?stream=true", {}), ("/v1/lipsync", {"stream": True})):
            parts = form(audio=recording, request=wanted)
            async with it.http.post(address, data=parts) as response:
                assert (response.status, response.content_type) == (200, "video/mp4")
                assert len(pictures(await response.read())) == 20


async def test_recording_and_video_come_by_url_too(data_dir, recording):
    """The server's own results stand in for the internet."""

    async with served(data_dir) as it:
        first = await it.ended((await it.post("/v1/lipsync", 202, data=form(audio=recording)))["id"])
        own = f"{it.url}{first['outputs'][0]['url']}"
        job = await it.post("/v1/lipsync", 202, {"audio_url": own, "video_url": own})
        made = await it.ended(job["id"])
        assert (made["status"], made["template"]) == ("completed", None), made["error"]
        # AAC packets begin before the sound and end after it.
        assert made["metrics"]["frames"] == pytest.approx(first["metrics"]["frames"], abs=4)
        for body, code in (
            ({"audio_url": own, "video_url": own, "template": "sample"}, "template_or_video"),
            ({"audio_url": "file:///etc/passwd"}, "bad_url"),
            ({"audio_url": own, "video_url": f"{it.url}/healthz"}, "url_not_allowed"),
        ):
            assert (await it.post("/v1/lipsync", 422, body))["error"]["code"] == code
        assert list((data_dir / "server" / "incoming").iterdir()) == []


async def test_the_same_key_and_files_are_the_same_job_and_other_files_are_refused(data_dir, recording, two):
    async with served(data_dir) as it:
        key = {"Idempotency-Key": "once"}
        first = await it.post("/v1/lipsync", 202, data=form(audio=recording, video=two), headers=key)
        again = await it.post("/v1/lipsync", 200, data=form(audio=recording, video=two), headers=key)
        assert again["id"] == first["id"]
        for parts in (form(audio=recording), form(audio=recording, video=two + b"x")):
            refused = await it.post("/v1/lipsync", 422, data=parts, headers=key)
            assert refused["error"]["code"] == "idempotency_conflict"
        await it.ended(first["id"])
        assert len(list((data_dir / "server" / "jobs").iterdir())) == 1


async def test_what_cannot_be_is_refused_with_the_reason_and_leaves_nothing(
    data_dir, recording, two, tmp_path
):
    silent = write_video(tmp_path / "silent.mp4").read_bytes()

    async with served(data_dir) as it:
        for parts, code, param in (
            ({"video": two}, "invalid_request", "audio"),
            ({"audio": b""}, "empty_file", "audio"),
            (
                {"audio": recording, "video": two, "request": {"template": "sample"}},
                "template_or_video",
                "",
            ),
            ({"audio": recording, "request": {"template": "nobody"}}, "unknown_template", "template"),
            ({"audio": recording, "request": {"face": "2"}}, "face_of_template", "face"),
            ({"audio": recording, "request": {"face": "hers"}}, "unknown_face_choice", "face"),
            ({"audio": recording, "request": {"text": "Hi."}}, "invalid_request", "text"),
            ({"audio": recording, "request": {"options": {"fps": 1}}}, "invalid_request", "options.fps"),
            ({"audio": recording, "picture": two}, "invalid_request", "picture"),
        ):
            error = (await it.post("/v1/lipsync", 422, data=form(**parts)))["error"]
            assert (error["code"], error["param"]) == (code, param or "template"), parts.keys()
        lacking = {"options": {"engines": {"lipsync": "wav2lip"}}}
        error = (await it.post("/v1/lipsync", 422, data=form(audio=recording, request=lacking)))["error"]
        assert "lipstream models download wav2lip" in error["message"]
        error = (await it.post("/v1/lipsync", 422, {"template": "sample"}))["error"]
        assert (error["code"], error["param"]) == ("invalid_request", "audio")
        for parts, code, param in (
            ({"audio": b"no sound at all" * 9}, "not_media", "audio"),
            ({"audio": silent}, "no_audio", "audio"),
            ({"audio": recording, "video": recording}, "audio_only", "video"),
            ({"audio": recording, "video": silent}, "no_face", "video"),
        ):
            streamed = await it.post("/v1/lipsync?stream=true", 422, data=form(**parts))
            assert (streamed["error"]["code"], streamed["error"]["param"]) == (code, param)
            failed = await it.ended((await it.post("/v1/lipsync", 202, data=form(**parts)))["id"])
            assert (failed["status"], failed["error"]["code"]) == ("failed", code)
            assert failed["error"]["param"] == param
            assert failed["error"]["message"].startswith(("file ", "video ", "no face"))
        assert list((data_dir / "server" / "jobs").iterdir()) == []
        assert list((data_dir / "server" / "incoming").iterdir()) == []


async def test_everybody_in_a_video_is_numbered_and_a_template_is_made_of_one(data_dir, recording, two):
    async with served(data_dir) as it:
        people = await it.post("/v1/templates/faces", 200, data=form(file=two))
        assert [face["number"] for face in people["data"]] == [1, 2]
        assert (people["width"], people["height"]) == (512, 256)
        left, right = (face["left"] + face["width"] / 2 for face in people["data"])
        assert left == pytest.approx(couples.middle(couples.LEFT), abs=6)
        assert right == pytest.approx(couples.middle(couples.RIGHT), abs=6)
        scheme, _, jpeg = people["picture"].partition(",")
        picture = cv2.imdecode(np.frombuffer(base64.b64decode(jpeg), np.uint8), cv2.IMREAD_COLOR)
        assert (scheme, picture.shape) == ("data:image/jpeg;base64", (256, 512, 3))
        for name, face in (("Her", "1"), ("Him", "largest")):
            job = await it.post("/v1/templates", 202, data=form(file=two, name=name, face=face))
            assert (await it.ended(job["id"]))["status"] == "completed"
            assert (await it.get(f"/v1/templates/{name.lower()}"))["face"] == face
        other = await it.post("/v1/templates", 422, data=form(file=two, name="Her", face="2"))
        assert other["error"]["code"] == "template_exists"
        odd = await it.post("/v1/templates", 422, data=form(file=two, name="It", face="hers"))
        assert (odd["error"]["code"], odd["error"]["param"]) == ("unknown_face_choice", "face")
        for data, code in ((recording, "audio_only"), (b"x" * 99, "not_media"), (b"", "empty_file")):
            error = (await it.post("/v1/templates/faces", 422, data=form(file=data)))["error"]
            assert error["code"] == code
            assert str(data_dir) not in error["message"]
        assert list((data_dir / "server" / "incoming").iterdir()) == []
