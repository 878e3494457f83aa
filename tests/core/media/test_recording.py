"""A recording is whole or not there; what lies on disk meanwhile plays."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest

from core.errors import BadInput, StorageFull
from core.media.fmp4 import LiveEncoder
from core.media.recording import Recording, remux
from core.types import Cue, Fragment
from tests.support import ROOT
from tests.support.boxes import boxes

RATE = 16_000


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@pytest.fixture(scope="module")
def made() -> list[Fragment]:
    """Two seconds of noise; about 400 kB."""
    random = np.random.default_rng(0)
    encoder = LiveEncoder(128, 96, 25, RATE)
    fragments = [encoder.init]
    for _ in range(50):
        sound = random.uniform(-0.1, 0.1, 640).astype(np.float32)
        fragments += [
            *encoder.audio(sound),
            encoder.video(random.integers(0, 256, (144, 128), dtype=np.uint8)),
        ]
    fragments += encoder.finish()
    encoder.close()
    return fragments


def shown(path: Path) -> tuple[int, list[float]]:
    """Frames that decode, and the length of each track in seconds."""
    with av.open(str(path)) as file:
        frames = sum(1 for _ in file.decode(video=0))
        return frames, [float((s.duration or 0) * (s.time_base or 0)) for s in file.streams]


def times(path: Path) -> list[tuple[str, int | None, int | None]]:
    with av.open(str(path)) as file:
        return sorted((p.stream.type, p.pts, p.duration) for p in file.demux() if p.size)


async def recorded(path: Path, made: list[Fragment]) -> None:
    async with Recording(path) as recording:
        for fragment in made:
            await recording.write(fragment)
        await recording.finish()


def test_a_finished_recording_is_one_plain_file_with_its_index_in_front(
    tmp_path: Path, made: list[Fragment]
) -> None:
    run(recorded(tmp_path / "out.mp4", made))
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    kinds = [kind for kind, *_ in boxes((tmp_path / "out.mp4").read_bytes())]
    assert kinds[:2] == ["ftyp", "moov"]
    assert "moof" not in kinds
    assert shown(tmp_path / "out.mp4") == (50, [2.0, 2.0])


def test_copying_keeps_every_time(tmp_path: Path, made: list[Fragment]) -> None:
    (tmp_path / "part.mp4").write_bytes(b"".join(f.data for f in made))
    remux(tmp_path / "part.mp4", tmp_path / "whole.mp4")
    assert times(tmp_path / "whole.mp4") == times(tmp_path / "part.mp4")


async def test_what_is_on_disk_after_each_fragment_plays(tmp_path: Path, made: list[Fragment]) -> None:
    async with Recording(tmp_path / "out.mp4") as recording:
        frames = 0
        for index, fragment in enumerate(made):
            await recording.write(fragment)
            frames += fragment.frames
            if index % 40 == 39:
                (part,) = tmp_path.iterdir()
                assert part.name.startswith("out.")
                assert part.name.endswith(".part.mp4")
                assert shown(part)[0] == frames


def test_a_file_cut_off_amid_a_fragment_can_still_be_copied(tmp_path: Path, made: list[Fragment]) -> None:
    data = b"".join(f.data for f in made)
    (tmp_path / "part.mp4").write_bytes(data[: len(data) * 2 // 3 + 17])
    remux(tmp_path / "part.mp4", tmp_path / "whole.mp4")
    assert 30 <= shown(tmp_path / "whole.mp4")[0] <= 36


def test_tracks_say_their_language(tmp_path: Path, made: list[Fragment]) -> None:
    (tmp_path / "part.mp4").write_bytes(b"".join(f.data for f in made))
    for language, told in (
        ("zh", "zho"),
        ("en", "eng"),
        ("yue", "yue"),
        ("ja", "jpn"),
        ("ko", "kor"),
        ("", "und"),
    ):
        remux(
            tmp_path / "part.mp4",
            tmp_path / "whole.mp4",
            cues=[Cue(0, 0, 9, "x")],
            rate=10,
            language=language,
        )
        with av.open(str(tmp_path / "whole.mp4")) as file:
            found = {stream.type: stream.metadata.get("language", "und") for stream in file.streams}
        assert (found["audio"], found["subtitle"]) == (told, told)


class Stopped(Exception):
    pass


@pytest.mark.parametrize("reason", [Stopped, asyncio.CancelledError])
def test_leaving_unfinished_leaves_what_was_there(
    tmp_path: Path, made: list[Fragment], reason: type[BaseException]
) -> None:
    (tmp_path / "out.mp4").write_bytes(b"before")

    async def scenario() -> None:
        async with Recording(tmp_path / "out.mp4") as recording:
            await recording.write(made[0])
            raise reason

    with pytest.raises(reason):
        run(scenario())
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert (tmp_path / "out.mp4").read_bytes() == b"before"


def test_cancelling_the_copy_gives_up_and_leaves_nothing(
    tmp_path: Path, made: list[Fragment], monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = asyncio.Event()

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        packets = 0

        def slowly(stop: Any) -> bool:
            nonlocal packets
            packets += 1
            loop.call_soon_threadsafe(copied.set)
            return bool(stop())

        monkeypatch.setattr(
            "core.media.recording.remux",
            lambda part, whole, stop, **_: _crawl(part, whole, lambda: slowly(stop)),
        )
        task = asyncio.create_task(recorded(tmp_path / "out.mp4", made))
        await copied.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert packets < 10_000  # of more than a hundred thousand

    run(scenario())
    assert not list(tmp_path.iterdir())


def _crawl(part: Path, whole: Path, stop: Any) -> None:
    """Copy again and again until told to stop."""
    for _ in range(1000):
        remux(part, whole, stop)


@pytest.mark.parametrize("place", ["missing/out.mp4", "folder", "file/out.mp4"])
def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"")

    async def scenario() -> None:
        async with Recording(tmp_path / place):
            raise AssertionError("work was begun")

    with pytest.raises(BadInput) as caught:
        run(scenario())
    assert caught.value.code == "unwritable_output"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]


def test_two_recordings_of_one_name_do_not_meet(tmp_path: Path, made: list[Fragment]) -> None:
    async def both() -> None:
        await asyncio.gather(*(recorded(tmp_path / "out.mp4", made) for _ in range(2)))

    run(both())
    assert shown(tmp_path / "out.mp4")[0] == 50
    assert len(list(tmp_path.iterdir())) == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for the growing file, 400 kB, but not for its copy as well."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=640k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        pytest.skip("no mount here")
    if done.returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)  # noqa: S607  # the one of this system


def test_a_disk_that_fills_up_is_said_to_be_full_and_left_clean(
    small_disk: Path, made: list[Fragment]
) -> None:
    size = sum(len(f.data) for f in made)
    assert 330_000 < size < 600_000
    ballast = small_disk / "ballast"
    # Full while it grows; full while it is copied; enough room.
    for room_taken in (500_000, 100_000):
        ballast.write_bytes(bytes(room_taken))
        with pytest.raises(StorageFull):
            run(recorded(small_disk / "out.mp4", made))
        assert [path.name for path in small_disk.iterdir()] == ["ballast"]
    run(recorded(small_disk / "out.mp4", made[: len(made) // 3]))
    assert shown(small_disk / "out.mp4")[0] > 10


@pytest.mark.parametrize("limit", [100_000, 1_000_000])
def test_a_limit_on_file_size_is_a_full_disk_too(tmp_path: Path, made: list[Fragment], limit: int) -> None:
    (tmp_path / "made").write_bytes(b"".join(f.data for f in made))
    script = (
        "import asyncio, resource, sys; from pathlib import Path\n"
        "from core.errors import StorageFull; from core.media.recording import Recording\n"
        "from core.types import Cue, Fragment\n"
        "data = Path(sys.argv[1], 'made').read_bytes()\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)\n"
        "async def main():\n"
        "    async with Recording(Path(sys.argv[1], 'out.mp4')) as recording:\n"
        "        await recording.write(Fragment('video', data))\n"
        "        await recording.finish()\n"
        "try:\n    asyncio.run(main())\nexcept StorageFull:\n    sys.exit(3)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path), str(limit)]
    done = subprocess.run(command, cwd=ROOT, check=False)
    assert done.returncode == (3 if limit == 100_000 else 0)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == ({"made"} if limit == 100_000 else {"made", "out.mp4"})


def test_nothing_stays_open(tmp_path: Path, made: list[Fragment]) -> None:
    run(recorded(tmp_path / "out.mp4", made))
    process = psutil.Process(os.getpid())
    threads, files = process.num_threads(), process.num_fds()
    for _ in range(3):
        run(recorded(tmp_path / "out.mp4", made))
    for _ in range(100):  # a thread that has been joined is listed a little longer
        if process.num_threads() <= threads:
            break
        time.sleep(0.01)
    assert process.num_threads() <= threads
    assert process.num_fds() == files


def test_cancelled_while_its_file_is_being_made_it_leaves_nothing(tmp_path: Path) -> None:
    async def work() -> None:
        for turns in range(1, 4):
            task = asyncio.create_task(recorded(tmp_path / "video.mp4", []))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(asyncio.wait_for(work(), 10))
    assert list(tmp_path.iterdir()) == []
