"""The speech service of old, asked as clients of GPT-SoVITS's api.py and api_v2.py ask."""

import asyncio
import io
import json
import signal
import wave

import av
import numpy as np
import pytest
from yarl import URL

from server.compat.schemas import OldSpeech
from tests.support.recordings import recording
from tests.support.samples import write_sound
from tests.support.serving import data_dir, library, run, served
from tests.support.sovits_server import sovits

__all__ = ["data_dir", "library"]  # fixtures

TEXT = "Hello there."


async def sound(it, method, path, status=200, **options):
    async with it.http.request(method, path, **options) as response:
        assert response.status == status, await response.text()
        return response, await response.read()


def heard(data):
    """Rate, and the samples of a WAV."""
    with wave.open(io.BytesIO(data)) as file:
        return file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), "<i2")


@pytest.mark.parametrize(
    ("method", "path", "names"),
    [
        ("GET", "/", ("text", "text_language")),
        ("POST", "/", ("text", "text_language")),
        ("GET", "/tts", ("text", "text_lang")),
        ("POST", "/tts", ("text", "text_lang")),
    ],
)
async def test_each_address_of_theirs_speaks(data_dir, method, path, names):
    async with served(data_dir) as it:
        said = dict(zip(names, (TEXT, "英文" if path == "/" else "en"), strict=True))
        options = {"params": said} if method == "GET" else {"json": said}
        response, data = await sound(it, method, path, **options)
        assert response.content_type == "audio/wav"
        assert response.content_length == len(data)
        rate, samples = heard(data)
        assert rate == 32_000
        assert len(samples) * 2 + 44 == len(data)  # the head says how long it is
        assert 9_000 < abs(samples).max() < 11_000
        assert "Warning" not in response.headers
        assert not list((it.state.folder.root / "incoming").iterdir())


async def test_the_page_is_still_there(data_dir):
    async with served(data_dir) as it:
        response, data = await sound(it, "GET", "/")
        assert response.content_type == "text/html"
        assert b"<html" in data.lower()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["true", "1", "2", "3", True, 2])
async def test_sound_leaves_while_it_is_made(data_dir, mode):
    async with served(data_dir) as it:
        said = {"text": "This is said over and over again. " * 20, "streaming_mode": mode}
        whole = (await sound(it, "POST", "/tts", json=said | {"streaming_mode": 0}))[1]
        async with it.http.post("/tts", json=said) as response:
            assert response.headers.get("Content-Length") is None
            data = await response.read()
        assert data[44:] == whole[44:]


@pytest.mark.parametrize(
    ("kind", "codec"), [("wav", "pcm_s16le"), ("ogg", "opus"), ("aac", "aac"), ("raw", "")]
)
@pytest.mark.parametrize("mode", [0, 1])
async def test_every_media_type_of_theirs_is_made(data_dir, tmp_path, kind, codec, mode):
    async with served(data_dir) as it:
        said = {"text": TEXT, "media_type": kind, "streaming_mode": mode}
        response, data = await sound(it, "POST", "/tts", json=said)
        assert response.content_type == f"audio/{kind}"
        seconds = len(data) / 64_000  # raw: 16 bits at 32 kHz
        if codec:
            (tmp_path / "x").write_bytes(data)
            with av.open(str(tmp_path / "x")) as file:
                assert file.streams.audio[0].codec_context.name.removeprefix("lib") == codec
                frames = list(file.decode(audio=0))
                seconds = sum(frame.samples / frame.sample_rate for frame in frames)
        assert abs(seconds - 0.04 * len(TEXT)) < 0.1


