"""A server that cannot start says so in a line, and ends."""

import asyncio
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from server.store.line import Line
from server.store.new_jobs import NewJob
from server.store.store import Store
from tests.server.test_disk import fill, small_disk
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


def garbage(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(os.urandom(8192))


def test_a_server_that_cannot_start_says_one_line_and_ends(tmp_path):
    async def start(name: str, **more: str) -> tuple[int | None, str]:
        environment = {**os.environ, "LIPSTREAM_DATA_DIR": str(tmp_path / name), **more}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "server.cli", "serve", "--port", "0"),
            stderr=asyncio.subprocess.PIPE,
            env=environment,
        )
        try:
            _, said = await asyncio.wait_for(process.communicate(), 40)
        except TimeoutError:
            process.kill()
            raise
        return process.returncode, said.decode()

    async def main():
        def record(name: str) -> Path:
            return tmp_path / name / "server" / "jobs.db"

        garbage(record("garbage"))
        await filled(record("damaged"))
        overwrite(record("damaged"), 2)
        await filled(record("inner"), 400)
        overwrite(record("inner"), 12)
        await filled(record("locked"))
        with closing(sqlite3.connect(record("locked"))) as other:
            other.execute("begin exclusive")
            return await asyncio.gather(
                start("oss", **OSS),
                *(start(name) for name in ("garbage", "damaged", "inner", "locked")),
            )

    words = ("oss_bucket", "move it aside", "move it aside", "move it aside", "another program")
    for (code, said), expected in zip(run(main(), 60), words, strict=True):
        assert code == 1, said
        assert said.count("\n") == 1, said
        assert said.startswith("lipstream: ")
        assert expected in said


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
