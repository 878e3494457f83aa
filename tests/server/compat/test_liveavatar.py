"""LiveAvatar's LITE mode: a client that does what stock ones do, and a stock one where it is installed."""

import asyncio
import base64
from contextlib import asynccontextmanager

import numpy as np
import pytest

from tests.support.serving import data_dir, library, served
from tests.support.sessions import seconds_of
from tests.support.stage import until

__all__ = ["data_dir", "library"]  # fixtures

RATE = 24_000


def tone(seconds):
    return (9000 * np.sin(np.arange(round(seconds * RATE)) / 9)).astype("<i2").tobytes()


class Agent:
    """Sends its voice in pieces, as stock clients do."""

    def __init__(self, socket):
        self.socket, self.seen = socket, []

    async def say(self, type, **more):
        await self.socket.send_json({"type": type, "event_id": "e", **more})

    async def speak(self, seconds):
        for at in range(0, len(sound := tone(seconds)), 2 * RATE):
            await self.say("agent.speak", audio=base64.b64encode(sound[at : at + 2 * RATE]).decode())

    async def hear(self, type):
        while True:
            event = await self.socket.receive_json(timeout=20)
            self.seen.append(event["type"])
            if event["type"] == type:
                return event


async def begun(it):
    config = {"livekit_room": "r", "livekit_url": "wss://x", "livekit_client_token": "t"}
    asked = {"mode": "LITE", "avatar_id": "sample", "is_sandbox": False, "livekit_config": config}
    made = await it.post("/v1/sessions/token", 200, asked, headers={"X-API-KEY": "any"})
    data = made["data"]
    bearer = {"Authorization": f"Bearer {data['session_token']}"}
    begun = await it.post("/v1/sessions/start", 200, {"session_id": data["session_id"]}, headers=bearer)
    return data["session_id"], begun["data"]["ws_url"], bearer


@asynccontextmanager
async def talking(it):
    session_id, url, bearer = await begun(it)
    async with it.http.ws_connect(url) as socket:
        agent = Agent(socket)
        assert (await agent.hear("session.state_updated"))["state"] == "connected"
        yield agent, session_id, bearer


@pytest.mark.slow
async def test_an_agent_speaks_is_told_when_it_was_heard_and_stops(data_dir):
    async with served(data_dir) as it, talking(it) as (agent, session_id, bearer):
        await agent.speak(1.3)
        await agent.say("agent.speak_end")
        await agent.say("agent.start_listening")
        await agent.say("session.keep_alive")
        await agent.hear("agent.speak_started")
        assert len(await seconds_of(it, session_id, 0.5)) > 1000
        await agent.hear("agent.speak_ended")
        assert agent.seen == ["session.state_updated", "agent.speak_started", "agent.speak_ended"]
        asked = {"session_id": session_id, "reason": "USER_DISCONNECTED"}
        await it.post("/v1/sessions/stop", 401, asked)
        assert (await it.post("/v1/sessions/stop", 200, asked, headers=bearer))["code"] <= 200
        assert (await agent.hear("session.state_updated"))["state"] == "closed"
        await it.get(f"/v1/sessions/{session_id}", 404)


async def test_pipecat_names_the_session_by_its_token_alone(data_dir):
    async with served(data_dir) as it:
        asked = {"mode": "LITE", "avatar_id": "sample", "is_sandbox": False}
        asked["video_settings"] = {"encoding": "VP8", "quality": "high"}
        made = await it.post("/v1/sessions/token", 200, asked, headers={"X-API-KEY": "any"})
        bearer = {"Authorization": f"Bearer {made['data']['session_token']}"}
        started = await it.post("/v1/sessions/start", 200, headers=bearer)
        told = {"livekit_url": str, "livekit_client_token": str, "livekit_agent_token": str}
        told |= {"session_id": str, "ws_url": str, "max_session_duration": int}
        assert {name: type(value) for name, value in started["data"].items()} == told
        assert made["message"] == started["message"] == ""
        async with it.http.ws_connect(started["data"]["ws_url"]) as socket:
            agent = Agent(socket)
            await agent.hear("session.state_updated")
            await agent.speak(0.3)
            await agent.say("agent.speak_end")
            await agent.hear("agent.speak_ended")
        await it.post("/v1/sessions/start", 401)


