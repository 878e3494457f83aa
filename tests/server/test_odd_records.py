"""One odd record, on disk or in the database, is left out; nobody else notices."""

import asyncio
import json
import os
import signal
import sqlite3

import psutil
import pytest
from yarl import URL

from core.engines.builtin import voice as module
from core.engines.builtin.voice import EspeakVoice
from core.errors import BadInput
from core.protocols import Style
from core.text import sentences
from server.errors import Refused, refusal
from server.jobs.explain import explain
from server.store.new_jobs import NewJob
from tests.support.serving import SLOW, data_dir, library, run, served

__all__ = ["data_dir", "library"]  # fixtures

ODD_JOBS = [
    ("video", "{}"),
    ("video", "no JSON"),
    ("video", "[]"),
    ("hologram", '{"title":"x","template":"sample"}'),
    ("video", '{"title":7,"template":"sample","video":{"text":"x"}}'),
    ("template", '{"title":"x","template":"y","upload":"file","face":"of a later version"}'),
]


@pytest.mark.slow
def test_an_odd_job_is_left_out_of_lists_and_those_of_a_later_version_are_read(data_dir, caplog):
    async def main():
        async with served(data_dir) as it:
            good = await it.video()
            await it.ended(good)
            for k, (kind, request) in enumerate(ODD_JOBS):
                await it.state.store.accept(NewJob(f"odd_{k}", kind, request, "{}"))
                await it.state.store.cancel_waiting(f"odd_{k}", "{}")
            later = {
                "title": "later",
                "template": "sample",
                "video": {"text": "x", "of_later": 1},
                "more": [],
            }
            await it.state.store.accept(NewJob("later", "video", json.dumps(later), "{}"))
            await it.state.store.cancel_waiting("later", "{}")
            listed = await it.get("/v1/jobs")
            assert {job["id"] for job in listed["data"]} == {good, "later"}
            assert (await it.get("/v1/jobs/later"))["title"] == "later"

    run(main())
    assert "job left out" in caplog.text


@pytest.mark.parametrize(("kind", "request_text"), ODD_JOBS)
async def test_an_odd_job_asked_for_by_its_id_is_gone_in_words_and_can_be_deleted(
    data_dir, kind, request_text
):
    async with served(data_dir) as it:
        await it.state.store.accept(NewJob("odd", kind, request_text, "{}", key="odd"))
        job = "/v1/jobs/odd"
        for path in (f"{job}/cancel", f"{job}/cancel"):
            refused = await it.post(path, 410)
            assert refused["error"]["code"] == "unreadable_record"
        for path in (job, f"{job}/events"):
            refused = await it.get(path, 410)
            assert "DELETE" in refused["error"]["message"]
        assert (await it.get(f"{job}/stream", 410 if kind == "video" else 404))["error"]["code"]
        async with it.http.ws_connect("/v1/ws") as ws:
            await ws.receive_json()
            await ws.send_json({"type": "subscribe", "job_ids": ["odd"]})
            said = await ws.receive_json()
            assert (said["job_id"], said["data"]["code"]) == ("odd", "unreadable_record")
        async with it.http.delete(job) as response:
            assert response.status == 200
        await it.get(job, 404)


async def test_a_job_of_an_unknown_status_is_told_so_by_every_way_and_can_be_deleted(data_dir):
    async with served(data_dir) as it:
        job = await it.video()
        await it.ended(job)
        with sqlite3.connect(data_dir / "server" / "jobs.db") as db:
            db.execute("update jobs set status = 'paused'")
        db.close()
        for way in ("", "/events", "/stream"):
            refused = await it.get(f"/v1/jobs/{job}{way}", 410)
            assert refused["error"]["code"] == "unreadable_record", way
        assert (await it.get("/v1/jobs"))["data"] == []
        async with it.http.delete(f"/v1/jobs/{job}") as response:
            assert response.status == 200
        await it.get(f"/v1/jobs/{job}", 404)


async def test_who_follows_all_jobs_is_told_of_those_beside_an_odd_one(data_dir):
    async with served(data_dir, jobs=1) as it:
        first = await it.video("A long text that takes a while to say, word after word.", **SLOW)
        await it.begun(first)
        await it.state.store.accept(NewJob("odd", "hologram", "{}", "{}"))
        second = await it.video()
        async with it.http.ws_connect("/v1/ws") as ws:
            await ws.receive_json()
            await ws.send_json({"type": "subscribe", "job_ids": "*"})
            shown, ended = set(), set()
            while not {first, second} <= ended:
                said = await ws.receive_json()
                assert said["type"] != "error"
                if said["type"] == "job.snapshot":
                    shown.add(said["job_id"])
                if said["type"] in ("job.completed", "job.failed"):
                    ended.add(said["job_id"])
            assert shown == {first, second}
        # The odd one had its turn between the two, and its end says why.
        failed = await it.state.store.get("odd")
        assert failed.status == "failed"
        assert json.loads(failed.error)["code"] == "unreadable_record"


