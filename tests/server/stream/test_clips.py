import asyncio
import os
import random
import shutil
import struct
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import StorageFull
from server.stream.media import EAGER, JOIN, TAIL, Clips


def box(kind, size):
    return struct.pack(">I4s", size, kind) + os.urandom(size - 8)


def init_segment():
    return box(b"ftyp", 24) + box(b"moov", 600)


def fragment(size):
    return box(b"moof", 96) + box(b"mdat", max(8, size - 96))


def run(coro):
    return asyncio.run(asyncio.wait_for(coro, 30))


async def read_all(clip, offset=0, ends=None):
    parts = []
    while (data := await clip.read(offset)) is not None:
        parts.append(data)
        offset += len(data)
        if ends is not None:
            assert offset in ends, "cut within a fragment"
    return b"".join(parts)


@given(
    sizes=st.lists(st.sampled_from([150, 400, 3_000, 20_000, 70_000, 300_000]), min_size=1, max_size=60),
    seed=st.integers(0, 1000),
)
def test_every_viewer_reads_the_file_whenever_it_joins(tmp_path_factory, sizes, seed):
    path, rng = tmp_path_factory.mktemp("clip") / "stream.mp4", random.Random(seed)  # noqa: S311  # dice

    async def main():
        clips = Clips(lambda job_id: path)
        waiting = clips.coming("a")  # before anything exists
        viewers = [asyncio.create_task(read_all(waiting))]
        clip = await clips.begin("a")
        assert clip is waiting
        whole, ends = [], set()
        for data in [init_segment(), *map(fragment, sizes)]:
            whole.append(data)
            ends.add(sum(map(len, whole)))
            await clip.append(data, key=rng.random() < 0.1)
            if rng.random() < 0.2:
                viewers.append(asyncio.create_task(read_all(clip, 0, ends)))
            if rng.random() < 0.5:
                await asyncio.sleep(0)
        late = asyncio.create_task(read_all(clip, clip.newest_key))
        newest_key = clip.newest_key
        await clip.flush()
        async with clips.viewing(clip):
            await clips.end("a", "completed")
            expected = b"".join(whole)
            for viewer in viewers:
                assert await viewer == expected
            assert await late == expected[newest_key:]
        assert path.read_bytes() == expected
        again = await clips.finished("a")
        async with clips.viewing(again):
            assert again.init == 624
            assert await read_all(again, 0, ends) == expected
        await clips.close()

    run(main())


async def test_what_is_made_fast_is_joined_and_what_is_made_first_is_not_held_back(tmp_path):
    clips = Clips(lambda job_id: tmp_path / "stream.mp4")
    clip = await clips.begin("a")
    sizes = []

    async def view():
        offset = 0
        while (data := await clip.read(offset)) is not None:
            sizes.append(len(data))
            offset += len(data)

    viewer = asyncio.create_task(view())
    for _ in range(EAGER):
        await clip.append(fragment(1000))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert sizes == [1000] * EAGER  # each at once
    for _ in range(100):
        await clip.append(fragment(1000))
        await asyncio.sleep(0)
    await clips.end("a", "completed")
    await viewer
    assert sum(sizes) == (EAGER + 100) * 1000
    assert len(sizes) < EAGER + 20
    assert max(sizes) <= JOIN
    await clips.close()


async def test_memory_does_not_grow_with_the_video_and_old_parts_come_from_the_file(tmp_path):
    clips = Clips(lambda job_id: tmp_path / "stream.mp4")
    clip = await clips.begin("a")
    for _ in range(1000):
        await clip.append(fragment(20_000))
        assert clip._held <= TAIL + (256 << 10) + 20_000
    assert clip.size == 20_000_000
    beginning = await clip.read(0)
    with (tmp_path / "stream.mp4").open("rb") as file:
        assert beginning == file.read(len(beginning))
    await clips.close()
    assert clip.ended == "server_stopped"


async def test_a_cancelled_write_does_not_shift_the_file(tmp_path):
    clips = Clips(lambda job_id: tmp_path / "stream.mp4")
    clip = await clips.begin("a")
    parts = [fragment(30_000) for _ in range(20)]
    for part in parts:
        await clip.append(part)
        flushing = asyncio.create_task(clip.flush())
        await asyncio.sleep(0)
        flushing.cancel()
    await clip.flush()
    await clips.end("a", "completed")
    await clips.close()
    assert (tmp_path / "stream.mp4").read_bytes() == b"".join(parts)


async def test_a_clip_cut_off_in_mid_box_is_read_up_to_its_last_whole_fragment(tmp_path):
    path = tmp_path / "stream.mp4"
    whole = init_segment() + fragment(5000)
    path.write_bytes(whole + fragment(5000)[:-1])

    clips = Clips(lambda job_id: path)
    clip = await clips.finished("a")
    async with clips.viewing(clip):
        assert await read_all(clip) == whole
    with pytest.raises(OSError, match="No such file"):
        await Clips(lambda job_id: tmp_path / "none").finished("b")
    await clips.close()


def test_a_full_disk_is_storage_full(tmp_path):
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if os.geteuid() or not mount or not umount:
        pytest.skip("needs root, to mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run([mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=False).returncode:
        pytest.skip("needs the right to mount a small disk")

    async def main():
        clips = Clips(lambda job_id: folder / "stream.mp4")
        clip = await clips.begin("a")

        async def fill():
            for _ in range(100):
                await clip.append(fragment(50_000))

        try:
            with pytest.raises(StorageFull):
                await fill()
        finally:
            await clips.close()

    try:
        run(main())
    finally:
        subprocess.run([umount, str(folder)], check=True)
