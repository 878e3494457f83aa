"""Cutting text into sentences, and what holds for any text whatever."""

import time
import unicodedata

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from core.text import LANGUAGES, sentences, spoken
from core.text.scripts import PLAIN


def cut(text, language="auto"):
    return [s.text for s in sentences(text, language)]


# ---- where sentences end --------------------------------------------------------------------------

ENDS = {
    "你好。再见！走吗？好": ["你好。", "再见！", "走吗？", "好"],
    "Hello there. How are you? Fine!": ["Hello there.", "How are you?", "Fine!"],
    "圆周率是3.14。对吗": ["圆周率是3.14。", "对吗"],
    "It is 3.5 m long. Yes.": ["It is 3.5 m long.", "Yes."],
    "Dr. Smith met Mr. Jones. They talked.": ["Dr. Smith met Mr. Jones.", "They talked."],
    "Eat fruit, e.g. apples. Good.": ["Eat fruit, e.g. apples.", "Good."],
    "J. K. Rowling wrote it.": ["J. K. Rowling wrote it."],
    "He lives in the U.S. He likes it.": ["He lives in the U.S. He likes it."],
    "The U.S. economy grew. It did.": ["The U.S. economy grew.", "It did."],
    "Apples, pears, etc. are fruit.": ["Apples, pears, etc. are fruit."],
    "Go to www.example.com/a.b. Then stop.": ["Go to www.example.com/a.b.", "Then stop."],
    "见https://example.com/?a=1。好": ["见https://example.com/?a=1。", "好"],
    "邮箱a.b@c.com。好": ["邮箱a.b@c.com。", "好"],
    "等等……我来了。": ["等等……我来了。"],
    "Well... maybe. Wait... What?": ["Well... maybe.", "Wait...", "What?"],
    "他说：“你好！我是小明。”然后走了。": ["他说：“你好！我是小明。”", "然后走了。"],
    "“真的吗？”他问道。": ["“真的吗？”他问道。"],
    '"Really?" she asked. "Yes!"': ['"Really?" she asked.', '"Yes!"'],
    "他走了（真的！）。好。": ["他走了（真的！）。", "好。"],
    "真的？！太好了！！！": ["真的？！", "太好了！！！"],
    "第一行\n第二行": ["第一行", "第二行"],
    "This line is\nwrapped here.": ["This line is\nwrapped here."],
    "A Title\n\nThe text.": ["A Title", "The text."],
    "1. Apples\n2. Pears": ["1. Apples", "2. Pears"],
    "No. That is wrong.": ["No.", "That is wrong."],
    "See No. 5 and Fig. 3. Good.": ["See No. 5 and Fig. 3.", "Good."],
    "你好。😀 再见。": ["你好。😀", "再见。"],
    "……你好": ["……你好"],
    "It's 5'9\" tall. Yes.": ["It's 5'9\" tall.", "Yes."],
    "Version 2.1.3. Good.": ["Version 2.1.3.", "Good."],
    "真的!太好了": ["真的!", "太好了"],
    "At 5 p.m. we left.": ["At 5 p.m. we left."],
}


@pytest.mark.parametrize(("text", "parts"), ENDS.items())
def test_sentences_end_where_they_end(text, parts):
    assert cut(text) == parts


def test_a_long_first_sentence_is_cut_at_its_first_clause():
    text = (
        "今天天气很好，所以我们决定一起去公园里散步、划船和野餐。第二句很长很长，也不会在第一个逗号处切开。"
    )
    parts = cut(text)
    assert parts[0] == "今天天气很好，"
    assert parts[2] == "第二句很长很长，也不会在第一个逗号处切开。"
    english = "When the weather is fine, we often go to the park together and have a picnic there."
    assert cut(english)[0] == "When the weather is fine,"


def test_a_short_first_sentence_stays_whole():
    assert cut("你好，世界。") == ["你好，世界。"]
    assert cut("Well, hello there.") == ["Well, hello there."]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "我们今天要说的是，『人工智能』的发展和它的历史。",
            ["我们今天要说的是，", "『人工智能』的发展和它的历史。"],
        ),
        ('他当时是这样说的，"人工智能"的发展和历史。', ["他当时是这样说的，", '"人工智能"的发展和历史。']),
        (
            "The quick brown fox said “no”, (and then) left us for ever and ever.",
            ["The quick brown fox said “no”,", "(and then) left us for ever and ever."],
        ),
        (
            'The quick brown fox said "no", (and then) left us for ever and ever.',
            ['The quick brown fox said "no",', "(and then) left us for ever and ever."],
        ),
    ],
)
def test_what_opens_a_part_is_in_it(text, parts):
    assert [sentence.text for sentence in sentences(text)] == parts


