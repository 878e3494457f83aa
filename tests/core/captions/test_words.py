"""Where a line may end, and when each word is heard."""

import asyncio
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.captions.burn_in import Burner
from core.captions.cues import Captions, spans
from core.captions.timing import Timing
from core.captions.typefaces import fonts
from core.captions.words import columns, load_words, split, torn
from core.protocols import Style
from core.serving.engine_pool import EnginePool
from core.subtitle_style import SubtitleStyle
from core.text import sentences
from core.tts_stream import tts_stream
from core.types import Sentence, frame_start

WHOLE = [
    ("含绒量高达百分之九十五，充绒量一千二百克", ["百分之九十五", "一千二百"]),
    ("共有3,500.75元，约12公斤，跑了42.195公里", ["3,500.75元", "12公斤", "42.195公里"]),
    ("活动到2026年5月1日20:00为止", ["2026年5月1日", "20:00"]),
    ("原价100元-200元，5~8天，99元/件", ["100元-200元", "5~8天", "99元/件"]),
    ("她叫蕾比利亚·安娜，来自阿尔巴尼亚", ["蕾比利亚·安", "尔巴尼亚"]),
    ("一家人👨‍👩‍👧‍👦来自🇨🇳或🏴󠁧󠁢󠁳󠁣󠁴󠁿，点1️⃣号👍🏽", ["👨‍👩‍👧‍👦", "🇨🇳", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "1️⃣", "👍🏽"]),
    ("我爱iPhone15Pro和https://a.com/b?c=1吧", ["iPhone15Pro", "https://a.com/b?c=1"]),
    ("第3名和第十二届冠军", ["第3名", "第十二届"]),
    ("ちょっとレストランへ行きましょう。", ["ちょっ", "レストラン", "しょ"]),
    (
        "お茶をみんなで一緒に飲みました。「コンサート」でね",
        ["お茶を", "みんなで", "緒に", "飲みました。", "「コンサート」でね"],
    ),
    ("여러분 안녕하세요, 3개 사면 됩니다", ["여러분", "안녕하세요,", "3개", "됩니다"]),
    ("cafe\u0301 and “a quote”, e-mail me@a.org.", ["cafe\u0301", "“a", "quote”,", "me@a.org."]),
]


@pytest.fixture(params=["by jieba", "without it"])
def chinese_words(request, monkeypatch):
    load_words("中文")
    if request.param == "without it":
        monkeypatch.delitem(sys.modules, "jieba")


@pytest.mark.parametrize(("text", "wholes"), WHOLE)
def test_what_is_one_thing_stays_on_one_line(text, wholes, chinese_words):
    words = split(text)
    assert "".join(words) == text
    for whole in wholes:
        assert any(whole in word for word in words), (whole, words)
    for word in words:
        assert word[-1] not in "“（《「" or word == words[-1]
        assert word[0] not in "，。、）》」”ーっょゃゅ"


def test_chinese_lines_end_between_words_where_they_are_known():
    load_words("中文")
    assert split("我们今天看到天安门广场") == ["我们", "今天", "看到", "天安门广场"]


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        (
            "https://shop.example.org/summer/sale?item=12345&colour=dark-blue",
            ["https://shop.example.org/summer/sale?item=", "12345&colour=dark-blue"],
        ),
        (
            "Rindfleischetikettierungsüberwachungsaufgaben",
            ["Rindfleischetikettierungsüberwachungsaufga", "ben"],
        ),
        ("超" * 20 + "うっとー", ["超" * 20, "うっとー"]),
        ("👨‍👩‍👧‍👦" * 22, ["👨‍👩‍👧‍👦" * 21, "👨‍👩‍👧‍👦"]),
        (
            "myVeryLongVariableNameThatNobodyWouldEverUseHere",
            ["myVeryLongVariableNameThatNobodyWouldEver", "UseHere"],
        ),
    ],
)
def test_a_word_too_long_for_a_line_is_torn_where_it_hurts_least(word, parts):
    assert list(torn(word, lambda part: columns(part) <= 42)) == parts


@pytest.mark.parametrize(
    ("text", "wide"), [("a中。", 5), ("👨‍👩‍👧‍👦", 2), ("🇨🇳👍🏽1️⃣❤️", 8), ("e\u0301\u200b", 1), ("ｱ가", 3)]
)
def test_columns_are_what_is_seen(text, wide):
    assert columns(text) == wide


