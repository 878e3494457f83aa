"""Live sessions of a real server, as their clients have them."""

import asyncio
import io
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import av

from server.schemas.live import SESSION_EVENTS
from tests.support.serving import Served

SIZE = {"size": "128x128"}
"""A picture that costs little."""


class Control:
    """A session's socket; `seen` is what came over it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.seen: list[dict[str, Any]] = []

    async def say(self, type: str, **fields: object) -> None:
        """Send a message."""
        await self.socket.send_json({"type": type, **fields})

    async def hear(self, *types: str) -> dict[str, Any]:
        """The next message of one of these types."""
        while True:
            message: dict[str, Any] = await self.socket.receive_json(timeout=20)
            self.seen.append(message)
            if message["type"] in types:
                return message

    def events(self) -> list[dict[str, Any]]:
        """What was seen of the log: dense, and of known shape."""
        events = [message for message in self.seen if message["seq"]]
        first = events[0]["seq"] if events else 0
        assert [event["seq"] for event in events] == list(range(first, first + len(events)))
        for event in events:
            SESSION_EVENTS[event["type"]].model_validate(event["data"])
        return events


@asynccontextmanager
async def controlled(it: Served, session_id: str, query: str = "") -> AsyncGenerator[Control, None]:
    """The session's socket, past its first message."""
    async with it.http.ws_connect(f"/v1/sessions/{session_id}{query}") as socket:
        control = Control(socket)
        snapshot = await control.hear("session.snapshot")
        assert (snapshot["seq"], snapshot["session_id"]) == (0, session_id)
        yield control


async def begun(it: Served, **request: object) -> str:
    """The id of a new session, which can be seen."""
    session = await it.post("/v1/sessions", 201, SIZE | request)
    assert (session["status"], session["object"]) == ("idle", "session")
    return str(session["id"])


async def seconds_of(it: Served, session_id: str, seconds: float) -> bytes:
    """The pictures and the sound of so many seconds of the stream, as bytes of an MP4."""
    data = b""
    async with it.http.get(f"/v1/sessions/{session_id}/stream.mp4") as response:
        assert (response.status, response.content_type) == (200, "video/mp4")
        async with asyncio.timeout(seconds + 15):
            async for piece in response.content.iter_any():
                data += piece
                if length_of(data) >= seconds:
                    return data
    raise AssertionError("the stream ended")


def length_of(data: bytes) -> float:
    """Seconds of video in a whole or cut MP4."""
    times: list[float] = []
    try:
        with av.open(io.BytesIO(data)) as file:
            times = [float(p.pts * p.time_base) for p in file.demux(video=0) if p.pts is not None]
    except (av.FFmpegError, IndexError):  # no more than a head yet
        pass
    return times[-1] - times[0] if times else 0.0
