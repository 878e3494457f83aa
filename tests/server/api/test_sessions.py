"""Live sessions of a real server: what is said, seen and told, and what cannot be done."""

import io

import av
import numpy as np
import pytest

from tests.support.serving import data_dir, library, served
from tests.support.sessions import SIZE, begun, controlled, length_of, seconds_of

pytestmark = pytest.mark.slow  # nearly each makes a video or starts a process

__all__ = ["data_dir", "library"]  # fixtures


async def test_a_session_speaks_what_is_said_and_tells_it(data_dir):
    async with served(data_dir) as it:
        session_id = await begun(it)
        async with controlled(it, session_id) as control:
            await control.say("say", text="Hello there.", ref="a")
            await control.hear("session.idle")
            events = control.events()
            await control.say("text.delta", text="One two ")
            await control.say("text.delta", text="three.")
            await control.say("text.done")
            await control.hear("session.idle")
            second = control.events()[len(events) :]
        queued, started, *_, ended, idle = events
        assert queued["data"] == {"utterance": 1, "ref": "a"}
        assert started["type"] == "speech.started"
        assert started["data"]["at_s"] == pytest.approx(started["data"]["frame"] / 25, abs=0.001)
        assert 0 < started["data"]["after_s"] < 10
        said = {"utterance": 1, "interrupted": False, "text_spoken": "Hello there."}
        assert {k: v for k, v in ended["data"].items() if k != "position_s"} == said
        assert ended["data"]["position_s"] == pytest.approx(0.04 * 12, abs=0.3)
        assert idle["data"] == {}
        assert second[0]["data"] == {"utterance": 2}
        assert second[-2]["data"]["text_spoken"] == "One two three."
        shown = await it.get(f"/v1/sessions/{session_id}")
        assert (shown["status"], shown["last_seq"]) == ("idle", second[-1]["seq"])
        assert (shown["picture"]["width"], shown["picture"]["fps"]) == (128, 25)
        assert shown["request"]["size"] == "128x128"
        listed = await it.get("/v1/sessions")
        assert [one["id"] for one in listed["data"]] == [session_id]


async def test_the_stream_is_joined_at_a_key_frame_and_has_the_sound(data_dir):
    async with served(data_dir) as it:
        session_id = await begun(it)
        await seconds_of(it, session_id, 1.5)
        async with controlled(it, session_id) as control:
            await control.say("say", text="Hello there, this is a voice. And here is more of it.")
            await control.hear("speech.started")
            data = await seconds_of(it, session_id, 2.0)
        with av.open(io.BytesIO(data)) as file:
            frames = list(file.decode(video=0))
        assert frames[0].key_frame
        assert frames[0].pts * frames[0].time_base >= 1  # in the time of the session
        steps = np.diff([float(frame.pts * frame.time_base) for frame in frames])
        assert np.allclose(steps, 0.04)
        with av.open(io.BytesIO(data)) as file:
            sound = np.concatenate([f.to_ndarray()[0] for f in file.decode(audio=0)])
        assert np.abs(sound).max() > 0.1


async def test_a_player_is_told_what_comes_and_gets_it(data_dir):
    async with served(data_dir) as it:
        session_id = await begun(it)
        async with it.http.ws_connect(f"/v1/sessions/{session_id}/stream") as socket:
            picture = await socket.receive_json(timeout=20)
            assert picture["mime"].startswith("video/mp4; codecs=")
            assert (picture["width"], picture["height"], picture["fps"]) == (128, 128, 25)
            init = (await socket.receive(timeout=20)).data
            assert init[4:8] == b"ftyp"
            data = init + b"".join([(await socket.receive(timeout=20)).data for _ in range(30)])
            assert (await it.get(f"/v1/sessions/{session_id}"))["viewers"] == 1
            await it.http.delete(f"/v1/sessions/{session_id}")
            async for _ in socket:
                pass
            assert socket.close_code == 1000
        assert length_of(data) > 0.3
        assert (await it.get(f"/v1/sessions/{session_id}", 404))["error"]["code"] == "unknown_session"


async def test_an_interrupt_stops_at_once_and_what_comes_next_is_said(data_dir):
    async with served(data_dir) as it:
        session_id = await begun(it)
        async with controlled(it, session_id) as control:
            await control.say("interrupt")  # when idle
            await control.say("say", text="This is said for quite a while. " * 20)
            await control.say("say", text="Never said.")
            await control.hear("speech.started")
            await control.say("interrupt")
            await control.say("interrupt")
            await control.hear("session.idle")
            ended = [e["data"] for e in control.events() if e["type"] == "speech.ended"]
            assert [(e["utterance"], e["interrupted"]) for e in ended] == [(1, True), (2, True)]
            assert ended[0]["position_s"] < 5
            assert ("This is said for quite a while. " * 20).startswith(ended[0]["text_spoken"])
            assert ended[1]["position_s"] == 0
            await control.say("say", text="Before the first picture of it.")
            await control.say("interrupt")
            await control.hear("session.idle")
            await control.say("say", text="And on.")
            await control.hear("session.idle")
            assert control.events()[-2]["data"]["text_spoken"] == "And on."


