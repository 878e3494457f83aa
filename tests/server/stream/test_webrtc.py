"""What viewers by WebRTC are sent of a video that goes on."""

import asyncio

import numpy as np
import pytest

from core.media.fmp4 import LiveEncoder
from server.stream.ring import Ring

pytest.importorskip("aiortc")

FPS, RATE = 25, 24_000
PAST, AFTER = 40, 10
"""Frames made before anybody comes, of which the last 15 follow a key frame; and then."""


class Peer:
    """Keeps what it is given."""

    def __init__(self):
        self.over, self.given = asyncio.Event(), []

    def give(self, one):
        self.given.append(one)

    def starts(self, kind):
        """Seconds at which its packets of this kind begin."""
        return [float(one.packet.pts * one.packet.time_base) for one in self.given if one.kind == kind]


async def test_a_viewer_gets_pictures_from_the_newest_key_frame_and_no_sound_of_the_past():
    from server.stream.webrtc import _Room

    encoder, ring = LiveEncoder(64, 64, FPS, RATE), Ring()
    ring.append(encoder.init)

    def make(frames):
        for _ in range(frames):
            ring.append(encoder.video(np.zeros((96, 64), np.uint8)))
            for fragment in encoder.audio(np.zeros(RATE // FPS, np.float32)):
                ring.append(fragment)

    make(PAST)
    peers = [Peer(), Peer()]

    async def go_on():
        await asyncio.sleep(0.01)
        later = asyncio.create_task(room.stay(peers[1]))
        await asyncio.sleep(0.01)
        make(AFTER)
        encoder.close()
        ring.end("over")
        await later

    going = asyncio.create_task(go_on())
    room = _Room(ring)
    async with asyncio.timeout(5):
        await room.stay(peers[0])  # who comes before the room has read anything
        await going
    for peer in peers:
        assert peer.starts("video") == pytest.approx(np.arange(FPS, PAST + AFTER) / FPS)
        first, *_ = sounds = peer.starts("audio")
        assert first > PAST / FPS - 0.2  # what AAC holds back
        assert np.diff(sounds) == pytest.approx(0.02)
