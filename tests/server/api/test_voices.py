"""Cloned voices over HTTP: taken in, listed, spoken with, refused and deleted while the server runs."""

import io
import json

import numpy as np
import pytest
from scipy.io import wavfile
from yarl import URL

from core.engines.builtin.voice import EspeakVoice
from core.engines.gpt_sovits.voices import add_voice, list_voices
from core.protocols import Style
from core.text import sentences
from tests.server.api.test_more import form
from tests.support import openai_server
from tests.support.recordings import recording
from tests.support.serving import data_dir, library, served

__all__ = ["data_dir", "library"]  # fixtures


def wav(seconds=4.0, gain=1.0):
    samples, rate = recording(seconds, 16_000)
    held = io.BytesIO()
    wavfile.write(held, rate, (32_767 * (samples * gain).clip(-1, 1)).astype(np.int16))
    return held.getvalue()


@pytest.mark.slow
async def test_a_voice_is_cloned_listed_shown_and_deleted_in_a_running_server(data_dir):
    async with served(data_dir) as it:
        parts = form(audio=("me.wav", wav()), name="小美", text=" Hello. ", language="en")
        parts.add_field("aux", wav(3.5), filename="more.wav")
        parts.add_field("aux", wav(5.0), filename="more.wav")
        async with it.http.post("/v1/voices", data=parts) as response:
            made = await response.json()
            assert response.status == 201, made
            where = response.headers["Location"]
        assert made["name"] == "小美"
        assert made["engine"] == "gpt-sovits"
        assert made["reference"] == {
            "text": "Hello.",
            "language": "en",
            "duration_s": 4.0,
            "recordings": 3,
            "gpt": None,
            "sovits": None,
        }
        assert await it.get(where) == made
        for query in ("", "?engine=gpt-sovits"):
            assert made in (await it.get(f"/v1/voices{query}"))["data"]
        assert made not in (await it.get("/v1/voices?engine=builtin"))["data"]
        async with it.http.delete(where) as response:
            assert await response.json() == {"id": "小美", "deleted": True}
        await it.get(where, 404)
        assert list_voices(data_dir / "voices") == []
        assert list((data_dir / "server" / "incoming").iterdir()) == []


@pytest.mark.slow
async def test_what_is_no_voice_is_refused_with_the_field_at_fault_and_nothing_is_kept(data_dir, tmp_path):
    good = ("me.wav", wav())
    outside = tmp_path / "x.ckpt"
    outside.write_bytes(b"PK")
    cases = [
        ({"aux": good, "name": "a"}, "invalid_request", "audio"),
        ({"audio": good}, "invalid_request", "name"),
        ({"audio": good, "name": ""}, "invalid_request", "name"),
        ({"audio": good, "name": "../a"}, "bad_voice_name", "name"),
        ({"audio": good, "name": "a" * 65}, "invalid_request", "name"),
        ({"audio": good, "name": "a", "language": "tlh"}, "invalid_request", "language"),
        ({"audio": good, "name": "a", "text": "x" * 501}, "invalid_request", "text"),
        ({"audio": good, "name": "a", "colour": "red"}, "invalid_request", "colour"),
        ({"audio": good, "name": "a", "gpt": "x.ckpt"}, "unknown_model", "gpt"),
        ({"audio": good, "name": "a", "gpt": str(outside)}, "unknown_model", "gpt"),
        ({"audio": good, "name": "a", "sovits": "../x.pth"}, "unknown_model", "sovits"),
        ({"audio": ("me.wav", wav(2.0)), "name": "a"}, "reference_too_short", "audio"),
        ({"audio": ("me.wav", wav(10.5)), "name": "a"}, "reference_too_long", "audio"),
        ({"audio": ("me.wav", wav(30.0)), "name": "a"}, "reference_too_long", "audio"),
        ({"audio": ("me.wav", wav(gain=0.01)), "name": "a"}, "reference_silent", "audio"),
        ({"audio": ("me.wav", wav(gain=50)), "name": "a"}, "reference_clipped", "audio"),
        ({"audio": ("me.wav", b""), "name": "a"}, "empty_file", "audio"),
        ({"audio": ("me.wav", b"nonsense" * 99), "name": "a"}, "not_media", "audio"),
        ({"audio": ("me.wav", wav()[:60]), "name": "a"}, None, "audio"),
        ({"audio": good, "aux": ("b.wav", wav(1.0)), "name": "a"}, "reference_too_short", "aux"),
    ]

    async with served(data_dir) as it:
        for parts, code, param in cases:
            error = (await it.post("/v1/voices", 422, data=form(**parts)))["error"]
            assert code in (error["code"], None), (parts.keys(), error)
            assert error["param"] == param, error
            assert str(tmp_path) not in error["message"].replace(str(outside), "")
        named = await it.post("/v1/voices", 422, data=form(audio=("me.wav", b"nonsense"), name="a"))
        assert "me.wav" in named["error"]["message"]
        await it.post("/v1/voices", 415, {"name": "a"})
        assert list_voices(data_dir / "voices") == []
        assert list((data_dir / "server" / "incoming").iterdir()) == []
        await it.post("/v1/voices", 201, data=form(audio=good, name="a"))
        again = await it.post("/v1/voices", 422, data=form(audio=good, name="a"))
        assert (again["error"]["code"], again["error"]["param"]) == ("voice_exists", "name")


