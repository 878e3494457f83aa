"""Names of results: never an input's, through links to where they lead, any that a file system takes."""

import os
from pathlib import Path

import pytest

from core.errors import BadInput
from core.media.results import ALPHA, PICTURE, SOUND, VIDEO, beside, result, write_whole


@pytest.mark.parametrize(
    ("given", "endings", "becomes"),
    [
        ("out.mp4", VIDEO, "out.mp4"),
        ("OUT.MP4", VIDEO, "OUT.MP4"),
        ("Dr. Smith", VIDEO, "Dr. Smith.mp4"),
        ("out v1.2", VIDEO, "out v1.2.mp4"),
        ("no ending", VIDEO, "no ending.mp4"),
        ("mr.smith", VIDEO, "mr.smith.mp4"),
        (".hidden", VIDEO, ".hidden.mp4"),
        ("你好。世界", VIDEO, "你好。世界.mp4"),
        ("say 1.0", SOUND, "say 1.0.wav"),
        ("a.JPEG", PICTURE, "a.JPEG"),
        ("cut", ALPHA, "cut.webm"),
    ],
)
def test_what_is_no_known_ending_belongs_to_the_name(
    tmp_path: Path, given: str, endings: tuple[str, ...], becomes: str
) -> None:
    assert result(tmp_path / given, endings) == tmp_path / becomes


@pytest.mark.parametrize("name", ["x.avi", "x.mkv", "x.MOV", "x.srt", "x.txt", "x.gif", "x.wav", "x.ts"])
def test_another_kind_of_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match=r"it is written as M4V or MP4; let the name end in \.mp4"):
        result(tmp_path / name, VIDEO)


def test_an_input_is_never_a_result_by_whatever_name(tmp_path: Path) -> None:
    video = tmp_path / "in.mp4"
    video.write_bytes(b"it")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.mp4").symlink_to("in.mp4")
    (tmp_path / "chain.mp4").symlink_to("link.mp4")
    (tmp_path / "hard.mp4").hardlink_to(video)
    (tmp_path / "way").symlink_to(tmp_path)
    (tmp_path / "later.mp4").symlink_to("gone.mp4")
    for name in ("in.mp4", "in", "link.mp4", "chain.mp4", "hard.mp4", "way/in.mp4", "folder/../in.mp4"):
        for read in (video, tmp_path / "link.mp4", tmp_path / "hard.mp4"):
            with pytest.raises(BadInput) as caught:
                result(tmp_path / name, VIDEO, [None, read])
            assert caught.value.code == "output_is_input"
    with pytest.raises(BadInput, match="is an input"):  # neither is there yet, and they are one
        result(tmp_path / "later.mp4", VIDEO, [tmp_path / "gone.mp4"])
    with pytest.raises(BadInput, match="is an input"):
        result(tmp_path / "folder" / "kept.mp4", VIDEO, kept=[tmp_path / "folder"])
    assert result(tmp_path / "other.mp4", VIDEO, [video]) == tmp_path / "other.mp4"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "no name of a file"),
        (".", "no name of a file"),
        ("..", "no name of a file"),
        ("folder/", "no name of a file"),
        ("folder", "it exists and is not a file"),
        ("pipe", "it exists and is not a file"),
        ("pipe.mp4", "it exists and is not a file"),
        ("/dev/null", "it exists and is not a file"),
        ("nowhere/x.mp4", "there is no folder nowhere"),
        ("file/x.mp4", "Not a directory|no folder"),
        ("round.mp4", "in a circle"),
        ("x" * 256, "too long"),
        ("x" * 253, "too long"),
        ("nul\0", "null"),
    ],
)
def test_what_cannot_be_written_is_said_before_work_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "pipe.mp4").symlink_to("pipe")
    (tmp_path / "round.mp4").symlink_to("round.mp4")
    with pytest.raises(BadInput, match=why) as caught:
        result(name, VIDEO)
    assert caught.value.code == "unwritable_output"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_or_file_without_permission_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kept.mp4").touch(mode=0o444)
    with pytest.raises(BadInput, match="Permission denied"):
        result(tmp_path / "kept.mp4", VIDEO)
    tmp_path.chmod(0o500)
    with pytest.raises(BadInput, match="Permission denied"):
        result(tmp_path / "new.mp4", VIDEO)
    tmp_path.chmod(0o700)


@pytest.mark.parametrize(
    "name", ["x" * 255, "界" * 85, "a" + "界" * 84, "%d:?", "a\nb", "b" + chr(0xDCFF)], ids=ascii
)
def test_a_name_beside_any_other_can_be_written(tmp_path: Path, name: str) -> None:
    draft = beside(tmp_path / name, ".part.mp4")
    assert draft.name.encode("utf-8", "surrogateescape").endswith(b".part.mp4")
    draft.touch()
    assert [path.name for path in tmp_path.iterdir()] == [draft.name]


def test_a_small_file_goes_where_its_link_points(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.srt").symlink_to("real/there.srt")
    write_whole(tmp_path / "link.srt", b"words")
    assert (tmp_path / "link.srt").is_symlink()
    assert (tmp_path / "real" / "there.srt").read_bytes() == b"words"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["link.srt", "real", "there.srt"]
