"""A person without background, as a WebM that grows: whole, in time, and transparent for whoever opens it."""

import os
from array import array
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from core.labels import Made, label_of
from core.media.growing import fragment_ends, media_type, mime
from core.media.recording import make_whole
from core.media.webm import AlphaEncoder
from core.types import Fragment, VideoFormat

SIZE, FPS, RATE, FRAMES = 64, 30, 22_050, 45
TAGS = Made("Somebody", "n1", {"speech": "builtin"}).tags()


def planes(shade: int) -> np.ndarray:
    made = np.full((SIZE * 3 // 2, SIZE), 128, np.uint8)
    made[:SIZE] = shade
    return made


def square(left: int) -> np.ndarray:
    alpha = np.zeros((SIZE, SIZE), np.uint8)
    alpha[16:48, left : left + 24] = 255
    return alpha


@pytest.fixture(scope="module")
def made() -> list[Fragment]:
    """A square that moves a pixel a frame; a click in frame 30, at one second."""
    encoder = AlphaEncoder(SIZE, SIZE, FPS, RATE, tags=TAGS)
    fragments = [encoder.init]
    for k in range(FRAMES):
        sound = np.zeros(RATE // FPS, np.float32)
        sound[:200] = 0.8 if k == 30 else 0.0
        fragments += [*encoder.audio(sound), encoder.video(planes(180), square(k % 40))]
    fragments += encoder.finish()
    encoder.close()
    return fragments


@pytest.fixture(scope="module")
def grown(made: list[Fragment], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("webm") / "stream.mp4"  # whatever it is called
    path.write_bytes(b"".join(fragment.data for fragment in made))
    return path


def alphas(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        decoder = VideoCodecContext.create("libvpx-vp9", "r") if stream.codec_context.name == "vp9" else None
        packets = [packet for packet in file.demux(stream) if packet.size]
        frames = [f for p in packets for f in (decoder.decode(p) if decoder else p.decode())]
        return [f.to_ndarray(format="rgba")[..., 3] for f in frames if isinstance(f, VideoFrame)]


def click(path: Path) -> float:
    """When the click is heard, in seconds from the first picture."""
    with av.open(str(path)) as file:
        sound = file.streams.audio[0]
        for frame in file.decode(sound):
            heard = np.abs(frame.to_ndarray().astype(float).reshape(-1))
            heard /= 32_768 if frame.format.name.startswith("s16") else 1
            if heard.max() > 0.3:
                assert frame.time is not None
                return frame.time + int(heard.argmax()) / sound.rate
    raise AssertionError("no click")


def test_every_packet_leaves_at_once_and_a_player_can_begin_every_second(made: list[Fragment]) -> None:
    assert sum(fragment.frames for fragment in made) == FRAMES
    assert [f.start for f in made if f.kind == "video"] == list(range(FRAMES))
    assert [f.start for f in made if f.kind == "video" and f.key] == [0, 30]
    heard = [f for f in made if f.kind == "audio"]
    assert [f.start for f in heard] == list(range(0, len(heard) * 960, 960))
    assert 0 <= sum(f.duration for f in heard) / 48_000 - FRAMES / FPS < 0.03


def test_the_head_says_what_it_is(made: list[Fragment]) -> None:
    assert media_type(made[0].data) == "video/webm"
    assert mime(made[0].data) == 'video/webm; codecs="vp9,opus"'


@pytest.mark.parametrize("cut", [0, 7])
def test_where_its_fragments_end_is_read_from_the_file_cut_off_or_not(
    grown: Path, made: list[Fragment], tmp_path: Path, cut: int
) -> None:
    path = tmp_path / "cut"
    path.write_bytes(grown.read_bytes()[: -cut or None])
    file = os.open(path, os.O_RDONLY)
    try:
        ends = fragment_ends(file)
    finally:
        os.close(file)
    expected = np.cumsum([len(fragment.data) for fragment in made])
    assert ends == array("Q", expected[:-1] if cut else expected)


@pytest.mark.parametrize("format", ["webm", "mov"])
def test_what_is_made_of_it_is_transparent_labelled_and_in_time(
    grown: Path, tmp_path: Path, format: VideoFormat
) -> None:
    whole = tmp_path / f"whole.{format}"
    make_whole(grown, whole, lambda: False, language="en")
    seen = alphas(whole)
    assert len(seen) == FRAMES
    for k in (0, 20, 44):
        assert np.abs(seen[k].astype(int) - square(k % 40)).mean() < 4
    assert abs(click(whole) - 1) < 0.02
    with av.open(str(whole)) as file:
        assert file.streams.video[0].average_rate == FPS
        assert label_of(file.metadata) == TAGS
        assert file.duration is not None
        assert abs(file.duration / 1e6 - FRAMES / FPS) < 0.05


def test_what_was_broken_off_is_made_whole_of_what_is_there(grown: Path, tmp_path: Path) -> None:
    part, whole = tmp_path / "part", tmp_path / "whole.webm"
    data = grown.read_bytes()
    part.write_bytes(data[: len(data) // 2])
    make_whole(part, whole, lambda: False)
    assert 10 < len(alphas(whole)) < FRAMES


@pytest.mark.parametrize("format", ["webm", "mov"])
def test_a_copy_that_is_not_wanted_any_more_stops(grown: Path, tmp_path: Path, format: VideoFormat) -> None:
    with pytest.raises(InterruptedError):
        make_whole(grown, tmp_path / f"whole.{format}", lambda: True)
