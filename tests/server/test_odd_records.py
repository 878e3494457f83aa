"""One odd record, on disk or in the database, is left out; nobody else notices."""

import asyncio
import json
import os
import signal

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
from server.store.store import NewJob
from tests.support.serving import data_dir, library, run, served

__all__ = ["data_dir", "library"]  # fixtures

ODD_JOBS = [
    ("video", "{}"),
    ("video", "no JSON"),
    ("video", "[]"),
    ("hologram", '{"title":"x","template":"sample"}'),
    ("video", '{"title":7,"template":"sample","video":{"text":"x"}}'),
]


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
