"""The log: a line a request and a job's start and end, whatever clients send."""

import json
import logging
import re

from yarl import URL

from server.logs import configure
from tests.support.serving import data_dir, library, run, served

__all__ = ["data_dir", "library"]  # fixtures


async def some_requests(data_dir):
    async with served(data_dir) as it:
        job = await it.video("Hello.")
        await it.ended(job)
        forged = "/static/a%0a2026-11-30%20ERROR%20root%20all%20is%20lost?X-Signature=SECRET"
        async with it.http.get(URL(forged, encoded=True)) as answer:
            known = answer.headers["X-Request-Id"]
        await it.http.get("/healthz")
        return job, known


def logged(data_dir, capsys, format):
    root, levels = logging.getLogger(), {name: logging.getLogger(name).level for name in ("server", "core")}
    handlers, level = root.handlers, root.level
    try:
        configure("info", format)
        job, known = run(some_requests(data_dir))
        return job, known, capsys.readouterr().err.splitlines()
    finally:
        root.handlers = handlers
        root.setLevel(level)
        for name, before in levels.items():
            logging.getLogger(name).setLevel(before)


def test_every_request_and_job_has_a_line_that_no_client_can_forge(data_dir, capsys):
    job, known, lines = logged(data_dir, capsys, "text")
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ \S+ ", line) for line in lines), lines
    assert sum(f"job.started {job}" in line for line in lines) == 1
    assert sum(f"job.completed {job}" in line for line in lines) == 1
    (found,) = [line for line in lines if f"[{known}]" in line]
    assert r"GET /static/a\n2026-11-30 ERROR root all is lost 404 " in found
    assert "SECRET" not in "".join(lines)
    assert "healthz" not in "".join(lines)


def test_as_json_it_is_an_object_a_line(data_dir, capsys):
    job, known, lines = logged(data_dir, capsys, "json")
    told = [json.loads(line) for line in lines]
    (post,) = [one for one in told if one.get("method") == "POST"]
    assert (post["path"], post["status"], post["level"]) == ("/v1/videos", 202, "info")
    assert post["request_id"]
    (found,) = [one for one in told if one.get("request_id") == known]
    assert found["status"] == 404
    assert [one["event"] for one in told if one.get("job") == job] == ["job.started", "job.completed"]