@given(st.text("a1.,/-~ \n中文的一二点第年月元（）“”·ーっ👨\u200d👩🇨🇳\ufe0f\u20e3\u0301가", max_size=40))
def test_words_are_the_text_whatever_it_is(text):
    assert "".join(split(text)) == text
    assert all(split(text))


SPOKEN = {
    "en": "Good evening, this is the news. Prices rose by 3.5% on Monday, to $1.2m. More after the break!",
    "zh": "大家好，欢迎来到直播间！今天这款羽绒服原价1299元，现在只要95折，限量100件。拍完记得点关注。",
}


@pytest.fixture(scope="module")
def heard():
    """What the built-in voice said, by language: chunks of real speech with its own marks."""

    async def speak(text):
        async with EnginePool() as pool:
            speech = await pool.engine("speech", "builtin")
            return [chunk async for chunk in tts_stream(sentences(text), speech, None, Style())]

    return {language: asyncio.run(speak(text)) for language, text in SPOKEN.items()}


def cues_of(chunks):
    captions = Captions()
    return [cue for chunk in chunks for cue in captions.add(chunk)] + captions.finish()


@pytest.mark.parametrize("language", SPOKEN)
def test_words_cover_the_text_without_gap_or_overlap(heard, language):
    cues = cues_of(heard[language])
    shown = "".join(cue.text[word.start : word.stop] for cue in cues for word, _ in spans(cue))
    assert re.sub(r"\s", "", shown) == re.sub(r"\s", "", SPOKEN[language])
    times = [(word.first, stop) for cue in cues for word, stop in spans(cue)]
    assert times[0][0] == 0
    assert all(first < stop for first, stop in times)
    assert [first for first, _ in times[1:]] == [stop for _, stop in times[:-1]]
    assert times[-1][1] == sum(len(chunk.samples) for chunk in heard[language])


@pytest.mark.parametrize("language", SPOKEN)
def test_in_each_frame_the_highlighted_word_is_the_one_that_sounds(heard, language):
    chunks, text = heard[language], SPOKEN[language]
    rate, fps = chunks[0].rate, 50
    burner = Burner(fonts()[0], 640, 360, rate, fps, SubtitleStyle(highlight="#fc0"))
    burner.cues = cues_of(chunks)
    marks = sorted((word.first, word.start) for chunk in chunks for word in chunk.words)
    place = {}  # of each visible character of the captions, in the text
    seen = [k for k, character in enumerate(text) if not character.isspace()]
    for cue in burner.cues:
        for k, character in enumerate(cue.text):
            if not character.isspace():
                place[cue.index, k] = seen[len(place)]
    frames = 0
    for frame in range(len(chunks) * 200 * fps // 1000):
        cue = burner.text_at(frame)
        before = [start for first, start in marks if first <= frame_start(frame, rate, fps)]
        if cue is None or not before:
            continue
        word = cue.words[burner.word_at(cue, frame)]
        lit = [place[cue.index, k] for k in range(word.start, word.stop) if (cue.index, k) in place]
        after = [start for first, start in marks if first > frame_start(frame, rate, fps)]
        until = min((start for start in after if start > before[-1]), default=len(text))
        # What is lit lies in the stretch that sounds by the voice's marks, or begins it.
        assert lit[0] < until, (text[lit[0] : lit[-1] + 1], text[before[-1] : until])
        assert lit[-1] >= before[-1], (text[lit[0] : lit[-1] + 1], text[before[-1] : until])
        frames += 1
    assert frames > 250


@pytest.mark.parametrize("language", SPOKEN)
def test_without_marks_of_the_voice_words_are_where_its_marks_would_be(heard, language):
    """As for cloned voices: times shared out by phones, held against the marks of a voice that has some."""
    wrong = []
    start = 0
    by_sentence = {}
    for chunk in heard[language]:
        by_sentence.setdefault(chunk.sentence.index, []).append(chunk)
    for chunks in by_sentence.values():
        timing = Timing(chunks[0].sentence, start)
        start += sum(len(chunk.samples) for chunk in chunks)
        timing.end(start)
        begins = {word.start: word.first for chunk in chunks[::-1] for word in chunk.words[::-1]}
        wrong += [abs(timing.when(place) - first) / chunks[0].rate for place, first in begins.items()]
    assert sum(wrong) / len(wrong) < 0.15
    assert max(wrong) < 0.5


def test_a_pause_that_was_asked_for_lengthens_no_word():
    sentence = Sentence(0, "ab cd", 0, "ab cd", tuple(range(6)), "en", pause=1.0)
    timing = Timing(sentence, 0)
    timing.end(1000)
    assert 400 < timing.when(3) < 650
