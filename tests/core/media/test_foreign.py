"""What foreign videos and pictures become: constant, upright, even, BT.709; and that nothing stays behind."""

import asyncio
from collections.abc import Coroutine
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from core.errors import BadInput
from core.media.clip import Frames
from core.media.foreign import normalise, probe
from core.media.info import MediaInfo
from core.media.planes import to_bgr
from tests.support.children import decoders
from tests.support.samples import corners, turned, write_video

pytestmark = pytest.mark.slow  # nearly each makes a video or starts a process

GREY, RED, GREEN, BLUE = (128, 128, 128), (255, 0, 0), (0, 255, 0), (0, 0, 255)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def silent(_done: int, _total: int | None) -> None:
    pass


def clip(
    source: Path, fps: int | None = None, size: tuple[int, int] | None = None
) -> tuple[MediaInfo, Frames]:
    destination = source.parent / "clip.mp4"
    info = run(normalise(source, destination, fps=fps, size=size, report=silent))
    frames = Frames(destination, cache_bytes=1 << 20)
    assert (frames.count, frames.width, frames.height, frames.fps) == (
        info.frames,
        info.width,
        info.height,
        info.fps,
    )
    return info, frames


def seen(frames: Frames, number: int = 0) -> list[tuple[int, ...]]:
    """RGB in the four corners of a frame, from top left, clockwise."""
    planes = frames.planes(number)
    right, bottom = frames.width - 16, frames.height - 16
    places = [(0, 0), (right, 0), (right, bottom), (0, bottom)]
    return [tuple(int(v) for v in to_bgr(planes, x, y, 16)[8, 8, ::-1]) for x, y in places]


def near(seen: list[tuple[int, ...]], expected: list[tuple[int, int, int]], within: int = 6) -> bool:
    return bool(np.abs(np.subtract(seen, expected)).max() <= within)


def test_a_probe_says_what_a_video_is(tmp_path: Path) -> None:
    found = run(probe(write_video(tmp_path / "a.mp4", frames=50, sound=True)))
    assert found == MediaInfo("video", 160, 120, 25.0, 2.0, 50, 44_100)


def test_a_file_without_duration_is_counted(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.webm", codec="libvpx", frames=40)
    # What a browser records has no duration: it was not known when the header was written.
    duration, void = b"\x44\x89\x88", b"\xec\x89\x00"  # an element of 8 bytes; one of 9 that is skipped
    bare = tmp_path / "b.webm"
    bare.write_bytes(whole.read_bytes().replace(duration, void, 1))
    with av.open(str(bare)) as file:
        assert file.duration is None
    assert run(probe(bare)) == MediaInfo("video", 160, 120, 25.0, 1.6, 40, None)


@pytest.mark.parametrize(
    ("rate", "frames", "fps", "count"),
    [
        (25, 50, 25, 50),
        (60, 60, 30, 30),
        (5, 10, 25, 50),
        (15, 30, 30, 60),
        (50, 60, 25, 30),
        (48, 48, 24, 24),
        (120, 120, 30, 30),
        (Fraction(24_000, 1001), 48, 24, 48),
        (Fraction(30_000, 1001), 60, 30, 60),
        (Fraction(60_000, 1001), 60, 30, 30),
    ],
)
def test_the_rate_is_rounded_and_no_frame_of_a_fitting_rate_is_lost(
    tmp_path: Path, rate: Fraction | int, frames: int, fps: int, count: int
) -> None:
    info, opened = clip(write_video(tmp_path / "a.mp4", fps=rate, frames=frames))
    assert (info.fps, info.frames, opened.count) == (fps, count, count)


def test_a_rate_asked_for_is_kept_in_time(tmp_path: Path) -> None:
    info, _ = clip(write_video(tmp_path / "a.mp4", frames=50), fps=30)
    assert (info.fps, info.frames) == (30, 60)


def test_uneven_times_become_even_ones(tmp_path: Path) -> None:
    # A frame is shown for 1 s, the next for 0.2 s, and so on: the clip must show each for as long.
    times = [0, 1000, 1200, 2200, 2400]
    shades = [40, 80, 120, 160, 200]
    source = write_video(
        tmp_path / "a.mp4",
        frames=5,
        times_ms=times,
        draw=lambda w, h, k: np.full((h, w, 3), shades[k], np.uint8),
    )
    _, frames = clip(source, fps=10)
    shown = [int(to_bgr(frames.planes(k), 0, 0, 16).mean()) for k in range(24)]
    expected = [40] * 10 + [80] * 2 + [120] * 10 + [160] * 2
    assert np.abs(np.subtract(shown, expected)).max() <= 2


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [
        (90, [GREEN, RED, BLUE, GREY]),
        (180, [GREY, GREEN, RED, BLUE]),
        (270, [BLUE, GREY, GREEN, RED]),
    ],
)
def test_a_turned_video_is_set_upright(tmp_path: Path, degrees: int, expected: list[Any]) -> None:
    source = turned(write_video(tmp_path / "a.mp4"), degrees)
    upright = (160, 120) if degrees == 180 else (120, 160)
    found = run(probe(source))
    info, frames = clip(source)
    assert (found.width, found.height) == (info.width, info.height) == upright
    assert near(seen(frames), expected)


