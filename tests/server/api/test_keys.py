"""Keys: who comes in, what each may, and that each sees its own, by every way."""

import asyncio
import json
import logging
from contextlib import asynccontextmanager
from functools import partial

import aiohttp
import pytest
from aiohttp import web

from core.errors import Error
from server.access import opened
from server.access.keys import PREFIX, Keys
from server.app import build
from server.cli import main
from server.settings import ServerSettings
from tests.support.serving import SLOW, data_dir, library, run, served

__all__ = ["data_dir", "library"]  # fixtures

OPEN = {
    *("/", "/static", "/login", "/logout", "/healthz", "/readyz", "/openapi.json", "/docs"),
    "/v1/files/{job_id}/{digest}/{name}",  # a signed link is a key of its own, and so is a session's token
    *("/v1/sessions/start", "/v1/sessions/stop", "/v1/sessions/{session_id}/lite"),
}
"""Where nobody is asked for a key; nowhere else."""

OWN_TOKEN = {"/", "/v1/sessions/start", "/v1/sessions/stop"}
"""Of these, where somebody without a key and without a session's token is turned away all the same."""


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


@asynccontextmanager
async def keyed(data_dir, **settings):
    """A server with keys: `it`, and the keys of anna and ben, who make, rita, who reads, and the admin."""
    keys = Keys(data_dir)
    there = {
        name: keys.add(name, scope, None, None, None)
        for name, scope in (("anna", "make"), ("ben", "make"), ("rita", "read"), ("admin", "admin"))
    }
    async with served(data_dir, **settings) as it:
        yield it, there


def addresses(app):
    """Every route of the application: method, address, and the address with names put in."""
    names = {
        "job_id": "video_0", "name": "video.mp4", "template": "sample", "voice": "female",
        "digest": "0" * 32, "format": "srt", "session_id": "session_0", "filename": "app.js",
        "batch_id": "batch_0",
    }  # fmt: skip
    for route in app.router.routes():
        address = route.resource.canonical
        filled = address
        for name, value in names.items():
            filled = filled.replace("{" + name + "}", value)
        if isinstance(route.resource, web.StaticResource):
            filled = f"{address}/app.js"
        yield route.method, address, filled.replace("{", "").replace("}", "")


@pytest.mark.slow
async def test_no_route_answers_without_a_key_but_those_that_are_for_everybody(data_dir):
    async with keyed(data_dir) as (it, _):
        for app in (build(ServerSettings(data_dir=data_dir)),):
            for method, address, path in addresses(app):
                for headers in ({}, bearer(PREFIX + "x"), bearer(""), {"Cookie": "lipstream=anna|9|x"}):
                    async with it.http.request(
                        method, path, headers=headers, allow_redirects=False
                    ) as answer:
                        if address in OPEN:
                            assert answer.status != 401 or address in OWN_TOKEN, (method, address)
                        else:
                            assert answer.status == 401, (method, address, headers)
                            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_key_that_reads_changes_nothing_and_one_that_makes_sets_nothing_for_all(data_dir):
    async with keyed(data_dir) as (it, keys):
        for method, address, path in addresses(build(ServerSettings(data_dir=data_dir))):
            if address in OPEN or method == "OPTIONS":
                continue
            async with it.http.request(method, path, headers=bearer(keys["rita"])) as answer:
                changes = method not in ("GET", "HEAD") or address in (
                    *("/tts", "/change_refer", "/set_refer_audio", "/set_gpt_weights"),
                    *("/set_sovits_weights", "/set_model", "/control"),
                )
                assert (answer.status == 403) == changes, (method, address, answer.status)
            if address.startswith(("/set_", "/change_", "/control")):
                async with it.http.request(method, path, headers=bearer(keys["anna"])) as answer:
                    assert answer.status == 403, (method, address)