async def test_voices_that_are_not_there_or_not_cloned_cannot_be_deleted(data_dir):
    async with served(data_dir) as it:
        for method in ("GET", "DELETE"):
            for name, code in (
                ("nobody", "unknown_voice"),
                ("..%2fa", "not_found"),
                ("a b", "not_found"),
            ):
                url = URL(f"{it.url}/v1/voices/{name}", encoded="%" in name)
                async with it.http.request(method, url) as response:
                    assert (response.status, (await response.json())["error"]["code"]) == (404, code)
        assert (await it.get("/v1/voices/f440"))["engine"] == "choir"
        async with it.http.delete("/v1/voices/f440") as response:
            assert (response.status, (await response.json())["error"]["code"]) == (422, "builtin_voice")


async def test_a_voice_may_name_a_model_of_the_folder_but_no_other_file(data_dir, tmp_path, monkeypatch):
    models = tmp_path / "models"
    models.mkdir()
    (models / "anna-e15.ckpt").write_bytes(b"PK")
    monkeypatch.setenv("LIPSTREAM_VOICE_MODELS", str(models))

    async with served(data_dir) as it:
        parts = form(audio=("me.wav", wav()), name="a", gpt="anna-e15.ckpt")
        made = await it.post("/v1/voices", 201, data=parts)
        assert made["reference"]["gpt"] == "anna-e15.ckpt"
        (kept,) = list_voices(data_dir / "voices")
        assert kept.t2s == models / "anna-e15.ckpt"
        for gpt in ("anna-e15", "anna-e15.pth", "./anna-e15.ckpt", "*.ckpt"):
            parts = form(audio=("me.wav", wav()), name="b", gpt=gpt)
            refused = (await it.post("/v1/voices", 422, data=parts))["error"]
            assert "anna-e15.ckpt" in refused["message"]


async def test_one_damaged_voice_does_not_hide_the_others(data_dir):
    add_voice(data_dir / "voices", "whole", recording(), text="", language="en")
    for name, record in (("torn", "{"), ("odd", "[]"), ("half", json.dumps({"text": ""}))):
        (data_dir / "voices" / name).mkdir()
        (data_dir / "voices" / name / "voice.json").write_text(record)

    async with served(data_dir) as it:
        cloned = (await it.get("/v1/voices?engine=gpt-sovits"))["data"]
        assert [voice["name"] for voice in cloned] == ["whole"]
        async with it.http.delete("/v1/voices/torn") as response:
            assert response.status == 200
        assert not (data_dir / "voices" / "torn").exists()


@pytest.mark.slow
async def test_a_voice_cloned_over_http_speaks_in_a_video_and_in_a_sound_file(
    data_dir, tmp_path, monkeypatch
):
    pytest.importorskip("torch")
    pytest.importorskip("core.nets.gpt_sovits.hubert", exc_type=(ImportError, RuntimeError))
    from tests.support.gpt_sovits_models import use_small_models, write_models

    use_small_models(write_models(tmp_path), monkeypatch, data_dir)

    async with served(data_dir) as it:
        parts = form(audio=("me.wav", wav()), name="anna", text="The dog ran.", language="en")
        made = await it.post("/v1/voices", 201, data=parts)
        assert made["available"]
        said = {"text": "The cat sat on the mat.", "voice": "anna", "options": {"enhance": False}}
        job = await it.ended((await it.post("/v1/videos", 202, said))["id"])
        assert job["status"] == "completed", job["error"]
        assert job["engines"]["speech"] == "gpt-sovits"
        body = {"input": "The cat sat on the mat.", "voice": "anna", "response_format": "pcm"}
        async with it.http.post("/v1/audio/speech", json=body) as response:
            heard = np.frombuffer(await response.read(), "<i2")
            assert response.status == 200
        assert np.abs(heard).max() > 100


