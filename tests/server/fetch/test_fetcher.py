"""Fetching URLs: what is got, what is refused, and that nothing inside is ever reached."""

import asyncio
import hashlib
import wave
from collections import Counter
from contextlib import asynccontextmanager, suppress
from functools import partial

import aiohttp
import numpy as np
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver

from core.errors import BadInput
from server.addresses import allowed, is_public
from server.cli import main as cli
from server.fetch.cache import Cache, Entry
from server.fetch.fetcher import Fetcher, Limits
from tests.support.serving import data_dir, library, served

__all__ = ["data_dir", "library"]  # fixtures

OUTSIDE = "media.example"
"""The host that the tests allow; it resolves to the loopback address, where the test's own server is."""


class Names(AbstractResolver):
    """Every name is what the test says, in turn if there are several answers."""

    def __init__(self, *answers):
        self.answers = list(answers or (["127.0.0.1"],))
        self.asked = 0

    async def resolve(self, host, port=0, family=0):
        addresses = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return [
            {
                "hostname": host,
                "host": a,
                "port": port,
                "family": 10 if ":" in a else 2,
                "proto": 0,
                "flags": 0,
            }
            for a in addresses
        ]

    async def close(self):
        pass


class Web:
    """A server on loopback: a recording at /r.wav, redirects, and traps. Counts what it is asked for."""

    def __init__(self, recording):
        self.recording, self.etag = recording, '"1"'
        self.asked, self.sent = Counter(), Counter()
        self.headers = []

    async def answer(self, request):
        self.asked[request.path] += 1
        self.headers.append(dict(request.headers))
        name = request.path[1:]
        if "to" in request.query:
            raise web.HTTPFound(request.query["to"], headers={"Set-Cookie": "spy=1"})
        if name.startswith("hop"):
            left = int(name[3:])
            raise web.HTTPFound(f"/hop{left - 1}" if left else "/r.wav")
        return await getattr(self, name.replace(".", "_"), self.secret)(request)

    async def secret(self, request):
        return web.Response(text="SECRET")

    async def r_wav(self, request):
        if request.headers.get("If-None-Match") == self.etag:
            return web.Response(status=304)
        self.sent[request.path] += 1
        return web.Response(body=self.recording, content_type="audio/wav", headers={"ETag": self.etag})

    async def untagged_wav(self, request):
        return web.Response(body=self.recording)

    async def page(self, request):
        return web.Response(text="<html>", content_type="text/html")

    async def liar(self, request):
        return web.Response(text="<html>", content_type="video/mp4")

    async def gone(self, request):
        return web.Response(status=410)

    async def empty(self, request):
        return web.Response(content_type="video/mp4")

    async def packed(self, request):
        return web.Response(body=b"x", content_type="video/mp4", headers={"Content-Encoding": "gzip"})

    async def large(self, request):
        return web.Response(body=b"x" * 3_000_000, content_type="video/mp4")

    async def endless(self, request):
        return await self.drip(request, b"x" * 65536, 0.0)

    async def slow(self, request):
        return await self.drip(request, b"x", 0.02)

    async def stuck(self, request):
        return await self.drip(request, b"x", 5)

    async def drip(self, request, piece, pause):
        response = web.StreamResponse(headers={"Content-Type": "video/mp4"})
        await response.prepare(request)
        while True:
            await response.write(piece)
            await asyncio.sleep(pause)

    async def broken(self, request):
        response = web.StreamResponse(headers={"Content-Type": "video/mp4", "Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"x")
        request.transport.abort()
        return response


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """Half a second of a tone, as a WAV."""
    path = tmp_path_factory.mktemp("recording") / "r.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes((8000 * np.sin(np.arange(8000) / 5)).astype("<i2").tobytes())
    return path.read_bytes()


@asynccontextmanager
async def listening(recording):
    """The server, and its port on both loopback addresses if there are two."""
    site = Web(recording)
    app = web.Application()
    app.router.add_get("/{path:.*}", site.answer)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    try:
        first = web.TCPSite(runner, "127.0.0.1", 0)
        await first.start()
        port = runner.addresses[0][1]
        with suppress(OSError):  # no IPv6 here
            await web.TCPSite(runner, "::1", port).start()
        yield site, port
    finally:
        await runner.cleanup()


def fetcher(
    folder,
    port,
    *,
    resolver=None,
    seconds=20,
    size=1 << 21,
    sources=(),
    allow=None,
    kept=10_000_000,
    **options,
):
    """A fetcher that may reach the test's server as `OUTSIDE`, and nothing else."""
    return Fetcher(
        Cache(folder / "cache", kept),
        Limits(size, seconds),
        allowed(allow if allow is not None else [f"{OUTSIDE}:{port}"]),
        sources,
        resolver=resolver or Names(),
        **options,
    )


# The cases that every filter of URLs is tried with, and some more. `{p}` is the port of the server inside,
# which the tests let pass as if it were 80: it is the address that must be refused.
HOSTILE = [
    "http://127.0.0.1:{p}/",
    "http://0.0.0.0:{p}/",
    "http://localhost:{p}/",
    "http://localhost.:{p}/",
    "http://[::1]:{p}/",
    "http://[::ffff:127.0.0.1]:{p}/",
    "http://2130706433:{p}/",
    "http://0x7f000001:{p}/",
    "http://0177.0.0.1:{p}/",
    "http://127.1:{p}/",
    "http://0:{p}/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.100.100.200/latest/meta-data/",
    "http://10.0.0.1/",
    "http://192.0.2.2/",
    "http://[fd00::1]/",
    "http://[64:ff9b::7f00:1]:{p}/",
    "http://[2002:7f00:1::]:{p}/",
    "http://a@127.0.0.1:{p}/",
    "http://127.0.0.1:8265/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{p}/",
    "http://①②⑦.⓪.⓪.①:{p}/",
    # and of our own
    "HTTP://LOCALHOST:{p}/r.wav",
    "http://[::127.0.0.1]:{p}/",
    "http://[::ffff:0:127.0.0.1]:{p}/",
    "http://[64:ff9b:1::7f00:1]:{p}/",
    "http://[2001:0:7f00:1:0:fbff:80ff:fffe]:{p}/",
    "http://[fe80::1%25lo]:{p}/",
    "http://168.63.129.16/machine?comp=goalstate",
    "http://0x7f.0.0.0x1:{p}/",
    "http://127.0.0.1:{p}#@media.example/",
    "http://media.example:{p}@127.0.0.1:{p}/",
    "http://127.0.0.1:{p}\\@media.example/",
    "http://127.0.0.1:{p}/ r.wav",
    "//127.0.0.1:{p}/",
    "data:audio/wav;base64,AAAA",
    "oss://secrets/key",
    "http://[::1",
    "http://127.0.0.1:99999/",
    "http://" + "a" * 3000,
]


async def test_nothing_inside_is_reached_however_the_url_is_spelled(recording, tmp_path, monkeypatch):
    async with listening(recording) as (site, port):
        monkeypatch.setattr("server.addresses.WEB_PORTS", {80, 443, port})
        it = fetcher(tmp_path, port, resolver=aiohttp.ThreadedResolver())
        for url in HOSTILE:
            with pytest.raises(BadInput) as refused:
                await it.fetch(url.format(p=port), "audio", param="audio_url")
            # Some systems do not know the stranger spellings at all.
            known = ("bad_url", "url_not_allowed", "url_unreachable")
            assert refused.value.code in known, (url, refused.value)
            assert refused.value.param == "audio_url"
        assert site.asked.total() == 0
        # The trap works: who does not look at addresses walks into it.
        async with aiohttp.ClientSession() as naive:
            for url in HOSTILE[:3]:
                async with naive.get(url.format(p=port)) as response:
                    assert await response.text() == "SECRET"


@pytest.mark.parametrize(
    "answers",
    [
        (["127.0.0.1"],),
        (["10.0.0.1", "127.0.0.1"],),
        (["::1"],),
        (["fe80::1", "::ffff:127.0.0.1", "127.0.0.1"],),
        (["10.0.0.1"], ["127.0.0.1"]),  # another answer every time
    ],
)
async def test_a_name_that_points_inside_is_refused_when_it_is_dialled(
    recording, tmp_path, monkeypatch, answers
):
    async with listening(recording) as (site, port):
        monkeypatch.setattr("server.addresses.WEB_PORTS", {80, 443, port})
        it = fetcher(tmp_path, port, resolver=Names(*answers), allow=())
        for _ in range(3):
            with pytest.raises(BadInput) as refused:
                await it.fetch(f"http://evil.example:{port}/r.wav", "audio")
            assert refused.value.code == "url_not_allowed"
        assert site.asked.total() == 0


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:{p}/secret",
        "http://localhost:{p}/secret",
        "//127.0.0.1:{p}/secret",
        "http://u:p@media.example:{p}/secret",
        "http://media.example:1/secret",
        "file:///etc/passwd",
        "oss://bucket/key",
        "http://[",
    ],
)
async def test_a_redirect_leads_nowhere_that_a_url_may_not(recording, tmp_path, monkeypatch, target):
    async with listening(recording) as (site, port):
        monkeypatch.setattr("server.addresses.WEB_PORTS", {80, 443, port})
        it = fetcher(tmp_path, port)
        url = f"http://{OUTSIDE}:{port}/a?to=" + target.format(p=port)
        with pytest.raises(BadInput) as refused:
            await it.fetch(url, "audio")
        assert refused.value.code in ("bad_url", "url_not_allowed", "url_refused")
        assert site.asked == {"/a": 1}


