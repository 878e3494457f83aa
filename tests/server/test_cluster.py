"""Jobs of a server whose videos are made on the nodes of a cluster."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.cluster.connect import NoCluster, check
from server.cli import main
from tests.support.browser import needs_chromium, open_browser
from tests.support.clusters import SmallCluster
from tests.support.serving import Served, library, served
from tests.support.sessions import begun, controlled, seconds_of

__all__ = ["library"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LINE = "Hello there, this is a line of some length for the two of us. "

Server = tuple[Served, Callable[..., Any]]


@pytest.fixture(scope="module")
def server(ray_cluster: SmallCluster, library: Path) -> Iterator[Server]:
    with asyncio.Runner() as runner:
        opening = served(library, cluster=ray_cluster.address, speech="builtin")
        it = runner.run(opening.__aenter__())
        runner.run(nodes(it, 2))
        yield it, runner.run
        runner.run(opening.__aexit__(None, None, None))


async def nodes(it: Served, count: int) -> list[Any]:
    """The nodes, once so many are ready and no others are listed."""
    while True:
        found = (await it.get("/v1/cluster"))["nodes"]
        if [node["state"] for node in found] == ["ready"] * count:
            return list(found)
        await asyncio.sleep(0.05)


async def log_of(it: Served, job_id: str) -> list[Any]:
    """The events of a job that has ended, which are numbered without a gap and end once."""
    events = await it.state.store.read(job_id, 0, 10_000)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert sum(event.type in ("job.completed", "job.failed", "job.cancelled") for event in events) == 1
    return list(events)


def test_a_node_killed_in_the_middle_of_six_jobs_costs_none_of_them(
    server: Server, ray_cluster: SmallCluster
) -> None:
    it, run = server
    added = ray_cluster.add()

    async def main() -> None:
        there = await nodes(it, 3)
        short = added.node_id[:6]
        doomed = next(node["id"] for node in there if node["id"].endswith(short))
        jobs = [await it.video(f"{LINE * 4} {n}.") for n in range(6)]
        while not (hit := it.state.figures.jobs_on(doomed)):  # noqa: ASYNC110  # bounded by the test's own limit
            await asyncio.sleep(0.01)
        await it.begun(hit[0])
        ray_cluster.kill(added)
        ends = [await it.ended(job) for job in jobs]
        assert [end["status"] for end in ends] == ["completed"] * 6
        again = 0
        for job in jobs:
            events = await log_of(it, job)
            again += sum(json.loads(event.data).get("reason") == "node_lost" for event in events)
        assert again == 1
        await nodes(it, 2)

    run(main())


def test_the_same_request_gives_the_same_file_on_any_node(server: Server) -> None:
    it, run = server

    async def main() -> None:
        jobs = [await it.video(LINE) for _ in range(4)]
        ends = [await it.ended(job) for job in jobs]
        assert [end["status"] for end in ends] == ["completed"] * 4
        figures = it.state.figures
        assert len({end["metrics"]["frames"] for end in ends}) == 1
        text = await (await it.http.get("/metrics")).text()
        for node in await nodes(it, 2):
            assert f'lipstream_node_slots{{node="{node["id"]}"}} 1.0' in text
            assert f'lipstream_node_frames_total{{node="{node["id"]}"}}' in text  # both have worked
            assert not figures.jobs_on(node["id"])

    run(main())


def test_a_node_that_drains_gets_no_new_job_and_ends_what_it_has(
    server: Server, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    it, run = server
    monkeypatch.chdir(tmp_path)

    def command(*words: str) -> str:
        assert main(["cluster", *words, "--server", it.url]) == 0
        return capsys.readouterr().out

    async def drained() -> None:
        one, other = await nodes(it, 2)
        long = [await it.video(LINE * 6) for _ in range(2)]
        for node in (one, other):
            while not it.state.figures.jobs_on(node["id"]):  # noqa: ASYNC110  # as above
                await asyncio.sleep(0.01)
        assert "is draining; 1 jobs run there" in await asyncio.to_thread(command, "drain", one["id"])
        short = [await it.video("Hi.") for _ in range(3)]
        for job in (*long, *short):
            while (await it.get(f"/v1/jobs/{job}"))["status"] != "completed":
                found = it.state.figures.jobs_on(one["id"])
                assert not set(found) & set(short)
                await asyncio.sleep(0.05)
        told = await asyncio.to_thread(command, "status")
        assert f"on the cluster {it.state.settings.cluster}, 1 at once" in told
        assert "draining" in told
        listed = json.loads(await asyncio.to_thread(command, "status", "--json"))
        assert {node["state"] for node in listed} == {"draining", "ready"}
        assert all(node["sent_bytes"] > 0 and not node["jobs"] for node in listed)
        assert "is ready" in await asyncio.to_thread(command, "drain", one["id"], "--off")
        await it.post("/v1/cluster/nodes/nobody/drain", 404, {})

    run(drained())


def test_a_head_that_does_not_answer_is_told_and_waited_for(
    server: Server, ray_cluster: SmallCluster, caplog: pytest.LogCaptureFixture
) -> None:
    it, run = server
    (head,) = ray_cluster.ray.head_node.all_processes["gcs_server"]

    async def until(status: int, told: str) -> None:
        while True:
            async with it.http.get("/readyz") as response:
                if (response.status, await response.text()) == (status, told):
                    return
            await asyncio.sleep(0.05)

    async def main() -> None:
        await nodes(it, 2)
        os.kill(head.process.pid, signal.SIGSTOP)
        try:
            await until(503, "the head of the cluster does not answer\n")
        finally:
            os.kill(head.process.pid, signal.SIGCONT)
        await until(200, "ready\n")
        assert (await it.ended(await it.video("Hi.")))["status"] == "completed"

    run(asyncio.wait_for(main(), 60))
    assert "the head of the cluster does not answer" in caplog.text


def test_a_session_is_made_on_a_node_and_begins_anew_on_another(server: Server) -> None:
    it, run = server

    async def main() -> None:
        session_id = await begun(it)
        cluster = it.state.cluster
        assert cluster is not None
        async with controlled(it, session_id) as control:
            node = (await it.get(f"/v1/sessions/{session_id}"))["node"]
            busy = next(one for one in cluster.machines.values() if one.place.name == node)
            assert (busy.running, cluster.slots.limit) == (1, 1)
            await control.say("text.delta", text="One two ")
            await control.say("text.delta", text="three.")
            await control.say("text.done")
            assert (await control.hear("speech.ended"))["data"]["text_spoken"] == "One two three."
            assert (await it.get(f"/v1/sessions/{session_id}"))["stopped_s"] is None
            await control.say("say", text=LINE)
            await control.hear("speech.started")
            await control.say("interrupt")
            assert (await control.hear("speech.ended"))["data"]["interrupted"]
            assert (await it.get(f"/v1/sessions/{session_id}"))["stopped_s"] < 5  # 0.1 on a quiet machine
            await control.say("say", text=LINE)
            await control.hear("speech.started")
            os.kill(busy.hello.process, signal.SIGKILL)
            assert (await control.hear("error"))["data"]["code"] == "node_lost"
            await control.hear("session.ready")
            assert len(await seconds_of(it, session_id, 0.5)) > 1000
            await control.say("say", text="Here I am.")
            assert (await control.hear("speech.started"))["data"]["utterance"] == 1
            assert control.events()
        async with it.http.delete(f"/v1/sessions/{session_id}") as response:
            assert response.status == 200
        assert not any(one.running for one in cluster.machines.values())
        await nodes(it, 2)
        for _ in range(400):  # the node that comes anew is counted a little after it is listed
            if cluster.slots.limit == 2:
                break
            await asyncio.sleep(0.05)
        assert cluster.slots.limit == 2

    run(asyncio.wait_for(main(), 120))


def test_a_server_is_not_ready_while_no_node_is(server: Server) -> None:
    it, run = server

    async def main() -> None:
        assert (await it.http.get("/readyz")).status == 200
        there = await nodes(it, 2)
        for node in there:
            await it.post(f"/v1/cluster/nodes/{node['id']}/drain", 200, {"drain": True})
        job = await it.video("Hi.")
        async with it.http.get("/readyz") as response:
            assert (response.status, await response.text()) == (503, "no node of the cluster is ready\n")
        assert (await it.get(f"/v1/jobs/{job}"))["status"] == "queued"
        for node in there:
            await it.post(f"/v1/cluster/nodes/{node['id']}/drain", 200, {"drain": False})
        assert (await it.ended(job))["status"] == "completed"

    run(main())


@needs_chromium
def test_the_monitor_shows_which_node_does_a_job(server: Server, tmp_path: Path) -> None:
    it, run = server

    async def main() -> None:
        there = {node["id"] for node in await nodes(it, 2)}
        async with open_browser(tmp_path / "profile") as page:
            await page.open(f"{it.url}/#/monitor")
            await page.until("document.querySelectorAll('[data-node]').length === 2")
            job = await it.video(LINE * 12)
            rows = "[...document.querySelectorAll('[data-node]')]"
            busy = await page.until(f"{rows}.find((row) => row.innerText.includes({job!r}))?.dataset.node")
            assert busy in there
            assert job in it.state.figures.jobs_on(busy)
            done = f"document.querySelector('[data-job={job}]').dataset.status === 'completed'"
            await page.until(done, timeout_s=60)
            await page.until("!document.querySelector('[data-node][data-status=in_progress]')")

    run(main())


def test_doctor_tells_what_each_node_has(ray_cluster: SmallCluster) -> None:
    found = asyncio.run(check(ray_cluster.address, nodes=True))
    assert len(found) == 2
    assert all(node.problem is None and node.lipstream and node.python for node in found)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, None),
        ({"RAY_AUTH_TOKEN": "b" * 40}, "does not take our token"),
        ({"RAY_AUTH_TOKEN": ""}, "there is no token here"),
        ({"RAY_AUTH_MODE": "disabled"}, "does not take our token"),
        ({"RAY_AUTH_MODE": None}, None),
    ],
)
def test_a_wrong_or_missing_token_is_told_in_seconds(
    ray_cluster: SmallCluster,
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, str | None],
    told: str | None,
) -> None:
    for name, value in changed.items():
        monkeypatch.setenv(name, value) if value is not None else monkeypatch.delenv(name)
    before, began = os.times(), time.monotonic()
    if told is None:
        asyncio.run(check(ray_cluster.address))
    else:
        with pytest.raises(NoCluster, match=told):
            asyncio.run(check(ray_cluster.address))
    took, after = time.monotonic() - began, os.times()
    assert after.children_user - before.children_user < 5
    assert took < 15  # five seconds where nothing else runs beside; Ray alone takes twenty


def test_where_nobody_is_that_is_told(ray_cluster: SmallCluster) -> None:
    host, _, _ = ray_cluster.address.partition(":")
    with pytest.raises(NoCluster, match="nobody answers"):
        asyncio.run(check(f"{host}:9"))