async def test_what_means_nothing_is_named_in_a_header(data_dir):
    async with served(data_dir) as it:
        said = {"text": TEXT, "top_k": 5, "batch_size": 4, "ref_audio_path": "/x.wav", "prompt_text": "x"}
        response, _ = await sound(it, "POST", "/tts", json=said)
        assert response.headers["Warning"] == (
            '299 lipstream "no meaning here: top_k, batch_size, ref_audio_path, prompt_text"'
        )
        response, data = await sound(it, "GET", "/change_refer", params={"prompt_text": "x", "a\r\nb": "c"})
        assert json.loads(data) == {"code": 0, "message": "Success"}
        assert "reference" in response.headers["Warning"]


@pytest.mark.parametrize(
    ("path", "said", "status", "words"),
    [
        ("/tts", {}, 400, "text: Field required"),
        ("/tts", {"text": "🙂"}, 400, "no words"),
        ("/tts", {"text": TEXT, "text_lang": "xx"}, 400, "text_lang"),
        ("/tts", {"text": TEXT, "speed_factor": "nan"}, 400, "speed_factor"),
        ("/tts", {"text": TEXT, "media_type": "mp9"}, 400, "media_type"),
        ("/tts", {"text": TEXT, "streaming_mode": 7}, 400, "streaming_mode"),
        ("/", {"text": "a\0b"}, 400, "NUL"),
        ("/change_refer", {}, 400, "send refer_wav_path"),
        ("/set_gpt_weights", {}, 400, "weights_path"),
        ("/set_gpt_weights", {"weights_path": "x.ckpt"}, 400, "no engine that speaks with GPT"),
        (
            "/set_sovits_weights",
            {"weights_path": "x.pth"},
            400,
            "no engine that speaks with GPT",
        ),
        ("/control", {"command": "exit"}, 403, "setting `control`"),
    ],
)
async def test_what_cannot_be_is_told_as_they_tell_it(data_dir, path, said, status, words):
    async with served(data_dir) as it:
        told = await it.post(path, status, said)
        assert words in told["message"]
        assert told["code"] == status
        assert told["error"]["message"] == told["message"]


@pytest.mark.parametrize(
    ("body", "charset"), [(b"{", "utf-8"), (b"[" * 5000, "utf-8"), (b"{}", "klingon"), (b'"\xff"', "utf-8")]
)
async def test_a_body_that_is_no_json_is_the_clients_mistake(data_dir, body, charset):
    async with served(data_dir) as it:
        head = {"Content-Type": f"application/json; charset={charset}"}
        for path in ("/", "/tts", "/change_refer", "/set_model", "/control"):
            async with it.http.post(path, data=body, headers=head) as response:
                status = 403 if path == "/control" else 400
                assert (response.status, (await response.json())["code"]) == (status, status)


async def test_pages_of_other_sites_set_nothing(data_dir):
    async with served(data_dir, control=True) as it:
        headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
        for path in (
            "/control?command=exit",
            "/change_refer?prompt_text=x",
            "/set_gpt_weights?weights_path=x",
        ):
            await sound(it, "GET", path, 403, headers=headers)


@pytest.mark.slow
def test_a_recording_of_the_client_is_the_voice(data_dir, tmp_path, monkeypatch):
    path = write_sound(tmp_path / "me.wav", *recording(4, 16_000))
    with sovits("api_v2") as server:
        monkeypatch.setenv("GPT_SOVITS_URL", server.url)
        monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(data_dir))

        async def main():
            async with served(data_dir, media_paths=(tmp_path,)) as it:
                said = {
                    "text": TEXT,
                    "ref_audio_path": str(path),
                    "prompt_text": "What I say.",
                    "prompt_lang": "en",
                }
                response, _ = await sound(it, "POST", "/tts", json=said)
                await sound(it, "POST", "/tts", json=said)
                assert "Warning" not in response.headers
                assert [a["prompt_text"] for a in server.asked] == ["What I say."] * 2
                (voice,) = {a["ref_audio_path"] for a in server.asked}
                assert voice.startswith(str(data_dir / "voices/ref_"))
                # From now on also where a request brings none.
                await sound(
                    it, "GET", "/change_refer", params={"refer_wav_path": str(path), "prompt_text": "Else."}
                )
                await sound(it, "GET", "/", params={"text": TEXT})
                assert server.asked[-1]["prompt_text"] == "Else."
                # What the server may not read, it says so.
                told = await it.post("/tts", 400, said | {"ref_audio_path": "/etc/hostname"})
                assert "media_paths" in told["message"]
                told = await it.post("/change_refer", 400, {"refer_wav_path": "/etc/hostname"})
                assert "media_paths" in told["message"]
                # A plain name is one in the folders that may be named.
                await sound(it, "POST", "/tts", json=said | {"ref_audio_path": path.name})

        run(main())


