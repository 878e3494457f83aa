"""Live video sent to RTMP servers that are there, go away, come back, or say nothing."""

import asyncio
import socket
from contextlib import asynccontextmanager

import numpy as np
import pytest

from core.errors import BadInput
from core.media.fmp4 import LiveEncoder
from core.push import pusher, relay
from core.push.pusher import push
from core.push.target import addresses, everywhere, target_of
from tests.support.rtmp import free_port, receiver

FPS, RATE = 25, 24_000


async def video():
    """A picture that is still, and silence; begins late, as a session's does for who joins."""
    encoder = LiveEncoder(64, 64, FPS, RATE)
    planes = np.full((96, 64), 128, np.uint8)
    try:
        yield encoder.init.data
        for k in range(2000):
            sound = encoder.audio(np.zeros(RATE // FPS, np.float32))
            made = [*sound, encoder.video(planes)]
            if k >= 2 * FPS:
                yield b"".join(fragment.data for fragment in made)
                await asyncio.sleep(1 / FPS)
    finally:
        encoder.close()


@asynccontextmanager
async def pushed(url, key=None):
    """What is told of a push, as a queue."""
    told: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    task = asyncio.create_task(push(video, target_of(url, key), everywhere, lambda *t: told.put_nowait(t)))

    async def until(state):
        async with asyncio.timeout(20):
            while (now := await told.get())[0] != state:
                pass
        return now[1]

    try:
        yield until
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=5)
        assert task.cancelled()


@pytest.mark.slow  # four processes
async def test_a_server_that_comes_late_goes_away_and_comes_back_gets_the_video_each_time():
    port = free_port()
    async with pushed(f"rtmp://127.0.0.1:{port}/app", "secret") as until:
        assert "ConnectionRefusedError" in await until("lost")
        for _ in range(2):
            async with receiver(port) as server:
                await until("live")
                packets = await server.packets(40)
            await until("lost")
            assert {packet["kind"] for packet in packets} == {"video", "audio"}
            pictures = [packet for packet in packets if packet["kind"] == "video"]
            assert pictures[0] == {"kind": "video", "at": 0.0, "key": True}
            assert np.diff([p["at"] for p in pictures]) == pytest.approx(1 / FPS, abs=0.0011)


async def test_a_server_that_says_nothing_is_given_up_and_tried_again(monkeypatch):
    monkeypatch.setattr(pusher, "STUCK_S", 0.5)
    monkeypatch.setattr(pusher, "FIRST_DELAY_S", 0.01)

    lines = []

    async def listen(reader, writer):
        lines.append(writer)
        while await reader.read(1 << 16):
            pass

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as hole:
        port = hole.sockets[0].getsockname()[1]
        async with pushed(f"rtmp://127.0.0.1:{port}/app/secret") as until:
            for _ in range(2):
                assert await until("lost") == "the server took no video within 0 s"
        assert len(lines) >= 2
        for line in lines:
            line.transport.abort()


async def sent_for_ever(sending):
    while True:
        sending.write(bytes(1 << 18))
        await sending.drain()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux gives up by itself")
async def test_a_server_that_takes_no_more_is_given_up(monkeypatch):
    monkeypatch.setattr(relay, "STUCK_S", 0.5)

    held = []

    async def hold(_reader, writer):
        held.append(writer)  # its reader is full after a few bytes

    async with await asyncio.start_server(hold, "127.0.0.1", 0, limit=1024) as server:
        port = server.sockets[0].getsockname()[1]
        async with relay.relayed(target_of(f"rtmp://127.0.0.1:{port}/app/key"), everywhere) as way:
            _, sending = await asyncio.open_connection("127.0.0.1", way)
            with pytest.raises(ConnectionError):
                await asyncio.wait_for(sent_for_ever(sending), 20)
        for writer in held:
            writer.transport.abort()


@pytest.mark.parametrize(
    ("url", "key", "app", "shown"),
    [
        ("rtmp://a.example/live", "k?x=1", "live", "rtmp://a.example/live"),
        ("rtmp://a.example/live/k?x=1", None, "live", "rtmp://a.example/live"),
        ("rtmp://a.example:1936/one/two/k?x=1", None, "one/two", "rtmp://a.example:1936/one/two"),
        ("rtmps://[2001:db8::1]:443/app/k?x=1", "", "app", "rtmps://[2001:db8::1]/app"),
    ],
)
def test_the_key_is_told_from_the_address_and_never_shown(url, key, app, shown):
    target = target_of(url, key)
    assert (target.app, target.key, target.url) == (app, "k?x=1", shown)
    assert "x=1" not in repr(target)


@pytest.mark.parametrize(
    "url",
    [
        *("http://a.example/live/key", "srt://a.example:9000/x", "rtmp://a.example", "rtmp:///live/key"),
        *("rtmp://a.example/live", "rtmp://me:secret@a.example/live/key", "rtmp://a.example:99999/live/key"),
        *("rtmp://a.example/live/ke y", "rtmp://a.example/" + "a" * 3000 + "/key", "x"),
    ],
)
def test_addresses_that_are_none_are_refused_and_not_repeated(url):
    with pytest.raises(BadInput, match="write rtmp://HOST/APP") as refused:
        target_of(url)
    assert refused.value.code == "bad_url"
    assert "a.example" not in refused.value.message


async def test_an_address_that_may_not_be_dialled_is_not():
    target = target_of("rtmp://127.0.0.1/live/key")
    assert await addresses(target, everywhere) == ["127.0.0.1"]
    with pytest.raises(BadInput, match="fetch_allow") as refused:
        await addresses(target, lambda _host, _port, address: address != "127.0.0.1")
    assert refused.value.code == "url_not_allowed"