@pytest.mark.slow
async def test_what_a_url_names_is_fetched_once_and_asked_for_again_by_its_tag(recording, tmp_path):
    async with listening(recording) as (site, port):
        it, url = fetcher(tmp_path, port), f"http://{OUTSIDE}:{port}/r.wav?a=%2F&b=1"
        first, *others = await asyncio.gather(*(it.fetch(url, "audio") for _ in range(5)))
        assert first.path.read_bytes() == recording
        assert (first.name, first.kind, first.type) == ("r.wav", "audio", "audio/wav")
        assert first.sha256 == hashlib.sha256(recording).hexdigest()
        assert others == [first] * 4
        assert (site.asked["/r.wav"], site.sent["/r.wav"]) == (5, 1)
        again = await fetcher(tmp_path, port).take(url, "audio", into=tmp_path / "mine")
        assert (again.sha256, again.path, site.sent["/r.wav"]) == (first.sha256, tmp_path / "mine", 1)
        assert (tmp_path / "mine").read_bytes() == recording
        site.etag, site.recording = '"2"', recording[:-2000]
        assert (await it.fetch(url, "audio")).bytes == len(recording) - 2000
        untagged = f"http://{OUTSIDE}:{port}/untagged.wav"
        for _ in range(2):
            await it.fetch(untagged, "audio")
        assert site.asked["/untagged.wav"] == 2
        assert not list((tmp_path / "cache").glob("*.part"))


