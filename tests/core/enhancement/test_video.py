"""Any video through the whole path: faces clearer, everything else as it was."""

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from core.enhancement.video import Enhancement, enhance_video
from core.errors import BadInput, StageError
from core.faces.shots import Shot, find_shots
from core.media.foreign import Frame, open_video
from core.progress import Progress
from core.serving.engine_pool import EnginePool
from core.types import Fragment
from server.cli import main
from tests.core.media.test_frames import packets, write_tracks
from tests.support.crowds import grid, group, write_group
from tests.support.samples import Picture, damaged, turned, write_sound, write_video

pytestmark = pytest.mark.slow  # nearly each makes a video or starts a process


def still(number: int) -> list[tuple[int, int]]:
    return [(60, 40)]


def shots(path: Path) -> tuple[list[Shot], list[Frame]]:
    async def work() -> tuple[list[Shot], list[Frame]]:
        async with EnginePool([]) as pool:
            face = await pool.engine("face", "builtin")
            source = await open_video(path)
            frames: list[Frame] = []

            async def noted() -> Any:
                async for frame in source.frames():
                    frames.append(frame)
                    yield frame

            try:
                async with aclosing(find_shots(noted(), face)) as found:
                    return [shot async for shot in found], frames
            finally:
                await source.close()

    return asyncio.run(asyncio.wait_for(work(), 60))


def enhanced(path: Path, **more: Any) -> tuple[bytes, Progress]:
    async def work() -> tuple[bytes, Progress]:
        made: list[bytes] = []

        async def sink(fragment: Fragment) -> None:
            made.append(fragment.data)

        async with EnginePool([]) as pool:
            progress = await enhance_video(Enhancement(path, **more), pool, sink)
        return b"".join(made), progress

    return asyncio.run(asyncio.wait_for(work(), 60))


def decoded(data: bytes, path: Path) -> list[np.ndarray]:
    path.write_bytes(data)
    with av.open(str(path)) as file:
        return [frame.to_ndarray(format="bgr24") for frame in file.decode(video=0)]


def test_stretches_end_at_cuts_and_nowhere_is_a_frame_lost(tmp_path: Path) -> None:
    def draw(width: int, height: int, number: int) -> Picture:
        light = 120 if number < 20 else 40
        picture = group(width, height, 130, [(60, 40)] if number < 33 else [], light)
        return np.ascontiguousarray(picture[:, :, ::-1])

    found, frames = shots(write_video(tmp_path / "cut.mp4", size=(320, 240), frames=50, draw=draw))
    assert [frame for shot in found for frame in shot.frames] == frames
    assert [len(shot) for shot in found][:2] == [8, 12]  # the second one is cut short
    assert sum(len(shot) for shot in found) == 50
    for shot in found:
        assert all(len(track) == len(shot) for track in shot.tracks)


def test_a_track_goes_on_smoothly_over_the_ends_of_stretches(tmp_path: Path) -> None:
    path = write_group(
        tmp_path / "pan.mp4",
        lambda k: [(20 + 2 * k, 40), (200 + 2 * k, 60)],
        size=(512, 288),
        head=130,
        frames=60,
    )
    found, _ = shots(path)
    assert len(found) >= 3
    assert all(len(shot.tracks) == 2 for shot in found)
    for which in range(2):
        centres = np.concatenate(
            [
                np.stack(
                    [
                        c + p @ [0.5, 0.5, 1]
                        for c, p in zip(
                            sorted(s.tracks, key=lambda t: t.corners[0, 0])[which].corners,
                            sorted(s.tracks, key=lambda t: t.corners[0, 0])[which].poses,
                            strict=True,
                        )
                    ]
                )
                for s in found
            ]
        )
        steps = np.diff(centres, axis=0)
        assert np.abs(steps - [2, 0]).max() < 1.5


def test_a_scene_without_a_face_passes_as_the_encoder_makes_it(tmp_path: Path) -> None:
    found, _ = shots(write_video(tmp_path / "bars.mp4", frames=20))
    assert all(not shot.tracks for shot in found)
    _, progress = enhanced(tmp_path / "bars.mp4")
    assert progress.frames == progress.frames_without_face == 20