def test_flat_pixels_become_square(tmp_path: Path) -> None:
    wide = write_video(tmp_path / "a.mp4", context={"sample_aspect_ratio": Fraction(3, 2)})
    assert run(probe(wide)).width == clip(wide)[0].width == 240


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mkv", {"pixels": "yuv444p", "size": (161, 121)}),
        (
            "a.mkv",
            {"codec": "libx265", "pixels": "yuv420p10le", "options": {"x265-params": "log-level=none"}},
        ),
        ("a.webm", {"codec": "libvpx-vp9", "options": {"cpu-used": "8", "deadline": "realtime"}}),
        ("a.avi", {"codec": "mpeg4"}),
        ("a.mpg", {"codec": "mpeg2video"}),
        ("a.ts", {}),
        ("a.mp4", {"options": {"x264-params": "interlaced=1"}}),
        ("a.avi", {"codec": "mjpeg", "pixels": "yuvj420p"}),
    ],
    ids=lambda value: value if isinstance(value, str) else value.get("codec", "libx264"),
)
def test_any_format_becomes_the_same_clip(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    info, frames = clip(write_video(tmp_path / name, **options))
    assert (info.width, info.height, info.frames) == (160, 120, 25)
    assert near(seen(frames, 24), [RED, BLUE, GREY, GREEN])


@pytest.mark.parametrize("matrix", [1, 6])
def test_colours_survive_whichever_matrix_the_source_used(tmp_path: Path, matrix: int) -> None:
    source = tmp_path / "a.mp4"
    with av.open(str(source), "w") as file:
        stream: Any = file.add_stream("libx264", rate=25, options={"crf": "5"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, 1
        frame = av.VideoFrame.from_ndarray(corners(160, 120, 0), format="rgb24")
        yuv = frame.reformat(format="yuv420p", dst_colorspace=matrix, dst_color_range=1)
        for packet in [*stream.encode(yuv), *stream.encode(None)]:
            file.mux(packet)
    assert near(seen(clip(source)[1]), [RED, BLUE, GREY, GREEN])


def test_clips_are_tagged_bt709(tmp_path: Path) -> None:
    clip(write_video(tmp_path / "a.avi", codec="mpeg4"))
    with av.open(str(tmp_path / "clip.mp4")) as file:
        context = file.streams.video[0].codec_context
        tags = (context.colorspace, context.color_primaries, context.color_trc, context.color_range)
    assert tags == (1, 1, 1, 1)


def pq(nits: np.ndarray) -> np.ndarray:
    """SMPTE ST 2084: the signal for a brightness."""
    y = (nits / 10_000) ** 0.1593017578125
    return np.asarray(((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375)


def test_high_dynamic_range_comes_out_bright_enough(tmp_path: Path) -> None:
    # White of 203 cd/m2 (ITU-R BT.2408) is what SDR shows as white; untouched it would look a dull grey.
    signal = np.full((120, 160, 3), pq(np.array(203.0)) * 65_535).astype(np.uint16)
    source = tmp_path / "a.mkv"
    with av.open(str(source), "w") as file:
        stream: Any = file.add_stream("libx265", rate=25, options={"x265-params": "log-level=none"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p10le"
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = 9, 9, 16, 1
        frame = av.VideoFrame.from_ndarray(signal, format="rgb48le")
        yuv = frame.reformat(format="yuv420p10le", dst_colorspace="BT2020", dst_color_range=1)
        yuv.color_trc, yuv.color_primaries, yuv.colorspace, yuv.color_range = 16, 9, 9, 1
        for packet in [*stream.encode(yuv), *stream.encode(None)]:
            file.mux(packet)
    red, green, blue = seen(clip(source)[1])[0]
    assert min(red, green, blue) > 225
    assert max(red, green, blue) - min(red, green, blue) <= 4


def test_what_is_transparent_shows_grey(tmp_path: Path) -> None:
    def half(width: int, height: int, number: int) -> np.ndarray:
        alpha = np.full((height, width, 1), 255, np.uint8)
        alpha[:, : width // 2] = 0
        return np.dstack([corners(width, height, number), alpha])

    _, frames = clip(write_video(tmp_path / "a.mov", codec="png", pixels="rgba", draw=half))
    assert near(seen(frames), [GREY, BLUE, GREY, GREY])


def test_a_size_is_covered_and_cut_around_the_centre(tmp_path: Path) -> None:
    def thirds(width: int, height: int, _number: int) -> np.ndarray:
        picture = np.zeros((height, width, 3), np.uint8)
        picture[:, : width // 4], picture[:, -width // 4 :] = RED, BLUE
        return picture

    source = write_video(tmp_path / "a.mp4", size=(320, 160), draw=thirds)
    info, frames = clip(source, size=(240, 240))
    assert (info.width, info.height) == (240, 240)
    # Scaled to 480x240; what is left and right of the middle 240 is gone, and those were the colours.
    assert near(seen(frames), [(0, 0, 0)] * 4, within=12)


def test_what_is_larger_than_full_hd_is_scaled_down(tmp_path: Path) -> None:
    info, _ = clip(write_video(tmp_path / "a.mp4", size=(2400, 300), frames=3))
    assert (info.width, info.height) == (1920, 240)


@pytest.mark.parametrize(
    ("suffix", "mode"), [(".png", "RGB"), (".jpg", "RGB"), (".webp", "RGB"), (".bmp", "L")]
)
def test_a_picture_becomes_a_second_of_video(tmp_path: Path, suffix: str, mode: str) -> None:
    source = tmp_path / f"a{suffix}"
    Image.fromarray(corners(161, 120, 0)).convert(mode).save(source)
    assert run(probe(source)) == MediaInfo("image", 161, 120, 0.0, 0.0, 1, None)
    info, frames = clip(source)
    assert info == MediaInfo("image", 160, 120, 25, 1.0, 25, None)
    if mode == "RGB":
        assert near(seen(frames, 24), [RED, BLUE, GREY, GREEN])


def test_a_picture_is_set_upright_and_flattened(tmp_path: Path) -> None:
    lying, clear = tmp_path / "a.jpg", tmp_path / "a.png"
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to show
    Image.fromarray(corners(160, 120, 0)).save(lying, exif=exif, quality=95)
    assert run(probe(lying)).width == 120
    assert near(seen(clip(lying)[1]), [GREEN, RED, BLUE, GREY])
    picture = Image.fromarray(corners(160, 120, 0)).convert("RGBA")
    picture.paste((255, 255, 0, 0), (0, 0, 80, 120))
    picture.save(clear)
    assert near(seen(clip(clear)[1]), [GREY, BLUE, GREY, GREY])


def test_sixteen_bit_grey_keeps_its_brightness(tmp_path: Path) -> None:
    source = tmp_path / "a.png"
    Image.fromarray(np.full((64, 64), 0x8080, np.uint16)).save(source)
    assert near(seen(clip(source)[1]), [GREY] * 4)


def test_an_animated_picture_is_its_first_frame(tmp_path: Path) -> None:
    pictures = [Image.fromarray(corners(160, 120, k * 10)).convert("P") for k in range(3)]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:])
    info, _ = clip(tmp_path / "a.gif")
    assert (info.kind, info.frames) == ("image", 25)


def test_a_cover_that_is_not_marked_is_not_taken(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as file:
        streams: list[Any] = [file.add_stream(codec, rate=25) for codec in ("mjpeg", "libx264")]
        for stream, side, pixels in zip(streams, (128, 64), ("yuvj420p", "yuv420p"), strict=True):
            stream.width, stream.height, stream.pix_fmt = side, side, pixels
        for stream, count in zip(streams, (1, 5), strict=True):
            for number in range(count):
                picture = corners(stream.width, stream.height, number)
                file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            file.mux(stream.encode(None))
    assert clip(tmp_path / "a.mkv")[0].width == 64


def test_progress_is_reported_and_knows_the_total(tmp_path: Path) -> None:
    said: list[tuple[int, int | None]] = []
    source = write_video(tmp_path / "a.mp4", frames=60, size=(640, 480))
    run(normalise(source, tmp_path / "b.mp4", fps=None, size=None, report=lambda *two: said.append(two)))
    assert said
    assert [done for done, _ in said] == sorted({done for done, _ in said})
    assert {total for _, total in said} == {60}


def test_cancelling_ends_the_child_and_leaves_no_file(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", frames=250, size=(1280, 720), options={"preset": "ultrafast"})

    async def scenario() -> None:
        before = set(decoders())  # of a server that runs beside this test
        begun = asyncio.Event()
        work = asyncio.create_task(
            normalise(source, tmp_path / "b.mp4", fps=None, size=None, report=lambda *_: begun.set())
        )
        await begun.wait()
        assert set(decoders()) - before
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert not set(decoders()) - before

    run(scenario())
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_refused_source_leaves_what_was_there(tmp_path: Path) -> None:
    destination = tmp_path / "b.mp4"
    destination.write_bytes(b"before")
    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(100))
    with pytest.raises(BadInput, match="damaged"):
        run(normalise(tmp_path / "a.mp4", destination, fps=None, size=None, report=silent))
    assert destination.read_bytes() == b"before"
    assert len(list(tmp_path.iterdir())) == 2