def test_the_first_cut_leaves_something_to_say():
    assert (
        cut("好，今天我们来讲一讲人工智能的历史，以及它的未来。")[0] == "好，今天我们来讲一讲人工智能的历史，"
    )


@pytest.mark.parametrize(
    ("text", "longest"),
    [
        ("我们去公园里散步、划船和野餐，" * 40, 100),
        ("没有任何标点符号的一句非常长的话" * 40, 100),
        ("a sentence with many words and no commas at all " * 40, 200),
        ("x" * 2000, 200),
        ("这里有12345678901234567890123456789个" * 20, 100),
    ],
)
def test_no_sentence_is_longer_than_a_breath(text, longest):
    parts = sentences(text)
    assert max(len(s.spoken) for s in parts) <= longest
    # Cut evenly: no crumbs.
    assert min(len(s.spoken) for s in parts[1:]) >= longest // 5


def test_long_sentences_are_cut_at_clauses_rather_than_in_words():
    text = "我们去公园里散步、划船和野餐，" * 20
    assert all(s.text.endswith(("，", "、")) for s in sentences(text))
    english = "one more clause that goes on, " * 30
    assert all(s.text.endswith(",") for s in sentences(english))


# ---- languages ------------------------------------------------------------------------------------

TELLS = {
    "你好": "zh",
    "Hello": "en",
    "こんにちは": "ja",
    "안녕하세요": "ko",
    "今日は良い天気です": "ja",
    "我用Python写代码": "zh",
    "한국어와 English": "ko",
    "鲜の味很好吃的": "zh",
    "12345": "en",
}


@pytest.mark.parametrize(("text", "language"), TELLS.items())
def test_the_script_tells_the_language(text, language):
    assert sentences(text)[0].language == language


def test_numbers_are_read_in_the_language_around_them():
    assert spoken("好的。123。") == "好的。\n一百二十三。"
    assert spoken("Fine. 123.") == "Fine.\none hundred twenty-three."


def test_the_language_asked_for_settles_what_can_be_read_in_several():
    assert sentences("你好", "yue")[0].language == "yue"
    assert sentences("東京", "ja")[0].language == "ja"
    assert sentences("120km/h", "zh")[0].spoken == "一百二十公里每小时"
    assert sentences("Hello there my friend", "zh")[0].language == "en"


def test_a_stretch_an_english_voice_cannot_read_is_a_sentence_of_its_own():
    parts = sentences("The word 你好 means hello, and 再见 means goodbye.")
    assert [(s.language, s.text) for s in parts] == [
        ("en", "The word"),
        ("zh", "你好"),
        ("en", "means hello, and"),
        ("zh", "再见"),
        ("en", "means goodbye."),
    ]


def test_english_words_stay_in_a_chinese_sentence():
    assert [s.language for s in sentences("我用iPhone和MacBook看视频。")] == ["zh"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("We sell T恤 and A4纸 today.", ["en We sell", "zh T恤", "en and", "zh A4纸", "en today."]),
        ("I sang at 卡拉OK.", ["en I sang at", "zh 卡拉OK."]),
        ("SONY、iPad、Gucci、U盘", ["zh SONY、", "zh iPad、Gucci、U盘"]),
        ("你好 hello こんにちは", ["zh 你好", "en hello", "ja こんにちは"]),
        ("你好, hello, 日本語です。", ["zh 你好, hello,", "ja 日本語です。"]),
        (
            "彼女は中国語で「你好」と言いました。",
            ["ja 彼女は中国語で", "zh 「你好」", "ja と言いました。"],
        ),
        ("我爱这个です", ["zh 我爱这个", "ja です"]),
        ("I like pears、plums from 北京.", ["en I like pears、plums from", "zh 北京."]),
    ],
)
def test_words_stay_in_the_language_they_belong_to(text, parts):
    assert [f"{s.language} {s.text}" for s in sentences(text)] == parts


def test_every_stretch_of_a_long_mixed_sentence_keeps_its_language():
    parts = sentences("He said 我爱你 and then という言葉 and 사랑해 too many times to count, really.")
    assert [s.language for s in parts] == ["en", "zh", "en", "ja", "en", "ko", "en"]


# ---- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["", "   \n\t", "。。。！？", "😀🎉", "...", "\0\0", "()[]{}", "—", "&", "\u200b"]
)
def test_text_without_words_is_refused(text):
    with pytest.raises(BadInput) as caught:
        sentences(text)
    assert caught.value.code == "empty_text"
    assert caught.value.param == "text"