@pytest.mark.slow
def test_models_are_chosen_by_name(data_dir, tmp_path, monkeypatch):
    models = data_dir / "voice-models"
    models.mkdir()
    (models / "mine.ckpt").write_bytes(b"x")
    path = write_sound(tmp_path / "me.wav", *recording(4, 16_000))
    with sovits("api_v2") as server:
        monkeypatch.setenv("GPT_SOVITS_URL", server.url)
        monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(data_dir))

        async def main():
            async with served(data_dir, media_paths=(tmp_path,)) as it:
                said = {"text": TEXT, "ref_audio_path": str(path), "prompt_lang": "en"}
                await sound(it, "POST", "/tts", json=said)
                await sound(it, "GET", "/set_gpt_weights", params={"weights_path": "/old/place/mine.ckpt"})
                await sound(it, "POST", "/tts", json=said)
                assert len({a["ref_audio_path"] for a in server.asked}) == 2
                voice = server.asked[1]["ref_audio_path"].rpartition("/")[0]
                with open(f"{voice}/voice.json") as file:  # noqa: ASYNC230  # a test
                    assert json.load(file)["t2s"] == str(models / "mine.ckpt")
                told = await it.post("/set_sovits_weights", 400, {"weights_path": "nothing.pth"})
                assert "no model 'nothing.pth'" in told["message"]

        run(main())


@pytest.mark.parametrize("command", ["exit", "restart"])
async def test_control_stops_the_server_where_that_is_allowed(data_dir, monkeypatch, command):
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with served(data_dir, control=True) as it:
        await sound(it, "GET", f"/control?command={command}")
        await asyncio.wait_for(stopped.wait(), 5)
        assert it.state.restart == (command == "restart")
    asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)


@pytest.mark.parametrize(
    ("only", "there", "gone"),
    [
        ("speech", ["/tts?text=Hi.", "/?text=Hi."], ["/static/index.html", "/v1/voices", "/v1/templates"]),
        ("video", [], ["/", "/tts?text=Hi.", "/v1/engines"]),
        ("lipsync", [], ["/", "/tts?text=Hi."]),
        ("enhance", [], ["/", "/v1/templates"]),
    ],
)
async def test_a_service_alone_answers_at_its_own_addresses(data_dir, only, there, gone):
    async with served(data_dir, only=only) as it:
        for path in (*there, "/healthz", "/v1/jobs", "/metrics"):
            await sound(it, "GET", path)
        for path in gone:
            await sound(it, "GET", path, 404)
        posts = {
            "/create-video/": "video",
            "/process_sync/": "lipsync",
            "/process_video/": "enhance",
            "/tts": "speech",
        }
        for path, service in posts.items():
            async with it.http.post(path, json={}) as response:
                assert (response.status == 404) == (service != only)
        assert it.state.folder.root == data_dir / f"server-{only}"


@pytest.mark.parametrize(
    ("named", "language"),
    [
        *(
            ("粤英混合", "yue"),
            ("多语种混合(粤语)", "yue"),
            ("auto_yue", "yue"),
            ("all_yue", "yue"),
            ("粤语", "yue"),
        ),
        *(
            ("日英混合", "ja"),
            ("韩英混合", "ko"),
            ("中英混合", "zh"),
            ("多语种混合", "auto"),
            ("auto", "auto"),
        ),
        *(("ZH", "zh"), ("EN", "en"), ("All_JA", "ja"), (" ko ", "ko")),
    ],
)
def test_languages_mean_what_they_mean_to_the_older_service(named, language):
    assert OldSpeech.model_validate({"text": TEXT, "text_lang": named}).text_lang == language
    prompt = OldSpeech.model_validate({"text": TEXT, "prompt_lang": named}).prompt_lang
    assert prompt == (None if language == "auto" else language)


