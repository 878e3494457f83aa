"""No command overwrites what it reads, or ever leaves half a result; run as a user runs it."""

import os
from pathlib import Path

import pytest
from PIL import Image

from server.cli import main
from tests.support.samples import tone, write_sound, write_video


def everything(folder: Path) -> dict[str, bytes | str]:
    """What every file of it holds, and where its links lead."""
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


@pytest.mark.parametrize(
    "arguments",
    [
        "render Hi. --template in.mp4 -o in.mp4",
        "render Hi. --template ./in.mp4 -o in",
        "render Hi. --template in.mp4 -o link.mp4",
        "render Hi. --template link.mp4 -o hard.mp4",
        "render --audio speech.mp4 --template in.mp4 -o speech.mp4",
        "render @words.srt --template in.mp4 -o words.mp4 --srt",
        "render @words.srt --template in.mp4 -o side.mp4 --srt",
        "render --audio sound.vtt --template in.mp4 -o sound.mp4 --srt",
        "enhance in.mp4 -o in",
        "enhance link.mp4 -o in.mp4",
        "enhance in.mp4 -o hard.mp4",
        "say @words.wav -o words.wav",
        "say @words.wav -o words",
        "templates faces face.png -o face.png",
        "templates faces face.png -o face-link.jpg",
        "templates background small --image face.png --preview face.png",
        "render Hi. -o data/templates/small/source.mp4",
        "live -o data/templates/small/source.mp4",
        "templates background small --alpha data/templates/small/source.mov",
    ],
)
def test_an_input_is_never_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(tmp_path / "data"))
    for folder in ("data/templates/small", "data/voices"):
        (tmp_path / folder).mkdir(parents=True)
    write_video(tmp_path / "in.mp4", frames=3)
    (tmp_path / "link.mp4").symlink_to("in.mp4")
    (tmp_path / "hard.mp4").hardlink_to("in.mp4")
    for name in ("speech.mp4", "sound.vtt", "words.wav"):
        write_sound(tmp_path / name, tone(0.2, 16_000), 16_000)
    (tmp_path / "words.wav").write_text("Hello.")
    (tmp_path / "words.srt").write_text("Hello.")
    (tmp_path / "side.vtt").symlink_to("words.srt")
    (tmp_path / "face.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "face-link.jpg").symlink_to("face.png")
    before = everything(tmp_path)
    assert main(arguments.split()) == 2
    assert "is an input; give another output" in capsys.readouterr().err
    assert everything(tmp_path) == before


@pytest.mark.slow
def test_a_full_disk_is_told_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    resource = pytest.importorskip("resource", reason="Windows has no such limits")
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(tmp_path / "data"))
    Image.new("RGB", (128, 128)).save(tmp_path / "face.bmp")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))  # any write beyond fails
    try:
        assert main(["templates", "add", str(tmp_path / "face.bmp")]) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    told = capsys.readouterr().err
    assert "there is no room on the disk" in told
    assert "face.bmp" not in told
    assert not any((tmp_path / "data" / "templates").iterdir())


@pytest.mark.slow
def test_a_result_goes_where_a_link_points_and_any_name_does(
    small_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(small_library))
    (tmp_path / "far").mkdir()
    (tmp_path / "link.mp4").symlink_to("far/there.mp4")
    common = ["--template", "small", "--no-enhance", "--srt"]
    for output in ("link.mp4", "Dr. Smith", "界" * 83 + ".mp4", "a%d\n"):
        assert main(["render", "Hi.", *common, "-o", output]) == 0, capsys.readouterr().err
    names = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    stems = ("link", "Dr. Smith", "界" * 83, "a%d\n")
    assert names == {
        "there.mp4",
        *(f"{stem}.{kind}" for stem in stems for kind in ("mp4", "srt", "vtt", "ass")),
    }
    assert (tmp_path / "link.mp4").is_symlink()
    assert (tmp_path / "far" / "there.mp4").stat().st_size > 1000


def test_a_text_may_begin_with_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bom.txt").write_bytes("\ufeff你好。".encode())
    for arguments, said in (
        (["@@home today."], "@|at home"),
        (["--", "-5°C"], "five"),
        (["-5 degrees"], "five"),
        (["@bom.txt"], "你好"),
    ):
        assert main(["say", "--dry-run", *arguments]) == 0
        shown = capsys.readouterr().out
        assert any(part in shown for part in said.split("|")), shown
    for data, why in (
        ("今天天气很好".encode("gbk"), "line 1 looks like GBK; save it as UTF-8"),
        ("hello\n今天".encode("gbk"), "line 2 looks like GBK"),
        ("今天".encode("utf-16"), "it is UTF-16"),
        (b"ok\n\xff\xff", "line 2"),
        (b"a\0b", "it is no text"),
    ):
        (tmp_path / "odd.txt").write_bytes(data)
        assert main(["say", "--dry-run", "@odd.txt"]) == 2
        assert why in capsys.readouterr().err
    assert main(["say", "--dry-run", "@nowhere"]) == 2
    assert "a text that begins with @ is written @@" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["say", "--dry-run", "Hi", "-5°C"])
    assert "a text that begins with - goes after --" in capsys.readouterr().err