@pytest.mark.slow
async def test_each_sees_its_own_jobs_by_every_way(data_dir):
    async with keyed(data_dir) as (it, keys):
        anna, ben, admin = (bearer(keys[name]) for name in ("anna", "ben", "admin"))
        same = {"Idempotency-Key": "one"}
        job = await it.post("/v1/videos", 202, {"text": "Hello there."}, headers=anna | same)
        other = await it.post("/v1/videos", 202, {"text": "Something else."}, headers=ben | same)
        again = await it.post("/v1/videos", 200, {"text": "Hello there."}, headers=anna | same)
        assert again["id"] == job["id"] != other["id"]
        async for _ in it.state.hub.watch(it.state.store, job["id"]):
            pass
        place = f"/v1/jobs/{job['id']}"
        links = await it.get(f"{place}/outputs/video.mp4/link", headers=anna)
        ways = ["", "/events", "/stream", "/outputs/video.mp4", "/outputs/video.mp4/link"]
        ways += ["/subtitles.srt", "/preview.jpg"]
        for way in ways:
            error = (await it.get(place + way, 404, headers=ben))["error"]
            assert error["code"] == "unknown_job"
            nobody = (await it.get(f"/v1/jobs/video_0{way}", 404, headers=ben))["error"]
            assert error["message"].replace(job["id"], "video_0") == nobody["message"]
        for way in ("/cancel", "/publish"):
            await it.post(place + way, 404, headers=ben)
        async with it.http.delete(place, headers=ben) as answer:
            assert answer.status == 404
        listed = [one["id"] for one in (await it.get("/v1/jobs", headers=ben))["data"]]
        assert listed == [other["id"]]
        await it.get(f"/v1/jobs?after={job['id']}", 404, headers=ben)
        everything = {one["id"] for one in (await it.get("/v1/jobs", headers=admin))["data"]}
        assert everything == {job["id"], other["id"]}
        # As a source of another job, by its address, a result is its owner's alone; a link is who has it.
        own = f"{it.url}{place}/outputs/video.mp4"
        wanted = {"audio_url": own, "template": "sample"}
        refused = await it.post("/v1/lipsync", 422, wanted, headers=ben)
        assert refused["error"]["code"] == "url_not_allowed"
        await it.post("/v1/lipsync", 202, wanted, headers=anna)
        await it.post("/v1/lipsync", 202, wanted | {"audio_url": it.url + links["url"]}, headers=ben)
        async with it.http.get(links["url"]) as answer:
            assert answer.status == 200


async def test_a_socket_tells_of_ones_own_jobs_alone(data_dir):
    async with keyed(data_dir) as (it, keys):
        anna, ben = bearer(keys["anna"]), bearer(keys["ben"])
        protocols = ("lipstream.v1", f"lipstream.key.{keys['ben']}")
        async with it.http.ws_connect("/v1/ws", protocols=protocols) as ws:
            assert ws.protocol == "lipstream.v1"
            await ws.receive_json()
            await ws.send_json({"type": "subscribe", "job_ids": "*"})
            await ws.send_json({"type": "ping", "ref": "1"})
            assert (await ws.receive_json())["type"] == "pong"
            hers = (await it.post("/v1/videos", 202, {"text": "Hello."}, headers=anna))["id"]
            async for _ in it.state.hub.watch(it.state.store, hers):
                pass
            await ws.send_json({"type": "subscribe", "job_ids": [hers], "ref": "2"})
            await ws.send_json({"type": "job.cancel", "job_id": hers, "ref": "3"})
            his = (await it.post("/v1/videos", 202, {"text": "Hello."}, headers=ben))["id"]
            heard, refs = [], []
            while not heard or heard[-1] != "job.completed":
                message = await ws.receive_json(timeout=30)
                if message["type"] == "error":
                    refs.append((message["data"]["ref"], message["data"]["code"]))
                else:
                    assert message["job_id"] == his, message
                    heard.append(message["type"])
            assert refs == [("2", "unknown_job"), ("3", "unknown_job")]
        # A key beside no protocol of ours would be said again, or logged.
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await it.http.ws_connect("/v1/ws", protocols=protocols[1:])
        assert refused.value.status == 400
        reads = {"Authorization": f"Bearer {keys['rita']}"}
        async with it.http.ws_connect("/v1/ws", headers=reads) as ws:
            await ws.receive_json()
            await ws.send_json({"type": "job.cancel", "job_id": his})
            assert (await ws.receive_json())["data"]["code"] == "scope_too_small"


