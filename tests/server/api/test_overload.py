"""Requests that come too many, too slowly, or never end: each is told so, and nobody else suffers."""

import asyncio
import json
import os
import re
import subprocess
import sys

import aiohttp
import cv2
import numpy as np
import pytest

from core.runtime.environment import child_environment
from server import uploads
from server.cli.serve import without_secrets
from server.errors import Refused
from server.turns import Turns
from tests.support.children import decoders
from tests.support.serving import SLOW, data_dir, library, served

__all__ = ["data_dir", "library"]  # fixtures

POSTS = [
    "/v1/videos",
    "/v1/lipsync",
    "/v1/enhancements",
    "/v1/templates",
    "/v1/templates/sample/prepare",
    "/v1/templates/sample/enlarge",
    "/v1/templates/sample/backgrounds",
    "/create-video/",
    "/process_sync/",
    "/process_video/",
]


async def answer_to_head(url, path):
    """What is answered to a POST of which nothing comes but its head."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
    writer.write(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n".encode())
    try:
        told = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        body = await reader.readexactly(int(re.search(rb"Content-Length: (\d+)", told)[1]))
    finally:
        writer.close()
    return int(told.split()[1]), json.loads(body)


@pytest.mark.slow
async def test_a_full_line_refuses_on_every_address_before_a_byte_of_the_body_has_come(data_dir):
    async with served(data_dir, jobs=1, waiting=1) as it:
        running = await it.video("Hello. " * 40, **SLOW)
        await it.begun(running)
        await it.video("Hello. " * 40, **SLOW)
        for path in POSTS:
            status, body = await answer_to_head(it.url, path)
            assert (status, body["error"]["code"]) == (429, "too_many_jobs"), path


@pytest.mark.parametrize("path", ["/v1/videos", "/v1/templates", "/v1/audio/speech", "/tts", "/v1/voices"])
async def test_a_body_that_stops_is_ended_with_408(data_dir, monkeypatch, path):
    monkeypatch.setattr(uploads, "SILENCE_S", 0.2)
    kinds = {
        "/v1/templates": "multipart/form-data; boundary=x",
        "/v1/voices": "multipart/form-data; boundary=x",
    }

    part = b"audio" if path == "/v1/voices" else b"file"

    async def stops():
        head = b'--x\r\nContent-Disposition: form-data; name="' + part + b'"; filename="a"\r\n\r\nabc'
        yield head if path in kinds else b"{"
        await asyncio.sleep(60)

    async with served(data_dir) as it:
        headers = {"Content-Type": kinds.get(path, "application/json")}
        async with it.http.post(path, data=stops(), headers=headers) as answer:
            assert answer.status == 408
            assert (await answer.json())["error"]["code"] == "body_too_slow"
            assert answer.headers["Connection"] == "close"
        assert not list((data_dir / "server" / "incoming").iterdir())


async def test_an_upload_that_trickles_is_ended(data_dir, monkeypatch):
    monkeypatch.setattr(uploads, "PATIENCE_S", 0.3)

    async def trickle():
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        while True:
            yield b"a"
            await asyncio.sleep(0.02)

    async with served(data_dir) as it:
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        async with it.http.post("/v1/templates", data=trickle(), headers=headers) as answer:
            assert answer.status == 408


async def test_speech_is_spoken_for_so_many_at_once_and_one_more_is_refused_unread(data_dir):
    async with served(data_dir, speaking=1) as it:
        said = {"input": "Good evening, all of you. " * 4, "model": "slow"}
        first = asyncio.create_task(it.http.post("/v1/audio/speech", json=said))
        second = asyncio.create_task(it.http.post("/v1/audio/speech", json=said))
        while it.state.speaking._here < 2:  # noqa: ASYNC110  # bounded by the test's own limit
            await asyncio.sleep(0.01)
        for path in ("/v1/audio/speech", "/tts", "/"):
            async with it.http.post(path, data=b"{") as answer:
                assert answer.status == 429, path
                assert answer.headers["Retry-After"]
        async with it.http.get("/tts?text=a") as answer:
            assert answer.status == 429
        for task in (first, second):
            async with await task as answer:
                assert answer.status == 200
                await answer.read()


@pytest.mark.slow
async def test_a_long_text_keeps_no_short_one_waiting(data_dir):
    async with served(data_dir) as it:
        long = {"text": "1/1" * 6000}
        reading = [asyncio.create_task(it.http.post("/v1/videos", json=long)) for _ in range(3)]
        await asyncio.sleep(0.05)
        await it.video("Hello.")
        assert not all(task.done() for task in reading)
        for task in reading:
            (await task).close()


@pytest.mark.slow
async def test_pictures_are_looked_at_two_at_a_time_however_many_come(data_dir):
    big = cv2.imencode(".png", np.zeros((3000, 4000, 4), np.uint8))[1].tobytes()

    async def send(it, k):
        form = aiohttp.FormData({"request": f'{{"name":"m{k}"}}'})
        form.add_field("image", big, filename="a.png")
        async with it.http.post("/v1/templates/sample/backgrounds", data=form) as answer:
            return answer.status

    async with served(data_dir, jobs=1) as it:
        sending = [asyncio.create_task(send(it, k)) for k in range(6)]
        most = 0
        while not all(task.done() for task in sending):
            most = max(most, len(decoders()))
            await asyncio.sleep(0.01)
        assert [task.result() for task in sending] == [202] * 6
        assert 0 < most <= 3  # one may be the job's own


async def test_turns_are_counted_and_given_back():
    turns = Turns(1, 1, "things")
    async with turns.turn():
        waiting = asyncio.create_task(turns.turn().__aenter__())
        await asyncio.sleep(0)
        with pytest.raises(Refused) as refused:
            turns.check()
        assert refused.value.status == 429
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        turns.check()
    async with turns.turn():
        pass


def test_children_that_open_foreign_files_know_none_of_our_secrets(monkeypatch):
    for name in ("LIPSTREAM_OSS_ACCESS_KEY_SECRET", "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY", "http_proxy"):
        monkeypatch.setenv(name, "secret")
    told = child_environment(OMP_NUM_THREADS="1")
    assert "secret" not in told.values()
    assert told["OMP_NUM_THREADS"] == "1"
    assert told["PATH"]


def test_engines_processes_inherit_none_of_the_server_s_secrets(monkeypatch):
    secrets = ("LIPSTREAM_OSS_ACCESS_KEY_SECRET", "oss_access_key_secret", "LIPSTREAM_WEBHOOK_SECRET")
    for name in (*secrets, "LIPSTREAM_SPEECH_KEY"):  # which an engine reads
        monkeypatch.setenv(name, "secret")
    told = [sys.executable, "-c", "import os; print(*os.environ)"]
    with without_secrets():
        inherited = subprocess.run(told, capture_output=True, text=True, check=True).stdout.split()
    assert not set(secrets) & set(inherited)
    assert "LIPSTREAM_SPEECH_KEY" in inherited
    assert all(os.environ[name] == "secret" for name in secrets)  # a server that starts itself anew has them
