"""What happens when the disk is full: the job fails, that is on record, and life goes on."""

import asyncio
import os
import shutil
import subprocess

import aiohttp
import pytest

from tests.support.serving import SLOW, data_dir, library, served

__all__ = ["data_dir", "library"]  # fixtures


@pytest.fixture
def small_disk(data_dir, tmp_path):
    """A data folder on a disk of 12 MB, with the small library on it."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if os.geteuid() or not mount or not umount:
        pytest.skip("needs root, to mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run([mount, "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("needs the right to mount a small disk")
    try:
        shutil.copytree(data_dir / "templates", disk / "templates")
        yield disk
    finally:
        subprocess.run([umount, "--lazy", str(disk)], check=True)  # templates stay open a while


def fill(path):
    """Take all the room that is left."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 16, 4096, 512):
            try:
                while True:
                    file.write(os.urandom(size))
            except OSError:
                continue


@pytest.mark.slow
@pytest.mark.parametrize("ballast", [0, 1])
async def test_a_full_disk_fails_the_job_and_nothing_else(small_disk, monkeypatch, ballast):
    monkeypatch.setattr("server.jobs.runner.RETRY_S", 0.05)

    async with served(small_disk, ballast_mb=ballast) as it:
        job = await it.video("This sentence needs some room on the disk. " * 30, **SLOW)
        await it.begun(job)
        fill(small_disk / "filler")
        if not ballast:  # not even the failure can be recorded until there is room again
            asyncio.get_running_loop().call_later(1, (small_disk / "filler").unlink)
        failed = await it.ended(job)
        assert (failed["status"], failed["error"]["code"]) == ("failed", "storage_full")
        assert failed["error"]["retryable"]
        (small_disk / "filler").unlink(missing_ok=True)
        assert (await it.ended(await it.video("Now it fits.")))["status"] == "completed"


async def test_an_upload_is_refused_before_the_disk_is_full(small_disk):
    async with served(small_disk) as it:
        form = aiohttp.FormData()
        form.add_field("file", b"x" * 1000, filename="a.mp4")
        refused = await it.post("/v1/templates", 507, data=form)
        assert refused["error"]["code"] == "storage_full"
