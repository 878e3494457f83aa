"""A live session watched by WebRTC, by aiortc's own client on loopback."""

import asyncio

import aioice.ice
import numpy as np
import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription

from tests.support.serving import data_dir, library, served
from tests.support.sessions import begun, controlled

__all__ = ["data_dir", "library"]  # fixtures


@pytest.fixture(autouse=True)
def loopback(monkeypatch):
    """Nothing is offered but this machine."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])


class Watcher:
    """A WHEP client. frames: what came, by kind."""

    def __init__(self):
        self.line = RTCPeerConnection()
        self.tracks = {}
        self.line.on("track", lambda track: self.tracks.__setitem__(track.kind, track))
        self.place = ""

    async def offer(self):
        for kind in ("video", "audio"):
            self.line.addTransceiver(kind, direction="recvonly")
        await self.line.setLocalDescription(await self.line.createOffer())

    async def join(self, it, session):
        await self.offer()
        headers = {"Content-Type": "application/sdp"}
        sdp = self.line.localDescription.sdp
        async with it.http.post(f"/v1/sessions/{session}/whep", data=sdp, headers=headers) as answer:
            assert (answer.status, answer.content_type) == (201, "application/sdp"), await answer.text()
            self.place = answer.headers["Location"]
            await self.line.setRemoteDescription(RTCSessionDescription(await answer.text(), "answer"))

    async def frames(self, kind, count):
        async with asyncio.timeout(20):
            return [await self.tracks[kind].recv() for _ in range(count)]


@pytest.mark.slow
async def test_viewers_see_and_hear_the_session_and_leave(data_dir):
    async with served(data_dir) as it:
        session = await begun(it)
        watchers = [Watcher(), Watcher()]
        async with controlled(it, session) as control:
            for watcher in watchers:
                await watcher.join(it, session)
                (first,) = await watcher.frames("video", 1)
                assert (first.width, first.height) == (128, 128)
            await control.say("say", text="One two three four five six seven.")
            await control.hear("speech.started")
            for watcher in watchers:
                pictures = await watcher.frames("video", 20)
                steps = np.diff([float(p.pts * p.time_base) for p in pictures])
                assert steps == pytest.approx(1 / 25, abs=0.001)
                heard = await watcher.frames("audio", 100)
                assert max(float(np.abs(frame.to_ndarray()).max()) for frame in heard) > 3000
            assert (await it.get(f"/v1/sessions/{session}"))["viewers"] == 2
            async with it.http.delete(watchers[0].place) as answer:
                assert answer.status == 200
            async with it.http.delete(watchers[0].place) as answer:
                assert answer.status == 404
            await watchers[1].frames("video", 5)
            assert (await it.get(f"/v1/sessions/{session}"))["viewers"] == 1
        for watcher in watchers:
            await watcher.line.close()


REFUSED = [
    ("application/json", b"{}", 415, "unsupported_media_type"),
    ("application/sdp", b"", 422, "bad_offer"),
    ("application/sdp", b"v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n\xff\xfe", 422, "bad_offer"),
    ("application/sdp", b"v=0\r\n" + b"a" * 100_000, 413, "body_too_large"),
]


@pytest.mark.slow
async def test_what_is_no_offer_is_refused(data_dir):
    async with served(data_dir) as it:
        place = f"/v1/sessions/{await begun(it)}/whep"
        for kind, offer, status, code in REFUSED:
            async with it.http.post(place, data=offer, headers={"Content-Type": kind}) as answer:
                assert (answer.status, (await answer.json())["error"]["code"]) == (status, code)
        watcher = Watcher()  # one that knows no Opus would be sent what it cannot read
        await watcher.offer()
        told = watcher.line.localDescription.sdp.replace("opus/48000", "oups/48000")
        headers = {"Content-Type": "application/sdp"}
        async with it.http.post(place, data=told, headers=headers) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (422, "bad_offer")
        await watcher.line.close()