def test_faces_change_and_what_is_around_them_does_not(tmp_path: Path) -> None:
    path = write_group(
        tmp_path / "one.mp4", still, size=(320, 240), head=130, frames=20, options={"crf": "4"}
    )
    data, progress = enhanced(path)
    assert progress.frames_without_face == 0
    before = decoded(path.read_bytes(), tmp_path / "before.mp4")
    after = decoded(data, tmp_path / "after.mp4")
    assert len(after) == len(before) == 20
    change = np.mean([np.abs(a.astype(int) - b) for a, b in zip(after, before, strict=True)], axis=(0, 3))
    face, away = change[60:110, 95:155].mean(), change[200:, 240:].mean()
    assert face > 1.5 * away


@pytest.mark.parametrize(
    "place", [(-40, 40), (230, 40), (60, -30), (60, 170)], ids=["left", "right", "top", "bottom"]
)
def test_a_face_cut_by_the_border_stays_inside(tmp_path: Path, place: tuple[int, int]) -> None:
    path = write_group(tmp_path / "edge.mp4", lambda k: [place], size=(320, 240), head=130, frames=12)
    found, _ = shots(path)
    for track in [track for shot in found for track in shot.tracks]:
        assert (track.corners >= 0).all()
        assert (track.corners + track.side <= [320, 240]).all()
    _, progress = enhanced(path)
    assert progress.frames == 12


def test_twelve_faces_are_all_made_clearer(tmp_path: Path) -> None:
    places = grid(640, 360, 4, 3, 110)
    path = write_group(tmp_path / "many.mp4", lambda k: places, size=(640, 360), head=110, frames=16)
    found, _ = shots(path)
    assert [len(shot.tracks) for shot in found] == [12, 12]
    data, progress = enhanced(path)
    assert progress.frames == 16
    assert progress.frames_without_face == 0
    assert len(decoded(data, tmp_path / "out.mp4")) == 16


def test_4k_and_odd_sizes_come_out_in_their_size(tmp_path: Path) -> None:
    big = write_group(
        tmp_path / "big.mp4",
        lambda k: [(1500, 600)],
        size=(3840, 2160),
        head=900,
        frames=10,
        options={"preset": "ultrafast"},
    )
    _, progress = enhanced(big)
    assert (progress.width, progress.height, progress.frames) == (3840, 2160, 10)
    assert progress.frames_without_face == 0
    with pytest.raises(BadInput) as refused:
        enhanced(big, upscale=2)
    assert refused.value.code == "too_large_frames"


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    """PSNR in dB."""
    return float(10 * np.log10(255**2 / max(1e-9, np.mean((a.astype(float) - b) ** 2))))


