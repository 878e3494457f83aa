"""Connections are counted, in all and from one address; one too many hears why, and nobody else suffers."""

import asyncio
import json

import aiohttp
import pytest
from yarl import URL

from server.api import entrance
from server.doors import Doors
from server.errors import Refused
from tests.support.serving import data_dir, library, served

__all__ = ["data_dir", "library"]  # fixtures

ASKS = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def opened(url, source="127.0.0.2"):
    """A connection from another of this machine's addresses, as a stranger's would be."""
    place = URL(url)
    return await asyncio.open_connection(place.host, place.port, local_addr=(source, 0))


async def told(reader, writer):
    """What is answered on a connection: status, the head as it came, the body; it is closed after that."""
    writer.write(ASKS)
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    body = await reader.read()
    writer.close()
    return int(head.split()[1]), head, json.loads(body)["error"]


async def inside(it, count):
    while len(it.state.doors) != count:  # noqa: ASYNC110  # bounded by the test's own limit
        await asyncio.sleep(0.01)


@pytest.mark.slow
async def test_one_address_keeps_nobody_else_out(data_dir):
    async with served(data_dir, connections_each=2) as it:
        held = [await opened(it.url), await opened(it.url)]
        for reader, writer in held:
            writer.write(ASKS)
            await reader.readuntil(b"ok\n")
        status, head, error = await told(*await opened(it.url))
        assert (status, error["code"]) == (429, "too_many_connections")
        assert "127.0.0.2" in error["message"]
        assert "Retry-After: 5\r\n" in head
        assert "X-Content-Type-Options: nosniff\r\n" in head
        local = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
        async with aiohttp.ClientSession(it.url, connector=local) as stranger:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await stranger.ws_connect("/v1/ws")
            assert refused.value.status == 429
        async with it.http.get("/healthz") as answer:  # from another address
            assert answer.status == 200
        held[0][1].close()
        await inside(it, 2)  # one of theirs, one of ours
        reader, writer = await opened(it.url)
        writer.write(ASKS)
        assert (await reader.readuntil(b"ok\n")).startswith(b"HTTP/1.1 200")
        writer.close()
        held[1][1].close()


async def test_one_connection_too_many_in_all_is_told_so_when_it_speaks_and_cut_when_it_does_not(
    data_dir, monkeypatch
):
    monkeypatch.setattr(entrance, "TURNED_AWAY_S", 0.2)
    monkeypatch.setattr(entrance, "TURNED_AWAY", 2)

    async with served(data_dir, connections=1) as it:
        async with it.http.ws_connect("/v1/ws") as ws:  # counts like any other
            status, _, error = await told(*await opened(it.url))
            assert (status, error["code"]) == (503, "too_many_connections")
            silent = [await opened(it.url) for _ in range(4)]
            # Two may hear it; the others are cut at once, and those two, as they say nothing, soon.
            for reader, writer in silent:
                assert await reader.read() == b""
                writer.close()
            await ws.send_json({"type": "ping", "ref": "1"})
            assert (await ws.receive_json())["type"] == "session.created"
            assert (await ws.receive_json())["type"] == "pong"
            assert len(it.state.doors) == 1
        await inside(it, 0)
        async with it.http.get("/healthz") as answer:
            assert answer.status == 200


def test_addresses_are_counted_as_their_subscribers_have_them():
    doors = Doors(8, 1)
    doors.enter("192.0.2.1")
    doors.enter("2001:db8::1")
    for again in ("192.0.2.1", "::ffff:192.0.2.1", "2001:db8::9:9"):
        with pytest.raises(Refused) as refused:
            doors.enter(again)
        assert refused.value.status == 429
    for here in ("127.0.0.1", "::1", "127.0.0.1", "::1"):
        doors.enter(here)
    doors.enter("2001:db8:0:1::1")
    doors.leave("192.0.2.1")
    doors.enter("::ffff:192.0.2.1")
    assert len(doors) == 7
