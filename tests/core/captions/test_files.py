"""Captions as files: what the formats want, and what their readers make of them."""

import re

import av
import pytest

from core.captions.files import ass, vtt
from core.errors import BadInput
from core.subtitle_style import SubtitleStyle, style_of, together
from core.types import Cue, Word

RATE = 22_050
CUE = Cue(
    0, RATE, RATE * 3, "a<b {x}\n再见", (Word(RATE, 0, 3), Word(RATE * 2, 4, 7), Word(RATE * 5 // 2, 8, 10))
)


def test_webvtt_has_the_time_of_each_word():
    assert vtt([CUE], RATE) == (
        "WEBVTT\n\n00:00:01.000 --> 00:00:03.000\na&lt;b <00:00:02.000>{x}\n<00:00:02.500>再见\n"
    )


def test_times_inside_a_webvtt_cue_only_grow():
    cue = Cue(0, 0, RATE, "a b c", (Word(0, 0, 1), Word(5, 2, 3), Word(RATE // 2, 4, 5)))
    assert vtt([cue], RATE).splitlines()[-1] == "a b <00:00:00.500>c"


@pytest.mark.parametrize("style", [None, SubtitleStyle(highlight="#ffcc00", box="#00000080", place="top")])
def test_ffmpeg_reads_ass_as_it_was_meant(tmp_path, style):
    (tmp_path / "x.ass").write_text(ass([CUE], RATE, (640, 360), style), encoding="utf-8")
    with av.open(str(tmp_path / "x.ass")) as file:
        (packet,) = [packet for packet in file.demux() if packet.size]
        assert (packet.pts * packet.time_base, packet.duration * packet.time_base) == (1, 2)
        line = bytes(packet).decode().split(",", 8)[8]
    assert re.sub(r"\{[^}]*\}", "", line) == "a<b ｛x｝\\N再见"
    if style is None:
        assert re.findall(r"\\k(\d+)", line) == ["100", "50", "50"]
    else:
        lit = re.findall(r"\{(.*?)\}", line)
        assert lit[0].startswith(r"\1c&H00CCFF&\t(1000,1001,")
        assert r"\t(1000,1001,\1c&H00CCFF&)\t(1500,1501," in lit[1]


def test_the_look_of_ass_is_that_of_the_style():
    text = ass(
        [], RATE, (1280, 720), SubtitleStyle(font="Noto, Sans", size=10, colour="#102030", place="middle")
    )
    head = dict(zip(*(line.partition(": ")[2].split(",") for line in text.splitlines()[8:10]), strict=True))
    head = {name.strip(): value for name, value in head.items()}
    assert (head["Fontname"], head["Fontsize"], head["Alignment"]) == ("Noto  Sans", "72", "5")
    assert head["PrimaryColour"] == "&H00302010"


def test_a_style_is_written_in_words_and_laid_over_the_usual_one():
    style = style_of("colour=#fc0, place=top,size=6")
    assert style == SubtitleStyle(colour="#fc0", place="top", size=6)
    usual = SubtitleStyle(colour="#fff", box="#0008")
    assert together(style, usual) == SubtitleStyle(colour="#fc0", place="top", size=6, box="#0008")
    assert together(None, None) == SubtitleStyle()


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("color=#fff", "'color=#fff' is not NAME=VALUE with one of the names font, size, colour"),
        ("top", "'top' is not NAME=VALUE"),
        ("colour=yellow", "colour=yellow: is a colour like #ffcc00"),
        ("size=99", "size=99.0: Input should be less than or equal to 20"),
        ("size=big", "size=big: "),
        ("place=left", "place=left: "),
    ],
)
def test_a_style_that_is_none_is_refused_in_words(written, told):
    with pytest.raises(BadInput, match=re.escape(told)):
        style_of(written)
