"""WebSocket frames by the letter of RFC 6455, as the Autobahn suite tries them, on a raw line."""

import asyncio
import base64
import os
import struct
from contextlib import asynccontextmanager

import pytest
from yarl import URL

from tests.support.serving import data_dir, library, run, served

__all__ = ["data_dir", "library"]  # fixtures

PING = b'{"type":"ping","ref":"\xc3\xa9"}'

ASKING = (
    b"GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n" % base64.b64encode(bytes(16))
)


def frame(op, data, *, fin=1, rsv=0, length=None):
    """A client's frame. length: what it says of itself, if that is not true."""
    size = len(data) if length is None else length
    head = bytes([fin << 7 | rsv << 4 | op])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 1 << 16:
        head += struct.pack(">BH", 0x80 | 126, size)
    else:
        head += struct.pack(">BQ", 0x80 | 127, size)
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[k % 4] for k, byte in enumerate(data))


def close(code, reason=b""):
    return frame(8, struct.pack(">H", code) + reason)


TEXT, MORE, PINGED = 1, 0, 9
ENDS = [  # what is sent, and the code that the server closes with
    (frame(TEXT, b"\xff\xfe"), 1007),
    (frame(TEXT, b"\xed\xa0\x80"), 1007),
    (frame(TEXT, b"\xc3", fin=0) + frame(MORE, b"\x28"), 1007),
    *((frame(TEXT, PING, rsv=bits), 1002) for bits in (1, 2, 4)),
    *((frame(op, b"x"), 1002) for op in (3, 7, 11, 15)),
    (frame(PINGED, b"x" * 126), 1002),
    (frame(PINGED, b"x", fin=0), 1002),
    (frame(MORE, PING), 1002),
    (frame(TEXT, PING, fin=0) + frame(TEXT, PING), 1002),
    (frame(TEXT, b"", length=1 << 40), 1009),
    (frame(TEXT, b"1" * 9000, fin=0) + frame(MORE, b"1" * 9000), 1009),
    *((close(code), 1002) for code in (0, 999, 1004, 1005, 1016, 2999)),
    (frame(8, b"\x03"), 1002),
    (close(1000, b"\xff"), 1007),
    (close(1000), 1000),
    (close(4999, b"good bye"), 1000),
]


@asynccontextmanager
async def line(url):
    """A raw line with an open WebSocket whose first message has been read."""
    place = URL(url)
    reader, writer = await asyncio.open_connection(place.host, place.port)
    try:
        writer.write(ASKING)
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        assert (await received(reader))[0] == TEXT
        yield reader, writer
    finally:
        writer.close()


async def received(reader):
    """The next frame: kind and data."""
    kind, size = await reader.readexactly(2)
    assert size < 127, "none that the server sends here is so long, and none is masked"
    if size == 126:
        (size,) = struct.unpack(">H", await reader.readexactly(2))
    return kind & 15, await reader.readexactly(size)


@pytest.mark.slow
def test_frames_by_the_letter_and_clients_that_leave_are_no_error(data_dir, caplog):
    async def main():
        async with served(data_dir) as it:
            for sent, code in ENDS:
                await ends(it.url, sent, code)
            await pieces_are_one_message(it.url)
            await nobody_is_left(URL(it.url))
            while len(it.state.connections):  # noqa: ASYNC110  # bounded by the test's own limit
                await asyncio.sleep(0.01)
            assert (await it.get("/v1/jobs"))["data"] == []

    run(main())
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def ends(url, sent, code):
    """What is no frame ends the line with the code that says why."""
    async with line(url) as (reader, writer):
        writer.write(sent)
        kind, data = await received(reader)
        assert (kind, struct.unpack(">H", data[:2])[0]) == (8, code), sent[:40]
        assert await reader.read() == b"", sent[:40]


async def pieces_are_one_message(url):
    """A message cut anywhere is one, and a ping between its pieces is answered at once."""
    async with line(url) as (reader, writer):
        for cut in range(len(PING)):  # also within a character
            writer.write(frame(TEXT, PING[:cut], fin=0) + frame(PINGED, b"%d" % cut))
            assert await received(reader) == (10, b"%d" % cut)
            for byte in frame(MORE, PING[cut:]):
                writer.write(bytes([byte]))
            kind, data = await received(reader)
            assert (kind, b'"pong"' in data, b"\xc3\xa9" in data) == (TEXT, True, True)


async def nobody_is_left(place):
    """Clients leave before they are answered."""
    for k in range(40):
        _, writer = await asyncio.open_connection(place.host, place.port)
        writer.write(ASKING if k % 2 else b"GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n")
        if k % 4 < 2:
            writer.write_eof()
        else:
            writer.transport.abort()
        await asyncio.sleep(0.002)
        writer.close()
