"""`lipstream live`, run as a user runs it."""

import asyncio
import os
import subprocess
import sys

import av
import numpy as np
import pytest

from server.cli import main
from tests.support.openai_server import wav
from tests.support.rtmp import free_port, receiver

pytestmark = pytest.mark.slow  # nearly each makes a video or starts a process


def live(lines, *arguments, data_dir, cwd):
    settings = {"LIPSTREAM_DATA_DIR": str(data_dir), "LIPSTREAM_SPEECH": "builtin"}  # which loads at once
    environment = {**os.environ, **settings, "PYTHONPATH": os.getcwd()}
    return subprocess.run(
        [sys.executable, "-m", "server.cli", "live", "--template", "small", *arguments],
        input=lines if isinstance(lines, bytes) else lines.encode(),
        capture_output=True,
        env=environment,
        cwd=cwd,
        timeout=60,
        check=False,
    )


def test_live_says_each_line_and_ends_with_the_input(small_library, tmp_path):
    done = live("Yes.\n!!!\nNo.\n", "-o", "live.mp4", data_dir=small_library, cwd=tmp_path)
    told = done.stderr.decode()
    assert done.returncode == 0, told
    assert done.stdout == b"live.mp4\n"
    assert "1: first picture after " in told
    assert "2: the text has no words to speak" in told
    assert told.index("1: said in ") < told.index("3: first picture") < told.index("3: said in ")
    with av.open(str(tmp_path / "live.mp4")) as file:
        video, audio = file.streams.video[0], file.streams.audio[0]
        assert video.frames > 15
        assert abs(video.duration * video.time_base - audio.duration * audio.time_base) < 0.3


def test_live_stops_in_the_middle_and_streams_to_standard_output(small_library, tmp_path):
    lines = "One two three four five six seven eight nine ten.\n/stop\nNo.\n"
    done = live(lines, "-o", "-", data_dir=small_library, cwd=tmp_path)
    told = done.stderr.decode()
    assert done.returncode == 0, told
    assert done.stdout[4:8] == b"ftyp"
    assert done.stdout.count(b"moof") > 20
    assert "1: stopped after " in told
    assert "2: said in " in told


async def test_live_is_sent_to_a_server(small_library, tmp_path):
    port = free_port()
    async with receiver(port) as server:
        url = f"rtmp://127.0.0.1:{port}/live/secret"
        lines = ["One two three four five.\n"] * 3
        said = asyncio.to_thread(live, "".join(lines), "--push", url, data_dir=small_library, cwd=tmp_path)
        done, packets = await asyncio.gather(said, server.packets(60))
    told = done.stderr.decode()
    assert done.returncode == 0, told
    assert f"rtmp://127.0.0.1:{port}/live: live" in told
    assert "secret" not in told
    assert {packet["kind"] for packet in packets} == {"video", "audio"}
    assert list(tmp_path.iterdir()) == []


def test_live_refuses_what_is_not_there(small_library, tmp_path):
    done = live("Yes.\n", "--voice", "nobody", data_dir=small_library, cwd=tmp_path)
    assert done.returncode == 2
    assert b"has no voice 'nobody'" in done.stderr
    assert not (tmp_path / "live.mp4").exists()


def test_live_says_sound_as_it_comes(small_library, tmp_path):
    sound = (9000 * np.sin(np.arange(16_000) / 9)).astype("<i2").tobytes()
    done = live(sound, "--audio", "-", "--audio-rate", "16000", data_dir=small_library, cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    assert "1: said in 1.00 s" in done.stderr.decode()
    done = live(b"", "--audio", "-", "--audio-rate", "5", data_dir=small_library, cwd=tmp_path)
    assert done.returncode == 2
    assert b"rate 5 is not within 8000 to 192000" in done.stderr


def test_live_says_a_recording_and_then_the_lines(small_library, tmp_path):
    samples = (9000 * np.sin(np.arange(24_000) / 9)).astype(np.int16)
    (tmp_path / "talk.wav").write_bytes(wav(samples, 48_000))
    done = live("Yes.\n", "--audio", "talk.wav", data_dir=small_library, cwd=tmp_path)
    told = done.stderr.decode()
    assert done.returncode == 0, told
    assert told.index("1: said in 0.50 s") < told.index("2: first picture")
    done = live("Yes.\n", "--audio", "none.wav", data_dir=small_library, cwd=tmp_path)
    assert done.returncode == 2
    assert b"none.wav" in done.stderr


def test_live_says_a_script(small_library, tmp_path):
    (tmp_path / "script.txt").write_text("Yes.\n\nNo.\n", encoding="utf-8")
    done = live("", "script.txt", data_dir=small_library, cwd=tmp_path)
    told = done.stderr.decode()
    assert done.returncode == 0, told
    assert told.index("1: said in ") < told.index("2: said in ")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (["--loop"], "name one"),
        (["none.txt"], "none.txt"),
        (["script.txt", "--audio", "-"], "not both"),
        (["script.txt", "-o", "script.txt"], "script.txt"),
        (["--push", "http://a.example/live/key"], "rtmp://HOST/APP"),
    ],
)
def test_live_refuses_what_makes_no_sense_before_anything_is_loaded(
    wrong, why, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "script.txt").write_text("Yes.\n", encoding="utf-8")
    assert main(["live", *wrong]) == 2
    assert why in capsys.readouterr().err
    assert (tmp_path / "script.txt").read_text(encoding="utf-8") == "Yes.\n"
