"""Generated media says that it is: in the file from its first bytes on, through copies; in the picture."""

import asyncio
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from core.captions.burn_in import Burner
from core.captions.mark import mark, sign
from core.captions.typefaces import find_font
from core.config import Settings
from core.labels import label_of
from core.media.fmp4 import LiveEncoder
from core.media.foreign import splice
from core.media.planes import to_i420, whole_bgr
from core.media.recording import remux
from core.subtitle_style import SubtitleStyle
from core.types import Cue

FIELDS = [
    *("Label", "ContentProducer", "ProduceID", "ReservedCode1"),
    *("ContentPropagator", "PropagateID", "ReservedCode2"),
]
ENGINES = {"speech": "hibari", "lipsync": "builtin"}


def tags(**wanted: Any) -> dict[str, str] | None:
    return sign(Settings(producer="Müller 公司"), ENGINES, "zh", 64, 64, 25, number="video_1", **wanted).tags


def growing(path: Path, said: dict[str, str] | None, frames: int = 3) -> Path:
    encoder = LiveEncoder(64, 64, 25, 16_000, tags=said)
    data = encoder.init.data
    for _ in range(frames):
        data += b"".join(f.data for f in encoder.audio(np.zeros(640, np.float32)))
        data += encoder.video(np.full((96, 64), 99, np.uint8)).data
    path.write_bytes(data + b"".join(f.data for f in encoder.finish()))
    encoder.close()
    return path


def read(path: Path) -> dict[str, str]:
    with av.open(str(path)) as file:
        return label_of(file.metadata)


@pytest.mark.slow
def test_the_head_of_the_growing_file_says_it_and_copies_keep_it(tmp_path: Path) -> None:
    part = growing(tmp_path / "part.mp4", tags())
    head = growing(tmp_path / "head.mp4", tags(), frames=0)
    remux(part, tmp_path / "whole.mp4")
    for path in (head, part, tmp_path / "whole.mp4"):
        said = json.loads(read(path)["AIGC"])
        assert list(said) == FIELDS
        assert (said["Label"], said["ContentProducer"], said["ProduceID"]) == ("1", "Müller 公司", "video_1")
        assert all(isinstance(value, str) for value in said.values())
        assert "speech hibari, lipsync builtin" in read(path)["comment"]


def test_a_video_made_clearer_keeps_the_label_it_had_and_no_other_comment(tmp_path: Path) -> None:
    clearer = growing(tmp_path / "clearer.mp4", None)
    for name, said in (("labelled", tags()), ("holiday", {"comment": "On the beach"})):
        source, whole = growing(tmp_path / f"{name}.mp4", said), tmp_path / f"whole-{name}.mp4"
        asyncio.run(splice(clearer, source, whole))
        with av.open(str(whole)) as file:
            told = {key: value for key, value in file.metadata.items() if key in ("AIGC", "comment")}
        assert told == (said if name == "labelled" else {})


def test_a_copy_by_others_keeps_the_comment_with_all_of_it(tmp_path: Path) -> None:
    source = growing(tmp_path / "a.mp4", tags())
    for ending in ("mp4", "mkv"):
        copy = tmp_path / f"copy.{ending}"
        with av.open(str(source)) as given, av.open(str(copy), "w") as file:
            file.metadata.update(given.metadata)  # as `ffmpeg -c copy` does, which keeps what a format knows
            streams = {s.index: file.add_stream_from_template(s) for s in given.streams}
            for packet in given.demux():
                if packet.dts is not None:
                    packet.stream = streams[packet.stream.index]
                    file.mux(packet)
        with av.open(str(copy)) as file:
            comment = {key.lower(): value for key, value in file.metadata.items()}["comment"]
        assert json.loads(comment.partition("AIGC=")[2])["ProduceID"] == "video_1"


def test_off_says_nothing_and_only_what_is_asked_for_is_said(tmp_path: Path) -> None:
    assert read(growing(tmp_path / "a.mp4", tags(kind="off"))) == {}
    assert tags(kind="visible") is None
    assert Settings().label == "metadata"
    for kind, seen in (("off", False), ("metadata", False), ("visible", True), ("both", True)):
        made = sign(Settings(label=kind), ENGINES, "en", 64, 64, 25)
        assert (made.mark is not None) == seen


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (64, 64)])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_picture_says_it_large_enough_and_within_the_frame(size: tuple[int, int], language: str) -> None:
    width, height = size
    before = to_i420(np.full((height, width, 3), 90, np.uint8))
    after = before.copy()
    drawn = mark(language, width, height, 25)
    drawn.draw(after, drawn.cues[0])
    changed = np.abs(whole_bgr(after).astype(int) - whole_bgr(before)).max(2) > 40
    rows = np.flatnonzero(changed.any(1))
    assert len(rows) >= 0.04 * min(size)
    assert rows.max() < height / 2
    assert drawn.text_at(0) is drawn.text_at(10**6) is drawn.cues[0]


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (64, 64), (1280, 64)])
@pytest.mark.parametrize("place", ["top", "middle", "bottom"])
@pytest.mark.parametrize("text", ["One", "Line by line. " * 12])
def test_captions_leave_the_label_free(size: tuple[int, int], place: Any, text: str) -> None:
    width, height = size
    label = sign(Settings(), ENGINES, "en", width, height, 25, "visible")
    assert 0 < label.bottom < height
    style = SubtitleStyle(place=place, size=10)
    burner = Burner(find_font(text), width, height, 16_000, 25, style, label.bottom)
    planes = np.full((height * 3 // 2, width), 128, np.uint8)
    burner.draw(planes, Cue(0, 0, 16_000, text))
    luma = planes[:height]
    assert (luma[: label.bottom] == 128).all()
    assert (luma[label.bottom :] != 128).any()