async def test_each_piece_of_a_streamed_ogg_is_a_whole_file(data_dir):
    async with served(data_dir) as it:
        said = {"text": TEXT * 4, "media_type": "ogg", "streaming_mode": True}
        seconds, files = 0.0, []
        async with it.http.post("/tts", json=said) as response:
            piece = b""
            async for data, ends in response.content.iter_chunks():
                piece += data
                if ends:
                    files.append(piece)
                    piece = b""
        assert len(files) > 2
        for data in files:
            with av.open(io.BytesIO(data)) as file:
                frames = list(file.decode(audio=0))
                assert frames
                seconds += sum(frame.samples / frame.sample_rate for frame in frames)
        _, raw = await sound(it, "POST", "/tts", json=said | {"media_type": "raw"})
        assert abs(seconds - len(raw) / 64_000) < 0.05


async def test_a_streamed_wav_begins_with_its_header_alone(data_dir):
    async with served(data_dir) as it:
        async with it.http.post("/tts", json={"text": TEXT, "streaming_mode": 1}) as response:
            first = b""
            async for data, ends in response.content.iter_chunks():
                first += data
                if ends:
                    break
        assert (len(first), first[:4]) == (44, b"RIFF")


@pytest.mark.parametrize(("speed", "heard"), [(0.1, 0.5), (9, 2.0), (2, 2.0), (-1, 0.5)])
async def test_any_speed_is_taken_and_held_within_what_can_be_spoken(data_dir, speed, heard):
    async with served(data_dir) as it:
        said = {"text": TEXT, "speed_factor": speed, "media_type": "raw"}
        response, data = await sound(it, "POST", "/tts", json=said)
        assert abs(len(data) / 64_000 - 0.04 * len(TEXT) / heard) < 0.1
        assert ("speed_factor" in response.headers.get("Warning", "")) is (speed != heard)


async def test_a_reference_is_no_more_needed_to_set_a_voice_than_to_speak(data_dir):
    async with served(data_dir) as it:
        params = {"refer_wav_path": "no_such.wav", "prompt_text": "x", "prompt_language": "zh"}
        response, data = await sound(it, "GET", "/change_refer", params=params)
        assert json.loads(data) == {"code": 0, "message": "Success"}
        response, data = await sound(it, "GET", "/set_refer_audio", params={"refer_audio_path": "x.wav"})
        assert json.loads(data) == {"message": "success"}
        assert "reference" in response.headers["Warning"]


async def test_a_slash_more_or_less_leads_to_what_is_there(data_dir):
    async with served(data_dir) as it:
        for path in ("/tts/", "/tts"):
            assert (await sound(it, "POST", path, json={"text": TEXT, "media_type": "raw"}))[1]
        for path, place in (
            ("/tts/?text=a%20b", "../tts?text=a%20b"),
            ("/create-video", "./create-video/"),
            ("/v1/videos/", "../videos"),
        ):
            method = "GET" if "?" in path else "POST"
            async with it.http.request(method, path, allow_redirects=False) as response:
                assert (response.status, response.headers["Location"]) == (307, place)
        for path in ("/nothing/", "//evil.example/tts/", "/v1/videos//", "/%2F%2Fevil.example/"):
            async with it.http.post(it_url(it, path), allow_redirects=False) as response:
                assert response.status == 404, path


def it_url(it, path):
    """The path as it is written: joining would take two slashes for a host."""
    return URL(str(it.http._base_url).rstrip("/") + path, encoded=True)