@pytest.mark.slow
async def test_templates_and_voices_are_their_owners_and_nobody_hears_of_them(data_dir, presenter_clip):
    def form(**more):
        data = aiohttp.FormData(more)
        data.add_field("file", presenter_clip.read_bytes(), filename="anna.mp4")
        return data

    async with keyed(data_dir) as (it, keys):
        anna, ben, admin = (bearer(keys[name]) for name in ("anna", "ben", "admin"))
        job = await it.post("/v1/templates", 202, data=form(name="Stage"), headers=anna)
        assert job["template"] == "stage"
        await asyncio.wait_for(_end(it, job["id"]), 30)
        assert await _templates(it, anna) == {"sample", "stage"}
        assert await _templates(it, ben) == {"sample"}
        for method, way in (("GET", ""), ("GET", "/thumbnail.jpg"), ("DELETE", ""), ("POST", "/enlarge")):
            async with it.http.request(method, f"/v1/templates/stage{way}", headers=ben) as answer:
                told = (await answer.json())["error"]
                assert (answer.status, told["code"]) == (404, "unknown_template")
        hers = await it.post("/v1/videos", 422, {"text": "a", "template": "stage"}, headers=ben)
        none = await it.post("/v1/videos", 422, {"text": "a", "template": "stake"}, headers=ben)
        assert hers["error"]["message"].replace("stage", "stake") == none["error"]["message"]
        # The same name, and even the same file, is another template of another's.
        job = await it.post("/v1/templates", 202, data=form(name="Stage"), headers=ben)
        assert job["template"].startswith("stage-")
        await asyncio.wait_for(_end(it, job["id"]), 30)
        assert await _templates(it, ben) == {"sample", job["template"]}
        assert await _templates(it, admin) == {"sample", "stage", job["template"]}
        new = {"name": "Stage, lit"}
        async with it.http.patch("/v1/templates/stage", json=new, headers=anna) as answer:
            assert (await answer.json())["name"] == "Stage, lit"
        async with it.http.patch("/v1/templates/stage", json=new, headers=ben) as answer:
            assert answer.status == 404
        async with it.http.delete("/v1/templates/stage", headers=anna) as answer:
            assert answer.status == 200
        assert await _templates(it, admin) == {"sample", job["template"]}
        # What an admin adds is everybody's to use, and nobody else's to delete.
        job = await it.post("/v1/templates", 202, data=form(name="House"), headers=admin)
        await asyncio.wait_for(_end(it, job["id"]), 30)
        assert await _templates(it, anna) == {"sample", "house"}
        for change in (it.http.delete, partial(it.http.patch, json=new)):
            async with change("/v1/templates/house", headers=anna) as answer:
                assert (answer.status, (await answer.json())["error"]["code"]) == (403, "not_yours")


async def _end(it, job_id):
    async for _ in it.state.hub.watch(it.state.store, job_id):
        pass


async def _templates(it, headers):
    return {one["id"] for one in (await it.get("/v1/templates", headers=headers))["data"]}


async def test_over_quota_is_429_before_the_body_is_read_and_says_when_to_come_back(data_dir):
    keys = Keys(data_dir)
    few = bearer(keys.add("few", "make", None, 1, None))
    short = bearer(keys.add("short", "make", None, None, 0.01))
    async with served(data_dir) as it:
        job = await it.post("/v1/videos", 202, {"text": "Hello. " * 50, **SLOW}, headers=few)
        for path in ("/v1/videos", "/v1/lipsync", "/v1/templates", "/process_video/", "/create-video/"):
            # Such a body would be a 400 or 415, were it looked at.
            async with it.http.post(path, data=b"{", headers=few) as answer:
                assert answer.status == 429, path
                assert (await answer.json())["error"]["code"] == "over_quota"
                assert int(answer.headers["Retry-After"]) > 0
                assert answer.headers["X-RateLimit-Resource"] == "jobs"
                assert answer.headers["X-RateLimit-Limit"] == "1"
                assert answer.headers["X-RateLimit-Remaining"] == "0"
        await it.post(f"/v1/jobs/{job['id']}/cancel", 200, headers=few)
        async with it.http.post("/v1/videos", json={"text": "Hello."}, headers=few) as answer:
            assert answer.status == 202
            assert answer.headers["X-RateLimit-Remaining"] == "1"
        said = {"input": "Good evening, all of you.", "voice": "f440"}
        async with it.http.post("/v1/audio/speech", json=said, headers=short) as answer:
            assert answer.status == 200
            await answer.read()
        for path in ("/v1/audio/speech", "/tts", "/", "/v1/videos"):
            async with it.http.post(path, data=b"{", headers=short) as answer:
                assert answer.status == 429, path
                assert answer.headers["X-RateLimit-Resource"] == "minutes"
                assert 0 < int(answer.headers["Retry-After"]) <= 86_400
        async with it.http.get("/tts?text=Hello", headers=short) as answer:
            assert answer.status == 429
        async with it.http.get("/?text=Hello", headers=short) as answer:
            assert answer.status == 429


