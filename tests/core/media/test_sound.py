"""Foreign sound: mono, finite, at a rate AAC knows, in small pieces, no faster than it is read."""

import asyncio
import struct
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import soxr
from scipy.io import wavfile

from core.errors import BadInput
from core.media.foreign import open_audio
from core.types import Samples
from tests.support.children import decoders
from tests.support.samples import tone, write_sound, write_video


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


async def listen(path: Path, rate: int | None = None) -> tuple[int, list[Samples]]:
    source = await open_audio(path, rate=rate)
    return source.rate, [chunk async for chunk in source.chunks()]


def test_sound_comes_through_as_it_was_in_small_pieces(tmp_path: Path) -> None:
    sound = tone(1.23, 16_000)
    rate, chunks = run(listen(write_sound(tmp_path / "a.wav", sound, 16_000)))
    assert rate == 16_000
    assert all(chunk.dtype == np.float32 and 0 < len(chunk) <= 3_200 for chunk in chunks)
    np.testing.assert_allclose(np.concatenate(chunks), sound, atol=1e-4)


@pytest.mark.parametrize(
    ("own", "kept"), [(96_000, 48_000), (48_000, 48_000), (45_000, 44_100), (44_100, 44_100), (6_000, 8_000)]
)
def test_the_rate_is_one_aac_knows(tmp_path: Path, own: int, kept: int) -> None:
    sound = tone(0.5, own)
    rate, chunks = run(listen(write_sound(tmp_path / "a.wav", sound, own)))
    assert rate == kept
    whole = soxr.resample((sound * 32_767).astype("<i2") / np.float32(32_768), own, kept)
    np.testing.assert_allclose(np.concatenate(chunks), whole, atol=1e-4)


def test_a_rate_asked_for_is_given(tmp_path: Path) -> None:
    rate, chunks = run(listen(write_sound(tmp_path / "a.wav", tone(0.5, 44_100), 44_100), rate=16_000))
    assert (rate, sum(map(len, chunks))) == (16_000, 8_000)


def test_both_ears_are_heard_half_as_loud(tmp_path: Path) -> None:
    left, right = tone(0.3, 16_000, 300), tone(0.3, 16_000, 500)
    path = write_sound(tmp_path / "a.wav", np.stack([left, right], 1), 16_000)
    np.testing.assert_allclose(np.concatenate(run(listen(path))[1]), (left + right) / 2, atol=1e-4)


def test_the_sound_of_a_video_is_found(tmp_path: Path) -> None:
    rate, chunks = run(listen(write_video(tmp_path / "a.mp4", frames=50, sound=True)))
    heard = np.concatenate(chunks)
    assert rate == 44_100
    assert abs(len(heard) - 88_200) <= 1024
    assert np.argmax(np.abs(np.fft.rfft(heard[:44_100]))) == 440


def test_what_is_no_number_becomes_silence_and_nothing_is_louder_than_one(tmp_path: Path) -> None:
    values = np.array([0.5, np.nan, np.inf, -np.inf, 7.0, -7.0, -0.5] * 100, "<f4")
    data = values.tobytes()
    header = struct.pack(
        "<4sI4s4sIHHIIHH", b"RIFF", 50 + len(data), b"WAVE", b"fmt ", 16, 3, 1, 8000, 32_000, 4, 32
    )
    path = tmp_path / "a.wav"
    path.write_bytes(header + struct.pack("<4sI", b"data", len(data)) + data)
    heard = np.concatenate(run(listen(path))[1])
    np.testing.assert_allclose(heard[:7], [0.5, 0, 0, 0, 1, -1, -0.5])


@pytest.mark.parametrize("share", [-1.0, -0.97])
def test_of_channels_that_cancel_each_other_one_is_heard(tmp_path: Path, share: float) -> None:
    left = tone(0.3, 16_000, 300)
    path = write_sound(tmp_path / "a.wav", np.stack([left, share * left], 1), 16_000)
    np.testing.assert_allclose(np.concatenate(run(listen(path))[1]), left, atol=1e-3)


def test_floats_that_are_whole_numbers_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    wavfile.write(path, 16_000, (tone(0.3, 16_000, 300) * 22_000).astype(np.float32))
    with pytest.raises(BadInput, match=r"samples go up to \d+.*from -1 to 1"):
        run(listen(path))


@pytest.mark.slow
async def test_nothing_is_decoded_far_ahead_of_the_reader(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", tone(120, 48_000), 48_000)

    before = set(decoders())  # of a server that runs beside this test
    source = await open_audio(path)
    chunks = source.chunks()
    await anext(chunks)
    child = next(iter(set(decoders()) - before))
    for _ in range(40):  # until it has filled the pipe and waits
        await asyncio.sleep(0.02)
        if child.status() == psutil.STATUS_SLEEPING:
            break
    waited = child.status()
    await chunks.aclose()
    assert waited == psutil.STATUS_SLEEPING  # and not over: it still has two minutes to tell
    assert not set(decoders()) - before


async def test_a_source_that_is_never_read_can_be_closed_twice(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", tone(30, 48_000), 48_000)

    before = set(decoders())  # of a server that runs beside this test
    source = await open_audio(path)
    await source.close()
    await source.close()
    assert not set(decoders()) - before


@pytest.mark.slow
def test_sound_that_is_damaged_throughout_raises_at_the_end_not_before(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.mp4", frames=100, sound=True).read_bytes()
    data = bytearray(whole)
    start = data.index(b"mdat") + 4
    stop = data.index(b"moov", start)
    random = np.random.default_rng(2)
    data[start + 200 : stop - 8] = random.bytes(stop - 8 - start - 200)
    path = tmp_path / "b.mp4"
    path.write_bytes(data)
    with pytest.raises(BadInput) as caught:
        run(listen(path))
    assert caught.value.code == "malformed_media"
