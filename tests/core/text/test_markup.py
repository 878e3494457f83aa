"""Markup is silent, or obeyed where it means a pause or a spelling; in every language, with nothing lost."""

import pytest

from core.text import sentences, spoken

SILENT = {
    "<b>重点</b>来了": "重点来了",
    '<a href="https://a.com?x=1&y=2">点这里</a>购买': "点这里购买",
    "<speak><prosody rate='slow'>你好</prosody></speak>": "你好",
    "<mstts:express-as style='cheerful'>你好</mstts:express-as>": "你好",
    "**今天**只要9元": "今天只要九元",
    "这个*很*重要": "这个很重要",
    "# 标题": "标题",
    "- 第一": "第一",
    "`代码`在这里": "代码在这里",
    "[链接](https://example.com)": "链接",
    "![图](https://example.com/a.png)你好": "图你好",
    "A&amp;B": "A和B",
    "[laugh]你好": "你好",
    "[笑]你好": "你好",
    "<laugh>你好": "你好",
    "<|zh|>你好": "你好",
    "你好[whispering]吗": "你好吗",
    r"{\an8}你好": "你好",
    "<!-- 不读 -->你好": "你好",
    "<script>alert(1)</script>你好": "你好",
    "发音是/ˈæpl/吗": "发音是吗",
    "<phoneme alphabet='pinyin' ph='chong2 qing4'>重庆</phoneme>": "崇庆",
    "<sub alias='世界卫生组织'>WHO</sub>说": "世界卫生组织说",
    "<say-as interpret-as='characters'>SQL</say-as>": "S Q L",
    "<say-as interpret-as='digits'>123</say-as>": "一二三",
    "<say-as interpret-as='cardinal'>123</say-as>": "一百二十三",
    "<say-as interpret-as='telephone'>10086</say-as>": "幺零零八六",
}


@pytest.mark.parametrize(("written", "said"), SILENT.items())
def test_markup_is_not_read(written, said):
    assert spoken(written, "zh") == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("<b>Hello</b> <i>there</i>, [link](http://a.io) and **bold**", "Hello there, link and bold"),
        ("<say-as interpret-as='spell-out'>cat</say-as>", "C A T"),
        ("(laughs) Well, hello.", "Well, hello."),
        ("It is <emphasis level='strong'>very</emphasis> good", "It is very good"),
    ],
)
def test_markup_is_not_read_in_english(written, said):
    assert spoken(written, "en") == said


@pytest.mark.parametrize("language", ["ja", "ko", "yue"])
def test_markup_is_not_read_in_other_languages(language):
    text = {"ja": "こんにちは", "ko": "안녕하세요", "yue": "你哋好"}[language]
    assert spoken(f"<b>{text}</b>", language) == text


@pytest.mark.parametrize(
    ("mark", "seconds"),
    [
        ('<break time="2s"/>', 2.0),
        ("<break time='500ms'/>", 0.5),
        ("<break/>", 1.0),
        ("<break strength='x-strong'/>", 1.2),
        ("[停顿2秒]", 2.0),
        ("【停顿1.5秒】", 1.5),
        ("（停顿3秒）", 3.0),
        ("[pause 2s]", 2.0),
        ("[pause:800ms]", 0.8),
        ("<#1.5#>", 1.5),
        ("[停顿999秒]", 30.0),
    ],
)
def test_a_pause_is_a_silence_of_its_length(mark, seconds):
    first, second = sentences(f"大家好{mark}我们开始")
    assert (first.spoken, first.pause) == ("大家好", seconds)
    assert (second.spoken, second.pause) == ("我们开始", 0.0)


@pytest.mark.parametrize("mark", ["<break time='200ms'/>", "<break strength='weak'/>", "[uv_break]"])
def test_a_short_pause_is_a_comma(mark):
    (sentence,) = sentences(f"大家好{mark}我们开始")
    assert (sentence.spoken, sentence.pause) == ("大家好，我们开始", 0.0)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("a<b && b>c", "a is less than b and and b is greater than c"),
        ("x < y and y > z", "x is less than y and y is greater than z"),
        ("价格<100元", "价格小于一百元"),
        ("计算8-3=____", "计算八减三等于几"),
    ],
)
def test_what_only_looks_like_markup_is_read(written, said):
    assert spoken(written) == said


def test_what_is_hidden_is_told_and_what_is_read_leads_back_to_the_text():
    text = "<b>大家好</b>，**今天**只要￥99。"
    (sentence,) = sentences(text)
    shown = "".join(
        c
        for k, c in enumerate(sentence.text)
        if not any(a <= k + sentence.start < b for a, b in sentence.hidden)
    )
    assert shown == "大家好，今天只要￥99。"
    assert text[sentence.offsets[sentence.spoken.index("今")]] == "今"


@pytest.mark.parametrize(
    "written",
    [
        "电话0571-8888 6666，欢迎来电咨询我们的客服人员哦",
        "限时秒杀：20:00-22:00，先到先得抢完为止",
        "卡号6222 0212 3456 7890 123请核对一下再转账",
        "会议时间2026/11/30-2026/12/5请大家准时参加",
        "限购2件/人，每人限1份，满2件8折",
    ],
)
def test_no_sentence_begins_inside_a_token(written):
    for sentence in sentences(written * 6):
        before = (written * 6)[: sentence.start].rstrip()[-1:]
        assert not (before.isdigit() or before in "-/:") or not sentence.text[0].isdigit()


def test_an_action_is_asked_for_with_the_words_around_it():
    text = "[[wave]] Hello there, [[nod-2]]my friend. [[bow]] How are you? [[wave]]"
    said = sentences(text)
    assert [sentence.spoken for sentence in said] == ["Hello there, my friend.", "How are you?"]
    wanted = [(name, text[place:]) for sentence in said for place, name in sentence.actions]
    assert [name for name, _ in wanted] == ["wave", "nod-2", "bow", "wave"]
    assert [sentence.actions[0][1] for sentence in said] == ["wave", "bow"]
    assert wanted[-1][1].startswith("u?")  # with the last word: nothing is heard behind it
    assert sentences("你好[[wave]]世界。")[0].actions == ((2, "wave"),)
    for written in ("[[Wave]]", "[[ wave ]]", "[[WAVE\u00a0]]"):
        (said,) = sentences(f"{written} Hello.")
        assert (said.spoken, said.actions) == ("Hello.", ((0, "wave"),))


@pytest.mark.parametrize("text", ["[[St. Ives]] is nice.", "[[pause]] Yes.", "[wave] yes.", "[[a b]] yes."])
def test_other_brackets_are_what_they_were(text):
    assert not any(sentence.actions for sentence in sentences(text))
