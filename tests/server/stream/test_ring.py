"""The newest seconds of a video without end: what is kept, and where viewers begin and go on."""

import asyncio
from contextlib import aclosing

from core.types import Fragment
from server.stream import ring as module
from server.stream.ring import KEPT_S, Ring

FPS = 25


def piece(number, size=100):
    """Frame `number`: a key frame each second. Its bytes say which it is."""
    data = number.to_bytes(4, "big") * (size // 4)
    return Fragment("video", data, number * 40, 40, 1000, key=number % FPS == 0, frames=1)


def filled(frames, size=100):
    ring = Ring()
    ring.append(Fragment("init", b"init"))
    ring.append(Fragment("audio", b"early", 0, 10, 1000, key=True))  # before the first picture
    for number in range(frames):
        ring.append(piece(number, size))
    return ring


def numbers(data, size=100):
    return [int.from_bytes(data[at : at + 4], "big") for at in range(0, len(data), size)]


async def take(pieces, count, size=100):
    """Numbers of the next frames, `count` of them at least."""
    found = []
    while len(found) < count:
        found += numbers(await anext(pieces), size)
    return found


async def test_a_viewer_begins_at_the_newest_key_frame():
    async with aclosing(filled(60).pieces()) as pieces:
        assert await anext(pieces) == b"init"
        assert await take(pieces, 10) == list(range(50, 60))


def test_what_is_kept_does_not_grow():
    for frames in (500, 5000):
        held = filled(frames).held
        assert KEPT_S * FPS * 100 <= held <= (KEPT_S + 2) * FPS * 100


def test_large_pictures_are_kept_for_less_time(monkeypatch):
    monkeypatch.setattr(module, "KEPT", 30_000)
    assert filled(499, 1000).held <= 30_000 + FPS * 1000


async def test_a_slow_viewer_goes_on_at_the_newest_key_frame():
    ring = filled(30)
    async with aclosing(ring.pieces()) as pieces:
        await anext(pieces)
        assert await take(pieces, 5) == list(range(25, 30))
        for number in range(30, 1010):
            ring.append(piece(number))
        assert await take(pieces, 10) == list(range(1000, 1010))


async def test_viewers_wait_for_the_beginning_and_are_told_of_the_end():
    ring = Ring()

    async def view():
        return [data async for data in ring.pieces()]

    early, never = asyncio.create_task(view()), Ring()
    await asyncio.sleep(0)
    ring.append(Fragment("init", b"init"))
    for number in range(3):
        ring.append(piece(number))
        await asyncio.sleep(0)
    ring.end("deleted")
    ring.end("failed")
    seen = await early
    assert seen[0] == b"init"
    assert numbers(b"".join(seen[1:])) == [0, 1, 2]
    assert ring.ended == "deleted"
    never.end("failed")
    assert [data async for data in never.pieces()] == []
