"""`lipstream batch`: every row once, whatever is wrong with others and whenever it is stopped."""

import asyncio
import json

import pytest
from aiohttp import web

from core.errors import BadInput, Error
from server.access.keys import Keys
from server.app import site_address
from server.cli import batch
from server.cli import main as cli
from server.cli.batch import Row, _message, make_all, read_rows
from server.schemas.responses import ErrorBody, Problem
from tests.support.serving import data_dir, library, run, served

__all__ = ["data_dir", "library"]  # fixtures

ROWS = """{"id": "first", "text": "Hello."}
{"text": "Nobody says this.", "template": "nobody"}

{"id": "slow", "text": "This one takes a while.", "options": {"engines": {"speech": "slow"}}}
{"text": "broken
{"id": "last", "text": "Good bye."}
"""


@pytest.mark.slow
async def test_a_batch_that_is_stopped_goes_on_and_makes_nothing_twice(
    data_dir, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(batch, "POLL_S", 0.05)
    (tmp_path / "rows.jsonl").write_text(ROWS)
    rows, out = read_rows(tmp_path / "rows.jsonl"), tmp_path / "out"
    keys = Keys(data_dir)
    # Two jobs at once are too much for this key: the second row waits until there is room.
    ann = {"Authorization": "Bearer " + keys.add("ann", "make", None, 1, None)}

    async with served(data_dir) as it:
        it.http.headers.update(ann)
        first = asyncio.create_task(make_all(rows, out, it.url, ann, 2))
        while not (slow := [j for j in await jobs(it) if j["title"] == "This one takes a while."]):  # noqa: ASYNC110  # bounded by the test's own limit
            await asyncio.sleep(0.05)
        first.cancel()
        await asyncio.wait([first])
        assert not (out / "slow.mp4").exists()
        assert await make_all(rows, out, it.url, ann, 2) == 2
        made = await jobs(it)
        assert sorted(job["title"] for job in made) == ["Good bye.", "Hello.", "This one takes a while."]
        assert slow[0]["id"] in {job["id"] for job in made}
        for job in made:
            name = job_ids(out)[job["id"]]
            size = next(o["bytes"] for o in job["outputs"] if o["name"] == "video.mp4")
            assert (out / f"{name}.mp4").stat().st_size == size
        told = [json.loads(line) for line in (out / batch.RESULTS).read_text().splitlines()]
        wrong = {line["id"]: line["error"] for line in told if line["status"] == "failed"}
        assert set(wrong) == {"00002", "00005"}
        assert "nobody" in wrong["00002"]
        assert "no JSON" in wrong["00005"]
        (tmp_path / "key").write_text(ann["Authorization"].removeprefix("Bearer "))
        command = ["batch", str(tmp_path / "rows.jsonl"), "-o", str(out), "--server", it.url]
        assert await asyncio.to_thread(cli, [*command, "--key-file", str(tmp_path / "key")]) == 1
        assert "3 of 5 videos" in capsys.readouterr().out
        assert len(await jobs(it)) == 3
        # A row that is changed, and changed back, has the video that it asks for.
        whole = (out / "first.mp4").stat().st_size
        changed = Row("first", json.dumps({"text": "Hello again, you."}))
        assert await make_all([changed], out, it.url, ann, 1) == 0
        assert (out / "first.mp4").stat().st_size > whole
        assert await make_all(rows[:1], out, it.url, ann, 1) == 0
        assert (out / "first.mp4").stat().st_size == whole
        assert sorted(file.name for file in out.glob("*.mp4*")) == ["first.mp4", "last.mp4", "slow.mp4"]
        with pytest.raises(Error, match="key"):
            await make_all(rows, tmp_path / "other", it.url, {}, 2)


async def jobs(it):
    return (await it.get("/v1/jobs"))["data"]


def job_ids(out):
    lines = map(json.loads, (out / batch.RESULTS).read_text().splitlines())
    return {line["job"]: line["id"] for line in lines if line["status"] == "completed"}


def test_a_server_that_is_away_is_waited_for_a_while(tmp_path, monkeypatch, free_tcp_port):
    monkeypatch.setattr(batch, "POLL_S", 0.01)
    monkeypatch.setattr(batch, "GIVE_UP_S", 0.05)
    (tmp_path / "rows.csv").write_text("text\nHello.\n")
    with pytest.raises(Error, match="run it again"):
        run(make_all(read_rows(tmp_path / "rows.csv"), tmp_path, f"http://127.0.0.1:{free_tcp_port}", {}, 1))


async def test_what_is_no_lipstream_is_told_so(tmp_path):
    (tmp_path / "rows.csv").write_text("text\nHello.\n")

    async def welcome(_request):
        return web.Response(text="Welcome!")

    app = web.Application()
    app.router.add_post("/v1/videos", welcome)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        with pytest.raises(Error, match="no Lipstream server"):
            await make_all(read_rows(tmp_path / "rows.csv"), tmp_path, site_address(runner), {}, 1)
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("name", "written", "match"),
    [
        ("rows.jsonl", b"\n", "no row"),
        ("rows.csv", "text\n你好\n".encode("gbk"), "UTF-8"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_whole(tmp_path, name, written, match):
    (tmp_path / name).write_bytes(written)
    with pytest.raises(BadInput, match=match):
        read_rows(tmp_path / name)


def test_a_row_with_a_bad_id_or_one_that_is_taken_stops_no_other(tmp_path):
    (tmp_path / "rows.csv").write_text("id,text\na,Hello.\nhow are you,Hi.\na,Hi.\n../a,Hi.\n,Hi.\n")
    rows = read_rows(tmp_path / "rows.csv")
    assert [row.id for row in rows] == ["a", "00002", "a", "00004", "00005"]
    wrong = [row.problem or "" for row in rows]
    assert [problem.partition(";")[0] for problem in wrong] == [
        "",
        "id is letters, digits, and after the first - and _, 64 at most",
        "an earlier row has the id a too",
        "id is letters, digits, and after the first - and _, 64 at most",
        "",
    ]
    assert wrong[1].endswith("not 'how are you'")


def test_what_the_server_refuses_is_told_with_the_field_once():
    for message in ("foo: there is no such field", "there is no such field"):
        problem = Problem(
            type="invalid_request_error", code="a", message=message, param="foo", request_id="r"
        )
        body = ErrorBody(error=problem, code=422, message=message).model_dump_json()
        assert _message(body.encode(), 422) == "foo: there is no such field"


def test_a_table_has_names_and_leaves_out_what_is_empty(tmp_path):
    (tmp_path / "rows.csv").write_text('\ufeffid,text,voice\na,"Hello, you.",\nb,Hi.,f440\nc,Hi.,f440,more\n')
    a, b, c = read_rows(tmp_path / "rows.csv")
    assert json.loads(a.request) == {"text": "Hello, you."}
    assert json.loads(b.request) == {"text": "Hi.", "voice": "f440"}
    assert c.problem == "more cells than names"
    assert len({a.key, b.key, c.key}) == 3


def test_a_webhook_is_that_of_all_rows_that_name_none(tmp_path):
    rows = [{"text": "Hi."}, {"text": "Hi.", "webhook_url": "https://other.example/"}]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    told = [json.loads(row.request) for row in read_rows(tmp_path / "rows.jsonl", "https://app.example/")]
    assert [row["webhook_url"] for row in told] == ["https://app.example/", "https://other.example/"]
