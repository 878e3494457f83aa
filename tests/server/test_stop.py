"""The server as a process: stopped in good order, killed, and started again on what it left."""

import asyncio
import io
import json
import os
import random
import signal
import sqlite3
import sys
import textwrap
import time
from contextlib import asynccontextmanager, closing

import aiohttp
import av
import psutil
import pytest

from tests.support.children import child
from tests.support.crowds import write_group
from tests.support.serving import data_dir, library, run

__all__ = ["data_dir", "library"]  # fixtures

MAIN = """
    import sys
    from pathlib import Path
    from core.engines import ENGINES, EngineSpec
    for name, target in (("choir", "Choir"), ("slow", "SlowChoir"), ("stuck", "StuckChoir")):
        ENGINES["speech"][name] = EngineSpec(f"tests.support.choir:{target}", "for tests")
    ENGINES["enhance"]["held"] = EngineSpec("tests.support.enhancers:HeldByFile", "for tests")
    import os
    from server import app
    from server.app import run
    app.LAST_S = float(os.environ.get("LAST_S", app.LAST_S))
    from server.settings import ServerSettings
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    settings = ServerSettings(data_dir=folder, port=port, speech="choir", jobs=1, ballast_mb=0)
    run(settings, lambda address: print(address, flush=True))
"""

TEXT = "This is said slowly, so that there is time to end the server. And this is said after that."


class Process:
    """A server in a process of its own, and a client of it."""

    def __init__(self, process, url, http):
        self.process, self.url, self.http = process, url, http

    async def post(self, **request):
        async with self.http.post("/v1/videos", json=request) as response:
            assert response.status == 202, await response.text()
            return (await response.json())["id"]

    async def job(self, job_id):
        async with self.http.get(f"/v1/jobs/{job_id}") as response:
            return await response.json()

    async def end(self, number):
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 15)


