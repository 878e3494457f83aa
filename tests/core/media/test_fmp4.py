"""Fragments: exact times, nothing held back, picture and sound together after any length."""

import io
import struct
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from core.media.clip import write_clip
from core.media.fmp4 import AUDIO_TRACK, VIDEO_TRACK, LiveEncoder, codec_names, with_lengths
from core.media.planes import to_i420
from core.types import Fragment, frame_count, frame_start
from tests.support.boxes import boxes, find, samples

SIZE = 64
BLACK = to_i420(np.zeros((SIZE, SIZE, 3), np.uint8))
WHITE = to_i420(np.full((SIZE, SIZE, 3), 255, np.uint8))


def encode(seconds: float, fps: int, rate: int, marks: tuple[int, ...] = ()) -> list[Fragment]:
    """Black and silent, but for a white frame and a click at its start at each frame of `marks`."""
    encoder = LiveEncoder(SIZE, SIZE, fps, rate)
    made = [encoder.init]
    for frame in range(frame_count(round(seconds * rate), rate, fps)):
        sound = np.zeros(frame_start(frame + 1, rate, fps) - frame_start(frame, rate, fps), np.float32)
        if frame in marks:
            sound[: rate // 200] = 0.9 * np.sin(np.arange(rate // 200) * (np.pi / 4))  # 5 ms of rate / 8 Hz
        made += [*encoder.audio(sound), encoder.video(WHITE if frame in marks else BLACK)]
    made += encoder.finish()
    encoder.close()
    return made


def joined(made: list[Fragment]) -> bytes:
    return b"".join(fragment.data for fragment in made)


@pytest.mark.parametrize("seconds", [0.01, 0.04, 1.0, 1.013, 2.5])
@pytest.mark.parametrize(
    ("fps", "rate"), [(25, 16_000), (30, 22_050), (10, 44_100), (24, 48_000), (25, 8_000)]
)
def test_both_tracks_are_gapless_and_end_together(seconds: float, fps: int, rate: int) -> None:
    made = encode(seconds, fps, rate)
    found = samples(joined(made))
    frames = frame_count(round(seconds * rate), rate, fps)
    ends = {}
    for track in (VIDEO_TRACK, AUDIO_TRACK):
        mine = [sample for sample in found if sample.track == track]
        assert mine[0].start == 0
        assert all(a.start + a.duration == b.start for a, b in pairwise(mine))
        ends[track] = mine[-1].start + mine[-1].duration
    assert sum(fragment.frames for fragment in made) == frames
    ticks = next(f.timescale for f in made if f.kind == "video")
    assert Fraction(ends[VIDEO_TRACK], ticks) == Fraction(frames, fps)
    assert ends[AUDIO_TRACK] == frame_start(frames, rate, fps)


def test_a_fragment_says_what_is_in_it() -> None:
    made = encode(2, 25, 16_000)
    assert [made[0].kind, made[0].start, made[0].duration, made[0].frames] == ["init", 0, 0, 0]
    assert [kind for kind, *_ in boxes(made[0].data)] == ["ftyp", "moov"]
    for fragment in made[1:]:
        (sample,) = samples(fragment.data)
        assert fragment.kind == {VIDEO_TRACK: "video", AUDIO_TRACK: "audio"}[sample.track]
        assert (fragment.start, fragment.duration, fragment.key) == (
            sample.start,
            sample.duration,
            sample.sync,
        )
        assert fragment.frames == (fragment.kind == "video")
        assert fragment.timescale == (16_000 if fragment.kind == "audio" else 12_800)


def test_every_frame_leaves_at_once_and_sound_one_aac_frame_later() -> None:
    rate = 32_000
    encoder = LiveEncoder(SIZE, SIZE, 25, rate)
    heard = told = 0
    for frame in range(50):
        video = encoder.video(BLACK)
        assert (video.start, video.duration) == (frame * 512, 512)
        heard += 1280
        for fragment in encoder.audio(np.zeros(1280, np.float32)):
            told = fragment.start + fragment.duration
        assert heard - told <= 2 * 1024 + 1280
    encoder.close()


@pytest.mark.parametrize("fps", [10, 25, 30])
def test_a_player_can_begin_every_second_and_nowhere_else(fps: int) -> None:
    noise = np.random.default_rng(0).integers(16, 236, (12, SIZE * 3 // 2, SIZE), dtype=np.uint8)
    encoder = LiveEncoder(SIZE, SIZE, fps, 16_000)
    made = [encoder.video(noise[k % 12]) for k in range(3 * fps + 1)]  # every frame a cut
    encoder.close()
    assert [k for k, fragment in enumerate(made) if fragment.key] == [0, fps, 2 * fps, 3 * fps]
    # And really: begin at the second key frame, without the frames before it.
    with av.open(io.BytesIO(encoder.init.data + joined(made[fps:]))) as file:
        shown = [frame.to_ndarray() for frame in file.decode(video=0)]
    assert len(shown) == 2 * fps + 1
    assert np.abs(shown[0].astype(int) - noise[fps % 12]).mean() < 20


def test_the_head_names_its_codecs_and_colours() -> None:
    encoder = LiveEncoder(SIZE, SIZE, 25, 16_000)
    head = encoder.init.data
    start, stop = find(head, "moov", "mvex")
    assert [kind for kind, *_ in boxes(head, start, stop)].count("trex") == 2
    profile, constraints, level = struct.unpack_from("3B", head, head.index(b"avcC") + 5)
    assert codec_names(head) == f"avc1.{profile:02X}{constraints:02X}{level:02X},mp4a.40.2"
    assert profile == 100  # High
    at = head.index(b"colr") + 4
    assert struct.unpack_from(">4sHHHB", head, at) == (b"nclx", 1, 1, 1, 0)  # BT.709, limited
    assert b"elst" not in head
    encoder.close()


def test_colours_come_back_as_they_went_in() -> None:
    colours = [(40, 80, 200), (200, 120, 40), (10, 240, 10), (128, 128, 128)]
    encoder = LiveEncoder(SIZE, SIZE, 25, 16_000)
    made = [encoder.video(to_i420(np.full((SIZE, SIZE, 3), colour, np.uint8))) for colour in colours * 2]
    encoder.close()
    with av.open(io.BytesIO(encoder.init.data + joined(made))) as file:
        for frame, colour in zip(file.decode(video=0), colours * 2, strict=True):
            assert (frame.colorspace, frame.color_range) == (1, 1)
            shown = frame.reformat(format="bgr24", src_colorspace="ITU709").to_ndarray()[SIZE // 2, SIZE // 2]
            assert np.abs(shown.astype(int) - colour).max() <= 4


@pytest.mark.parametrize("size", [(480, 270), (322, 242), (480, 272)])
def test_colours_are_where_they_belong_whatever_the_height(size: tuple[int, int], tmp_path: Path) -> None:
    width, height = size
    picture = np.full((height, width, 3), (200, 60, 60), np.uint8)
    picture[height // 2 // 2 * 2 :] = 60, 60, 200
    encoder = LiveEncoder(width, height, 25, None, crf=4)
    made = encoder.video(to_i420(picture))
    encoder.close()
    write_clip(tmp_path / "clip.mp4", [picture], 25)
    for data in (encoder.init.data + made.data, (tmp_path / "clip.mp4").read_bytes()):
        with av.open(io.BytesIO(data)) as file:
            (frame,) = file.decode(video=0)
        assert (frame.width, frame.height) == size
        shown = frame.reformat(format="bgr24", src_colorspace="ITU709").to_ndarray().astype(int)
        assert np.abs(shown - picture).mean() < 2


def test_a_large_frame_leaves_whole_though_it_is_coded_in_slices() -> None:
    picture = (
        np.random.default_rng(0).integers(40, 200, (27, 48, 3), dtype=np.uint8).repeat(40, 0).repeat(40, 1)
    )
    planes = to_i420(picture)
    encoder = LiveEncoder(1920, 1080, 25, 16_000)
    made = [encoder.video(planes) for _ in range(3)]
    encoder.close()
    with av.open(io.BytesIO(encoder.init.data + joined(made))) as file:
        shown = [frame.to_ndarray().astype(int) for frame in file.decode(video=0)]
    assert len(shown) == 3
    assert all(np.abs(frame - planes).mean() < 3 for frame in shown)


def test_encoding_does_not_write_into_its_input() -> None:
    planes = BLACK.copy()
    planes.flags.writeable = False
    encoder = LiveEncoder(SIZE, SIZE, 25, 16_000)
    encoder.video(planes)
    encoder.close()
    assert np.array_equal(planes, BLACK)


@pytest.mark.parametrize("cut", [1, 160, 1023, 1024, 5000])
def test_sound_does_not_depend_on_how_it_was_cut(cut: int) -> None:
    sound = (0.3 * np.random.default_rng(0).standard_normal(5000)).astype(np.float32)

    def track(pieces: list[np.ndarray]) -> list[bytes]:
        encoder = LiveEncoder(SIZE, SIZE, 25, 16_000)
        made = [f for piece in pieces for f in encoder.audio(piece)] + encoder.finish()
        encoder.close()
        return [sample.data for fragment in made for sample in samples(fragment.data)]

    assert track(np.split(sound, range(cut, 5000, cut))) == track([sound])


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 32_000])
def test_a_voice_comes_back_as_it_went_in(rate: int) -> None:
    time = np.arange(2 * rate) / rate
    pitch = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 3 * time)) / rate
    voice = sum(np.sin(k * pitch) / k for k in range(1, 25)) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time))
    voice = (0.2 * voice + 0.005 * np.random.default_rng(0).standard_normal(2 * rate)).astype(np.float32)
    encoder = LiveEncoder(SIZE, SIZE, 25, rate)
    made = [encoder.init, *encoder.audio(voice), *encoder.finish()]
    encoder.close()
    with av.open(io.BytesIO(joined(made))) as file:
        heard = np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])[: 2 * rate]
    off = (heard - voice[: len(heard)])[1024:]  # an AAC frame is whole with the one before it
    assert 20 * np.log10(voice.std() / off.std()) > 20
    assert sum(len(sample.data) for sample in samples(joined(made[1:]))) * 8 / 2 < 110_000


