"""The progress protocol on real sockets: what is seen, in which order, and after every kind of cut."""

import asyncio
import json
import random
from contextlib import asynccontextmanager

import aiohttp
import pytest

from server.schemas.events import EVENTS
from server.schemas.responses import Job
from server.stream import progress as module
from tests.support.serving import SLOW, data_dir, library, run, served

__all__ = ["data_dir", "library"]  # fixtures

LONG = "This sentence is said again and again. " * 40
MEDIUM = "This is a sentence. And here is another one."


async def messages(socket):
    """All messages until the server closes; the code it closes with is `socket.close_code`."""
    return [json.loads(message.data) async for message in socket]


def check_log(seen, first=1):
    """The events of one job's log among `seen`: dense from `first`, of known shape, one end, last."""
    events = [m for m in seen if m["seq"]]
    assert [m["seq"] for m in events] == list(range(first, first + len(events)))
    for event in events:
        assert set(event) == {"type", "seq", "ts", "job_id", "data"}
        EVENTS[event["type"]].model_validate(event["data"])
    ends = [m["type"] for m in events if m["type"] in ("job.completed", "job.failed", "job.cancelled")]
    assert ends == [events[-1]["type"]]
    return events


@pytest.mark.slow
async def test_a_follower_sees_a_snapshot_and_then_every_event_once(data_dir):
    async with served(data_dir) as it:
        job = await it.video(MEDIUM, **SLOW)
        async with it.http.ws_connect(f"/v1/jobs/{job}/events") as socket:
            seen = await messages(socket)
            assert socket.close_code == 1000
        assert seen[0]["type"] == "job.snapshot"
        Job.model_validate(seen[0]["data"]["job"])
        events = check_log(seen)
        types = [m["type"] for m in events]
        assert types[:2] == ["job.queued", "job.started"]
        assert types[-1] == "job.completed"
        for stage in ("prepare", "tts", "lipsync", "enhance", "encode"):
            told = [m["type"] for m in events if m["data"].get("stage") == stage]
            assert told == ["stage.started", "stage.finished"], stage
        for type in ("video.init", "audio.segment", "subtitle.cue", "job.progress"):
            assert type in types
        overall = [m["data"]["overall"] for m in events if m["type"] == "job.progress"]
        assert overall[-1] == 1.0
        ticks = [m["ts"] for m in events if m["type"] == "job.progress"]
        assert len(ticks) <= 2 + 5.5 * (ticks[-1] - ticks[0])  # coalesced
        cues = " ".join(m["data"]["text"] for m in events if m["type"] == "subtitle.cue")
        words = [m["data"] for m in events if m["type"] == "subtitle.word"]
        assert [word["index"] for word in words] == list(range(len(words)))
        assert " ".join(word["text"] for word in words) == cues
        assert all(word["start_s"] < word["end_s"] for word in words)
        assert cues.replace("\n", " ") == MEDIUM
        # The same again afterwards, from the record.
        async with it.http.ws_connect(f"/v1/jobs/{job}/events") as socket:
            again = await messages(socket)
        assert again[1:] == [m for m in seen if m["seq"]]
        async with it.http.ws_connect(f"/v1/jobs/{job}/events?after={events[-1]['seq']}") as socket:
            (snapshot,) = await messages(socket)
            assert (snapshot["type"], socket.close_code) == ("job.snapshot", 1000)


def test_faces_are_enhanced_while_speech_is_still_coming(data_dir):
    async def main():
        async with served(data_dir) as it:
            job = await it.video(LONG)
            async with it.http.ws_connect(f"/v1/jobs/{job}/events") as socket:
                async for message in socket:
                    event = message.json()
                    stages = event["data"].get("stages", {}) if event["type"] == "job.progress" else {}
                    if stages and stages["enhance"]["done"] and stages["encode"]["done"]:
                        break
            await it.post(f"/v1/jobs/{job}/cancel", 200)
            return stages

    stages = run(main())
    assert stages["tts"]["state"] == "running"
    assert stages["tts"]["done"] > stages["enhance"]["done"] > 0


async def read_sse(response):
    """Server-sent events as (id, type, data)."""
    events, fields = [], {}
    async for line in response.content:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name:
            fields[name] = value
        elif fields:
            if "data" in fields:
                events.append((fields.get("id"), fields["event"], json.loads(fields["data"])))
            fields = {}
    return events