@pytest.mark.parametrize("size", [(321, 243), (320, 242), (322, 241)])
def test_odd_sizes_lose_a_line_and_keep_colours_in_their_place(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write_group(
        tmp_path / "odd.mp4", still, size=size, head=130, frames=9, pixels="yuv444p", options={"crf": "4"}
    )
    data, progress = enhanced(path)
    assert progress.frames_without_face == 0
    width, height = (side // 2 * 2 for side in size)
    for before, after in zip(
        decoded(path.read_bytes(), tmp_path / "before.mp4"),
        decoded(data, tmp_path / "after.mp4"),
        strict=True,
    ):
        assert after.shape == (height, width, 3)
        assert likeness(after, before[:height, :width]) > 34


QUIET = {"x265-params": "log-level=none"}


def test_ten_bits_come_out_as_eight(tmp_path: Path) -> None:
    path = write_group(
        tmp_path / "deep.mkv", still, size=(320, 240), head=130, frames=9,
        codec="libx265", pixels="yuv420p10le", options=QUIET | {"crf": "8"},
    )  # fmt: skip
    data, progress = enhanced(path)
    assert progress.frames_without_face == 0
    assert likeness(decoded(data, tmp_path / "out.mp4")[4], group(320, 240, 130, still(4))) > 32
    with av.open(str(tmp_path / "out.mp4")) as file:
        assert file.streams.video[0].pix_fmt == "yuv420p"


def test_faces_in_high_dynamic_range_are_found_and_look_as_they_did(tmp_path: Path) -> None:
    picture = group(320, 240, 130, still(0))
    light = 203 * (picture[:, :, ::-1] / 255) ** 2.4  # white of 203 cd/m2, as in ITU-R BT.2408
    y = (light / 10_000) ** 0.1593017578125  # SMPTE ST 2084
    signal = ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375
    path = tmp_path / "hdr.mkv"
    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream("libx265", rate=25, options=QUIET | {"crf": "8"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p10le"
        tags = {"colorspace": 9, "color_primaries": 1, "color_trc": 16, "color_range": 1}
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        for _ in range(9):
            frame = av.VideoFrame.from_ndarray((signal * 65_535).astype(np.uint16), format="rgb48le")
            yuv: Any = frame.reformat(format="yuv420p10le", dst_colorspace="BT2020", dst_color_range=1)
            for name, value in tags.items():
                setattr(yuv, name, value)
            file.mux(stream.encode(yuv))
        file.mux(stream.encode(None))
    data, progress = enhanced(path)
    assert progress.frames_without_face == 0
    assert likeness(decoded(data, tmp_path / "out.mp4")[4], picture) > 22


def test_twice_as_large(tmp_path: Path) -> None:
    path = write_group(tmp_path / "one.mp4", still, size=(322, 242), head=130, frames=9)
    data, progress = enhanced(path, upscale=2)
    assert (progress.width, progress.height) == (644, 484)
    assert decoded(data, tmp_path / "out.mp4")[0].shape == (484, 644, 3)
    assert progress.frames_without_face == 0


def test_no_sound_no_track_and_a_late_sound_is_heard_late(tmp_path: Path) -> None:
    data, _ = enhanced(write_video(tmp_path / "mute.mp4", frames=9))
    (tmp_path / "out.mp4").write_bytes(data)
    with av.open(str(tmp_path / "out.mp4")) as file:
        assert not file.streams.audio
    late = _late(tmp_path)
    data, _ = enhanced(late)
    (tmp_path / "out.mp4").write_bytes(data)
    with av.open(str(tmp_path / "out.mp4")) as file:
        heard = np.concatenate([f.to_ndarray()[0] for f in file.decode(audio=0)])
    assert np.abs(heard[:22_000]).max() < 0.01
    assert np.abs(heard[26_500:40_000]).max() > 0.1


def _late(folder: Path) -> Path:
    """A video whose sound, at 48 kHz, begins half a second after the picture."""
    plain = write_tracks(folder / "plain.mp4", [("aac", 48_000, "eng")])
    late = folder / "late.mkv"
    with av.open(str(plain)) as given, av.open(str(late), "w") as file:
        streams = {s: file.add_stream_from_template(s) for s in given.streams}
        for packet in given.demux():
            if packet.dts is not None and packet.pts is not None:
                if packet.stream.type == "audio":
                    packet.pts += 24_000
                    packet.dts += 24_000
                packet.stream = streams[packet.stream]
                file.mux(packet)
    return late


def test_cancelled_anywhere_it_leaves_nothing_behind(tmp_path: Path) -> None:
    path = write_group(tmp_path / "one.mp4", still, size=(320, 240), head=130, frames=100)

    async def work(after: int) -> None:
        seen = 0
        enough = asyncio.Event()

        async def sink(fragment: Fragment) -> None:
            nonlocal seen
            seen += 1
            if seen >= after:
                enough.set()

        before = asyncio.all_tasks()
        async with EnginePool([]) as pool:
            task = asyncio.create_task(enhance_video(Enhancement(path), pool, sink))
            await enough.wait()
            began = asyncio.get_running_loop().time()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert asyncio.get_running_loop().time() - began < 1.0
            assert asyncio.all_tasks() == before

    for after in (1, 10, 40):
        asyncio.run(asyncio.wait_for(work(after), 30))


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda p: p, "missing_file"),
        (lambda p: p.write_bytes(b""), "empty_file"),
        (lambda p: p.write_bytes(b"#EXTM3U\nhttp://127.0.0.1/x.ts\n" * 9), "not_media"),
        (lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99)), "still_picture"),
        (lambda p: write_sound(p, np.zeros(8000, np.float32), 8000), "audio_only"),
    ],
    ids=["missing", "empty", "playlist", "picture", "sound"],
)
def test_what_is_no_video_is_refused_before_any_work(tmp_path: Path, make: Any, code: str) -> None:
    path = tmp_path / "given.bin"
    make(path)
    with pytest.raises(BadInput) as refused:
        enhanced(path)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("option", "code"), [({"upscale": 3}, "out_of_range"), ({"enhancer": "x"}, "unknown_engine")]
)
def test_options_that_nothing_can_do_are_refused(tmp_path: Path, option: Any, code: str) -> None:
    with pytest.raises(BadInput) as refused:
        enhanced(write_video(tmp_path / "video.mp4", frames=2), **option)
    assert refused.value.code == code


