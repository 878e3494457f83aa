"""The four services of old replaced: their client, their .env, real servers, real files."""

import io
import os
import shutil
import socket
import subprocess
import sys
import wave
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import av
import pytest

from tests.support.old_client import OldSystem
from tests.support.serving import library

__all__ = ["library"]  # a fixture

SERVICES = ("speech", "lipsync", "enhance", "video")

DOTENV = """\
GPT_SOVITS_URL=http://127.0.0.1:{speech}
WAV2LIP_URL=http://127.0.0.1:{lipsync}
VIDEO_BASE_PATH=./videos
TEMP_VIDEO_PATH=./temp/video
GENERATED_AUDIO_PATH=./temp/audio
TEMP_SRT_PATH=./temp/srt
SRT_PATH=./srt
RESULT_DIR_BASE=./results
TEMP_DIR_BASE=./temp
LIPSTREAM_DATA_DIR=./data
LIPSTREAM_SPEECH=builtin
LIPSTREAM_FETCH_ALLOW=["127.0.0.1:{lipsync}"]
"""


@pytest.fixture
def place(library: Path, presenter_clip: Path, tmp_path: Path) -> Path:
    """The folder of somebody who ran the old services: his videos, his .env."""
    shutil.copytree(library / "templates", tmp_path / "data/templates")
    (tmp_path / "videos").mkdir()
    shutil.copyfile(presenter_clip, tmp_path / "videos/1.mp4")
    return tmp_path


@contextmanager
def serving(place: Path, port: int, *options: str) -> Iterator[str]:
    """`lipstream serve` in that folder; its address."""
    command = [sys.executable, "-m", "server.cli", "serve", "--port", str(port), *options]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    with subprocess.Popen(command, cwd=place, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            assert line.startswith("lipstream: WAV2LIP_URL in .env sets nothing"), line
            line = process.stderr.readline()
            assert line.startswith("Lipstream is at http://"), line
            yield line.split()[3]
        finally:
            process.terminate()
            process.communicate(timeout=20)


def free_ports() -> dict[str, int]:
    """A port for each service."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in SERVICES]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return {name: one.getsockname()[1] for name, one in zip(SERVICES, sockets, strict=True)}


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["one process", "four"])
def test_the_client_of_old_finds_everything_as_it_was(place, layout):
    ports = free_ports()
    (place / ".env").write_text(DOTENV.format(**ports))
    with ExitStack() as stack:
        if layout == "four":
            urls = {
                name: stack.enter_context(serving(place, ports[name], "--only", name)) for name in SERVICES
            }
        else:
            url = stack.enter_context(serving(place, ports["video"]))
            urls = dict.fromkeys(SERVICES, url)
        use(OldSystem(**urls), place)
    left = {path.relative_to(place).as_posix() for path in place.glob("temp/**/*") if path.is_file()}
    assert left == set()
    assert len(list((place / "results").glob("*.mp4"))) == 2
    assert len(list((place / "srt").glob("*.srt"))) == 1


def use(old: OldSystem, place: Path) -> None:
    """Everything the old client did."""
    speech = old.speak("你好，今天是2026年5月1日。", "中文")
    with wave.open(io.BytesIO(speech)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (32_000, 1, 2)
        seconds = file.getnframes() / 32_000
    assert 2 < seconds < 8
    assert len(old.speak_v2("Good evening.", "en")) > 20_000

    url, video = old.sync(place / "videos/1.mp4", speech)
    kinds, length, _ = seen(video)
    assert kinds == ["video", "audio"]
    assert abs(length - seconds) < 0.05
    sharp = old.sharpen(url)  # which its enhancement service fetched from its lip-sync service
    assert seen(sharp)[0] == ["video", "audio"]
    assert abs(seen(sharp)[1] - length) < 0.05

    made = old.create(text="Good evening. 晚上好。", video_number="1", is_srt=True)
    assert made.keys() == {"video_url", "audio_url", "srt_url"}
    kinds, length, captions = seen(made["video_url"])
    assert kinds == ["video", "audio", "subtitle"]
    assert "Good evening." in made["srt_url"].decode()
    assert "晚上好。" in " ".join(captions)
    assert abs(seen(made["audio_url"])[1] - length) < 0.1


def seen(data: bytes) -> tuple[list[str], float, list[str]]:
    """Tracks, seconds and captions of a file."""
    with av.open(io.BytesIO(data)) as file:
        kinds = [stream.type for stream in file.streams]
        packets = list(file.demux())
        seconds = max(
            float((p.pts + p.duration) * p.time_base)
            for p in packets
            if p.pts is not None and p.stream.type != "subtitle"
        )
        captions = [bytes(p)[2:].decode() for p in packets if p.stream.type == "subtitle" and p.size > 2]
    return kinds, seconds, captions