@pytest.mark.slow
async def test_server_sent_events_are_the_same_events(data_dir):
    async with served(data_dir) as it:
        job = await it.video(MEDIUM)
        async with it.http.get(f"/v1/jobs/{job}/events") as response:
            assert response.content_type == "text/event-stream"
            seen = await read_sse(response)
        async with it.http.ws_connect(f"/v1/jobs/{job}/events") as socket:
            told = await messages(socket)
        assert [(None if not m["seq"] else str(m["seq"]), m["type"]) for m in told] == [s[:2] for s in seen]
        assert [s[2] for s in seen[1:]] == told[1:]
        headers = {"Last-Event-ID": "3"}
        async with it.http.get(f"/v1/jobs/{job}/events", headers=headers) as response:
            assert [s[2] for s in await read_sse(response)][1:] == told[4:]
        for odd in ("", "9" * 16, "9" * 40):  # from a log that was another, or none
            headers = {"Last-Event-ID": odd}
            async with it.http.get(f"/v1/jobs/{job}/events", headers=headers) as response:
                whole = await read_sse(response)
                assert [one[1] for one in whole[: -len(told)]] == ["resync"] * bool(odd)
                assert [one[2] for one in whole[-len(told) + 1 :]] == told[1:]
        # An EventSource comes back after the end; 204 tells it to leave it.
        headers = {"Last-Event-ID": str(told[-1]["seq"])}
        async with it.http.get(f"/v1/jobs/{job}/events", headers=headers) as response:
            assert response.status == 204


@pytest.mark.slow
async def test_cut_anywhere_and_resumed_no_event_is_missed_or_doubled(data_dir):
    rng = random.Random(11)  # noqa: S311  # a test's dice
    async with served(data_dir) as it:
        job, events, cuts = await it.video(MEDIUM, **SLOW), [], 0
        while not events or events[-1]["type"] != "job.completed":
            after = events[-1]["seq"] if events else 0
            async with it.http.ws_connect(f"/v1/jobs/{job}/events?after={after}") as socket:
                for _ in range(rng.randrange(1, 5)):
                    message = await socket.receive()
                    if message.type is not aiohttp.WSMsgType.TEXT:
                        break
                    if (told := json.loads(message.data))["seq"]:
                        events.append(told)
                if (connection := socket._response.connection) is not None:
                    connection.transport.abort()
            cuts += 1
        check_log(events)
        assert cuts > 4


@asynccontextmanager
async def talk(it):
    """A socket for many jobs, past its first message; `ask` sends, `hear` receives."""
    async with it.http.ws_connect("/v1/ws") as socket:
        first = await socket.receive_json()
        assert (first["type"], first["seq"], first["job_id"]) == ("session.created", 0, None)
        assert first["data"]["protocol"] == 1
        yield socket


async def hear_end(socket, *jobs):
    """Messages until each of the jobs has ended."""
    seen, open_jobs = [], set(jobs)
    while open_jobs:
        message = await socket.receive_json(timeout=20)
        seen.append(message)
        if message["type"] in ("job.completed", "job.failed", "job.cancelled"):
            open_jobs.discard(message["job_id"])
    return seen


@pytest.mark.slow
async def test_one_socket_follows_many_jobs(data_dir):
    async with served(data_dir) as it, talk(it) as socket:
        jobs = [await it.video(MEDIUM) for _ in range(3)]
        await socket.send_json({"type": "subscribe", "job_ids": jobs})
        seen = await hear_end(socket, *jobs)
        for job in jobs:
            mine = [m for m in seen if m["job_id"] == job]
            assert mine[0]["type"] == "job.snapshot"
            check_log(mine)
        last = seen[-1]["seq"]
        job = seen[-1]["job_id"]
        await socket.send_json({"type": "subscribe", "job_ids": [job], "after": {job: last - 2}})
        again = [await socket.receive_json() for _ in range(3)]
        assert [m["seq"] for m in again] == [0, last - 1, last]
        await socket.send_json({"type": "ping", "ref": "x"})
        pong = await socket.receive_json()
        assert (pong["type"], pong["data"]) == ("pong", {"ref": "x"})