def test_too_long_text_is_refused_with_both_numbers():
    sentences("好" * 10, limit=10)
    with pytest.raises(BadInput, match=r"11 characters.* 10 ") as caught:
        sentences("好" * 11, limit=10)
    assert caught.value.code == "text_too_long"


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("مرحبا", "Arabic"),
        ("สวัสดี", "Thai"),
        ("їжак", "Cyrillic"),  # Ukrainian
        ("नमस्ते", "Devanagari"),
        ("Καλημέρα", "Greek"),
    ],
)
def test_a_script_nobody_reads_is_refused_by_name(text, script):
    with pytest.raises(BadInput, match=script) as caught:
        sentences("你好 " + text)
    assert caught.value.code == "unsupported_language"
    assert "character 4" in caught.value.message
    assert "Chinese" in caught.value.message


def test_an_unknown_language_is_refused_with_those_there_are():
    with pytest.raises(BadInput, match="zh, en, yue, ja, ko") as caught:
        sentences("hallå", "sv")
    assert caught.value.code == "unsupported_language"
    assert caught.value.param == "language"


# ---- languages whose numbers the voice reads ------------------------------------------------------

PLAIN_ENDS = {
    "fr": [
        "Aujourd'hui, l'été commence ; il fait 30,5 °C.",
        "M. Dupont a payé 1 234,50 € à 12h30.",
        "Bien !",
    ],
    "de": [
        "Am 3. Mai kostet das 1.234,50 €, d. h. 20 % weniger.",
        "Herr Dr. Müller kommt z. B. heute.",
        "Schön.",
    ],
    "es": ["¡Hola!", "¿Cómo está Ud., Sr. García?", "Son 1.234,50 €."],
    "it": ["Il Sig. Rossi ha pagato 1.234,50 €.", "Perché no?"],
    "pt": ["O Sr. Silva pagou R$ 1.234,50.", "Não é?"],
    "ru": ["В 2026 г. Иванов заплатил 1234,50 руб., т. е. больше.", "Это iPhone 15."],
}


@pytest.mark.parametrize(
    ("language", "text", "said"),
    [
        ("fr", "Il fait -5 °C, § 7, peut-être.", "Il fait moins 5 °C, paragraphe 7, peut-être."),
        ("es", "Hace -5 °C de 10-20.", "Hace menos 5 °C de 10-20."),
        ("de", "Nach § 7 sind es -5 °C.", "Nach Paragraf 7 sind es -5 °C."),
        ("ru", "Тут -5 °C за 10€, кто-то.", "Тут минус 5 °C за 10 евро, кто-то."),
        ("ru", "№ 5, дом №7.", "номер 5, дом номер 7."),
        ("en", "№ 5, house №7.", "number five, house number seven."),
    ],
)
def test_signs_that_espeak_passes_over_are_words(language, text, said):
    (sentence,) = sentences(text, language)
    assert sentence.spoken == said
    assert sentence.text == text


@pytest.mark.parametrize("language", PLAIN)
def test_other_languages_are_cut_where_their_sentences_end_and_keep_their_numbers(language):
    parts = sentences(" ".join(PLAIN_ENDS[language]), language)
    assert [s.text for s in parts] == PLAIN_ENDS[language]
    assert {s.language for s in parts} == {language}
    for s in parts:
        kept = [c for c in s.text if c.isalnum() or c in "€%°"]
        assert [c for c in s.spoken if c.isalnum() or c in "€%°"] == kept


def test_marks_stand_at_the_word_before_them_and_what_cannot_be_said_is_left_out():
    assert spoken("«Adiós» , dijo [1] 😀 _ella_ …", "es") == "Adiós, dijo 1 ella…"


def test_russian_is_told_by_its_letters_and_others_must_be_asked_for():
    parts = sentences("Привет, мир! Hello world. 你好。")
    assert [s.language for s in parts] == ["ru", "en", "zh"]
    assert [s.language for s in sentences("Bonjour à tous. 你好。", "fr")] == ["fr", "zh"]
    assert [s.language for s in sentences("Bonjour à tous.")] == ["en"]


# ---- what holds for any text ----------------------------------------------------------------------

