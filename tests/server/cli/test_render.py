"""The command line, run as a user runs it."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import wave

import av
import numpy as np
import pytest

from core.media.clip import write_clip
from server.cli import main
from server.folder import ServerFolder
from tests.support import couples
from tests.support.samples import tone, write_sound, write_video


def lipstream(*arguments, data_dir, cwd, **more):
    environment = {**os.environ, "LIPSTREAM_DATA_DIR": str(data_dir), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-m", "server.cli", *map(str, arguments)],
        capture_output=True,
        env={**environment, "PYTHONPATH": os.getcwd()},
        cwd=cwd,
        timeout=60,
        check=False,
        **more,
    )


@pytest.mark.slow
def test_render_writes_a_video_that_plays_and_its_captions(small_library, tmp_path):
    done = lipstream(
        "render", "Hello there.", "--template", "small", "--srt", data_dir=small_library, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().strip() == "out.mp4"
    assert re.search(r"x real time\), first frame after \d+ ms .*speech hibari", done.stderr.decode())
    with av.open(str(tmp_path / "out.mp4")) as file:
        frames = sum(1 for _ in file.decode(video=0))
        assert frames > 15
        assert [stream.type for stream in file.streams] == ["video", "audio"]
    assert "Hello there." in (tmp_path / "out.srt").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.ass", "out.mp4", "out.srt", "out.vtt"]


@pytest.mark.slow
def test_the_video_streams_to_standard_output(small_library, tmp_path):
    done = lipstream(
        "render", "-", "--template", "small", "-o", "-", data_dir=small_library, cwd=tmp_path, input=b"Hi."
    )
    assert done.returncode == 0, done.stderr
    (tmp_path / "piped.mp4").write_bytes(done.stdout)
    with av.open(str(tmp_path / "piped.mp4")) as file:
        assert sum(1 for _ in file.decode(video=0)) > 5


@pytest.mark.slow
def test_speech_from_a_file_drives_the_lips(small_library, tmp_path):
    said = lipstream("say", "Hello there.", "-o", "said.wav", data_dir=small_library, cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    with wave.open(str(tmp_path / "said.wav")) as file:
        seconds = file.getnframes() / file.getframerate()
    done = lipstream(
        "render", "--audio", "said.wav", "--template", "small", data_dir=small_library, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    with av.open(str(tmp_path / "out.mp4")) as file:
        assert abs(sum(1 for _ in file.decode(video=0)) - seconds * 25) < 1.01


@pytest.mark.slow
def test_a_dry_run_shows_what_will_be_read(tmp_path):
    done = lipstream("say", "--dry-run", "It is 23.5 °C.", data_dir=tmp_path, cwd=tmp_path)
    assert done.stdout.decode() == "[en] It is twenty-three point five degrees Celsius.\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["render"], "give either a text or an audio file"),
        (["render", "  "], "no words"),
        (["render", "@nowhere.txt"], "cannot read nowhere.txt"),
        (["render", "مرحبا"], "cannot be read; supported are Chinese"),
        (["render", "--language", "ja", "漢字です"], "漢"),
        (["render", "x" * 100_001], "100,?000|100_000"),
        (["render", "Hi.", "--size", "huge"], "is not like 1280x720"),
        (["render", "Hi.", "--size", "65x64"], "must be even"),
        (["render", "Hi.", "--size", "99999x99999"], "size 99999x99999: .* must be even, 64 to 4096"),
        (["render", "Hi.", "--fps", "500"], "outside 1 to 60"),
        (["render", "Hi.", "--fidelity", "-0.1"], "outside 0 to 1"),
        (["render", "Hi.", "--speed", "9"], "outside 0.5 to 2"),
        (["render", "Hi.", "--voice", "nobody"], "no voice 'nobody'"),
        (["render", "Hi.", "--lipsync", "magic"], "no lipsync engine 'magic'"),
        (["render", "Hi.", "--template", "nobody"], "no template 'nobody'"),
        (["render", "Hi.", "-o", "no/such/folder/x.mp4"], "cannot be written"),
        (["render", "Hi.", "-o", ""], "'' cannot be written .that is no name of a file"),
        (["render", "Hi.", "-o", "x.avi"], "let the name end in .mp4"),
        (["render", "@"], "cannot read @: Is a directory"),
        (["say", "Hi.", "-o", ""], "'' cannot be written"),
        (["say", "Hi.", "-o", "-"], "only videos are streamed to standard output"),
        (["say", "Hi.", "-o", "."], r"\. cannot be written .that is no name of a file"),
        (["say", "Hi.", "-o", "no/such/folder/x.wav"], "there is no folder no/such/folder"),
        (["templates", "faces", "other.mp4", "-o", "no/such/folder/x.jpg"], "there is no folder"),
        (["templates", "add", "other.mp4", "--name", "x" * 101], "1 to 100 printable characters"),
        (["templates", "add", "other.mp4", "--name", "a\x07b"], "1 to 100 printable characters"),
        (["templates", "add", "other.mp4", "--name", ""], "1 to 100 printable characters"),
        (["templates", "add", "http://127.0.0.1/other.mp4", "--name", " "], "1 to 100 printable characters"),
        (["templates", "enlarge", "small", "--name", ""], "1 to 100 printable characters"),
        (["templates", "background", "small", "--prompt", "a wall", "--name", ""], "1 to 100 printable"),
        (["render", "--audio", "click.wav"], "the recording lasts 0.010 s; speech is at least 0.04 s long"),
        (["serve", "--host", "256.1.1.1", "--port", "0"], "cannot listen on 256.1.1.1:0 "),
        (["render", "--audio", "nowhere.wav"], "nowhere.wav"),
        (["templates", "add", "nowhere.mp4"], "nowhere.mp4"),
        (["templates", "add", "."], r"\. cannot be read .Is a directory"),
        (["templates", "add", "empty.mp4"], "empty"),
        (["templates", "add", "list.mp4"], "not a media file|cannot be used"),
        (["templates", "show", "../small"], "no template"),
        (
            ["render", "Hi.", "--lipsync", "wav2lip"],
            r"^lipstream: wav2lip cannot run here: weights wav2lip \(436 MB, with terms to accept\) missing; "
            r"get it with: lipstream models download wav2lip$",
        ),
        (["templates", "prepare", "nobody"], "no template 'nobody'"),
        (["templates", "prepare", "small", "--fps", "-3"], "fps -3 is outside 1 to 60"),
        (["templates", "prepare", "small", "--lipsync", "wav2lip"], "models download wav2lip$"),
        (["templates", "add", "other.mp4", "--face", "hers"], "'hers' chooses no face; give auto, largest"),
        (["templates", "faces", "nowhere.mp4"], "nowhere.mp4 cannot be read"),
        (["templates", "faces", "other.mp4"], "no face was found in the first 10 s of other.mp4"),
        (
            ["templates", "faces", "other.mp4", "-o", "faces.gif"],
            "faces.gif cannot be written .it is written as JPG or PNG",
        ),
        (["render", "Hi.", "--template", "nowhere.mp4"], "nowhere.mp4 cannot be read"),
        (["render", "Hi.", "--template", "."], "cannot be read .Is a directory"),
        (["render", "Hi.", "--face", "2"], "--face goes with a file"),
        (["render", "Hi.", "--no-enhance", "--enhancer", "builtin"], "of no use with --no-enhance"),
        (["render", "Hi.", "--no-enhance", "--every", "2"], "of no use with --no-enhance"),
        (["enhance", "other.mp4", "-o", "./other.mp4"], "other.mp4 is an input; give another output"),
        (["enhance", "https://127.0.0.1/x.mp4"], "https://127.0.0.1/x.mp4 is an address; download"),
        (["templates", "remove", "sample"], "sample is always there"),
        (["templates", "rename", "sample", "Anna"], "sample has its name"),
        (["templates", "rename", "small", " "], "a template's name has 1 to 100"),
        (["templates", "rename", "nobody", "Anna"], "no template 'nobody'"),
        (["say", "🙂🙂"], "no words"),
        (["models", "download", "nothing"], "no weights 'nothing'"),
        (
            ["models", "download", "wav2lip"],
            "terms to accept first.*commercial use is strictly prohibited.*--accept$",
        ),
        (["voices", "add", "me", "--audio", "nowhere.wav"], "nowhere.wav"),
        (["voices", "remove", "me"], "no cloned voice 'me'"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(
    small_library, tmp_path, monkeypatch, capsys, arguments, message
):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile other.mp4\n")
    write_video(tmp_path / "other.mp4")
    write_sound(tmp_path / "click.wav", tone(0.01, 16_000), 16_000)
    before = sorted(path.name for path in tmp_path.iterdir())
    if arguments[0] == "render" and "--template" not in arguments:
        arguments = [*arguments, "--template", "small"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(small_library))
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert re.search(message, error)
    assert error.count("\n") == 1
    assert error.startswith("lipstream: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing_behind(small_library, tmp_path, number):
    command = [sys.executable, "-m", "server.cli", "render", "Hello there. " * 3000, "--template", "small"]
    environment = {**os.environ, "LIPSTREAM_DATA_DIR": str(small_library), "PYTHONPATH": os.getcwd()}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE) as process:
        for _ in range(400):
            if list(tmp_path.iterdir()):
                break
            time.sleep(0.05)
        assert list(tmp_path.iterdir()), "no video was begun"
        process.send_signal(number)
        _, error = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"interrupted; nothing was kept" in error
    assert b"Traceback" not in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_one_of_several_people_is_chosen_by_number_and_a_file_may_be_used_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "two.mp4", couples.clip(couples.SIDE_BY_SIDE), 25)
    assert main(["templates", "faces", "two.mp4", "-o", "two.jpg"]) == 0
    assert re.findall(r"^(\d) ", capsys.readouterr().out, re.M) == ["1", "2"]
    assert (tmp_path / "two.jpg").read_bytes()[:2] == b"\xff\xd8"
    still = _pictures(tmp_path / "two.mp4")[0]
    render = ["render", "Ow, ow!", "--template", "two.mp4", "--no-enhance", "--face"]
    for number, (here, there) in (("1", ((0, 256), (256, 512))), ("2", ((256, 512), (0, 256)))):
        assert main([*render, number]) == 0
        moved = np.max([np.abs(picture - still) for picture in _pictures(tmp_path / "out.mp4")], axis=0)
        assert moved[:, slice(*here)].max() > 60, "this one speaks"
        assert moved[:, slice(*there)].max() < 30, "and the other is left alone"
    assert main([*render, "3"]) == 2
    assert "no face 3: 2 faces are" in capsys.readouterr().err
    assert list((tmp_path / "data" / "templates").iterdir()) == []


def _pictures(path):
    with av.open(str(path)) as file:
        return [frame.to_ndarray(format="gray").astype(int) for frame in file.decode(video=0)]


@pytest.mark.slow
def test_a_template_is_prepared_ahead_once(small_library, tmp_path, monkeypatch, capsys):
    shutil.copytree(small_library, tmp_path / "data")
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(tmp_path / "data"))
    command = ["templates", "prepare", "small", "--fps", "10", "--size", "128x128", "--lipsync", "builtin"]
    for said in ("small prepared in ", "small was prepared already, for lipsync builtin, enhance builtin"):
        assert main(command) == 0
        assert capsys.readouterr().out.startswith(said)


@pytest.mark.parametrize(
    "arguments",
    [["render", "Hi."], ["templates", "add", "other.mp4"], ["serve", "--port", "0"]],
    ids=" ".join,
)
def test_a_data_folder_that_cannot_be_written_is_named_with_what_to_do(
    tmp_path, monkeypatch, capsys, arguments
):
    write_video(tmp_path / "other.mp4")
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(tmp_path / "file"))
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert (
        f"the data folder {tmp_path / 'file'} cannot be used (Not a directory); set LIPSTREAM_DATA" in error
    )
    assert error.count("\n") == 1


@pytest.mark.slow
def test_a_port_or_a_folder_in_use_is_said_so(small_library, tmp_path, monkeypatch, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(tmp_path))
        port = str(taken.getsockname()[1])
        assert main(["serve", "--port", port]) == 2
        assert f"cannot listen on 127.0.0.1:{port} (Address already in use)" in capsys.readouterr().err
    folder = ServerFolder(tmp_path / "server")
    try:
        assert main(["serve", "--port", "0"]) == 1
        assert "another lipstream server uses" in capsys.readouterr().err
    finally:
        folder.close()


def test_help_is_quick_to_import():
    heavy = "[m for m in ('numpy', 'av', 'cv2', 'aiohttp') if m in sys.modules]"
    code = f"import sys, server.cli; server.cli.parser(); print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_is_missing_is_said_with_the_command_that_gets_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "300")
    assert main(["engines"]) == 0
    assert "lipstream models download wav2lip" in capsys.readouterr().out
    assert main(["models", "list"]) == 0
    listed = capsys.readouterr().out
    assert str(tmp_path / "weights") in listed
    assert re.search(r"^wav2lip +no +436 MB +huggingface.co ", listed, re.M)
    assert re.search(r"^- wav2lip, wav2lip-gan: .* any commercial use is strictly prohibited", listed, re.M)
    assert main(["models", "verify", "wav2lip"]) == 0
    assert capsys.readouterr().out == "wav2lip: missing\n"


@pytest.mark.slow
def test_a_cloned_voice_is_kept_and_removed(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert (
        main(["say", "This is a reference that lasts for a few seconds, as it should.", "-o", "r.wav"]) == 0
    )
    assert main(["voices", "add", "me", "--audio", "r.wav", "--text", "This is.", "--lang", "en"]) == 0
    assert (tmp_path / "voices/me/voice.json").is_file()
    assert main(["voices", "remove", "me"]) == 0
    assert not (tmp_path / "voices/me").exists()
    assert "Traceback" not in capsys.readouterr().err


def test_a_new_folder_says_where_the_sample_comes_from(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(tmp_path))
    assert main(["templates", "list"]) == 0
    assert "sample comes by itself" in capsys.readouterr().err
    assert main(["templates", "show", "sample"]) == 2
    assert "'sample' is drawn for the first video with it" in capsys.readouterr().err