async def test_who_comes_back_misses_nothing(data_dir):
    async with served(data_dir) as it:
        session_id = await begun(it)
        async with controlled(it, session_id, "?after=0") as control:
            await control.say("say", text="One two three. Four five six.")
            await control.hear("speech.started")
            known = control.events()
        assert known[0]["type"] == "session.ready"
        async with controlled(it, session_id, f"?after={known[-1]['seq']}") as control:
            await control.hear("session.idle")
            rest = control.events()
        async with controlled(it, session_id, "?after=0") as control:
            await control.hear("session.idle")
            assert control.events() == known + rest
        async with it.http.ws_connect(f"/v1/sessions/{session_id}?after=5000") as socket:
            resync = await socket.receive_json()
            assert (resync["type"], resync["data"]["after"]) == ("resync", 5000)
            assert (await socket.receive_json())["type"] == "session.snapshot"
            assert (await socket.receive_json())["seq"] == 1


async def test_the_session_ends_once_nobody_wants_it(data_dir):
    async with served(data_dir, sessions=1) as it:
        session_id = await begun(it, idle_s=1)
        async with it.http.post("/v1/sessions", json=SIZE) as response:
            assert response.status == 429
            assert int(response.headers["Retry-After"]) > 0
            assert (await response.json())["error"]["code"] == "too_many_sessions"
        async with controlled(it, session_id) as control:
            await seconds_of(it, session_id, 1.5)  # a viewer keeps it
            ended = await control.hear("session.ended")
            assert ended["data"] == {"reason": "idle"}
            assert (await control.socket.receive()).data == 1000
        assert (await it.get(f"/v1/sessions/{session_id}"))["status"] == "ended"
        async with it.http.get(f"/v1/sessions/{session_id}/stream.mp4") as response:
            assert response.status == 409
        async with controlled(it, session_id, f"?after={ended['seq'] - 1}") as control:
            assert await control.hear("session.ended") == ended
        await begun(it)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"template": "nobody"}, "unknown_template"),
        ({"voice": "nobody"}, "unknown_voice"),
        ({"engines": {"speech": "nothing"}}, "unknown_engine"),
        ({"engines": {"lipsync": "nothing"}}, "unknown_engine"),
        ({"size": "127x128"}, "invalid_request"),
        ({"idle_s": 0}, "invalid_request"),
        ({"text": "Hello"}, "invalid_request"),
    ],
)
async def test_what_cannot_be_had_is_refused_and_takes_no_room(data_dir, request_, code):
    async with served(data_dir, sessions=1) as it:
        refused = await it.post("/v1/sessions", 422, request_)
        assert refused["error"]["code"] == code
        assert (await it.get("/v1/sessions"))["data"] == []
        await begun(it)


BAD = [
    ("nonsense", "bad_message"),
    ("[]", "bad_message"),
    ('{"type": "dance"}', "bad_message"),
    ('{"type": "say"}', "bad_message"),
    ('{"type": "say", "text": " "}', "bad_message"),
    ('{"type": "say", "text": 5}', "bad_message"),
    ('{"type": "say", "text": "a", "loud": true}', "bad_message"),
    ('{"type": "text.delta", "text": "\\ud800"}', "bad_message"),
]


async def test_bad_messages_are_answered_and_end_nothing(data_dir):
    async with served(data_dir) as it:
        session_id = await begun(it)
        async with controlled(it, session_id) as control:
            for text, code in BAD * 3:
                await control.socket.send_str(text)
                told = await control.hear("error")
                assert (told["seq"], told["data"]["code"]) == (0, code), text
            await control.say("dance", ref="7")
            assert (await control.hear("error"))["data"]["ref"] == "7"
            await control.say("say", text="a" * 30_000)
            told = await control.hear("error")
            assert told["data"]["code"] == "text_waiting"
            await control.say("ping", ref="8")
            assert (await control.hear("pong"))["data"] == {"ref": "8"}
            await control.say("say", text="Still here.")
            await control.hear("session.idle")
            assert control.events()[-2]["data"]["text_spoken"] == "Still here."
            await control.socket.send_str("x" * (3 << 20))
            async for _ in control.socket:
                pass
            assert control.socket.close_code == 1009
        async with controlled(it, session_id) as control:
            await control.say("say", text="Still here.")
            await control.hear("session.idle")
