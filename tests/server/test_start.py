"""A server that cannot start says so in a line, and ends."""

import asyncio
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from server.cli import main
from server.store.line import Line
from server.store.new_jobs import NewJob
from server.store.store import Store
from tests.server.test_disk import fill, small_disk
from tests.support.children import child
from tests.support.serving import data_dir, library, run, served

__all__ = ["data_dir", "library", "small_disk"]  # fixtures

OSS = {
    "LIPSTREAM_OSS_ENDPOINT": "https://oss-cn-hangzhou.aliyuncs.com",
    "LIPSTREAM_OSS_BUCKET": "My_Bucket",
    "LIPSTREAM_OSS_ACCESS_KEY_ID": "a",
    "LIPSTREAM_OSS_ACCESS_KEY_SECRET": "b",
}


async def filled(path: Path, count: int = 40) -> None:
    """A record with so many jobs in it, the first of them in progress."""
    path.parent.mkdir(parents=True, exist_ok=True)
    store = Store(path, lambda events: None, line=Line(1000), ballast=0)
    for k in range(count):
        title = "x" * 3000
        request = f'{{"title":"{title}","template":"sample","video":{{"text":"Hello there."}}}}'
        await store.accept(NewJob(f"video_{k}", "video", request, "{}"))
    await store.claim(lambda job, attempt: "{}")
    await asyncio.to_thread(store.close)


def overwrite(path: Path, first_page: int) -> None:
    """Spoil every page of a database from `first_page` on."""
    data = bytearray(path.read_bytes())
    for at in range(4096 * first_page, len(data), 4096):
        data[at : at + 64] = b"\xff" * 64
    path.write_bytes(data)


def check_said(code: int, said: str, expected: str) -> None:
    """It ended in good order and said one line with what was to be said."""
    assert code == 1, said
    assert said.count("\n") == 1, said
    assert said.startswith("lipstream: ")
    assert expected in said


@pytest.mark.parametrize(
    ("rows", "spoilt_from", "more", "expected"),
    [
        (0, 0, OSS, "oss_bucket"),
        (0, 0, {}, "move it aside"),
        (40, 2, {}, "move it aside"),
        (400, 12, {}, "move it aside"),
    ],
    ids=["oss", "garbage", "damaged", "damaged inside"],
)
def test_a_server_that_cannot_start_says_one_line(
    tmp_path, monkeypatch, capsys, rows, spoilt_from, more, expected
):
    record = tmp_path / "server" / "jobs.db"
    if rows:
        run(filled(record, rows))
        overwrite(record, spoilt_from)
    elif not more:
        record.parent.mkdir()
        record.write_bytes(os.urandom(8192))
    for name, value in (more | {"LIPSTREAM_DATA_DIR": str(tmp_path)}).items():
        monkeypatch.setenv(name, value)
    check_said(main(["serve", "--port", "0"]), capsys.readouterr().err, expected)


@pytest.mark.slow
async def test_the_process_of_a_server_that_cannot_start_ends(tmp_path):
    record = tmp_path / "server" / "jobs.db"
    await filled(record)
    with closing(sqlite3.connect(record)) as other:
        other.execute("begin exclusive")
        command = child(
            *(sys.executable, "-m", "server.cli", "serve", "--port", "0"),
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "LIPSTREAM_DATA_DIR": str(tmp_path)},
        )
        async with command as process:
            _, said = await asyncio.wait_for(process.communicate(), 40)
    check_said(process.returncode or 0, said.decode(), "another program")


@pytest.mark.slow
@pytest.mark.parametrize("ballast", [1, 0])
async def test_a_full_disk_keeps_no_server_from_starting_that_has_ballast(small_disk, ballast):
    async with served(small_disk, ballast_mb=1):
        pass
    record = small_disk / "server" / "jobs.db"
    await filled(record, 2)
    if not ballast:
        (record.parent / "ballast").write_bytes(b"")
    fill(small_disk / "filler")
    if not ballast:
        with pytest.raises(Exception, match="full"):
            async with served(small_disk):
                pass
        (small_disk / "filler").unlink()
    async with served(small_disk, ballast_mb=ballast) as it:
        assert (await it.get("/v1/jobs"))["data"]
        (small_disk / "filler").unlink(missing_ok=True)
        assert (await it.ended("video_0"))["status"] in ("completed", "failed")
