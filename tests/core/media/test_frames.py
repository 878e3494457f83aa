"""Foreign videos frame by frame, each with its own time; and their sound put back, packet by packet."""

import asyncio
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from core.errors import BadInput
from core.media.fmp4 import LiveEncoder
from core.media.foreign import Frame, open_video, splice
from core.media.info import CLOCK, Limits, VideoHead
from core.media.planes import to_bgr
from tests.support.samples import damaged, turned, write_video


def read(path: Path, scale: int = 1, **limits: Any) -> tuple[VideoHead, list[Frame]]:
    async def work() -> tuple[VideoHead, list[Frame]]:
        source = await open_video(path, scale=scale, limits=Limits(**limits))
        try:
            return source.head, [frame async for frame in source.frames()]
        finally:
            await source.close()

    return asyncio.run(asyncio.wait_for(work(), 30))


def write_tracks(path: Path, tracks: Sequence[tuple[str, int, str]], seconds: int = 2) -> Path:
    """A video of 25 frames a second with these sound tracks: codec, rate and language of each."""
    with av.open(str(path), "w") as file:
        picture: Any = file.add_stream("libx264", rate=25, options={"bf": "2"})
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        sounds: list[Any] = []
        for codec, rate, language in tracks:
            sounds.append(file.add_stream(codec, rate=rate, layout="mono"))
            sounds[-1].bit_rate = 64_000
            sounds[-1].metadata["language"] = language
        for number in range(25 * seconds):
            grey = np.full((48, 64, 3), number * 5 % 256, np.uint8)
            file.mux(picture.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        file.mux(picture.encode(None))
        for k, (sound, (_, rate, _)) in enumerate(zip(sounds, tracks, strict=True)):
            wave = np.sin(np.arange(rate * seconds) * (2 * np.pi * 220 * (k + 1) / rate))
            heard = av.AudioFrame.from_ndarray((wave[None] * 9000).astype("<i2"), format="s16", layout="mono")
            heard.sample_rate, heard.pts, heard.time_base = rate, 0, Fraction(1, rate)
            file.mux(sound.encode(heard))
            file.mux(sound.encode(None))
    return path


def packets(path: Path, track: int) -> list[bytes]:
    with av.open(str(path)) as file:
        return [bytes(p) for p in file.demux(file.streams.audio[track]) if p.size]


def encoded(frames: list[Frame], head: VideoHead, path: Path) -> Path:
    encoder = LiveEncoder(head.width, head.height, round(head.fps), None, clock=CLOCK)
    data = encoder.init.data + b"".join(encoder.video(f.planes, f.stop - f.start).data for f in frames)
    path.write_bytes(data)
    encoder.close()
    return path


def test_frames_come_with_the_times_they_had(tmp_path: Path) -> None:
    times = [0, 40, 80, 200, 201, 500, 900, 1000, 1300, 1900]
    head, frames = read(write_video(tmp_path / "vfr.mp4", frames=10, times_ms=times))
    assert [round(frame.start / 90) for frame in frames] == times
    assert all(a.stop == b.start for a, b in pairwise(frames))
    assert (head.width, head.height) == (160, 120)


@pytest.mark.slow
def test_times_survive_encoding_and_the_copy(tmp_path: Path) -> None:
    times = [0, 40, 80, 200, 201, 500, 900, 1000, 1300, 1900]
    source = write_video(tmp_path / "vfr.mp4", frames=10, times_ms=times, sound=True)
    head, frames = read(source)
    part = encoded(frames, head, tmp_path / "part.mp4")
    asyncio.run(splice(part, source, tmp_path / "whole.mp4"))
    with av.open(str(tmp_path / "whole.mp4")) as file:
        shown = [float(f.pts * f.time_base) for f in file.decode(video=0)]  # type: ignore[operator]  # they have times
    assert shown == pytest.approx([t / 1000 for t in times], abs=1e-4)
    assert packets(tmp_path / "whole.mp4", 0) == packets(source, 0)


def write_flash_and_click(path: Path, times_ms: Sequence[int], flash: int) -> Path:
    """A video in which picture `flash` alone is white, and a click begins with it."""
    rate = 48_000
    with av.open(str(path), "w") as file:
        picture: Any = file.add_stream("libx264", rate=25, options={"bf": "2"})
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        picture.time_base = picture.codec_context.time_base = Fraction(1, 1000)
        sound: Any = file.add_stream("aac", rate=rate, layout="mono")
        for number, time in enumerate(times_ms):
            shade = np.full((48, 64, 3), 255 if number == flash else 20, np.uint8)
            frame = av.VideoFrame.from_ndarray(shade, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            file.mux(picture.encode(frame))
        file.mux(picture.encode(None))
        wave = np.zeros((1, (times_ms[-1] + 40) * rate // 1000), np.float32)
        begin = times_ms[flash] * rate // 1000
        wave[0, begin : begin + rate // 50] = np.sin(np.arange(rate // 50) * (2 * np.pi * 1000 / rate)) * 0.8
        heard = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        heard.sample_rate, heard.pts, heard.time_base = rate, 0, Fraction(1, rate)
        file.mux(sound.encode(heard))
        file.mux(sound.encode(None))
    return path


def flash_and_click(path: Path) -> tuple[float, float]:
    """When each begins, in seconds, as players show the file."""
    with av.open(str(path)) as file:
        seen = [f.time for f in file.decode(video=0) if f.to_ndarray(format="gray").mean() > 150]
    with av.open(str(path)) as file:
        loud = [
            f.time + np.argmax(np.abs(f.to_ndarray()) > 0.1) / 48_000
            for f in file.decode(audio=0)
            if np.abs(f.to_ndarray()).max() > 0.1
        ]
    return seen[0], loud[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("edits.mp4", [k * 40 for k in range(30)]),
        ("late.mp4", [500 + k * 40 for k in range(30)]),
        ("gap.mkv", [k * 40 + (8000 if k >= 12 else 0) for k in range(30)]),
    ],
)
def test_flash_and_click_stay_together(tmp_path: Path, name: str, times: list[int]) -> None:
    source = write_flash_and_click(tmp_path / name, times, 20)
    head, frames = read(source)
    part = encoded(frames, head, tmp_path / "part.mp4")
    asyncio.run(splice(part, source, tmp_path / "whole.mp4"))
    assert flash_and_click(tmp_path / "whole.mp4") == pytest.approx([times[20] / 1000] * 2, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [25, 30, Fraction(30000, 1001), Fraction(24000, 1001), 50, 60])
def test_every_usual_rate_is_kept_frame_by_frame(tmp_path: Path, rate: Fraction) -> None:
    head, frames = read(write_video(tmp_path / "video.mp4", frames=30, fps=rate))
    assert [frame.start for frame in frames] == [round(k * CLOCK / rate) for k in range(30)]
    assert head.frames == 30
    assert head.fps == pytest.approx(float(rate))


@pytest.mark.parametrize("size", [(161, 121), (33, 17), (640, 36)])
def test_odd_sizes_lose_a_line_and_nothing_else(tmp_path: Path, size: tuple[int, int]) -> None:
    video = write_video(tmp_path / "odd.mp4", size=size, pixels="yuv444p", frames=3)
    head, frames = read(video)
    assert (head.width, head.height) == tuple(side // 2 * 2 for side in size)
    assert frames[0].planes.shape == (head.height * 3 // 2, head.width)


def test_twice_as_large(tmp_path: Path) -> None:
    head, frames = read(write_video(tmp_path / "video.mp4", frames=3), scale=2)
    assert (head.width, head.height) == (320, 240)
    assert to_bgr(frames[0].planes, 4, 4, 8)[4, 4].tolist() == pytest.approx([0, 0, 255], abs=12)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_telephones_videos_come_upright(tmp_path: Path, degrees: int) -> None:
    video = write_video(tmp_path / "video.mp4", frames=3)
    head, frames = read(turned(video, degrees))
    assert (head.width, head.height) == ((120, 160) if degrees != 180 else (160, 120))
    # Red was top left.
    x, y = {90: (100, 8), 180: (136, 96), 270: (8, 136)}[degrees]
    assert to_bgr(frames[0].planes, x, y, 8)[4, 4].tolist() == pytest.approx([0, 0, 255], abs=12)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pixels", "context"),
    [
        ("yuv420p10le", {}),
        ("yuv420p10le", {"color_trc": 16, "color_primaries": 9, "colorspace": 9}),
        ("yuv422p10le", {"color_trc": 18, "color_primaries": 9, "colorspace": 9}),
    ],
    ids=["ten bits", "HDR10", "HLG"],
)
def test_more_bits_and_high_dynamic_range_become_eight_bits(
    tmp_path: Path, pixels: str, context: dict[str, Any]
) -> None:
    _, frames = read(write_video(tmp_path / "deep.mkv", pixels=pixels, context=context, frames=3))
    grey, red = to_bgr(frames[0].planes, 80, 40, 8)[4, 4], to_bgr(frames[0].planes, 4, 4, 8)[4, 4]
    assert np.ptp(grey.astype(int)) <= 6
    assert red[2] > 150 > 90 > red[0]


@pytest.mark.slow
def test_a_corrupt_middle_is_left_out_and_time_goes_on(tmp_path: Path) -> None:
    video = write_video(tmp_path / "video.mp4", frames=150, size=(320, 240), options={"g": "12"})
    _, frames = read(damaged(video, 0.5, 0.52))
    assert 120 < len(frames) <= 150
    assert frames[-1].stop == pytest.approx(150 * CLOCK // 25, abs=CLOCK // 25)
    assert all(a.stop == b.start for a, b in pairwise(frames))


@pytest.mark.slow
def test_a_file_that_is_mostly_damaged_is_refused_at_its_end(tmp_path: Path) -> None:
    video = damaged(write_video(tmp_path / "video.mp4", frames=60, options={"g": "60"}), 0.5, 1.0)
    read_before = 0

    async def work() -> None:
        nonlocal read_before
        source = await open_video(video)
        try:
            async for _ in source.frames():
                read_before += 1
        finally:
            await source.close()

    with pytest.raises(BadInput) as refused:
        asyncio.run(asyncio.wait_for(work(), 30))
    assert refused.value.code == "malformed_media"
    assert read_before > 10


@pytest.mark.slow
def test_every_sound_track_is_copied_to_the_last_bit(tmp_path: Path) -> None:
    source = write_tracks(
        tmp_path / "three.mkv", [("aac", 48_000, "eng"), ("libopus", 48_000, "deu"), ("ac3", 44_100, "zho")]
    )
    head, frames = read(source)
    part = encoded(frames, head, tmp_path / "part.mp4")
    whole = tmp_path / "whole.mp4"
    asyncio.run(splice(part, source, whole))
    assert head.sound == ("aac", "opus", "ac3")
    for track in range(3):
        assert packets(whole, track) == packets(source, track)
    with av.open(str(whole)) as file:
        assert [s.metadata.get("language") for s in file.streams.audio] == ["eng", "deu", "zho"]
        assert file.streams.video[0].frames == 50
        assert file.duration == pytest.approx(2_000_000, abs=30_000)


@pytest.mark.slow
def test_sound_that_mp4_cannot_hold_becomes_aac(tmp_path: Path) -> None:
    source = write_tracks(tmp_path / "windows.asf", [("wmav2", 44_100, "eng")])
    head, frames = read(source)
    part = encoded(frames, head, tmp_path / "part.mp4")
    asyncio.run(splice(part, source, tmp_path / "whole.mp4"))
    with av.open(str(tmp_path / "whole.mp4")) as file:
        assert file.streams.audio[0].codec_context.name == "aac"
        heard = np.concatenate([f.to_ndarray()[0] for f in file.decode(audio=0)])
    assert len(heard) == pytest.approx(88_200, abs=4500)
    peak = np.abs(np.fft.rfft(heard[10_000:54_100])).argmax()
    assert peak == pytest.approx(220, abs=2)


@pytest.mark.slow
def test_a_broadcast_that_began_hours_ago_begins_at_zero(tmp_path: Path) -> None:
    plain = write_tracks(tmp_path / "plain.mp4", [("aac", 48_000, "eng")])
    source = tmp_path / "broadcast.ts"
    with (
        av.open(str(plain)) as given,
        av.open(str(source), "w", options={"output_ts_offset": "7200"}) as file,
    ):
        streams = {s: file.add_stream_from_template(s) for s in given.streams}
        for packet in given.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream]
                file.mux(packet)
    head, frames = read(source)
    assert frames[0].start == 0
    assert frames[-1].stop == pytest.approx(2 * CLOCK, abs=CLOCK // 10)
    part = encoded(frames, head, tmp_path / "part.mp4")
    asyncio.run(splice(part, source, tmp_path / "whole.mp4"))
    with av.open(str(tmp_path / "whole.mp4")) as file:
        assert file.duration == pytest.approx(2_000_000, abs=100_000)


@pytest.mark.parametrize(
    ("code", "limits", "scale"),
    [
        ("too_large_frames", {"frame_pixels": 160 * 120 * 2}, 2),
        ("media_too_long", {"duration_s": 0.5}, 1),
    ],
)
def test_what_is_too_much_is_refused(tmp_path: Path, code: str, limits: Any, scale: int) -> None:
    video = write_video(tmp_path / "video.mp4")
    with pytest.raises(BadInput) as refused:
        read(video, scale, **limits)
    assert refused.value.code == code


def test_a_picture_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "picture.mp4"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(BadInput) as refused:
        read(path)
    assert refused.value.code == "still_picture"


@pytest.mark.slow
def test_leaving_early_ends_the_child(tmp_path: Path) -> None:
    video = write_video(tmp_path / "video.mp4", frames=200)

    async def work() -> int | None:
        source = await open_video(video)
        async for _ in source.frames():
            break
        await source.close()
        await source.close()
        return source._child._process.returncode

    assert asyncio.run(asyncio.wait_for(work(), 10)) == -9