ALPHABET = (
    "你好世界今天是的我们用三点重庆。，！？；：、……——“”《》（）１２％￥ａＺ　·々①②Ⅲ½㎏℃"
    "abcdefgHIJKLMNOPxyzéñ .,!?;:'\"()[]{}<>@#$%^&*-_=+/\\|~`0123456789\n\t"
    "こんにちはカタカナー안녕하세요αβπ²³₂°€£😀👨‍👩‍👧\0\u200b\ufeff\ud800\u0301"
)
FORMS = (
    "2024-05-01 10:30 -5℃ $1,250.99 3.5元 13800138000 v2.1.3 50% 1/2 3:2 km/h 3-5 e.g. Dr. www.a.com <b> ** "
    "[a](b) U.S. API iPhone 15 你好 。 ， . \n hello 第 个 年 月 日 ( ) “ ” &amp; x^2 ="
)
WORDS = "the cat sat on a mat and then it ran , . ; !"
texts = st.text(st.sampled_from(ALPHABET), max_size=80) | st.text(max_size=40)
pieces = st.lists(
    st.sampled_from(FORMS.split(" ")) | st.text(st.sampled_from(ALPHABET), max_size=3),
    max_size=25,
).map("".join)


def readable(text, language):
    """The sentences of `text`, none if it is rightly refused."""
    try:
        return sentences(text, language)
    except BadInput as error:
        if error.code not in ("empty_text", "unsupported_language"):
            raise
        return []


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(text=texts | pieces, language=st.sampled_from(["auto", *LANGUAGES]))
@example(text="他付了$1,250.99（约合9,000元）。It’s 50%.", language="auto")
@example(text="ｶﾞ\u3099e\u0301", language="auto")
def test_sentences_hold_all_of_the_text_and_every_offset_leads_back_to_it(text, language):
    parts = readable(text, language)
    done = 0
    for k, s in enumerate(parts):
        stop = s.start + len(s.text)
        assert s.index == k
        assert s.text == text[s.start : stop]
        assert not text[done : s.start].strip()
        assert len(s.offsets) == len(s.spoken) + 1
        assert list(s.offsets) == sorted(s.offsets)
        assert s.start <= s.offsets[0]
        assert s.offsets[-1] == stop
        done = stop
    assert not parts or not text[done:].strip()


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(text=texts | pieces, language=st.sampled_from(["auto", *LANGUAGES]))
def test_what_is_spoken_has_only_letters_spaces_and_marks(text, language):
    for s in readable(text, language):
        assert s.language in PLAIN or any(c.isalpha() for c in s.spoken)
        assert s.language in PLAIN or not any(c.isdigit() for c in s.spoken)
        assert s.language in PLAIN or all(c.isalpha() or c in " ，。！？；：、…,.!?;:'-" for c in s.spoken)
        assert "  " not in s.spoken
        assert s.spoken == s.spoken.strip()
        s.spoken.encode()
        assert s.language in LANGUAGES


@given(
    st.text(st.sampled_from("你好世界今天是的我们用三重庆银行长大人山口。，！？；、“”《》 \n"), max_size=300)
)
def test_no_hanzi_is_dropped_repeated_or_moved(text):
    letters = [(k, c) for k, c in enumerate(text) if c.isalpha()]
    if not letters:
        return
    found = [(s.offsets[k], c) for s in sentences(text, "zh") for k, c in enumerate(s.spoken) if c.isalpha()]
    assert found == letters


@given(st.lists(st.sampled_from(WORDS.split()), max_size=120))
def test_no_english_word_is_dropped_repeated_or_moved(words):
    text = " ".join(words)
    written = [w for w in words if w.isalpha()]
    if written:
        said = " ".join(s.spoken for s in sentences(text))
        assert "".join(c if c.isalpha() else " " for c in said).split() == written


def test_a_number_in_words_leads_back_to_its_digits():
    text = "共有12345人。"
    (sentence,) = sentences(text)
    for k, character in enumerate(sentence.spoken):
        if character in "一万二千三百四十五":
            assert text[sentence.offsets[k]].isdigit()
    assert sentence.offsets[sentence.spoken.index("人")] == text.index("人")


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC"])
def test_composed_and_decomposed_text_are_read_alike(form):
    text = "Café résumé がぎぐ 한국어"
    assert spoken(unicodedata.normalize(form, text)) == spoken(text)


def test_control_characters_are_not_spoken():
    assert spoken("你\0好\x07吗\u200b") == "你好吗"


@pytest.mark.slow
@pytest.mark.parametrize("pattern", ["a.", "1-", "1/", "a@", "[(", "- ", "http://a.", "A B"])
def test_no_text_makes_reading_slow(pattern):
    # A search that goes back over the text for each of its characters would take minutes.
    started = time.process_time()
    assert sentences((pattern * 20_000)[:20_000] + "好")
    assert time.process_time() - started < 5