async def test_an_agent_is_interrupted_and_speaks_again(data_dir):
    async with served(data_dir) as it, talking(it) as (agent, _, _):
        await agent.say("agent.interrupt")  # when idle: nothing
        await agent.speak(20)
        await agent.hear("agent.speak_started")
        await agent.say("agent.interrupt")
        await agent.hear("agent.speak_ended")
        assert agent.seen[-2:] == ["agent.speak_interrupted", "agent.speak_ended"]
        await agent.say("agent.speak_end")
        await agent.speak(0.2)
        await agent.say("agent.speak_end")
        await agent.hear("agent.speak_ended")
        assert agent.seen[-2:] == ["agent.speak_started", "agent.speak_ended"]


async def test_what_cannot_be_done_is_told_and_ends_nothing(data_dir):
    async with served(data_dir) as it:
        refused = await it.post("/v1/sessions/token", 422, {"avatar_id": "nobody"})
        assert (refused["error"]["code"], refused["error"]["param"]) == ("unknown_template", "avatar_id")
        await it.post("/v1/sessions/start", 401, {"session_id": "session_none"})
        headers = {"Authorization": "Bearer session_none"}
        await it.post("/v1/sessions/start", 404, {"session_id": "session_none"}, headers=headers)
        async with talking(it) as (agent, session_id, _):
            await it.get(f"/v1/sessions/{session_id}/lite", 426)
            await agent.socket.send_str("{")
            assert (await agent.hear("error"))["error"]["code"] == "bad_message"
            await agent.socket.send_bytes(b"\0\0")
            assert (await agent.hear("error"))["error"]["code"] == "bad_message"
            await agent.say("agent.speak", audio="?")
            assert "base64" in (await agent.hear("error"))["error"]["message"]
            await agent.say("agent.dance")
            await agent.speak(0.2)
            await agent.say("agent.speak_end")
            await agent.hear("agent.speak_ended")


@pytest.mark.slow
async def test_the_stock_plugin_runs_a_whole_session(data_dir):
    liveavatar = pytest.importorskip("livekit.plugins.liveavatar")
    agents = pytest.importorskip("livekit.agents")
    rtc = pytest.importorskip("livekit.rtc")

    class Room:
        """Stands in for one of a LiveKit server."""

        name = "room"
        remote_participants = {}  # noqa: RUF012  # nobody ever comes
        local_participant = type("Somebody", (), {"identity": "agent"})

        def isconnected(self):
            return True

        def __getattr__(self, _name):
            return lambda *_arguments, **_options: None

    async with served(data_dir) as it, agents.utils.http_context.open():
        session = agents.AgentSession()
        avatar = liveavatar.AvatarSession(avatar_id="sample", api_key="any", api_url=f"{it.url}/v1/sessions")
        keys = {"livekit_url": "ws://x", "livekit_api_key": "k", "livekit_api_secret": "s" * 32}
        await avatar.start(session, Room(), **keys)
        voice = session.output.audio
        for interrupted in (False, True, False):
            sound = tone(1.5 if not interrupted else 30)
            for at in range(0, len(sound), 960):
                piece = sound[at : at + 960]
                await voice.capture_frame(rtc.AudioFrame(piece, RATE, 1, len(piece) // 2))
            voice.flush()
            if interrupted:
                await until(lambda: avatar._avatar_speaking)
                voice.clear_buffer()
            async with asyncio.timeout(30):
                heard = await voice.wait_for_playout()
            assert heard.interrupted == interrupted
            if not interrupted:
                assert heard.playback_position == pytest.approx(1.5, abs=0.05)
            await until(lambda: not avatar._avatar_speaking)
        avatar._msg_ch.close()
        async with asyncio.timeout(20):
            await avatar._main_atask
        assert await it.get("/v1/sessions") == {"object": "list", "data": []}