async def test_a_page_is_full_of_jobs_that_can_be_read_and_tells_truly_whether_there_are_more(data_dir):
    async with served(data_dir) as it:
        good = [await it.video() for _ in range(2)]
        for job_id in good:
            await it.ended(job_id)
        for k in range(5):
            await it.state.store.accept(NewJob(f"odd_{k}", "video", "{}", "{}"))
            await it.state.store.cancel_waiting(f"odd_{k}", "{}")
        page = await it.get("/v1/jobs?limit=1")
        assert [job["id"] for job in page["data"]] == good[1:]
        assert page["has_more"]
        page = await it.get("/v1/jobs", params={"limit": 1, "after": good[1]})
        assert [job["id"] for job in page["data"]] == good[:1]
        assert not page["has_more"]
        await it.state.store.accept(NewJob("odd_last", "video", "{}", "{}"))
        page = await it.get("/v1/jobs", params={"limit": 2})
        assert [job["id"] for job in page["data"]] == good[::-1]
        assert not page["has_more"]


@pytest.mark.parametrize(
    ("column", "odd"),
    [
        ("metrics", "no JSON"),
        ("metrics", "{}"),
        ("metrics", "7"),
        ("metrics", b"\xff\xfe"),
        ("began", "[]"),
        ("began", '{"engines": 1}'),
        ("progress", "{"),
        ("error", '{"code": 5}'),
    ],
)
async def test_odd_figures_of_one_job_fail_no_other(data_dir, column, odd):
    async with served(data_dir) as it:
        first = await it.video()
        await it.ended(first)

        def spoil(db, log):
            db.execute(f"update jobs set {column} = ? where id = ?", (odd, first))  # noqa: S608  # names above
            db.execute("update events set data = ? where type = 'video.init'", ("no JSON",))

        await it.state.store._writer.submit(spoil)
        second = await it.video("Another text.")
        assert (await it.ended(second))["status"] == "completed"
        listed = await it.get("/v1/jobs")
        assert second in {job["id"] for job in listed["data"]}
        for path in (f"/v1/jobs/{first}", f"/v1/jobs/{first}/events"):
            async with it.http.get(path) as response:
                assert response.status in (200, 410)


@pytest.mark.parametrize("record", ["", "{", "[]", "7", "null", "{}", '{"id": "x"}', "\x00", None])
def test_an_odd_template_is_left_out_of_lists(data_dir, record, caplog):
    folder = data_dir / "templates" / "odd"
    folder.mkdir()
    if record is None:
        (folder / "template.json").write_bytes(b"\xff\xfe")
    else:
        (folder / "template.json").write_text(record)
    good = data_dir / "templates" / "sample" / "template.json"
    good.write_text(json.dumps(json.loads(good.read_text()) | {"of_a_later_version": True}))

    async def main():
        async with served(data_dir) as it:
            listed = await it.get("/v1/templates")
            assert [template["id"] for template in listed["data"]] == ["sample"]
            with pytest.raises(BadInput, match="cannot be read"):
                it.state.catalog._templates.show("odd")

    run(main())
    assert "template left out" in caplog.text


def test_a_voice_that_hangs_is_replaced(monkeypatch):
    monkeypatch.setattr(module, "SILENCE_S", 0.5)
    voice = EspeakVoice()
    try:
        child = voice._child
        assert child is not None
        os.kill(child.pid, signal.SIGSTOP)
        (sentence,) = sentences("Hello there.", "en")
        assert sum(len(some.samples) for some in voice.speak(sentence, "female", Style())) > 5000
        assert child.poll() is not None
    finally:
        voice.close()


def test_a_dotenv_of_another_encoding_is_said(tmp_path, monkeypatch, capsys):
    from server.cli import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes("VIDEO_BASE_PATH=D:\\视频\n".encode("gbk"))
    assert main(["voices"]) == 2
    said = capsys.readouterr().err
    assert ".env is not UTF-8" in said
    assert said.count("\n") == 1


def test_a_decoder_that_is_killed_is_not_the_files_fault(presenter_clip, monkeypatch):
    from core.media import child_process
    from core.media.info import Limits

    async def main():
        child = await child_process.Child.start(presenter_clip, Limits(), do="probe")
        child._process.kill()
        await child._process.wait()
        error = await child._refusal()
        await child.end()
        return error

    error = asyncio.run(main())
    assert (explain(error, None).code, explain(error, None).retryable) == ("out_of_memory", True)
    assert isinstance(refused := refusal(error), Refused)
    assert refused.status == 503
    assert psutil.pid_exists(os.getpid())


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/static/" + "a%" * 260 + "%0aERROR%20root%20changed", None, {}),
        ("/static/" + "a" * 300 + "%0aERROR%20root%20changed", None, {}),
        ("/v1/videos", b"no gzip", {"Content-Encoding": "gzip", "Content-Type": "application/json"}),
        ("/tts", b"no deflate", {"Content-Encoding": "deflate", "Content-Type": "application/json"}),
    ],
)
def test_plain_requests_that_make_no_sense_are_no_errors_of_the_server(data_dir, path, body, headers, caplog):
    async def main():
        async with served(data_dir) as it:
            url = URL(it.url + path.replace("%2", "%252") if "a%" in path else it.url + path, encoded=True)
            method = it.http.get if body is None else it.http.post
            async with method(url, data=body, headers=headers) as response:
                assert 400 <= response.status < 500

    run(main())
    assert not [record for record in caplog.records if record.name == "server.errors"]