def marked_times(data: bytes, rate: int) -> tuple[list[float], list[float]]:
    """When it flashes and when it clicks, in seconds, as a decoder sees and hears it."""
    flashes: list[float] = []
    peaks: list[tuple[float, float]] = []
    with av.open(io.BytesIO(data)) as file:
        for frame in file.decode(file.streams.video[0]):
            # The first byte of the brightness plane tells; a whole picture would take long over ten minutes.
            if memoryview(frame.planes[0])[0] > 128:
                flashes.append(float(frame.pts * frame.time_base))
    with av.open(io.BytesIO(data)) as file:
        for heard in file.decode(file.streams.audio[0]):
            loud = np.flatnonzero(np.abs(heard.to_ndarray()[0]) > 0.45)
            if len(loud):
                peaks.append((heard.pts + loud[0]) / rate)
    clicks = [time for k, time in enumerate(peaks) if not k or time - peaks[k - 1] > 0.2]
    return flashes, clicks


@pytest.mark.parametrize(
    ("seconds", "fps", "rate"),
    [
        (2, 25, 16_000),
        (2, 30, 22_050),
        (2, 25, 32_000),
        pytest.param(61, 30, 44_100, marks=pytest.mark.slow),
        pytest.param(601, 30, 22_050, marks=pytest.mark.slow),
    ],
)
def test_flash_and_click_are_one_instant(seconds: int, fps: int, rate: int) -> None:
    marks = tuple(fps * at for at in (1, 60, 600) if at < seconds)
    flashes, clicks = marked_times(joined(encode(seconds, fps, rate, marks)), rate)
    assert flashes == [mark / fps for mark in marks]
    # The click reaches half of its height within a period, an eighth of a millisecond at most here.
    assert np.abs(np.subtract(clicks, flashes)).max() < 1e-3


def test_units_get_lengths_for_start_codes() -> None:
    slice_, sps, pps = b"\x65abc", b"\x67x", b"\x68y"
    annexb = b"\0\0\0\1" + sps + b"\0\0\0\1" + pps + b"\0\0\1" + slice_ + b"\0\0\0\1\x41d"
    assert with_lengths(annexb) == b"\0\0\0\4\x65abc\0\0\0\2\x41d"
