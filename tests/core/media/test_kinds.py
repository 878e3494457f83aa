"""Kinds of video and picture that people have: colours, orientation, alpha, interlacing, rates, streams."""

import asyncio
import io
import struct
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image, ImageCms

from core.errors import BadInput
from core.media.clip import Frames
from core.media.foreign import normalise, probe, read_picture
from core.media.info import Limits, MediaInfo
from core.media.planes import whole_bgr
from core.sandbox.picture import picture_info, read_upright
from tests.support import ROOT
from tests.support.samples import Picture, corners, write_video

pytestmark = pytest.mark.slow  # nearly each makes a video or starts a process

PATCHES = [
    *((200, 30, 30), (30, 160, 40), (30, 50, 190), (235, 200, 170)),
    *((120, 80, 60), (245, 245, 245), (128, 128, 128), (20, 20, 20)),
]


def patches(width: int, height: int, _number: int) -> Picture:
    """Eight upright stripes."""
    picture = np.zeros((height, width, 3), np.uint8)
    for k, colour in enumerate(PATCHES):
        picture[:, k * width // 8 : (k + 1) * width // 8] = colour
    return picture


def clip(source: Path, **wanted: Any) -> tuple[MediaInfo, Frames]:
    """What becomes of it."""
    target = source.with_name("clip.mp4")
    order = {"fps": None, "size": None, "report": lambda *_: None} | wanted
    info = asyncio.run(asyncio.wait_for(normalise(source, target, **order), 30))
    return info, Frames(target, 1 << 24)


def rgb(frames: Frames, number: int = 0) -> Picture:
    """A frame of it."""
    return np.ascontiguousarray(whole_bgr(frames.planes(number))[..., ::-1])


def error(frames: Frames) -> float:
    """Mean distance of the stripes from what was painted, in 255ths."""
    picture = rgb(frames).astype(int)
    height, width = picture.shape[:2]
    wide = width // 8
    inner = picture[height // 3 : -height // 3]
    seen = [inner[:, k * wide + wide // 4 : (k + 1) * wide - wide // 4] for k in range(8)]
    return float(np.mean([np.abs(s.mean((0, 1)) - np.array(p)) for s, p in zip(seen, PATCHES, strict=True)]))


P3 = np.array([[0.8225, 0.1774, 0.0], [0.0332, 0.9669, 0.0], [0.0171, 0.0724, 0.9108]])
"""Linear sRGB to linear Display P3."""


def in_p3(picture: Picture) -> Picture:
    linear = np.where(picture <= 10, picture / 255 / 12.92, ((picture / 255 + 0.055) / 1.055) ** 2.4)
    p3 = linear @ P3.T
    curved = np.where(p3 <= 0.0031308, 12.92 * p3, 1.055 * np.maximum(p3, 1e-9) ** (1 / 2.4) - 0.055)
    return np.round(curved.clip(0, 1) * 255).astype(np.uint8)


def p3_profile() -> bytes:
    """A profile of Display P3: the curve of sRGB's own, with other primaries."""
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = bytearray(made)
    primaries = {b"rXYZ": (0.51512, 0.2412, -0.00105), b"gXYZ": (0.29198, 0.69225, 0.04189)}
    primaries[b"bXYZ"] = (0.1571, 0.06657, 0.78407)
    for k in range(struct.unpack_from(">I", data, 128)[0]):
        kind, offset, _ = struct.unpack_from(">4sII", data, 132 + 12 * k)
        if kind in primaries:
            struct.pack_into(">3i", data, offset + 8, *(round(v * 65536) for v in primaries[kind]))
    return bytes(data)


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tiff", "avif"])
@pytest.mark.parametrize("wide", [False, True], ids=["srgb", "p3"])
def test_pictures_of_every_kind_keep_their_colours(tmp_path: Path, ending: str, wide: bool) -> None:
    painted = patches(256, 64, 0)
    source = tmp_path / f"a.{ending}"
    more: dict[str, Any] = {"icc_profile": p3_profile()} if wide else {}
    if ending in ("jpg", "webp", "avif"):
        more["quality"] = 95
    Image.fromarray(in_p3(painted) if wide else painted).save(source, **more)
    assert error(clip(source)[1]) <= 3


def test_a_telephones_heic_is_read(tmp_path: Path) -> None:
    """The stripes in Display P3, as telephones of Apple's write them."""
    pytest.importorskip("pi_heif", reason="pi_heif has no wheel for this platform")
    (tmp_path / "IMG_0001.HEIC").write_bytes((ROOT / "tests/fixtures/patches.heic").read_bytes())
    assert asyncio.run(probe(tmp_path / "IMG_0001.HEIC")).width == 256
    assert error(clip(tmp_path / "IMG_0001.HEIC")[1]) <= 3
    assert asyncio.run(read_picture(tmp_path / "IMG_0001.HEIC", 128)).shape == (32, 128, 4)


IN_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
"""Linear BT.709 to linear BT.2020."""


def in_pq(picture: Picture) -> Picture:
    """White at 203 cd/m2 (ITU-R BT.2408), as SMPTE ST 2084 codes it."""
    light = ((picture / 255) ** 2.4 @ IN_2020.T * 203 / 10_000) ** 0.1593017578125
    return np.round(((0.8359375 + 18.8515625 * light) / (1 + 18.6875 * light)) ** 78.84375 * 255).astype("u1")


def test_a_png_of_high_dynamic_range_tells_it_by_numbers(tmp_path: Path) -> None:
    data = io.BytesIO()
    Image.fromarray(in_pq(patches(256, 64, 0))).convert("RGBA").save(data, "png")
    chunk = b"cICP" + bytes((9, 16, 0, 1))
    png = bytearray(data.getvalue())
    png[33:33] = struct.pack(">I", 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "a.png").write_bytes(png)
    assert error(clip(tmp_path / "a.png")[1]) <= 3


def test_an_avif_tells_its_colours_by_numbers(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.avif"), "w", format="avif") as file:
        stream: Any = file.add_stream("libsvtav1", rate=1, options={"crf": "10", "svtav1-params": "lp=1"})
        stream.width, stream.height, stream.pix_fmt = 256, 64, "yuv420p"
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = 12, 13, 1, 2
        frame = av.VideoFrame.from_ndarray(in_p3(patches(256, 64, 0)), format="rgb24")
        yuv = frame.reformat(format="yuv420p", dst_colorspace=1, dst_color_range=2)
        file.mux(stream.encode(yuv))
        file.mux(stream.encode(None))
    assert error(clip(tmp_path / "a.avif")[1]) <= 3


@pytest.mark.parametrize("mode", ["CMYK", "L", "LA", "RGBA", "P", "1", "YCbCr"])
def test_modes_of_pictures_are_told_apart(tmp_path: Path, mode: str) -> None:
    grey = np.full((32, 64, 3), 0, np.uint8)
    grey[:, 32:] = 255
    Image.fromarray(grey).convert(mode).save(tmp_path / "a.tiff")
    picture = rgb(clip(tmp_path / "a.tiff")[1])
    assert picture[:, 4:28].max() <= 6
    assert picture[:, 36:60].min() >= 249


def test_sixteen_bits_of_grey_with_a_transparent_shade(tmp_path: Path) -> None:
    data = io.BytesIO()
    Image.fromarray(np.full((32, 32), 0x4040, np.uint16)).save(data, "png")
    png = bytearray(data.getvalue())
    chunk = b"tRNS" + struct.pack(">H", 1)
    at = png.index(b"IDAT") - 4
    png[at:at] = struct.pack(">I", 2) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "a.png").write_bytes(png)
    assert np.abs(rgb(clip(tmp_path / "a.png")[1]).astype(int) - 64).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_of_tiff_and_jpeg(tmp_path: Path, orientation: int) -> None:
    upright = Image.fromarray(corners(96, 64, 0))
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright if orientation == 1 else upright.transpose(turns[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.jpg", exif=exif, quality=95, subsampling=0)
    got = rgb(clip(tmp_path / "a.jpg")[1]).astype(int)
    assert np.abs(got - np.asarray(upright)).mean() < 6
    stored.save(tmp_path / "a.tiff", exif=exif)
    for name in ("a.jpg", "a.tiff"):
        assert picture_info(tmp_path / name, Limits()).width == 96
    assert np.array_equal(read_upright(tmp_path / "a.tiff", Limits()), upright)


def test_a_photograph_of_48_megapixels_is_taken(tmp_path: Path) -> None:
    Image.new("RGB", (8064, 6048), (90, 140, 190)).save(tmp_path / "a.jpg")
    info, frames = clip(tmp_path / "a.jpg")
    assert (info.width, info.height) == (1920, 1440)
    assert np.abs(rgb(frames)[::64, ::64].astype(int) - (90, 140, 190)).max() <= 4
    assert asyncio.run(probe(tmp_path / "a.jpg")).width in (8064, 4032)


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tiff"])
def test_what_is_wrong_with_a_picture_is_said_of_a_picture(tmp_path: Path, ending: str) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (128, 128, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / f"my.{ending}")
    whole = (tmp_path / f"my.{ending}").read_bytes()
    (tmp_path / f"my.{ending}").write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(BadInput) as caught:
        clip(tmp_path / f"my.{ending}")
    assert caught.value.code == "malformed_media"
    assert f"my.{ending} is damaged" in caught.value.message
    assert "save it again as JPEG or PNG" in caught.value.message
    assert "H.264" not in caught.value.message


@pytest.mark.parametrize("size", [(30_000, 1), (1, 30_000), (20_000, 20_000)])
def test_a_picture_of_a_mad_size_is_refused_unread(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("1", size).save(tmp_path / "a.png")
    for use in (probe, lambda path: read_picture(path, 64)):
        with pytest.raises(BadInput, match=f"a.png is {size[0]}x{size[1]}") as caught:
            asyncio.run(use(tmp_path / "a.png"))
        assert caught.value.code == "image_too_large"


MATRICES = {
    "none": (1, 0, 0, 1),
    "90": (0, 1, -1, 0),
    "180": (-1, 0, 0, -1),
    "270": (0, -1, 1, 0),
    "hflip": (-1, 0, 0, 1),
    "vflip": (1, 0, 0, -1),
    "transpose": (0, 1, 1, 0),
    "transverse": (0, -1, -1, 0),
}


def shown_as(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """A copy of an MP4 with that display matrix."""
    data = bytearray(path.read_bytes())
    header = data.index(b"tkhd") + 4
    place = header + 4 + (32 if data[header] else 20) + 16
    a, b, c, d = (value << 16 for value in matrix)
    struct.pack_into(">9i", data, place, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    copy = path.with_name("shown.mp4")
    copy.write_bytes(data)
    return copy


@pytest.mark.parametrize("name", MATRICES)
def test_every_display_matrix_is_obeyed(tmp_path: Path, name: str) -> None:
    a, b, c, d = MATRICES[name]
    plain = write_video(tmp_path / "a.mp4", frames=2, size=(96, 64))
    stored = rgb(clip(plain)[1]).astype(int)
    high, wide = stored.shape[:2]
    expected = np.zeros((wide, high, 3) if b else (high, wide, 3), int)
    rows, columns = np.mgrid[:high, :wide]
    x = (a * columns + c * rows) + (wide - 1 if a < 0 else 0) + (high - 1 if c < 0 else 0)
    y = (b * columns + d * rows) + (wide - 1 if b < 0 else 0) + (high - 1 if d < 0 else 0)
    expected[y, x] = stored
    got = rgb(clip(shown_as(plain, (a, b, c, d)))[1]).astype(int)
    assert got.shape == expected.shape
    assert np.abs(got - expected).mean() < 4


def test_interlaced_video_has_no_combs(tmp_path: Path) -> None:
    def woven(width: int, height: int, number: int) -> Picture:
        picture = np.zeros((height, width, 3), np.uint8)
        for field in range(2):
            left = (2 * number + field) * 6 % width
            picture[field::2, left : left + 24] = 255
        return picture

    source = write_video(
        tmp_path / "a.ts",
        size=(160, 64),
        frames=12,
        draw=woven,
        options={"x264-params": "tff=1:keyint=12", "flags": "+ildct+ilme", "crf": "10"},
    )
    info, frames = clip(source)
    assert (info.fps, info.frames) == (25, 12)
    for number in range(2, 10):
        picture = rgb(frames, number)[..., 1].astype(int)
        combs = np.abs(2 * picture[1:-1] - picture[:-2] - picture[2:])
        assert combs.mean() < 2, "neighbouring lines are of one moment"


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_alpha_of_webm_shows_grey(tmp_path: Path, codec: str) -> None:
    def half(width: int, height: int, _number: int) -> Picture:
        picture = np.full((height, width, 4), 255, np.uint8)
        picture[..., 1:3] = 0
        picture[:, width // 2 :, 3] = 0
        return picture

    options = {"crf": "10", "b": "200k", "auto-alt-ref": "0"}
    source = write_video(
        tmp_path / "a.webm",
        codec=codec,
        pixels="yuva420p",
        draw=half,
        frames=5,
        size=(64, 64),
        options=options,
    )
    info, frames = clip(source)
    picture = rgb(frames, 2).astype(int)
    assert np.abs(picture[:, 36:60] - 128).max() <= 8
    assert picture[:, 4:28, 0].min() > 230
    assert info.frames == 5


VIDEO_COLOURS: dict[str, dict[str, Any]] = {
    "bt709": {"colorspace": 1, "color_primaries": 1, "color_trc": 1},
    "bt601": {"colorspace": 5, "color_primaries": 5, "color_trc": 6},
    "full": {"colorspace": 1, "color_primaries": 1, "color_trc": 1, "color_range": 2},
    "srgb curve": {"colorspace": 1, "color_primaries": 1, "color_trc": 13},
    "p3": {"colorspace": 1, "color_primaries": 12, "color_trc": 1},
    "p3 with srgb's curve": {"colorspace": 1, "color_primaries": 12, "color_trc": 13},
}


@pytest.mark.parametrize("name", VIDEO_COLOURS)
@pytest.mark.parametrize("untagged", [False, True], ids=["stream", "container"])
def test_videos_keep_their_colours_wherever_they_are_told(tmp_path: Path, name: str, untagged: bool) -> None:
    tags = VIDEO_COLOURS[name]

    def draw(width: int, height: int, number: int) -> Picture:
        picture = patches(width, height, number)
        return in_p3(picture) if tags["color_primaries"] == 12 else picture

    source = tmp_path / "a.mp4"
    with av.open(str(source), "w") as file:
        params = "colorprim=undef:transfer=undef:colormatrix=undef:range=tv" if untagged else ""
        stream: Any = file.add_stream("libx264", rate=25, options={"x264-params": params, "crf": "8"})
        stream.width, stream.height, stream.pix_fmt = 256, 64, "yuv444p"
        for key, value in tags.items():
            setattr(stream.codec_context, key, value)
        for number in range(2):
            frame = av.VideoFrame.from_ndarray(draw(256, 64, number), format="rgb24")
            frame = frame.reformat(
                format="yuv444p",
                dst_colorspace=tags["colorspace"],
                dst_color_range=tags.get("color_range", 1),
            )
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    assert error(clip(source)[1]) <= 3


@pytest.mark.parametrize("first_is_small", [False, True])
def test_the_stream_that_players_show_is_taken(tmp_path: Path, first_is_small: bool) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as file:
        sizes = [(64, 48), (160, 96)] if first_is_small else [(160, 96), (64, 48)]
        streams: list[Any] = []
        for width, height in sizes:
            stream: Any = file.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.disposition = av.stream.Disposition.default if width == 160 else av.stream.Disposition(0)
            streams.append(stream)
        for number in range(5):
            for stream in streams:
                picture = corners(stream.width, stream.height, number)
                file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        for stream in streams:
            file.mux(stream.encode(None))
    assert clip(tmp_path / "a.mkv")[0].width == 160


def bursts(k: int) -> int:
    """Ten frames in a third of a second, then none for the rest of it, in ms."""
    return k // 10 * 1000 + k % 10 * 33


@pytest.mark.parametrize(
    ("times", "fps", "frames"),
    [
        ([k * 20 for k in range(50)], 25, 25),
        ([k * 1000 // 48 for k in range(48)], 24, 24),
        ([k * 1000 // 30 for k in range(30) if k % 10 != 5], 30, 30),
        ([bursts(k) for k in range(20)], 30, 40),
        ([k * 200 for k in range(5)], 25, 25),
        ([k * 3000 for k in range(3)], 25, 175),
        ([k * 1000 // 12 for k in range(12)], 25, 25),
        ([k * 40 + (600_000 if k >= 12 else 0) for k in range(25)], 25, 25),
        ([k * 40 + 7_000_000 for k in range(25)], 25, 25),
        ([0], 25, 1),
    ],
    ids=["50", "48", "telephone", "screen", "5", "slides", "12", "pause", "late", "one frame"],
)
def test_rates_and_times_of_recorders(tmp_path: Path, times: list[int], fps: int, frames: int) -> None:
    source = write_video(tmp_path / "a.mkv", frames=len(times), times_ms=times, size=(64, 48))
    info, opened = clip(source)
    assert info.fps == fps
    assert abs(opened.count - frames) <= (1 if len(times) > 1 else 24)


def test_fifty_a_second_move_evenly_at_half(tmp_path: Path) -> None:
    def grey(width: int, height: int, number: int) -> Picture:
        return np.full((height, width, 3), 20 + 4 * number, np.uint8)

    _, frames = clip(write_video(tmp_path / "a.mp4", fps=Fraction(50), frames=50, draw=grey, size=(64, 48)))
    shades = np.array([rgb(frames, k).mean() for k in range(frames.count)])
    assert np.abs(np.diff(shades) - 8).max() < 3