async def test_keys_count_and_cease_to_while_the_server_runs(data_dir):
    keys = Keys(data_dir)
    async with served(data_dir) as it:
        await it.get("/v1/jobs")
        first = keys.add("first", "make", None, None, None)
        await it.get("/v1/jobs", 401)
        await it.get("/v1/jobs", headers=bearer(first))
        second = keys.add("second", "make", "first", None, None)
        job = await it.post("/v1/videos", 202, {"text": "Hello."}, headers=bearer(first))
        await it.get(f"/v1/jobs/{job['id']}", headers=bearer(second))  # of the same owner
        keys.remove("first")
        await it.get("/v1/jobs", 401, headers=bearer(first))
        keys.remove("second")  # the last: nothing opens by that
        await it.get("/v1/jobs", 401)
        (data_dir / "keys.json").write_text("{")
        await it.get("/v1/jobs", 401)


async def test_the_page_lets_in_by_a_form_with_a_cookie_that_ends_with_its_key(data_dir):
    async with (
        keyed(data_dir) as (it, keys),
        aiohttp.ClientSession(it.url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser,
    ):
        page = {"Origin": it.url}
        async with browser.get("/") as answer:
            assert answer.status == 401
            assert '<form method="post" action="login">' in await answer.text()
        async with browser.post("/login", data={"key": "no"}, headers=page) as answer:
            assert answer.status == 401
            assert not answer.cookies
        for odd in (b"key=\xff\xfe", b"\x00", b"key=%ff&key", b"=" * 5000, b"key[]=x", b""):
            form = page | {"Content-Type": "application/x-www-form-urlencoded; charset=nope"}
            async with browser.post("/login", data=odd, headers=form) as answer:
                assert answer.status == 401, odd
        evil = {"Origin": "http://evil.example"}
        async with browser.post("/login", data={"key": keys["anna"]}, headers=evil) as answer:
            assert answer.status == 403
        async with browser.post(
            "/login", data={"key": keys["anna"]}, headers=page, allow_redirects=False
        ) as answer:
            assert answer.status == 303
            (cookie,) = answer.cookies.values()
            assert cookie["httponly"]
            assert cookie["samesite"] == "Strict"
            assert keys["anna"] not in cookie.value
        async with browser.get("/") as answer:
            assert answer.status == 200
            assert 'src="static/app.js"' in await answer.text()
        async with browser.get("/v1/jobs") as answer:
            assert answer.status == 200
        async with browser.ws_connect("/v1/ws", headers=page) as ws:
            assert (await ws.receive_json())["type"] == "session.created"
        forged = cookie.value.replace("anna", "admin")
        await it.get("/v1/jobs", 401, headers={"Cookie": f"lipstream={forged}"})
        await it.get("/v1/jobs", 401, headers={"Cookie": "lipstream=anna|x|\xff"})
        Keys(data_dir).remove("anna")
        async with browser.get("/v1/jobs") as answer:
            assert answer.status == 401
        async with browser.post("/logout", headers=page, allow_redirects=False) as answer:
            assert answer.status == 303
        assert not list(browser.cookie_jar)


async def test_no_key_is_in_the_log_the_record_the_events_or_the_figures(data_dir, caplog):
    async with keyed(data_dir) as (it, keys):
        with caplog.at_level(logging.DEBUG):
            anna = bearer(keys["anna"])
            job = await it.post("/v1/videos", 202, {"text": "Hello."}, headers=anna)
            await _end(it, job["id"])
            offered = ("lipstream.v1", f"lipstream.key.{keys['anna']}")
            async with it.http.ws_connect(f"/v1/jobs/{job['id']}/events", protocols=offered) as ws:
                told = [message.data async for message in ws]
            await it.get("/v1/jobs/nobody", 404, headers=anna)
            await it.get("/v1/jobs", 401, headers=bearer(keys["anna"] + "x"))
            async with it.http.get("/metrics", headers=anna) as answer:
                told.append(await answer.text())
        told += [json.dumps(await it.get(f"/v1/jobs/{job['id']}", headers=anna)), caplog.text]
        everything = "".join(told).encode()
        for path in data_dir.rglob("*"):
            if path.is_file():
                everything += path.read_bytes()
        assert job["id"].encode() in everything
        for key in keys.values():
            assert key.removeprefix(PREFIX).encode() not in everything
    assert (data_dir / "keys.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
def test_beyond_this_machine_it_takes_a_key_or_the_word_that_none_is_wanted(data_dir, monkeypatch, capsys):
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(data_dir))
    for host in ("0.0.0.0", "::", ""):  # noqa: S104  # to be refused
        assert main(["serve", "--host", host, "--port", "0"]) == 2
        told = capsys.readouterr().err
        assert "lipstream keys add NAME" in told
        assert "--no-key" in told


def test_keys_are_made_listed_and_removed_on_the_command_line(data_dir, monkeypatch, capsys):
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(data_dir))
    assert main(["keys", "list"]) == 0
    assert "no key" in capsys.readouterr().err
    assert main(["keys", "add", "anna", "--jobs", "2", "--minutes-a-day", "1.5"]) == 0
    key = capsys.readouterr().out.strip()
    found = Keys(data_dir).find(key)
    assert found is not None
    assert (found.name, found.scope, found.jobs, found.minutes_a_day) == ("anna", "make", 2, 1.5)
    assert main(["keys", "list"]) == 0
    listed = capsys.readouterr().out
    assert "anna" in listed
    assert key not in listed
    assert main(["keys", "add", "anna"]) == 2
    assert main(["keys", "add", "a b"]) == 2
    assert main(["keys", "add", "b", "--jobs", "0"]) == 2
    assert main(["keys", "add", "b", "--minutes-a-day", "nan"]) == 2
    assert main(["keys", "remove", "anna"]) == 0
    assert main(["keys", "remove", "anna"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_damaged_file_of_keys_stops_the_start_and_opens_nothing(data_dir):
    keys = Keys(data_dir)
    keys.add("anna", "make", None, None, None)
    (data_dir / "keys.json").write_text('{"keys": [{"name": 5}]}')
    with pytest.raises(Error, match=r"keys\.json cannot be read"):
        run(_start(data_dir))
    with pytest.raises(Error):
        keys.add("ben", "make", None, None, None)


async def _start(data_dir):
    async with served(data_dir):
        pass


async def test_an_agents_framework_comes_in_with_its_key_and_goes_on_with_the_sessions_token(data_dir):
    async with keyed(data_dir) as (it, keys):
        wanted = {"avatar_id": "sample", "mode": "LITE"}
        await it.post("/v1/sessions/token", 401, wanted)
        made = await it.post("/v1/sessions/token", 200, wanted, headers={"X-API-Key": keys["anna"]})
        token = made["data"]["session_token"]
        named = {"session_id": made["data"]["session_id"]}
        await it.post("/v1/sessions/start", 401, named)
        await it.post("/v1/sessions/start", 401, named, headers=bearer(keys["ben"]))
        begun = await it.post("/v1/sessions/start", 200, named, headers=bearer(token))
        async with it.http.ws_connect(begun["data"]["ws_url"]):
            await it.get(f"/v1/sessions/{token}", headers=bearer(keys["anna"]))
            await it.get(f"/v1/sessions/{token}", 404, headers=bearer(keys["ben"]))
            await it.get(f"/v1/sessions/{token}", 401, headers=bearer(token))  # it opens nothing else
        await it.post("/v1/sessions/stop", 200, named, headers=bearer(token))


async def test_live_sessions_are_their_owners(data_dir):
    async with keyed(data_dir) as (it, keys):
        anna, ben, admin = (bearer(keys[name]) for name in ("anna", "ben", "admin"))
        begun = await it.post("/v1/sessions", 201, {"voice": "f440"}, headers=anna)
        place = f"/v1/sessions/{begun['id']}"
        for way in ("", "/stream", "/stream.mp4"):
            told = await it.get(place + way, 404, headers=ben)
            assert told["error"]["code"] == "unknown_session"
        async with it.http.delete(place, headers=ben) as answer:
            assert answer.status == 404
        assert (await it.get("/v1/sessions", headers=ben))["data"] == []
        assert len((await it.get("/v1/sessions", headers=admin))["data"]) == 1
        async with it.http.ws_connect(place, headers=anna) as ws:
            assert (await ws.receive_json())["type"] == "session.snapshot"
        await it.state.store.owners.add("voice", "f620", "ben")
        async with it.http.ws_connect(place, headers=anna) as ws:
            await ws.send_json({"type": "say", "text": "Yes.", "voice": "f620"})
            while (told := await ws.receive_json())["type"] != "error":
                pass
            assert (told["seq"], told["data"]["code"]) == (0, "unknown_voice")
        await it.state.store.owners.add("voice", "f850", "anna")
        refused = await it.post("/v1/sessions", 422, {"voice": "f850"}, headers=ben)
        assert refused["error"]["code"] == "unknown_voice"
        async with it.http.delete(place, headers=anna) as answer:
            assert answer.status == 200


async def test_what_is_open_by_a_key_is_cut_when_it_is_removed(data_dir, monkeypatch):
    monkeypatch.setattr(opened, "LOOK_S", 0.05)

    async def endless():
        while True:
            yield b" "
            await asyncio.sleep(0.02)

    async with keyed(data_dir) as (it, keys):
        anna, ben = bearer(keys["anna"]), bearer(keys["ben"])
        Keys(data_dir).add("anna2", "make", "anna", None, None)
        job = await it.post("/v1/videos", 202, {"text": "Hello there. " * 40, **SLOW}, headers=anna)
        other = await it.post("/v1/videos", 202, {"text": "Hello there. " * 40, **SLOW}, headers=ben)
        place = f"/v1/jobs/{job['id']}"
        said = {"input": "Good evening, all of you. " * 40, "model": "slow"}
        async with (
            it.http.ws_connect(f"{place}/events", headers=anna) as socket,
            it.http.ws_connect("/v1/ws", headers=anna) as monitor,
            it.http.ws_connect(f"/v1/jobs/{other['id']}/events", headers=ben) as bens,
            it.http.get(f"{place}/events", headers=anna) as events,
            it.http.get(f"{place}/stream", headers=anna) as stream,
            it.http.post("/v1/audio/speech", json=said, headers=anna) as speech,
        ):
            upload = asyncio.create_task(_upload(it, endless(), anna))
            while len(it.state.opened) != 7:  # noqa: ASYNC110  # bounded by the test's own limit
                await asyncio.sleep(0.01)
            Keys(data_dir).remove("anna")
            for ws in (socket, monitor):
                async for _ in ws:
                    pass
                assert ws.close_code == 1006
            for answer in (events, stream, speech):
                with pytest.raises(aiohttp.ClientError):
                    await answer.read()
            with pytest.raises(aiohttp.ClientError):
                await upload
            assert (await bens.receive_json())["job_id"] == other["id"]
            while len(it.state.opened) != 1:  # noqa: ASYNC110  # bounded by the test's own limit
                await asyncio.sleep(0.01)
            async with it.http.get(place, headers=anna) as answer:
                assert (await answer.json())["error"]["code"] == "unknown_key"
        for one in (job, other):  # the job is its owner's, who may have another key
            await it.state.runner.cancel(one["id"])


async def _upload(it, body, headers):
    headers = headers | {"Content-Type": "application/json"}
    async with it.http.post("/v1/videos", data=body, headers=headers) as answer:
        await answer.read()