@pytest.mark.slow
async def test_three_redirects_are_followed_and_no_more_and_no_cookie_is_carried(recording, tmp_path):
    async with listening(recording) as (site, port):
        it, base = fetcher(tmp_path, port), f"http://{OUTSIDE}:{port}"
        assert (await it.fetch(f"{base}/hop2", "audio")).bytes == len(recording)
        with pytest.raises(BadInput, match="more than 3 times"):
            await it.fetch(f"{base}/hop3", "audio")
        await it.fetch(f"{base}/a?to=/r.wav", "audio")
        assert not any("Cookie" in headers or "Authorization" in headers for headers in site.headers)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("page", "wrong_media"),
        ("liar", "not_media"),
        ("gone", "url_refused"),
        ("empty", "empty_file"),
        ("packed", "url_refused"),
        ("large", "url_too_large"),
        ("endless", "url_too_large"),
        ("slow", "url_too_slow"),
        ("stuck", "url_too_slow"),
        ("broken", "url_unreachable"),
        ("r.wav", "wrong_media"),
    ],
)
async def test_what_cannot_be_used_is_refused_and_nothing_is_kept(
    recording, tmp_path, monkeypatch, path, code
):
    monkeypatch.setattr("server.fetch.fetcher.SILENCE_S", 0.2)

    async with listening(recording) as (_, port):
        it = fetcher(tmp_path, port, seconds=0.5 if path == "slow" else 20)
        with pytest.raises(BadInput) as refused:
            await it.fetch(f"http://{OUTSIDE}:{port}/{path}", "video", "image")
        assert refused.value.code == code
        assert ".part" not in refused.value.message
        assert list((tmp_path / "cache").iterdir()) == []


