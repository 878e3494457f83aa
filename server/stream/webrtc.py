"""A session's video over WebRTC, as WHEP asks for it (draft-ietf-wish-whep): an offer comes, an answer goes.

The pictures are those that all viewers get, encoded once; the sound is encoded as Opus, once for all these.
Needs aiortc, the extra `webrtc`. Learnt there: preferences count only if set before the offer is; a candidate
whose name ends in `.local` costs a second, for nothing; without a list of ICE servers a public one is asked.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from typing import Any

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from core.errors import BadInput
from core.media.packets import Carried, Repacker
from core.runtime.tasks import first_of
from server.errors import Refused
from server.stream.ring import Ring

PEERS = 16
"""Viewers by WebRTC, at most: each is encrypted for by itself, on the loop."""

ANSWER_S, CONNECT_S = 10.0, 20.0
"""Seconds in which an offer is answered, and a viewer must have come through."""

_CODECS = ("video/H264", "audio/opus")

_WAITING = 250
"""Packets that wait for a viewer; one who takes fewer goes on at the next key frame."""

Viewing = Callable[[], AbstractAsyncContextManager[Ring]]
"""The session's video, which somebody views until the block ends."""


class _Track(MediaStreamTrack):
    """What one viewer is sent of one kind, encoded already."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__()
        self._packets: asyncio.Queue[Carried] = asyncio.Queue(_WAITING)
        self._torn = kind == "video"

    def give(self, one: Carried) -> None:
        if self._packets.full():
            self._torn = True
        elif one.key or not self._torn:
            self._torn = False
            self._packets.put_nowait(one)

    async def recv(self) -> Any:
        """For aiortc, which takes packets where it expects frames."""
        if self.readyState != "live":
            raise MediaStreamError
        return (await self._packets.get()).packet


class _Peer:
    """One viewer. over: it has left, or never came."""

    def __init__(self, ice_servers: Sequence[str]) -> None:
        servers = [RTCIceServer(urls=url) for url in ice_servers]
        self._line = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        self._tracks = {kind: _Track(kind) for kind in ("video", "audio")}
        self.connected, self.over = asyncio.Event(), asyncio.Event()
        self._line.on("connectionstatechange", self._changed)

    async def answer(self, offer: str) -> str:
        """The answer to an offer. Raises BadInput `bad_offer`."""
        for track in self._tracks.values():
            self._line.addTrack(track)
        for one in self._line.getTransceivers():
            known = RTCRtpSender.getCapabilities(one.kind).codecs
            one.setCodecPreferences([codec for codec in known if codec.mimeType in _CODECS])
        lines = [line for line in offer.splitlines() if not (".local " in line and "candidate:" in line)]
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._line.setRemoteDescription(
                    RTCSessionDescription("\r\n".join(lines) + "\r\n", "offer")
                )
                await self._line.setLocalDescription(await self._line.createAnswer())
        except Exception as error:  # aiortc raises anything for what it cannot read
            message = (
                f"the offer cannot be answered ({type(error).__name__}); offer to receive H.264 and Opus"
            )
            raise BadInput("bad_offer", message) from error
        return str(self._line.localDescription.sdp)

    def give(self, one: Carried) -> None:
        self._tracks[one.kind].give(one)

    async def close(self) -> None:
        self.over.set()
        for track in self._tracks.values():
            track.stop()
        await self._line.close()

    def _changed(self) -> None:
        state = self._line.connectionState
        if state == "connected":
            self.connected.set()
        elif state in ("failed", "closed"):
            self.over.set()


class Webrtc:
    """All WebRTC viewers of one server. `close` once."""

    def __init__(self, ice_servers: Sequence[str]) -> None:
        self._ice_servers = ice_servers
        self._rooms: dict[Ring, _Room] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def view(self, viewing: Viewing, offer: str) -> tuple[str, str]:
        """Show a session's video to who offers to receive it; the viewer's id, and the answer.

        Raises BadInput `bad_offer`, Refused 429.
        """
        if len(self._tasks) >= PEERS:
            raise Refused(429, "too_many_viewers", f"{PEERS} watch by WebRTC, and no more may; use stream")
        peer = _Peer(self._ice_servers)
        try:
            answer = await peer.answer(offer)
        except BaseException:
            await peer.close()
            raise
        peer_id = secrets.token_hex(12)
        self._tasks[peer_id] = asyncio.create_task(self._show(peer_id, peer, viewing))
        return peer_id, answer

    async def leave(self, peer_id: str) -> bool:
        """Let a viewer go; whether there was one."""
        task = self._tasks.pop(peer_id, None)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        return task is not None

    async def close(self) -> None:
        """Let all viewers go."""
        for peer_id in list(self._tasks):
            await self.leave(peer_id)

    async def _show(self, peer_id: str, peer: _Peer, viewing: Viewing) -> None:
        async with AsyncExitStack() as ends:
            ends.callback(self._tasks.pop, peer_id, None)
            ends.push_async_callback(peer.close)
            try:
                async with asyncio.timeout(CONNECT_S):
                    await first_of(peer.connected.wait(), peer.over.wait())
            except TimeoutError:
                return
            ring = await ends.enter_async_context(viewing())
            room = self._rooms.get(ring)
            if room is None:
                room = self._rooms[ring] = _Room(ring)
            try:
                await room.stay(peer)
            finally:
                if not room.peers:
                    room.close()
                    self._rooms.pop(ring, None)


class _Room:
    """The viewers of one video, who get the same packets."""

    def __init__(self, ring: Ring) -> None:
        self.peers: set[_Peer] = set()
        self._since_key: list[Carried] = []  # pictures: what a viewer needs to begin with
        self._reading = asyncio.create_task(self._read(ring))

    async def stay(self, peer: _Peer) -> None:
        """Show it to `peer` until that leaves or the video ends."""
        await asyncio.sleep(0)  # a new reader comes to the present: sound of the past makes a browser late
        for one in self._since_key:
            peer.give(one)
        self.peers.add(peer)
        try:
            await first_of(peer.over.wait(), self._ended())
        finally:
            self.peers.discard(peer)

    def close(self) -> None:
        """Nobody looks any more."""
        self._reading.cancel()

    async def _ended(self) -> bool:
        await asyncio.wait([self._reading])
        return True

    async def _read(self, ring: Ring) -> None:
        repacker: Repacker | None = None
        async with aclosing(ring.pieces()) as pieces:
            async for data in pieces:
                if repacker is None:
                    repacker = Repacker(data)
                    continue
                for one in repacker.push(data):
                    if one.kind == "video":
                        self._since_key = [one] if one.key else [*self._since_key, one]
                    for peer in self.peers:
                        peer.give(one)