async def test_a_speech_server_that_is_this_very_server_is_refused_instead_of_asked_for_ever(
    data_dir, monkeypatch
):
    async with served(data_dir) as it:
        monkeypatch.setenv("LIPSTREAM_SPEECH_URL", f"{it.url}/v1")
        monkeypatch.setenv("LIPSTREAM_SPEECH_MODEL", "openai-http")
        it.state.catalog._pool.weights = {"speech_url"}
        body = {"input": "Hello.", "model": "openai-http", "voice": "alloy"}
        refused = await it.post("/v1/audio/speech", 422, body)
        assert "this very server" in refused["error"]["message"]


@pytest.mark.slow
async def test_a_speech_server_that_tells_no_sounds_speaks_in_a_video_and_its_faults_end_the_job(
    data_dir, monkeypatch
):
    text = "Please bring a big map to my mum."
    espeak = EspeakVoice()
    sound = np.concatenate([p.samples for p in espeak.speak(sentences(text)[0], "male-2", Style())])
    espeak.close()
    body = openai_server.wav((32_767 * sound).astype(np.int16), espeak.rate)
    with openai_server.speaking(body=body, pieces=1001, kind="audio/wav") as server:
        monkeypatch.setenv("LIPSTREAM_SPEECH_URL", server.url)
        monkeypatch.setenv("LIPSTREAM_SPEECH_VOICES", '["mine"]')
        async with served(data_dir) as it:
            it.state.catalog._pool.weights = {"speech_url"}
            listed = {voice["name"]: voice["engine"] for voice in (await it.get("/v1/voices"))["data"]}
            assert listed["mine"] == "openai-http"
            job = await it.ended(await it.video(text, voice="mine"))
            assert job["status"] == "completed", job["error"]
            assert job["engines"]["speech"] == "openai-http"
            server.body = body[:-2000]
            job = await it.ended(await it.video(text, voice="mine"))
    assert job["status"] == "failed"
    assert "the speech server at 127.0.0.1" in job["error"]["message"]
    assert "2000 of" in job["error"]["message"]


@pytest.mark.slow
async def test_a_fault_of_the_speech_server_is_told_as_its_own_and_logged_in_a_line(
    data_dir, monkeypatch, caplog
):
    hum = openai_server.hummed("Hi there.", "v0").tobytes()
    cases = [
        ({"status": 500, "said": {"detail": "no" * 99}}, 502, True, "failed with 500: " + "no" * 40 + ";"),
        ({"status": 429, "said": {"detail": "later"}}, 503, True, "is busy (429): later;"),
        ({"status": 504, "said": {}}, 504, True, "failed with 504"),
        ({"body": b""}, 502, True, "answered with nothing"),
        ({"body": b'{"oops":1}'}, 502, False, 'words, not sound: {"oops":1}'),
        ({"body": b"ID3" + bytes(900)}, 502, False, "answered with MP3"),
        ({"body": b"", "fault": "short"}, 502, True, "broke off: 100 bytes are missing"),
        ({"fault": "stalls", "body": hum, "pieces": 2}, 504, True, "nothing came in time"),
    ]
    monkeypatch.setattr("core.engines.openai_http.SILENCE_S", 0.2)
    with openai_server.speaking() as server:
        monkeypatch.setenv("LIPSTREAM_SPEECH_URL", server.url)
        monkeypatch.setenv("LIPSTREAM_SPEECH_VOICES", '["v0"]')
        async with served(data_dir) as it:
            it.state.catalog._pool.weights = {"speech_url"}
            asked = {"input": "Hi there.", "voice": "v0", "response_format": "pcm"}
            for more, status, retryable, told in cases:
                was = {"status": 200, "body": None, "fault": "", "pieces": 4096} | more
                for name, value in was.items():
                    setattr(server, name, value)
                (server.go_on.clear if more.get("fault") == "stalls" else server.go_on.set)()
                caplog.clear()
                async with it.http.post("/v1/audio/speech", json=asked) as response:
                    error = (await response.json())["error"]
                    assert (response.status, error["code"]) == (status, "speech_server"), error
                    assert response.headers.get("Retry-After") == ("5" if status == 503 else None)
                assert told in error["message"]
                assert error["message"].endswith('at sentence 1, "Hi there."')
                assert [record.exc_info for record in caplog.records if record.levelname != "INFO"] == [None]
                job = await it.ended(await it.video("Hi there.", voice="v0"))
                assert (job["error"]["code"], job["error"]["retryable"]) == ("speech_server", retryable)
                assert job["error"]["message"] == error["message"]
            server.go_on.set()
