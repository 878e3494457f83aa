"""Our own clips: any frame, in any order, from any thread, within a bound on memory."""

import asyncio
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from core.errors import BadInput
from core.media.clip import Frames, write_clip
from core.media.foreign import normalise
from core.media.planes import to_bgr
from tests.support.samples import write_video

SIZE = 64


BITS = np.arange(8)


def draw(number: int) -> np.ndarray:
    """Eight upright bars, black or white: the frame's number in binary."""
    bars = (number >> BITS & 1).astype(np.uint8) * 255
    return np.broadcast_to(bars.repeat(SIZE // 8)[None, :, None], (SIZE, SIZE, 3)).copy()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "a.mp4"
    write_clip(path, (draw(k) for k in range(100)), 25)
    return path


def seen(frames: Frames, number: int) -> int:
    """Which frame it is, by its bars."""
    bars = to_bgr(frames.planes(number), 0, 0, SIZE).reshape(SIZE, 8, -1).mean((0, 2)) > 127
    return int(bars @ (1 << BITS))


ORDERS = {
    "forwards": list(range(100)),
    "backwards": list(range(99, -1, -1)),
    "there and back": [*range(100), *range(98, 0, -1)],
    "anyhow": np.random.default_rng(0).permutation(100).tolist(),
}


@pytest.mark.parametrize("cache_bytes", [0, 1 << 30])
@pytest.mark.parametrize("order", ORDERS)
def test_every_frame_is_the_right_one_in_any_order(clip: Path, order: str, cache_bytes: int) -> None:
    frames = Frames(clip, cache_bytes)
    assert [seen(frames, k) for k in ORDERS[order]] == ORDERS[order]
    frames.close()


def test_a_clip_knows_its_measures(clip: Path) -> None:
    frames = Frames(clip, 0)
    assert (frames.count, frames.width, frames.height, frames.fps) == (100, SIZE, SIZE, 25)
    planes = frames.planes(0)
    assert (planes.shape, planes.dtype, planes.flags.writeable) == ((SIZE * 3 // 2, SIZE), np.uint8, False)


@pytest.mark.parametrize("number", [-1, 100])
def test_a_frame_beyond_the_ends_is_an_error(clip: Path, number: int) -> None:
    with pytest.raises(IndexError):
        Frames(clip, 0).planes(number)


def test_threads_may_ask_at_once(clip: Path) -> None:
    frames = Frames(clip, 0)  # room for two GOPs only, so each thread spoils the other's

    def walk(order: str) -> list[int]:
        return [seen(frames, k) for k in ORDERS[order]]

    with ThreadPoolExecutor(4) as pool:
        for order, found in zip(ORDERS, pool.map(walk, ORDERS), strict=True):
            assert found == ORDERS[order]
    frames.close()


def test_the_cache_holds_no_more_than_it_may(clip: Path) -> None:
    room = 4 * 12 * SIZE * SIZE * 3 // 2
    tracemalloc.start()
    try:
        frames = Frames(clip, room)
        for k in ORDERS["there and back"]:
            frames.planes(k)
        held, _ = tracemalloc.get_traced_memory()
        assert room / 2 < held < room * 1.3
    finally:
        tracemalloc.stop()


def test_a_short_clip_is_decoded_once(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = Frames(clip, 1 << 30)
    for k in ORDERS["forwards"]:
        frames.planes(k)

    def again(_group: int) -> None:
        raise AssertionError("decoded a second time")

    monkeypatch.setattr(frames, "_decode", again)
    assert [seen(frames, k) for k in ORDERS["anyhow"]] == ORDERS["anyhow"]


def test_key_frames_of_the_source_leave_no_trace(tmp_path: Path) -> None:
    # x264 would copy them, and frames would no longer be where they are looked for.
    source = write_video(tmp_path / "a.mp4", frames=60, options={"g": "7"})
    destination = tmp_path / "b.mp4"
    asyncio.run(normalise(source, destination, fps=None, size=None, report=lambda *_: None))
    frames = Frames(destination, 0)
    for k in range(60):
        frames.planes(k)


def test_what_is_not_a_clip_is_refused(tmp_path: Path, clip: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(clip.read_bytes()[:2000])
    with pytest.raises(BadInput, match="not a clip"):
        Frames(tmp_path / "a.mp4", 0)


def test_a_clip_damaged_later_says_which_frame(tmp_path: Path, clip: Path) -> None:
    data = bytearray(clip.read_bytes())
    start, stop = data.index(b"mdat") + 4, data.index(b"moov") - 4
    data[start + 200 : stop] = bytes(stop - start - 200)
    (tmp_path / "a.mp4").write_bytes(data)
    frames = Frames(tmp_path / "a.mp4", 0)
    with pytest.raises(BadInput, match=r"frame \d+ cannot be decoded"):
        [frames.planes(k) for k in range(100)]


def test_a_clip_that_cannot_be_drawn_leaves_no_file(tmp_path: Path) -> None:
    def frames() -> "iter[np.ndarray]":
        yield np.zeros((SIZE, SIZE, 3), np.uint8)
        raise RuntimeError("no ink")

    with pytest.raises(RuntimeError, match="no ink"):
        write_clip(tmp_path / "a.mp4", frames(), 25)
    with pytest.raises(ValueError, match="at least one"):
        write_clip(tmp_path / "a.mp4", iter(()), 25)
    assert not list(tmp_path.iterdir())