def started(folder, port=0):
    return child(
        sys.executable,
        *("-W", "error", "-c", textwrap.dedent(MAIN), str(folder), str(port)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        umask=0,
    )


@asynccontextmanager
async def running(folder, port=0):
    async with started(folder, port) as process:
        url = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()
        assert url, "it did not start"
        async with aiohttp.ClientSession(url) as http:
            while True:
                async with http.get("/readyz") as response:
                    if response.status == 200:
                        break
                await asyncio.sleep(0.02)
            yield Process(process, url, http)


async def follow(url, job, seen, codes):
    """Keep a socket to the job's events, coming back until its end, like a client should."""
    async with aiohttp.ClientSession() as http:
        while not seen or seen[-1]["type"] not in ("job.completed", "job.failed", "job.cancelled"):
            after = seen[-1]["seq"] if seen else 0
            try:
                async with http.ws_connect(f"{url}/v1/jobs/{job}/events?after={after}") as socket:
                    async for message in socket:
                        told = json.loads(message.data)
                        assert told["type"] != "resync"
                        if told["seq"]:
                            seen.append(told)
                    codes.append(socket.close_code)
            except aiohttp.ClientError:
                await asyncio.sleep(0.03)


async def grown(seen, count):
    """Wait until the follower has seen so many events, and that a frame has been made."""

    def made():
        return any(m["type"] == "job.progress" and m["data"]["overall"] for m in seen)

    while len(seen) < count or not made():  # noqa: ASYNC110  # bounded by the test's own limit
        await asyncio.sleep(0.01)


async def seen_of(http, session_id, after, until):
    """What a session's socket says from `after` on, up to the first message of type `until`."""
    async with http.ws_connect(f"/v1/sessions/{session_id}?after={after}") as socket:
        seen = []
        while not seen or seen[-1]["type"] != until:
            seen.append(await socket.receive_json(timeout=20))
            if seen[-1]["type"] == "session.snapshot" and until == "session.idle":
                await socket.send_json({"type": "say", "text": "One two."})
        return seen


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_live_session_is_there_again_after_the_server(data_dir, number):
    async with running(data_dir) as it:
        port = int(it.url.rpartition(":")[2])
        async with it.http.post("/v1/sessions", json={"size": "128x128"}) as response:
            session_id = (await response.json())["id"]
        known = (await seen_of(it.http, session_id, 0, "session.idle"))[-1]["seq"]
        socket = await it.http.ws_connect(f"/v1/sessions/{session_id}")
        await socket.send_json({"type": "say", "text": TEXT})
        while (told := await socket.receive_json(timeout=20))["type"] != "speech.started":
            known = max(known, told["seq"])

        async def rest():
            return [message.json()["seq"] async for message in socket]

        reading, began = asyncio.create_task(rest()), time.monotonic()
        await it.end(number)
        assert time.monotonic() - began < 10
        known = max(known, told["seq"], *await reading)
        assert socket.close_code == (1012 if number == signal.SIGTERM else 1006)
    async with running(data_dir, port) as it:
        seen = await seen_of(it.http, session_id, known, "session.ready")
        if number == signal.SIGTERM:
            assert [m["type"] for m in seen] == ["session.snapshot", "session.ready"]
            assert seen[-1]["seq"] == known + 1
        else:  # some events are lost, and the client is told so
            assert [m["type"] for m in seen] == ["resync", "session.snapshot", "session.ready"]
        again = await seen_of(it.http, session_id, seen[-1]["seq"], "session.idle")
        assert again[0]["data"]["session"]["status"] == "idle"
        assert next(m for m in again if m["type"] == "speech.ended")["data"]["text_spoken"] == "One two."
        async with it.http.delete(f"/v1/sessions/{session_id}") as response:
            assert response.status == 200
        await it.end(signal.SIGTERM)
    async with running(data_dir, port) as it, it.http.get("/v1/sessions") as response:
        assert (await response.json())["data"] == []


@pytest.mark.slow
async def test_a_job_outlives_three_kills_and_its_follower_misses_nothing(data_dir):
    rng, seen, port, job, follower = random.Random(7), [], 0, None, None  # noqa: S311  # a test's dice
    for kill in range(4):
        async with running(data_dir, port) as it:
            port = int(it.url.rpartition(":")[2])
            if job is None:
                job = await it.post(text=TEXT * 3, options={"engines": {"speech": "slow"}})
                follower = asyncio.create_task(follow(it.url, job, seen, []))
            if kill == 3:
                await asyncio.wait_for(follower, 30)
                done = await it.job(job)
                assert (done["status"], done["attempt"]) == ("completed", 4)
                async with it.http.get(done["outputs"][-1]["url"]) as response:
                    assert len(await response.read()) == done["outputs"][-1]["bytes"]
                break
            await grown(seen, len(seen) + 6 + rng.randrange(8))
            assert await it.end(signal.SIGKILL) == -signal.SIGKILL
    assert [m["seq"] for m in seen] == list(range(1, len(seen) + 1))
    types = [m["type"] for m in seen]
    assert (types.count("job.started"), types.count("job.completed")) == (4, 1)


@pytest.mark.slow
def test_an_enhancement_outlives_a_kill_and_is_made_again_whole(data_dir, tmp_path, monkeypatch):
    video = write_group(
        tmp_path / "one.mp4", lambda k: [(60, 40)], size=(320, 240), head=130, frames=60, sound=True
    )
    monkeypatch.setenv("GO_ON", str(tmp_path / "go on"))

    async def main():
        form, seen = aiohttp.FormData(), []
        form.add_field("file", video.read_bytes(), filename="one.mp4")
        form.add_field("request", '{"engine": "held", "every": 2}')
        async with running(data_dir) as it:
            async with it.http.post("/v1/enhancements", data=form) as response:
                job = (await response.json())["id"]
            follower = asyncio.create_task(follow(it.url, job, seen, []))
            await asyncio.wait_for(grown(seen, 4), 30)
            # What reads the video, if it is not through with it.
            children = psutil.Process(it.process.pid).children(recursive=True)
            assert await it.end(signal.SIGKILL) == -signal.SIGKILL
        _, left = await asyncio.to_thread(psutil.wait_procs, children, 10)
        assert not left
        (tmp_path / "go on").touch()
        async with running(data_dir, int(it.url.rpartition(":")[2])) as it:
            await asyncio.wait_for(follower, 30)
            async with it.http.get(f"/v1/jobs/{job}/stream") as response:
                return await it.job(job), seen, await response.read()

    done, seen, growing = run(main(), 90)
    assert (done["status"], done["attempt"]) == ("completed", 2)
    assert done["metrics"]["frames"] == 60
    assert [m["seq"] for m in seen] == list(range(1, len(seen) + 1))
    assert [m["type"] for m in seen].count("job.started") == 2
    with av.open(io.BytesIO(growing)) as file:
        assert sum(1 for _ in file.decode(video=0)) == 60


@pytest.mark.slow
async def test_sigterm_stops_in_good_order_and_the_next_start_goes_on(data_dir):
    seen, codes = [], []
    async with running(data_dir) as it:
        port = int(it.url.rpartition(":")[2])
        job = await it.post(text=TEXT * 6, options={"engines": {"speech": "slow"}})
        waiting = await it.post(text="After that.")
        follower = asyncio.create_task(follow(it.url, job, seen, codes))
        async with it.http.ws_connect(f"/v1/jobs/{job}/stream") as stream:
            await stream.receive()
            async with started(data_dir) as second:  # on the same folder
                assert await asyncio.wait_for(second.wait(), 20) != 0
            it.process.send_signal(signal.SIGTERM)
            async for _ in stream:
                pass
            assert stream.close_code == 1012
        began = asyncio.get_running_loop().time()
        assert await asyncio.wait_for(it.process.wait(), 15) == 0
        assert asyncio.get_running_loop().time() - began < 5
    async with running(data_dir, port) as it:
        await asyncio.wait_for(follower, 30)
        assert (codes[0], codes[-1], set(codes)) == (1012, 1000, {1012, 1000})
        assert (await it.job(job))["status"] == "completed"
        queued = [m["data"] for m in seen if m["type"] == "job.queued"]
        assert queued[1]["reason"] == "server_stopped"
        await follow(it.url, waiting, [], [])
        assert (await it.job(waiting))["status"] == "completed"
        assert await it.end(signal.SIGTERM) == 0
    # With a umask of 0, what it keeps is for its own account alone.
    assert not [path for path in (data_dir / "server").rglob("*") if path.stat().st_mode & 0o077]
    assert [m["seq"] for m in seen] == list(range(1, len(seen) + 1))


@pytest.mark.slow
def test_what_is_no_http_is_answered_400_and_leaves_no_traceback_in_the_log(data_dir, capfd):
    async def main():
        async with running(data_dir) as it:
            host, _, port = it.url.removeprefix("http://").partition(":")
            for sent in (
                b"GET / HTTP/1.1\r\nA\0: b\r\n\r\n",
                b"\x16\x03\x01\r\n\r\n",
                b"GET /" + b"a" * 9999,
            ):
                reader, writer = await asyncio.open_connection(host, int(port))
                writer.write(sent)
                assert (await asyncio.wait_for(reader.readline(), 10)).split()[1] == b"400"
                writer.close()
                await writer.wait_closed()

    run(main())
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.slow
async def test_whatever_waits_in_line_hears_that_the_server_stops_and_keeps_it_from_nothing(data_dir):
    async with running(data_dir) as it:
        running_job = {"text": TEXT * 10, "options": {"engines": {"speech": "slow"}}}

        async def streamed(**request):
            async with it.http.post("/v1/videos?stream=true", json=request) as response:
                return response.status, await response.text() if response.status != 200 else ""

        first = asyncio.create_task(it.post(**running_job))
        job = await first
        waiting = [asyncio.create_task(streamed(text="After that.")) for _ in range(2)]
        plain = await it.post(text="And after that.")
        watched = asyncio.create_task(it.http.get(f"/v1/jobs/{plain}/stream"))
        while True:
            async with it.http.get("/v1/jobs?status=queued") as response:
                if len((await response.json())["data"]) == 3:
                    break
        assert (await it.job(job))["status"] == "in_progress"
        began = asyncio.get_running_loop().time()
        assert await it.end(signal.SIGTERM) == 0
        assert asyncio.get_running_loop().time() - began < 6
        for status, said in [*await asyncio.gather(*waiting), ((await watched).status, "stopping")]:
            assert status == 503
            assert "stopping" in said


@pytest.mark.slow
async def test_an_engine_that_hangs_keeps_no_server_from_ending(data_dir, monkeypatch):
    monkeypatch.setenv("LAST_S", "4")

    async with running(data_dir) as it:
        job = await it.post(text=TEXT, options={"engines": {"speech": "stuck"}})
        while (await it.job(job))["status"] != "in_progress":  # noqa: ASYNC110  # bounded by the limit
            await asyncio.sleep(0.02)
        children = psutil.Process(it.process.pid).children(recursive=True)
        began = asyncio.get_running_loop().time()
        assert await it.end(signal.SIGTERM) == 0
        assert asyncio.get_running_loop().time() - began < 8
        _, left = await asyncio.to_thread(psutil.wait_procs, children, 10)
        assert not left
    with closing(sqlite3.connect(data_dir / "server" / "jobs.db")) as record:
        assert record.execute("select status from jobs").fetchall() == [("queued",)]
