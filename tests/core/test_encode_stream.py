"""Patches in, a whole video out: the right frames, the right sound, and a thread let go of at once."""

import asyncio
import io
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from typing import Any

import av
import numpy as np
import pytest

from core.encode_stream import encode_stream
from core.errors import BadInput
from core.media.fmp4 import LiveEncoder
from core.runtime.worker import Worker
from core.types import Fragment, FrameBatch, frame_count, frame_start
from tests.support.boxes import samples
from tests.support.fakes import template

RATE, FPS = 16_000, 25


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def batch(first: int, count: int, *, shade: int = 200, drawn: bool = True, fps: int = FPS) -> FrameBatch:
    """Flat patches on template frames 0 1 2 3 4 3 2 1 0 ...; every sample is its frame's number / 1000."""
    places = (np.arange(first, first + count) % 8).astype(np.int32)
    lengths = np.diff([frame_start(k, RATE, fps) for k in range(first, first + count + 1)])
    return FrameBatch(
        first=first,
        patches=np.full((count, 16, 16, 3), shade, np.uint8),
        numbers=np.minimum(places, 8 - places),
        drawn=np.full(count, drawn),
        audio=(np.arange(first, first + count) / 1000).repeat(lengths).astype(np.float32),
        rate=RATE,
    )


async def several(*batches: FrameBatch) -> AsyncIterator[FrameBatch]:
    for item in batches:
        yield item


async def encoded(*batches: FrameBatch, fps: int = FPS) -> list[Fragment]:
    worker = Worker("encode")
    try:
        stream = encode_stream(several(*batches), template(fps=fps), worker, rate=RATE)
        return [fragment async for fragment in stream]
    finally:
        worker.close()


def pictures(made: list[Fragment]) -> list[np.ndarray]:
    with av.open(io.BytesIO(b"".join(fragment.data for fragment in made))) as file:
        return [frame.to_ndarray() for frame in file.decode(video=0)]


def test_every_frame_and_every_sample_arrives() -> None:
    made = run(encoded(batch(0, 8), batch(8, 3), batch(11, 1), batch(12, 8)))
    assert [made[0].kind, sum(f.frames for f in made)] == ["init", 20]
    assert len(pictures(made)) == 20
    heard = [f for f in made if f.kind == "audio"]
    assert sum(f.duration for f in heard) == frame_start(20, RATE, FPS)


@pytest.mark.parametrize("fps", [25, 30])
def test_however_frames_are_grouped_the_file_is_the_same(fps: int) -> None:
    def cut(*counts: int) -> list[FrameBatch]:
        return [batch(sum(counts[:k]), n, fps=fps) for k, n in enumerate(counts)]

    alone = run(encoded(*cut(*[1] * 16), fps=fps))
    assert [f.data for f in run(encoded(*cut(8, 8), fps=fps))] == [f.data for f in alone]
    assert [f.data for f in run(encoded(*cut(3, 8, 5), fps=fps))] == [f.data for f in alone]


def test_sound_and_picture_alternate() -> None:
    made = run(encoded(*(batch(8 * k, 8) for k in range(6))))
    heard = shown = 0.0
    for fragment in made[1:]:
        end = (fragment.start + fragment.duration) / fragment.timescale
        if fragment.kind == "audio":
            heard = end
        else:
            shown = end
        assert abs(heard - shown) <= (2 * 1024 + 640) / RATE + 1 / FPS


def test_patches_are_seen_where_the_track_says_and_only_where_drawn() -> None:
    for drawn, wanted in ((True, 188), (False, 16)):
        planes = pictures(run(encoded(batch(0, 1, shade=208, drawn=drawn))))[0][:48].astype(int)
        assert abs(planes[16, 16] - wanted) <= 9  # an offset of 8 levels at most, and the coding
        outside = planes.copy()
        outside[8:24, 8:24] = 16
        assert np.abs(outside - 16).max() <= 2


