"""The engine that has another server speak: held against real HTTP servers that answer like GPT-SoVITS's."""

import asyncio
import gc
import logging
import socket
import time
from contextlib import suppress

import numpy as np
import pytest

from core.engines import ENGINES
from core.engines.gpt_sovits.http import PAUSE_S, GptSovitsHttp
from core.engines.gpt_sovits.settings import VoiceSettings
from core.engines.gpt_sovits.voices import add_voice
from core.errors import BadInput, EngineUnavailable, Error
from core.protocols import Style
from core.serving.engine_pool import EnginePool
from core.text import sentences
from tests.support.recordings import recording
from tests.support.sovits_server import RATE, sovits, spoken


def engine(url, tmp_path, **more):
    settings = VoiceSettings(data_dir=tmp_path, gpt_sovits_url=url, **more)
    return GptSovitsHttp(settings)


def said(text):
    return next(iter(sentences(text, "auto")))


def heard(speech, text, voice="default", style=None):
    pieces = [piece.samples for piece in speech.speak(said(text), voice, style or Style())]
    return np.concatenate(pieces)


def reference(tmp_path):
    path = tmp_path / "me.wav"
    path.touch()
    return {"reference_audio": path, "reference_text": "What I say.", "reference_language": "en"}


@pytest.mark.parametrize("api", ["api", "api_v2"])
@pytest.mark.parametrize("pieces", [1, 7, 4096, 1 << 20])
def test_what_it_says_is_heard_however_it_is_cut(api, pieces, tmp_path):
    text = "Hi there." if pieces > 1 else "A."
    with sovits(api, pieces=pieces) as server:
        speech = engine(server.url, tmp_path, **reference(tmp_path))
        sound = heard(speech, text)
        want = spoken(text) / np.float32(32_767)
        assert np.array_equal(sound[: len(want)], want)
        assert not sound[len(want) :].any()
        assert len(sound) - len(want) == int(RATE * PAUSE_S)


@pytest.mark.parametrize("api", ["api", "api_v2"])
def test_sound_is_passed_on_while_more_is_made(api, tmp_path):
    with sovits(api) as server:
        server.go_on.clear()
        speech = engine(server.url, tmp_path, **reference(tmp_path))
        pieces = speech.speak(said("A sentence of some length."), "default", Style())
        assert len(next(pieces).samples) > 1000  # while the server waits
        server.go_on.set()
        assert sum(len(piece.samples) for piece in pieces) > 30_000


def test_each_service_is_asked_in_its_own_words(tmp_path):
    with sovits("api") as server:
        heard(engine(server.url, tmp_path), "你好。", style=Style(speed=1.5))
        assert server.asked == [{"text": "你好。", "text_language": "zh", "speed": 1.5}]
        heard(engine(server.url, tmp_path, **reference(tmp_path)), "Hi.")
        assert server.asked[1]["refer_wav_path"] == str(tmp_path / "me.wav")
        assert (server.asked[1]["prompt_text"], server.asked[1]["prompt_language"]) == ("What I say.", "en")
    with sovits("api_v2") as server:
        heard(engine(server.url, tmp_path, **reference(tmp_path)), "Hi.", style=Style(seed=5))
        (asked,) = server.asked
        assert asked["ref_audio_path"] == str(tmp_path / "me.wav")
        assert (asked["text_lang"], asked["prompt_lang"], asked["seed"]) == ("en", "en", 5)
        assert (asked["streaming_mode"], asked["media_type"]) == (2, "wav")


def test_an_older_server_is_asked_as_it_understands(tmp_path):
    with sovits("api_v2", knows_tokens=False) as server:
        speech = engine(server.url, tmp_path, **reference(tmp_path))
        heard(speech, "Hi.")
        heard(speech, "Hi.")
        assert [asked["streaming_mode"] for asked in server.asked] == [2, True, True]


def test_voices_kept_here_are_its_voices_too(tmp_path):
    sound = recording(4, 16_000)
    add_voice(tmp_path / "voices", "mary", sound, text="Hello.", language="en", aux=[sound])
    with sovits("api_v2") as server:
        speech = engine(server.url, tmp_path)
        assert [voice.name for voice in speech.voices()] == ["mary"]  # it has no voice of its own
        heard(speech, "Hi.", "mary")
        folder = tmp_path / "voices/mary"
        assert server.asked[0]["ref_audio_path"] == str(folder / "reference.wav")
        assert server.asked[0]["aux_ref_audio_paths"] == [str(folder / "aux-1.wav")]
        with pytest.raises(BadInput, match="no voice 'nobody'"):
            heard(speech, "Hi.", "nobody")
    with sovits("api") as server:
        assert [voice.name for voice in engine(server.url, tmp_path).voices()] == ["default", "mary"]


