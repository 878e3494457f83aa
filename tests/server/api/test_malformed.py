"""What is no HTTP request gets an answer like any other, and no page of a browser can make use of it."""

import asyncio
import json
import random

import pytest
from yarl import URL

from server.access.keys import Keys
from tests.support.serving import data_dir, library, served

__all__ = ["data_dir", "library"]  # fixtures

HOST = b"Host: localhost\r\n"
SENT = [
    b"<script>alert(1)</script>\r\n\r\n",
    b"GET /healthz HTTP/9.9.9\r\n\r\n",
    b"G\x00T / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 20_000 + b"\r\n\r\n",
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    b"POST /v1/videos HTTP/1.1\r\n" + HOST + b"Content-Length: many\r\n\r\n",
    b"POST /v1/videos HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n",
    b"POST /v1/videos HTTP/1.1\r\n" + HOST + b"Origin: http://[::1\r\nConnection: close\r\n\r\n",
    b"GET /change_refer HTTP/1.1\r\n" + HOST + b"Origin: http://[::1\r\nConnection: close\r\n\r\n",
    b"GET /v1/ws HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\nConnection: Upgrade, close\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \xff\r\n\r\n",
    b"POST /v1/videos HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\nContent-Length: 2\r\n"
    b"Expect: 200-ok\r\nConnection: close\r\n\r\n{}",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
]


@pytest.mark.slow
async def test_what_is_no_http_is_refused_in_words_and_with_the_usual_headers(data_dir):
    async with served(data_dir) as it:
        for sent in SENT:
            await refused(URL(it.url), sent)
        async with it.http.get("/healthz") as response:
            assert response.status == 200


async def refused(place, sent):
    """Send what is no request, and look at the answer."""
    reader, writer = await asyncio.open_connection(place.host, place.port)
    writer.write(sent)
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status, *lines = head.splitlines()
    fields = [line.partition(": ") for line in lines if line]
    told = {name.lower(): value for name, _, value in fields}
    body = await reader.readexactly(int(told["content-length"]))
    assert await reader.read() == b""
    writer.close()
    assert status.split()[1].startswith("4"), head
    assert told["content-type"].startswith("application/json")
    assert told["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in told["content-security-policy"]
    assert told["server"] == "lipstream"
    error = json.loads(body)["error"]
    assert error["message"].isprintable()
    assert error["request_id"]


WHOLE = (
    b"POST /v1/videos?stream=true HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b'Range: bytes=0-1\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n{"tex"\r\n0\r\n\r\n'
)
ODD = [  # what is put in
    b"\0",
    b"\r",
    b"\n",
    b"\r\n\r\n",
    b" ",
    b":",
    b"%",
    b"\xff",
    b"\xed\xa0\x80",
    b"..",
    b"//",
    b"0x",
    b"9" * 30,
]


@pytest.mark.slow
async def test_no_damage_to_a_request_brings_the_server_down_or_to_a_5xx(data_dir):
    dice = random.Random(5)  # noqa: S311  # a test's dice
    async with served(data_dir) as it:
        place = URL(it.url)
        for _ in range(300):
            sent = bytearray(WHOLE)
            for _ in range(dice.randrange(1, 4)):
                at = dice.randrange(len(sent))
                sent[at : at + dice.randrange(5)] = dice.choice(ODD)
            reader, writer = await asyncio.open_connection(place.host, place.port)
            writer.write(bytes(sent))
            writer.write_eof()
            answer = await reader.read()
            writer.close()
            for line in answer.splitlines():
                assert not line.startswith(b"HTTP/1.1 5"), (bytes(sent), answer)
        assert (await it.get("/v1/jobs"))["data"] == []


@pytest.mark.slow
async def test_a_file_name_of_any_bytes_is_a_name(data_dir, presenter_clip):
    part = b'--a\r\nContent-Disposition: form-data; name="%b"; filename="%b"\r\n\r\n%b\r\n'
    head = {"Content-Type": "multipart/form-data; boundary=a"}
    async with served(data_dir) as it:
        name = "你好.mp4".encode("gbk")
        sent = part % (b"video", name, presenter_clip.read_bytes()) + part % (b"audio", b"\xff", b"no sound")
        job = await it.post("/v1/lipsync", 202, data=sent + b"--a--\r\n", headers=head)
        assert (await it.ended(job["id"]))["error"]["code"] == "not_media"


@pytest.mark.slow
async def test_who_waits_to_be_asked_for_a_body_is_asked_once_let_in(data_dir):
    head = (
        b"POST /v1/videos HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
        b"Content-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n"
    )

    async def first_line(place, head):
        reader, writer = await asyncio.open_connection(place.host, place.port)
        writer.write(head + b"\r\n")
        line = await reader.readline()
        writer.write(b"{}")
        rest = await reader.read()
        writer.close()
        return line.split()[1], rest

    secret = Keys(data_dir).add("ann", "make", None, None, None)
    async with served(data_dir) as it:
        place = URL(it.url)
        assert (await first_line(place, head))[0] == b"401"
        asked, rest = await first_line(place, head + b"Authorization: Bearer " + secret.encode() + b"\r\n")
        assert asked == b"100"
        assert b"text_or_audio" in rest