@pytest.mark.slow
async def test_a_monitor_hears_of_all_jobs_those_to_come_too(data_dir):
    async with served(data_dir) as it, talk(it) as socket:
        ended = await it.video("Over.")
        await it.ended(ended)
        running = await it.video(MEDIUM, **SLOW)
        await it.begun(running)
        await socket.send_json({"type": "subscribe", "job_ids": "*"})
        first = await socket.receive_json()
        assert (first["type"], first["job_id"]) == ("job.snapshot", running)
        new = await it.video(MEDIUM)
        seen = await hear_end(socket, running, new)
        assert {m["job_id"] for m in seen} == {running, new}
        check_log([m for m in seen if m["job_id"] == new])
        check_log([m for m in seen if m["job_id"] == running], first["data"]["last_seq"] + 1)
        await socket.send_json({"type": "unsubscribe", "job_ids": "*"})
        await socket.send_json({"type": "ping"})
        assert (await socket.receive_json())["type"] == "pong"
        await it.ended(await it.video("Unheard."))
        await socket.send_json({"type": "ping"})
        assert (await socket.receive_json())["type"] == "pong"


@pytest.mark.slow
async def test_a_monitor_that_comes_between_two_events_hears_each_once(data_dir, monkeypatch):
    async with served(data_dir) as it, talk(it) as socket:
        running = await it.video(MEDIUM, **SLOW)
        await it.begun(running)
        store, listed = it.state.store, it.state.store.list

        async def after_the_next_event(**asked):
            before = (await store.get(running)).last_seq
            while (await store.get(running)).last_seq == before:  # noqa: ASYNC110  # bounded by the test
                await asyncio.sleep(0.01)
            return await listed(**asked)

        monkeypatch.setattr(store, "list", after_the_next_event)
        await socket.send_json({"type": "subscribe", "job_ids": "*"})
        first = await socket.receive_json()
        seen = await hear_end(socket, running)
        check_log(seen, first["data"]["last_seq"] + 1)


@pytest.mark.slow
async def test_a_monitor_goes_on_where_it_is_in_a_job_it_follows_already(data_dir):
    async with served(data_dir) as it, talk(it) as socket:
        running = await it.video(MEDIUM, **SLOW)
        await it.begun(running)
        await socket.send_json({"type": "subscribe", "job_ids": [running], "after": 1})
        await socket.send_json({"type": "subscribe", "job_ids": "*"})
        check_log(await hear_end(socket, running), 2)


async def test_a_job_can_be_cancelled_over_the_socket(data_dir):
    async with served(data_dir) as it, talk(it) as socket:
        job = await it.video(LONG, **SLOW)
        await it.begun(job)
        await socket.send_json({"type": "subscribe", "job_ids": [job], "after": 10_000})
        told = [await socket.receive_json(), await socket.receive_json()]
        assert [m["type"] for m in told] == ["resync", "job.snapshot"]  # it knew more than there is
        await socket.send_json({"type": "job.cancel", "job_id": job})
        seen = await asyncio.wait_for(hear_end(socket, job), 3)
        assert check_log(seen)[-1]["type"] == "job.cancelled"
        await socket.send_json({"type": "job.cancel", "job_id": "nobody", "ref": "r"})
        error = await socket.receive_json()
        assert (error["type"], error["data"]["code"], error["data"]["ref"]) == (
            "error",
            "unknown_job",
            "r",
        )


BAD = [
    "{",
    "null",
    "[]",
    "[" * 10_000,
    '{"type": "odd"}',
    '{"type": "subscribe"}',
    '{"type": "subscribe", "job_ids": []}',
    '{"type": "subscribe", "job_ids": "all"}',
    '{"type": "subscribe", "job_ids": ["a\\u0000"]}',
    '{"type": "subscribe", "job_ids": [1]}',
    '{"type": "subscribe", "job_ids": ["a"], "after": -1}',
    '{"type": "ping", "extra": 1}',
]


async def test_bad_messages_are_answered_and_too_many_end_the_talk(data_dir):
    async with served(data_dir) as it:
        for bad in BAD:
            async with talk(it) as socket:
                await socket.send_str(bad)
                answer = await socket.receive_json()
                assert (answer["type"], answer["data"]["code"]) == ("error", "bad_message"), bad
                for internal in ("function-", "constrained-", " at 0x"):
                    assert internal not in answer["data"]["message"], answer
                await socket.send_str('{"type": "subscribe", "job_ids": ["nobody"], "ref": "7"}')
                answer = await socket.receive_json()
                assert (answer["data"]["code"], answer["data"]["ref"]) == ("unknown_job", "7")
        async with talk(it) as socket:
            await socket.send_bytes(b"\x00")
            assert (await socket.receive_json())["data"]["code"] == "bad_message"
            for _ in range(module.PATIENCE):
                await socket.send_str("bad")
            await messages(socket)
            assert socket.close_code == 1008
        async with talk(it) as socket:
            await socket.send_str("x" * (module.MESSAGE_LIMIT + 1))
            await messages(socket)
            assert socket.close_code == 1009
        async with talk(it) as socket:
            ids = [f"j{n}" for n in range(100)]
            await socket.send_json({"type": "subscribe", "job_ids": ids})
            assert (await socket.receive_json())["data"]["code"] == "unknown_job"