@pytest.mark.parametrize("rate", [24_000, 48_000])  # 48 000 is v4
def test_another_rate_and_pitch_keep_the_length(tmp_path, rate):
    with sovits("api", rate=rate) as server:
        speech = engine(server.url, tmp_path)
        seconds = (len(heard(speech, "Hi there.")) / RATE) - PAUSE_S
        assert abs(seconds - 9 * 0.08) < 0.01
        heard(speech, "Hi there.", style=Style(pitch=12))
        assert server.asked[1]["speed"] == 0.5  # at twice the rate as long as before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ("500", Error, "failed with 500: Internal Server Error"),
        ("ogg", Error, "not WAV; start it with media type wav"),
        ("silence", Error, "failed at this sentence"),
        ("breaks off", Error, "broke off"),
    ],
)
def test_a_failure_is_loud(fault, error, words, tmp_path):
    with sovits("api", fault=fault) as server:
        speech = engine(server.url, tmp_path)
        with pytest.raises(error, match=words):
            heard(speech, "Hello there.")
    gc.collect()  # an open line would warn


def test_a_refusal_is_told_in_its_words(tmp_path):
    with sovits("api_v2") as server:
        speech = engine(server.url, tmp_path, **reference(tmp_path))
        server.api = "gone"
        with pytest.raises(BadInput, match="refuses with 404: Not Found"):
            speech._server.post("/nothing", {})


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_passed_over_unless_it_is_named(tmp_path, monkeypatch, caplog):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("GPT_SOVITS_URL", url)
        monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(tmp_path))

        async def main():
            async with EnginePool() as pool:
                with pytest.raises(EngineUnavailable, match=r"does not answer.*gpt_sovits_url"):
                    await pool.engine("speech", "gpt-sovits-http")
                with caplog.at_level(logging.WARNING):
                    assert (await pool.engine("speech")).name == "hibari"
                assert "does not answer" in caplog.text

        asyncio.run(main())


@pytest.mark.slow
def test_a_silent_server_delays_nobody_else_and_is_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr("core.engines.gpt_sovits.http.DETECT_S", 0.4)
    asked = []

    async def silent(reader, writer):
        asked.append(writer)
        with suppress(asyncio.CancelledError):
            await reader.read(-1)
        writer.close()

    async def main():
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("GPT_SOVITS_URL", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(tmp_path))
        async with server, EnginePool() as pool:
            named = asyncio.create_task(pool.engine("speech", "gpt-sovits-http"))
            while not asked:  # noqa: ASYNC110  # bounded by the test's own limit
                await asyncio.sleep(0.01)
            assert (await pool.engine("enhance", "builtin")).name == "builtin"
            assert not named.done()  # others do not wait for what it waits for
            for _ in range(2):
                assert (await pool.engine("speech")).name != "gpt-sovits-http"
            assert (await pool.speech("auto", "female")).name == "builtin"
            with pytest.raises(EngineUnavailable):
                await named
            with pytest.raises(EngineUnavailable, match="tried again in"):
                await pool.engine("speech", "gpt-sovits-http")
            assert len(asked) == 1
            monkeypatch.setattr("core.serving.engine_pool.RETRY_S", 0.0)
            with pytest.raises(EngineUnavailable):
                await pool.engine("speech", "gpt-sovits-http")
            assert len(asked) == 2

    asyncio.run(asyncio.wait_for(main(), 30))


def test_a_server_that_trickles_is_given_up_in_time(tmp_path, monkeypatch):
    monkeypatch.setattr("core.engines.gpt_sovits.http.DETECT_S", 0.5)
    left = []

    async def trickling(reader, writer):
        writer.write(b"HTTP/1.1 404 Not Found\r\nX: ")
        with suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)
        left.append(True)
        writer.close()

    async def main():
        server = await asyncio.start_server(trickling, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            began = time.monotonic()
            with pytest.raises(EngineUnavailable, match=r"does not answer within 0\.5 s"):
                await asyncio.to_thread(engine, f"http://127.0.0.1:{port}", tmp_path)
            assert time.monotonic() - began < 5
            while not left:  # the line is closed, too  # noqa: ASYNC110  # bounded below
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(main(), 20))


def test_it_is_chosen_where_the_setting_names_a_server(tmp_path, monkeypatch):
    assert "the setting gpt_sovits_url" in ENGINES["speech"]["gpt-sovits-http"].missing()
    with sovits("api") as server:
        monkeypatch.setenv("GPT_SOVITS_URL", server.url)
        monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(tmp_path))

        async def main():
            async with EnginePool() as pool:
                assert (await pool.engine("speech")).name == "gpt-sovits-http"

        asyncio.run(main())


def test_lipstream_does_not_ask_itself(tmp_path):
    with (
        sovits("api_v2", server="lipstream") as server,
        pytest.raises(EngineUnavailable, match="would ask itself"),
    ):
        engine(server.url, tmp_path)


def test_an_url_that_is_none_is_said(tmp_path):
    with pytest.raises(BadInput, match="gpt_sovits_url is like"):
        engine("127.0.0.1:9880", tmp_path)