def test_template_frames_are_not_written_to() -> None:
    whole = template()
    kept = np.full((72, 64), 90, np.uint8)
    kept.flags.writeable = False
    whole.planes = lambda number: kept  # type: ignore[method-assign]  # one frame, shared by all

    async def scenario() -> None:
        worker = Worker("encode")
        async for _ in encode_stream(several(batch(0, 8)), whole, worker, rate=RATE):
            pass
        worker.close()

    run(scenario())
    assert (kept == 90).all()


async def test_the_head_is_there_before_the_first_batch() -> None:
    asked = asyncio.Event()

    async def never() -> AsyncGenerator[FrameBatch, None]:
        asked.set()
        await asyncio.Event().wait()
        yield batch(0, 1)

    worker = Worker("encode")
    async with aclosing(encode_stream(never(), template(), worker, rate=RATE)) as stream:
        assert (await anext(stream)).kind == "init"
        assert not asked.is_set()
    worker.close()


async def test_each_frame_is_out_before_the_next_is_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    encode = LiveEncoder.video
    begun = 0

    def counted(self: LiveEncoder, planes: np.ndarray) -> Fragment:
        nonlocal begun
        begun += 1
        return encode(self, planes)

    monkeypatch.setattr(LiveEncoder, "video", counted)

    worker = Worker("encode")
    received = 0
    async for fragment in encode_stream(several(batch(0, 8)), template(), worker, rate=RATE):
        received += fragment.frames
        if fragment.kind == "video":
            assert begun == received
    worker.close()


def cancelled(slow_s: float, monkeypatch: pytest.MonkeyPatch) -> tuple[float, list[str]]:
    """Cancel amid a batch whose frames take `slow_s` each; how long that took, and what was called."""
    calls: list[str] = []

    def noted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            calls.append(name)
            if name == "video":
                time.sleep(slow_s)
            return function(*arguments)

        return call

    for name in ("video", "close"):
        monkeypatch.setattr(LiveEncoder, name, noted(name, getattr(LiveEncoder, name)))

    async def scenario() -> float:
        worker = Worker("encode")
        begun = asyncio.Event()

        async def watch() -> None:
            async with aclosing(encode_stream(several(batch(0, 8)), template(), worker, rate=RATE)) as stream:
                async for fragment in stream:
                    if fragment.kind == "video":
                        begun.set()

        task = asyncio.create_task(watch())
        await begun.wait()
        before = time.perf_counter()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        waited = time.perf_counter() - before
        worker.close()
        return waited

    return run(scenario()), calls


def test_cancelling_waits_for_one_frame_and_closes_the_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    waited, calls = cancelled(0.05, monkeypatch)
    assert waited < 0.2  # the batch would take twice that
    assert calls.count("video") <= 3
    assert calls[-1] == "close"


def test_an_error_closes_the_encoder_and_comes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []
    close = LiveEncoder.close
    monkeypatch.setattr(LiveEncoder, "close", lambda self: (closed.append(True), close(self)))

    async def broken() -> AsyncGenerator[FrameBatch, None]:
        yield batch(0, 2)
        raise RuntimeError("no more faces")

    async def scenario() -> None:
        worker = Worker("encode")
        try:
            async for _ in encode_stream(broken(), template(), worker, rate=RATE):
                pass
        finally:
            worker.close()

    with pytest.raises(RuntimeError, match="no more faces"):
        run(scenario())
    assert closed == [True]


def test_no_frames_are_an_error_not_an_empty_video() -> None:
    with pytest.raises(BadInput) as caught:
        run(encoded())
    assert caught.value.code == "no_speech"


def test_a_gap_between_batches_is_an_error() -> None:
    with pytest.raises(ValueError, match="frame 9"):
        run(encoded(batch(0, 8), batch(9, 1)))


def test_frames_are_as_many_as_the_sound_needs() -> None:
    for count in (1, 2, 7):
        made = run(encoded(batch(0, count)))
        track = [s for s in samples(b"".join(f.data for f in made)) if s.track == 2]
        heard = track[-1].start + track[-1].duration
        assert sum(f.frames for f in made) == frame_count(heard, RATE, FPS) == count