async def test_a_server_that_is_not_there_is_said_so_and_fetching_can_be_off(tmp_path):
    with pytest.raises(BadInput) as refused:
        await fetcher(tmp_path, 9).fetch(f"http://{OUTSIDE}:9/x.mp4", "video")
    assert refused.value.code == "url_unreachable"
    with pytest.raises(BadInput) as refused:
        await fetcher(tmp_path, 9, enabled=False).fetch("https://media.example/x.mp4", "video")
    assert refused.value.code == "fetching_off"


def test_the_cache_keeps_within_its_bounds_and_what_was_used_last(tmp_path):
    cache = Cache(tmp_path, 250)

    def add(url, content):
        draft = cache.draft()
        draft.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        return cache.add(Entry(url, '"e"', "n", "video", "video/mp4", len(content), digest), draft)

    paths = [add("a", b"a" * 100), add("b", b"b" * 100), add("same", b"a" * 100)]
    assert paths[0] == paths[2]
    cache.find("a")
    add("c", b"c" * 100)
    assert [cache.find(url) is not None for url in ("a", "b", "c")] == [True, False, True]
    assert not paths[1].exists()
    assert add("huge", b"h" * 1000).exists()
    held = sum(path.stat().st_size for path in tmp_path.iterdir() if path.suffix != ".json")
    assert held == 1000


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::808:808", True),
        ("100.64.0.1", False),
        ("172.31.255.255", False),
        ("192.168.0.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("198.18.0.1", False),
        ("::", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("2001:db8::1", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:a9fe:a9fe::1", False),
        *((a, False) for a in ("192.0.0.192", "::ffff:192.0.0.192", "64:ff9b::c000:c0", "192.88.99.1")),
        *((a, False) for a in ("3fff::1", "3fff:fff:ffff::1", "2002:c000:c0::1")),
        *((a, True) for a in ("192.0.1.1", "192.88.98.1", "3ffe::1")),
    ],
)
def test_an_address_is_public_or_not(address, public):
    assert is_public(address) is public


def test_the_operator_may_allow_hosts_networks_and_objects():
    it = allowed(["media.internal", "store.internal:9000", "10.1.0.0/16", "[fd00::1]:8080", "oss://b/t/"])
    assert it.port("STORE.internal.", 9000)
    assert not it.port("media.internal", 9000)
    assert it.dials("media.internal", 80, "10.9.9.9")
    assert not it.dials("store.internal", 80, "10.9.9.9")
    assert it.dials("any.example", 443, "10.1.2.3")
    assert it.dials("fd00::1", 8080, "fd00::1")
    assert it.object("b", "t/1.mp4")
    assert not it.object("b", "other/1.mp4")
    for wrong in ("", "a b", "host:", "host:0", "10.0.0.0/33", "oss://", "oss://bucket", "http://host"):
        with pytest.raises(ValueError, match=r".+"):
            allowed([wrong])


@pytest.mark.slow
async def test_templates_and_recordings_come_by_url_and_own_results_from_the_disk(
    data_dir, recording, presenter_clip, tmp_path, monkeypatch, capsys
):
    async with listening(recording) as (site, port):
        allow = (f"127.0.0.1:{port}",)
        site.clip_mp4 = partial(_file, presenter_clip)
        base = f"http://127.0.0.1:{port}"
        async with served(data_dir, fetch_allow=allow) as it:
            job = await it.post("/v1/templates", 202, {"url": f"{base}/clip.mp4", "name": "Ann"})
            assert (await it.ended(job["id"]))["status"] == "completed"
            assert (await it.get("/v1/templates/ann"))["name"] == "Ann"
            job = await it.post("/v1/videos", 202, {"audio_url": f"{base}/r.wav", "template": "ann"})
            made = await it.ended(job["id"])
            assert (made["status"], made["title"]) == ("completed", "r.wav")
            by_url = {"text": "Hi.", "template_url": f"{base}/clip.mp4"}
            jobs = [(await it.post("/v1/videos", 202, by_url))["id"] for _ in range(2)]
            shown = [await it.ended(job) for job in jobs]
            assert [job["status"] for job in shown] == ["completed"] * 2
            assert shown[0]["template"] == shown[1]["template"]
            assert shown[0]["template"].startswith("url_")
            # The answer's own address, which nobody could fetch from here.
            own = f"{it.url}{made['outputs'][0]['url']}"
            job = await it.post("/v1/videos", 202, {"audio_url": own})
            assert (await it.ended(job["id"]))["status"] == "completed"
            refusals = [
                ({"audio_url": f"{it.url}/healthz"}, 422, "url_not_allowed", "audio_url"),
                ({"audio_url": own.replace("video.mp4", "x.mp4")}, 422, "unknown_output", "audio_url"),
                ({"audio_url": f"{base}/clip.mp4"}, 422, "wrong_media", "audio_url"),
                ({"audio_url": f"{base}/r.wav", "text": "Hi."}, 422, "text_or_audio", "text"),
                ({"template_url": f"{base}/r.wav", "text": "Hi."}, 422, "wrong_media", "template_url"),
                ({"audio_url": ""}, 422, "invalid_request", "audio_url"),
            ]
            for body, status, code, param in refusals:
                error = (await it.post("/v1/videos", status, body))["error"]
                assert (error["code"], error["param"]) == (code, param)
            error = await it.post("/v1/templates", 422, {"url": "file:///etc/passwd"})
            assert (error["error"]["code"], error["error"]["param"]) == ("bad_url", "url")
            assert list((data_dir / "server" / "incoming").iterdir()) == []
        async with served(data_dir, fetch=False) as it:
            error = await it.post("/v1/templates", 403, {"url": f"{base}/clip.mp4"})
            assert error["error"]["code"] == "fetching_off"
        monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(tmp_path / "other"))
        monkeypatch.setenv("LIPSTREAM_FETCH_ALLOW", f'["127.0.0.1:{port}"]')
        assert await asyncio.to_thread(cli, ["templates", "add", f"{base}/clip.mp4"]) == 0
        assert capsys.readouterr().out == "clip\n"
        assert await asyncio.to_thread(cli, ["templates", "add", "http://127.0.0.1/clip.mp4"]) == 2
        assert "not of the public internet" in capsys.readouterr().err


async def _file(path, request):
    return web.FileResponse(path, headers={"Content-Type": "video/mp4"})


@pytest.mark.slow
async def test_a_cache_that_keeps_nothing_still_hands_every_file_over(recording, tmp_path):
    async with listening(recording) as (_, port):
        it = fetcher(tmp_path, port, kept=0)
        urls = [f"http://{OUTSIDE}:{port}/r.wav?n={n}" for n in range(4)]
        mine = [tmp_path / f"mine{n}" for n in range(4)]
        for _ in range(3):
            found = await asyncio.gather(
                *(it.take(url, "audio", into=path) for url, path in zip(urls, mine, strict=True))
            )
            for one, path in zip(found, mine, strict=True):
                assert one.path == path
                assert path.read_bytes() == recording
                path.unlink()