async def test_there_is_an_end_to_how_many_may_watch(data_dir, caplog):
    async with served(data_dir, lines=3) as it:
        job = await it.video(LONG, **SLOW)
        await it.begun(job)
        sockets = [await it.http.ws_connect(f"/v1/jobs/{job}/events") for _ in range(3)]
        for path in ("/v1/ws", f"/v1/jobs/{job}/events", f"/v1/jobs/{job}/stream"):
            async with it.http.ws_connect(path) as late:
                assert await messages(late) == []
                assert late.close_code == 1013
        for path in ("events", "stream"):
            error = await it.get(f"/v1/jobs/{job}/{path}", 503)
            assert error["error"]["code"] == "too_many_sockets"
        # There may be very many of them: a line each.
        lines = [record for record in caplog.records if "too_many_sockets" in record.getMessage()]
        assert len(lines) == 2
        assert not any(record.exc_info or "\n" in record.getMessage() for record in lines)
        for socket in sockets:
            await socket.close()
        async with it.http.ws_connect("/v1/ws") as late:
            assert (await late.receive_json())["type"] == "session.created"


async def test_a_quiet_line_shows_signs_of_life(data_dir, monkeypatch):
    monkeypatch.setattr(module, "HEARTBEAT_S", 0.05)

    async with served(data_dir, jobs=1) as it:
        running = await it.video(LONG, **SLOW)
        waiting = await it.video("Waiting.")
        async with talk(it) as socket:
            assert (await socket.receive_json())["type"] == "heartbeat"
        async with it.http.get(f"/v1/jobs/{waiting}/events") as response:
            text = b""
            while b": heartbeat" not in text:
                text += await response.content.readany()
        await it.post(f"/v1/jobs/{running}/cancel", 200)
        assert check_log([m for m in await log(it, waiting)])


async def log(it, job):
    """The whole log of a job, once it has ended."""
    await it.ended(job)
    async with it.http.ws_connect(f"/v1/jobs/{job}/events") as socket:
        return await messages(socket)


async def test_the_end_of_a_deleted_job_keeps_nobody_waiting(data_dir):
    async with served(data_dir) as it, talk(it) as socket:
        job = await it.video("Soon gone.")
        await it.ended(job)
        await socket.send_json({"type": "subscribe", "job_ids": [job]})
        await hear_end(socket, job)
        async with it.http.delete(f"/v1/jobs/{job}") as response:
            assert response.status == 200
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await it.http.ws_connect(f"/v1/jobs/{job}/events")


def test_every_id_of_a_subscription_is_answered(data_dir):
    async def main():
        async with served(data_dir) as it:
            one, two = await it.video(), await it.video()
            await it.ended(one)
            await it.ended(two)
            async with it.http.ws_connect("/v1/ws") as socket:
                await socket.receive()
                ids = [one, "nobody", two, "nobody either", one]
                await socket.send_json({"type": "subscribe", "job_ids": ids, "after": 10_000, "ref": "r"})
                await socket.send_json({"type": "ping", "ref": "end"})
                told = []
                while not told or told[-1]["type"] != "pong":
                    told.append(await socket.receive_json(timeout=10))
            return (
                one,
                two,
                [(m["type"], m["job_id"]) for m in told if m["type"] in ("job.snapshot", "error")],
            )

    one, two, told = run(main())
    assert [m for m in told if m[0] == "error"] == [("error", "nobody"), ("error", "nobody either")]
    assert [m for m in told if m[0] == "job.snapshot"] == [("job.snapshot", one), ("job.snapshot", two)]


@pytest.mark.parametrize("kind", ["ping", "nope", "subscribe"])
def test_half_a_character_is_a_bad_message_and_no_more(data_dir, kind, caplog):
    async def main():
        async with served(data_dir) as it, it.http.ws_connect("/v1/ws") as socket:
            await socket.receive()
            await socket.send_str(f'{{"type": "{kind}", "job_ids": ["\\ud800"], "ref": "\\ud800"}}')
            assert (await socket.receive_json(timeout=10))["type"] == "error"
            await socket.send_json({"type": "ping", "ref": "still there"})
            assert (await socket.receive_json(timeout=10))["data"]["ref"] == "still there"

    run(main())
    assert "Traceback" not in caplog.text