def test_a_file_damaged_for_the_most_part_fails_the_job(tmp_path: Path) -> None:
    video = damaged(write_video(tmp_path / "video.mp4", frames=60, options={"g": "60"}), 0.5, 1.0)
    with pytest.raises(StageError) as failed:
        enhanced(video)
    assert failed.value.stage == "decode"
    assert isinstance(failed.value.cause, BadInput)


def test_a_corrupt_middle_costs_no_more_than_itself(tmp_path: Path) -> None:
    video = write_video(tmp_path / "video.mp4", frames=150, size=(320, 240), options={"g": "12"})
    data, progress = enhanced(damaged(video, 0.5, 0.52))
    assert 120 < progress.frames <= 150
    assert progress.audio_s == pytest.approx(6, abs=0.05)
    assert len(decoded(data, tmp_path / "out.mp4")) == progress.frames


def test_on_the_command_line_sound_is_copied_and_times_are_kept(tmp_path: Path, capsys: Any) -> None:
    source = write_tracks(
        tmp_path / "in.mkv", [("aac", 48_000, "eng"), ("libopus", 48_000, "deu"), ("ac3", 44_100, "fra")]
    )
    out = tmp_path / "out.mp4"
    assert main(["enhance", str(source), "-o", str(out)]) == 0
    said = capsys.readouterr()
    assert said.out.strip() == str(out)
    assert "50 frames of 64x48" in said.err
    for track in range(3):
        assert packets(out, track) == packets(source, track)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mkv", "out.mp4"]


def test_on_the_command_line_times_and_rotation_are_kept(tmp_path: Path) -> None:
    times = [0, 40, 200, 210, 500]
    source = turned(write_video(tmp_path / "in.mp4", frames=5, times_ms=times), 90)
    assert main(["enhance", str(source), "-o", str(tmp_path / "out.mp4")]) == 0
    with av.open(str(tmp_path / "out.mp4")) as file:
        frames = list(file.decode(video=0))
    assert [round(f.time * 1000) for f in frames] == times
    assert (frames[0].width, frames[0].height) == (120, 160)


def test_it_streams_to_standard_output(tmp_path: Path) -> None:
    source = write_tracks(tmp_path / "in.mp4", [("aac", 48_000, "eng")])
    done = subprocess.run(
        [sys.executable, "-m", "server.cli", "enhance", str(source), "-o", "-"],
        capture_output=True,
        timeout=60,
        check=True,
    )
    (tmp_path / "out.mp4").write_bytes(done.stdout)
    with av.open(str(tmp_path / "out.mp4")) as file:
        assert sum(1 for _ in file.decode(video=0)) == 50
        assert len(file.streams.audio) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--upscale", "3"],
        ["--every", "0"],
        ["--engine", "nothing"],
        ["--fidelity", "1.5"],
        ["--fidelity", "-0.1"],
        ["--fidelity", "nan"],
    ],
)
def test_a_users_mistake_is_a_line_and_leaves_nothing(
    tmp_path: Path, capsys: Any, arguments: Sequence[str]
) -> None:
    source = write_video(tmp_path / "in.mp4", frames=2)
    assert main(["enhance", str(source), "-o", str(tmp_path / "out.mp4"), *arguments]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["in.mp4"]
