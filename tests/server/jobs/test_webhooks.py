"""Webhooks: signed, in order, tried again until they are heard, to nobody inside, and through restarts."""

import asyncio
import base64
import hashlib
import hmac
import json
import sqlite3
import stat
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from server.app import site_address
from server.cli import main as cli
from server.jobs import webhooks
from tests.support.serving import data_dir, library, served

__all__ = ["data_dir", "library"]  # fixtures


@asynccontextmanager
async def receiver(*answers):
    """Who is told: its address, and what it heard. answers: statuses of the first posts; 200 after them."""
    heard, statuses = asyncio.Queue(), list(answers)

    async def hear(request):
        status = statuses.pop(0) if statuses else 200
        await heard.put((status, dict(request.headers), await request.read(), request.path_qs))
        return web.Response(status=status, headers={"Location": "/elsewhere"} if status == 302 else {})

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", hear)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield site_address(runner), heard
    finally:
        await runner.cleanup()


async def nothing_left(it):
    while await it.state.store.hooks.all():  # noqa: ASYNC110  # bounded by the test's own limit
        await asyncio.sleep(0.01)


def checked(secret, heard):
    """What was said, of a post whose signature is right."""
    _, headers, body, _ = heard
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256)
    assert headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
    event = json.loads(body)
    assert headers["webhook-id"] == f"{event['job_id']}.{event['seq']}"
    return event


@pytest.mark.slow
async def test_a_job_s_events_are_posted_in_order_signed_and_again_until_they_are_heard(
    data_dir, monkeypatch, capsys
):
    monkeypatch.setattr(webhooks, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(data_dir))

    async with receiver(500, 429, 200, 503) as (url, heard):
        place = url.removeprefix("http://")
        async with served(data_dir, fetch_allow=(place,)) as it:
            key = data_dir / "server" / "webhooks.key"
            assert stat.S_IMODE(key.stat().st_mode) == 0o600
            assert cli(["webhook-secret"]) == 0
            secret = capsys.readouterr().out.strip()
            asked = {"text": "Hello there.", "webhook_url": f"{url}/hook?token=secret"}
            same = {"Idempotency-Key": "once"}
            job = await it.post("/v1/videos", 202, asked, headers=same)
            await it.post("/v1/videos", 200, asked, headers=same)
            posts = [await asyncio.wait_for(heard.get(), 20) for _ in range(5)]
            assert [post[0] for post in posts] == [500, 429, 200, 503, 200]
            assert {post[3] for post in posts} == {"/hook?token=secret"}
            events = [checked(secret, post) for post in posts]
            assert [event["type"] for event in events] == ["job.started"] * 3 + ["job.completed"] * 2
            assert {event["job_id"] for event in events} == {job["id"]}
            shown = await it.get(f"/v1/jobs/{job['id']}")
            assert shown["request"]["webhook_url"] == f"{url}/hook"
            await nothing_left(it)
            # Other kinds of jobs have it too; who answers with a redirect or 410 is told no more.
            while not heard.empty():
                heard.get_nowait()
            asked = {"options": {"size": "160x120"}, "webhook_url": url}
            other = await it.post("/v1/templates/sample/prepare", 202, asked)
            event = checked(secret, await asyncio.wait_for(heard.get(), 20))
            assert event["job_id"] == other["id"]


async def test_posts_lead_nowhere_inside_and_are_given_up_where_nobody_wants_them(data_dir, caplog):
    async with receiver(302) as (url, heard):
        place = url.removeprefix("http://")
        async with served(data_dir, fetch_allow=(place,)) as it:
            for inside in (
                "http://127.0.0.1/",
                "http://[::1]/",
                f"http://localhost:{it.url[-5:]}/",
                "file:///x",
            ):
                refused = await it.post("/v1/videos", 422, {"text": "Hello.", "webhook_url": inside})
                assert refused["error"]["param"] == "webhook_url", inside
            for told in ("http://localhost/", url):  # a name is looked at when it is dialled
                await it.ended(await it.video(webhook_url=told))
            await nothing_left(it)
            assert heard.qsize() == 1
            assert "not public" in caplog.text
            assert "answered 302" in caplog.text


async def test_what_was_not_heard_before_a_restart_is_told_after_it_and_nothing_twice(data_dir, monkeypatch):
    monkeypatch.setattr(webhooks, "FIRST_PAUSE_S", 0.02)

    async with receiver(200, *[503] * 10_000) as (url, heard):
        place = url.removeprefix("http://")
        async with served(data_dir, fetch_allow=(place,)) as it:
            job = await it.video(webhook_url=url)
            await it.ended(job)
            while (await heard.get())[0] != 503:
                pass
    async with receiver() as (again, heard):
        port = again.rpartition(":")[2]
        await _move(data_dir, again)
        async with served(data_dir, fetch_allow=(f"127.0.0.1:{port}",)) as it:
            secret = (data_dir / "server" / "webhooks.key").read_text()
            event = checked(secret, await asyncio.wait_for(heard.get(), 20))
            assert (event["type"], event["job_id"]) == ("job.completed", job)
            await nothing_left(it)
            assert heard.empty()


async def _move(data_dir, url):
    """Have the record name the receiver's new port, as its old one may be another program's by now."""
    with sqlite3.connect(data_dir / "server" / "jobs.db") as db:
        db.execute("update hooks set url = ?", (url,))
    db.close()
