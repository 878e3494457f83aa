"""`lipstream live`, run as a user runs it."""

import os
import subprocess
import sys

import av


def live(lines, *arguments, data_dir, cwd):
    environment = {**os.environ, "LIPSTREAM_DATA_DIR": str(data_dir), "PYTHONPATH": os.getcwd()}
    return subprocess.run(
        [sys.executable, "-m", "server.cli", "live", "--template", "small", *arguments],
        input=lines.encode(),
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


def test_live_refuses_what_is_not_there(small_library, tmp_path):
    done = live("Yes.\n", "--voice", "nobody", data_dir=small_library, cwd=tmp_path)
    assert done.returncode == 2
    assert b"has no voice 'nobody'" in done.stderr
    assert not (tmp_path / "live.mp4").exists()
