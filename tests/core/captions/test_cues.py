import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.captions.cues import COLUMNS, LINES, Captions
from core.captions.files import srt, vtt
from core.captions.words import columns
from core.text import sentences
from core.types import AudioChunk, Cue, Sentence, Word

RATE = 22_050


def said(texts, seconds=4.0, words=False, chunk=2205):
    """Cues of `texts`, spoken one after another, each in `seconds`; marked words are spread evenly."""
    captions, cues, first, start = Captions(), [], 0, 0
    for index, text in enumerate(texts):
        sentence = Sentence(index, text, start, text, tuple(range(start, start + len(text) + 1)), "en")
        length = int(seconds * RATE)
        places = [match.span() for match in re.finditer(r"\S+", text)] if words else []
        marks = [Word(first + length * a // len(text), start + a, start + b) for a, b in places]
        for at in range(first, first + length, chunk):
            here = tuple(w for w in marks if at <= w.first < at + chunk)
            size = min(chunk, first + length - at)
            cues += captions.add(AudioChunk(np.zeros(size, np.float32), RATE, at, sentence, None, here))
        first += length
        start += len(text)
    return cues + captions.finish(), first


LONG = (
    "This sentence, which is rather long and winding, goes on for quite a while (as some sentences do) "
    "before it finally comes to “an end”, somewhere."
)
CHINESE = (
    "我们今天要讲的是一个非常重要的话题，那就是如何让计算机生成的人物看起来更加自然、"
    "更加生动，请大家认真听讲。"
)


@pytest.mark.parametrize("text", [LONG, CHINESE, "Short.", "http://example.com/" + "never-ends" * 12])
@pytest.mark.parametrize("words", [False, True])
def test_every_character_is_shown_once_in_lines_that_fit(text, words):
    cues, end = said([text, text], 8.0, words)
    assert re.sub(r"\s", "", "".join(cue.text for cue in cues)) == re.sub(r"\s", "", text) * 2
    for cue in cues:
        lines = cue.text.split("\n")
        assert len(lines) <= LINES
        assert all(columns(line) <= COLUMNS for line in lines)
    assert cues[0].start == 0
    assert [cue.start for cue in cues[1:]] == [cue.stop for cue in cues[:-1]]
    assert cues[-1].stop == end
    assert all(cue.stop - cue.start >= RATE * 0.79 for cue in cues)


@pytest.mark.slow
@given(
    st.lists(st.text('abc 中文，。,.!？"“”(1$', min_size=1, max_size=200).filter(str.strip), max_size=4),
    st.booleans(),
)
def test_cues_never_overlap_whatever_is_said(texts, words):
    cues, end = said(texts, 3.0, words, chunk=4410)
    times = [time for cue in cues for time in (cue.start, cue.stop)]
    assert times == sorted(times)
    assert all(0 <= time <= end for time in times)
    shown = re.sub(r"\s", "", "".join(cue.text for cue in cues))
    assert shown == re.sub(r"\s", "", "".join(texts))


def test_a_cue_begins_with_its_first_word():
    cues, _ = said([LONG], 8.0, words=True)
    second = LONG.index(cues[1].text.split()[0])
    assert abs(cues[1].start - 8.0 * RATE * second / len(LONG)) < 2


def test_a_cue_is_known_as_soon_as_the_next_sentence_begins():
    captions = Captions()
    one, two = (Sentence(k, "Hello.", 6 * k, "Hello.", tuple(range(6 * k, 6 * k + 7)), "en") for k in (0, 1))
    sound = np.zeros(RATE, np.float32)
    assert captions.add(AudioChunk(sound, RATE, 0, one)) == []
    assert captions.add(AudioChunk(sound, RATE, RATE, two)) == [
        Cue(0, 0, RATE, "Hello.", (Word(0, 0, 6),), "en")
    ]


def test_a_cue_of_a_long_sentence_is_known_when_the_next_begins():
    """A live viewer cannot wait for the end of the sentence."""
    captions = Captions()
    sentence = Sentence(0, LONG, 0, LONG, tuple(range(len(LONG) + 1)), "en")
    told = []
    for k, match in enumerate(re.finditer(r"\S+", LONG)):
        word = Word(k * RATE // 2, match.start(), match.end())
        chunk = AudioChunk(np.zeros(RATE // 2, np.float32), RATE, word.first, sentence, None, (word,))
        told += [(k, cue) for cue in captions.add(chunk)]
    last = captions.finish()
    words = " ".join(cue.text for _, cue in told).split()
    assert told
    assert told[-1][0] == len(words)  # at the very word that is not in it
    assert told[-1][1].stop == len(words) * RATE // 2
    assert (words + " ".join(cue.text for cue in last).split()) == LONG.split()


@pytest.mark.parametrize("text", [LONG * 3, CHINESE * 4, "word " * 40, "字" * 100])
def test_the_parts_of_a_long_sentence_are_of_much_the_same_length(text):
    cues, _ = said([text], 40.0)
    wide = [columns(cue.text) for cue in cues]
    assert min(wide) >= COLUMNS * LINES // 4


def test_control_characters_are_not_shown():
    cues, _ = said(["Hello\0 the\x07re.\ud800"])
    assert [cue.text for cue in cues] == ["Hello there."]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "<b>大家好</b>，**今天**只要￥99/件！<break time='1s'/>[点这里](https://a.com)购买。",
            "大家好，今天只要￥99/件！点这里购买。",
        ),
        ("Tom &amp; Jerry &#39;n&#x27; 3 &lt; 5, R&D; fine.", "Tom & Jerry 'n' 3 < 5, R&D; fine."),
    ],
)
def test_markup_that_is_not_read_is_not_shown(text, shown):
    captions, cues, first = Captions(), [], 0
    for sentence in sentences(text):
        cues += captions.add(AudioChunk(np.zeros(RATE, np.float32), RATE, first, sentence))
        first += RATE
    cues += captions.finish()
    assert "".join(cue.text for cue in cues) == shown


def test_what_players_take_for_markup_is_made_harmless_in_srt():
    cues = [Cue(0, 0, RATE, "a<b && b>c <i> {\\an8} --> 1 < 2")]
    text = srt(cues, RATE).split("\n", 2)[2]
    assert not re.search(r"<[a-z]|\{\\|-->", text)
    assert text.replace("\u2060", "").strip() == cues[0].text


def test_a_line_ends_before_an_opening_mark_not_after():
    cues, _ = said([CHINESE.replace("非常", "“非常”") * 3], 30.0)
    lines = [line for cue in cues for line in cue.text.split("\n")]
    assert not [line for line in lines if line[-1] in "“（《"]
    assert not [line for line in lines if line[0] in "，。、”）》"]


def test_audio_without_text_has_no_cues():
    captions = Captions()
    assert captions.add(AudioChunk(np.zeros(RATE, np.float32), RATE, 0)) == captions.finish() == []


def test_the_files_say_what_the_formats_want():
    cues = [Cue(0, 0, RATE, "1 < 2 & 3"), Cue(1, RATE, RATE * 3_725, "再见")]
    assert srt(cues, RATE) == (
        "1\n00:00:00,000 --> 00:00:01,000\n1 < 2 & 3\n\n2\n00:00:01,000 --> 01:02:05,000\n再见\n"
    )
    assert vtt(cues, RATE) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n1 &lt; 2 &amp; 3\n\n00:00:01.000 --> 01:02:05.000\n再见\n"
    )
