"""The engine that has a server of OpenAI's shape speak: held against a real HTTP server with its faults."""

import asyncio
import socket
from contextlib import aclosing

import numpy as np
import pytest

from core.engines import ENGINES
from core.engines.neural import NeuralSettings
from core.engines.openai_http import OpenAiHttp
from core.errors import BadInput, EngineUnavailable, Error, SpeechServerFailed
from core.protocols import Style
from core.serving.engine_pool import EnginePool
from core.text import sentences
from core.tts_stream import tts_stream
from tests.support.openai_server import RATE, VOICES, endless, hummed, speaking, wav

TEXT = "Hi there."
LIST = b"LIST" + (6).to_bytes(4, "little") + b"INFO\xff\x7f"


def engine(url, **more):
    return OpenAiHttp(NeuralSettings(speech_url=url, **({"speech_voices": tuple(VOICES)} | more)))


def heard(speech, voice="v0", text=TEXT, **style):
    said = next(iter(sentences(text)))
    return np.concatenate([piece.samples for piece in speech.speak(said, voice, Style(**style))])


def full(sound):
    return sound.astype(np.float32) / np.float32(32_767)


@pytest.mark.parametrize("pieces", [1, 3, 7, 4096, 1 << 20])
@pytest.mark.parametrize("form", ["pcm", "wav", "endless"])
def test_the_samples_are_the_same_however_they_are_cut(form, pieces):
    sound = hummed("A." if pieces < 9 else TEXT)
    body = {"pcm": sound.tobytes(), "wav": wav(sound, RATE, after=LIST), "endless": None}[form]
    with speaking(pieces=pieces, body=body or endless(sound.tobytes(), RATE)) as server:
        got = heard(engine(server.url))
    assert np.array_equal(got[: len(sound)], full(sound))
    assert len(got) - len(sound) == int(0.3 * RATE)
    assert not got[len(sound) :].any()


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_a_wav_says_its_own_rate_and_channels(rate):
    body = wav(hummed(TEXT, rate=rate), rate, channels=2)
    with speaking(body=body, kind="audio/wav") as server:
        got = heard(engine(server.url))[: len(TEXT) * RATE * 2 // 25]
    want = full(hummed(TEXT))
    assert np.abs(got[500:-500] - want[500:-500]).max() < 0.01


def test_floats_and_the_rate_of_bare_samples():
    sound = full(hummed(TEXT, rate=16_000))
    with speaking(body=endless(sound.tobytes(), 16_000, form=3, bits=32)) as server:
        floats = heard(engine(server.url, speech_rate=16_000))
    with speaking(body=hummed(TEXT, rate=16_000).tobytes()) as server:
        bare = heard(engine(server.url, speech_rate=16_000))
    assert np.array_equal(floats, bare)
    with speaking(body=hummed(TEXT, rate=16_000).tobytes(), kind="audio/pcm;rate=16000") as server:
        told = heard(engine(server.url))
    assert len(told) == pytest.approx(len(bare) * 1.5, abs=10)


def test_wav_of_24_bits_after_a_long_list_of_tags():
    sound = hummed(TEXT)
    bits = (sound.astype("<i4") << 8).view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    body = endless(bits, RATE, bits=24)
    tags = b"LIST" + (9001).to_bytes(4, "little") + bytes(9002)
    with speaking(body=body[:36] + tags + body[36:], pieces=4097) as server:
        got = heard(engine(server.url))
    assert got[: len(sound)] == pytest.approx(full(sound), abs=1e-4)


def test_what_is_asked_is_what_was_set():
    with speaking() as server:
        more = {"speech_extra": {"instructions": "calmly", "response_format": "wav"}, "speech_key": "s3cret"}
        speech = engine(server.url + "/", speech_model="qwen3-tts", **more)
        heard(speech, "v3", "It costs $5.", speed=1.5)
    assert server.asked == [
        {
            "model": "qwen3-tts",
            "input": "It costs five dollars.",
            "voice": "v3",
            "response_format": "wav",
            "speed": 1.5,
            "stream": True,
            "instructions": "calmly",
        }
    ]
    assert server.keys == ["Bearer s3cret"]


def test_pitch_is_raised_and_the_length_left_to_the_server():
    with speaking() as server:
        speech = engine(server.url)
        got = heard(speech, pitch=12)
    assert server.asked[0]["speed"] == 0.5
    assert len(got) == pytest.approx(len(hummed(TEXT)) / 2 + 0.3 * RATE, abs=20)


def test_sound_is_passed_on_while_more_is_made():
    with speaking(pieces=2000) as server:
        server.go_on.clear()
        pieces = engine(server.url).speak(sentences(TEXT)[0], "v0", Style())
        assert len(next(pieces).samples) == 1000
        server.go_on.set()
        assert sum(len(piece.samples) for piece in pieces) == len(hummed(TEXT)) + int(0.3 * RATE) - 1000


def test_a_server_that_does_not_know_stream_is_asked_without_from_then_on():
    with speaking(takes_stream=False) as server:
        speech = engine(server.url)
        heard(speech)
        heard(speech)
    assert ["stream" in asked for asked in server.asked] == [True, False, False]


async def job(found, voice):
    samples = []
    async with aclosing(tts_stream(sentences(f"{TEXT} {TEXT}"), found, voice, Style())) as chunks:
        async for chunk in chunks:
            samples.append(chunk.samples)
    return np.concatenate(samples)


FAULTS = [
    ({"fault": "breaks off", "pieces": 1000}, SpeechServerFailed, "broke off"),
    ({"fault": "short"}, SpeechServerFailed, "broke off"),
    ({"body": hummed(TEXT).tobytes() + b"x"}, SpeechServerFailed, "within a sample"),
    ({"body": b""}, SpeechServerFailed, "nothing"),
    (
        {"body": b'{"error": {"message": "out of memory"}}', "kind": "application/json"},
        SpeechServerFailed,
        "out of memory",
    ),
    ({"body": b"<html>no</html>", "kind": "text/html"}, SpeechServerFailed, "words"),
    ({"body": b"ID3" + bytes(900)}, SpeechServerFailed, "MP3"),
    ({"body": bytes([1, 2]) * 900, "kind": "audio/mpeg"}, SpeechServerFailed, "audio/mpeg"),
    ({"body": (b"\xff\xfb\x90\x64" + bytes(413)) * 20, "pieces": 7}, SpeechServerFailed, "MP3"),
    ({"body": (b"\xff\xf1\x50\x80" + bytes(200)) * 20}, SpeechServerFailed, "AAC"),
    ({"body": b"\0\0\0 ftypM4A " + bytes(900)}, SpeechServerFailed, "MP4"),
    ({"body": b"\x1aE\xdf\xa3" + bytes(900)}, SpeechServerFailed, "WebM"),
    ({"body": b"RIFX" + endless(bytes(900), RATE)[4:]}, SpeechServerFailed, "RIFX"),
    (
        {"body": b'{"error": {"message": "quota"}}', "kind": "application/octet-stream"},
        SpeechServerFailed,
        "words.*quota",
    ),
    ({"body": b'{"audio": "AAAA"}'}, SpeechServerFailed, "words.*AAAA"),
    ({"body": b"RIFF1234AVI " + bytes(9000)}, SpeechServerFailed, "not WAV"),
    ({"body": endless(bytes(900), RATE, bits=8)}, SpeechServerFailed, "8 bits"),
    ({"body": endless(bytes(900), 1)}, SpeechServerFailed, "at 1 Hz"),
    ({"body": wav(hummed(TEXT), RATE)[:-100]}, SpeechServerFailed, "100 of .* bytes are missing"),
    (
        {"body": endless(hummed(TEXT).astype("<f4").tobytes(), RATE, form=3, bits=32)},
        SpeechServerFailed,
        "up to 9000",
    ),
    ({"body": endless(b"\0\0\xc0\x7f" * 900, RATE, form=3, bits=32)}, SpeechServerFailed, "up to nan"),
    (
        {"status": 401, "said": {"error": {"message": "no such key: s3cret"}}},
        BadInput,
        r"with 401.*key: \*\*\*",
    ),
    ({"status": 404, "said": {"detail": "Not Found"}}, BadInput, "Not Found"),
    ({"status": 429, "said": {"detail": "slow down"}}, SpeechServerFailed, "429.*slow down"),
    ({"status": 500, "said": {"detail": "no"}}, SpeechServerFailed, "500"),
    ({"status": 307, "said": {}}, SpeechServerFailed, "307"),
    (
        {"status": 500, "said": {"detail": "no such key: " + "x" * 65 + "s3cret"}},
        SpeechServerFailed,
        "x{65}\\*\\*$",
    ),
    ({"body": b'{"key": "s3cret"}'}, SpeechServerFailed, "words.*key"),
]


@pytest.mark.parametrize(("fault", "kind", "message"), FAULTS)
def test_a_failure_is_loud(fault, kind, message):
    with speaking(**fault) as server:
        speech = engine(server.url, speech_key="s3cret")
        with pytest.raises(kind, match=message) as caught:
            heard(speech)
    assert type(caught.value) is kind
    assert "s3cret" not in str(caught.value)


def test_quiet_samples_that_begin_like_a_frame_of_mp3_are_samples():
    sound = np.append(np.frombuffer(b"\xff\xfb", "<i2"), hummed(TEXT))
    for body in (sound.tobytes(), sound[:40].tobytes()):
        with speaking(body=body, pieces=1000) as server:
            assert np.array_equal(
                heard(engine(server.url))[: len(body) // 2], full(np.frombuffer(body, "<i2"))
            )


def test_a_server_that_stands_still_is_given_up(monkeypatch):
    monkeypatch.setattr("core.engines.openai_http.SILENCE_S", 0.2)
    with speaking(pieces=1000) as server:
        server.go_on.clear()
        with pytest.raises(SpeechServerFailed, match="broke off: nothing came in time") as caught:
            heard(engine(server.url))
    assert caught.value.why == "slow"


def test_a_silent_answer_fails_the_job_and_names_the_sentence(monkeypatch):
    async def main(url):
        monkeypatch.setenv("LIPSTREAM_SPEECH_URL", url)
        monkeypatch.setenv("LIPSTREAM_SPEECH_VOICES", '["v0"]')
        async with EnginePool(weights={"speech_url"}) as pool:
            found = await pool.speech()
            assert found.name == "openai-http"
            with pytest.raises(Error, match=r"silent.*Hi there"):
                await job(found, None)

    with speaking(body=bytes(30_000)) as server:
        asyncio.run(main(server.url))


@pytest.mark.slow
def test_eight_jobs_with_eight_voices_are_not_mixed_and_another_voice_asks_nothing(monkeypatch):
    async def main(url, server):
        monkeypatch.setenv("LIPSTREAM_SPEECH_URL", url)
        monkeypatch.setenv("LIPSTREAM_SPEECH_VOICES", '["' + '", "'.join(VOICES) + '"]')
        async with EnginePool(weights={"speech_url"}) as pool:
            heart = await pool.speech("auto", "heart", {"en"})
            assert heart.name == "hibari"
            await job(heart, "heart")
            assert server.asked == []
            found = await pool.speech("auto", "v5")
            assert found.name == "openai-http"
            return await asyncio.gather(*(job(found, voice) for voice in VOICES))

    with speaking(pieces=1000) as server:
        sounds = asyncio.run(main(server.url, server))
    pause = np.zeros(int(0.3 * RATE), np.float32)
    for voice, sound in zip(VOICES, sounds, strict=True):
        once = np.concatenate([full(hummed(TEXT, voice)), pause])
        assert np.array_equal(sound, np.concatenate([once, once]))


def test_settings_that_cannot_be_and_servers_that_are_not_there_are_told():
    for url in ("127.0.0.1:8880", "ftp://a/v1", "http://", "http://a:port/v1"):
        with pytest.raises(BadInput, match="speech_url is like"):
            engine(url)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(EngineUnavailable, match=r"does not answer.*speech_url"):
        engine(f"http://127.0.0.1:{port}/v1")
    with speaking() as server:
        with pytest.raises(BadInput, match="speech_voices"):
            engine(server.url, speech_voices=())
        with pytest.raises(BadInput, match="speech_key"):
            engine(server.url, speech_key="a\nb")
        with pytest.raises(BadInput, match="there is no voice 'v9'"):
            heard(engine(server.url), "v9")
    assert "the setting speech_url" in ENGINES["speech"]["openai-http"].missing()
