"""The text front end of GPT-SoVITS: recorded cases, deliberate differences, languages, bad and long input."""

import itertools
import re
import shutil
import time
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.engines.gpt_sovits.text import (
    G2pwModel,
    chinese,
    english,
    frontend,
    g2pw,
    packages,
    symbols,
    tagger,
)
from core.engines.gpt_sovits.text.languages import MODES, stretches
from core.engines.gpt_sovits.text.symbols import ids
from core.errors import BadInput, EngineUnavailable
from core.text import sentences
from tests.parity import gpt_sovits_text as parity
from tests.support import FIXTURES

TEXTS = FIXTURES / "gpt_sovits" / "text"
# Package that a language needs; without it its tests are skipped, not failed.
NEEDS = {
    "zh": ("jieba", "pypinyin"),
    "en": ("wordsegment",),
    "ja": ("pyopenjtalk",),
    "ko": ("g2pk2", "mecab"),
}
NEEDS["yue"] = ("ToJyutping", "jieba", "pypinyin")
# Reads otherwise than recorded, each for a reason that has a test below.
# Reads otherwise than recorded, for a reason that has a test below.
ON_PURPOSE = {"en_pos_02": "homograph"}


def packages_for(*languages: str) -> None:
    for language in languages:
        for package in NEEDS.get(language, ()):
            pytest.importorskip(package)


def ids_of(text: str, language: str = "zh", version: str = "v2") -> list[int]:
    return [phone for segment in frontend(text, language, version) for phone in segment.phones]  # type: ignore[arg-type]  # as a user gives it


def case_key(case: dict) -> str:
    kind = "pos_" if case["path"] == "pos_tags_supplied" else ""
    return f"{case['lang']}_{kind}{case['id'][-2:]}"


@pytest.mark.parametrize(
    ("number", "case"),
    [pytest.param(n, c, id=c["id"]) for n, c in enumerate(parity.cases(TEXTS, "text_frontend.json"))],
)
def test_recorded_text_gives_the_recorded_symbols(number, case):
    packages_for(case["lang"])
    check = parity.check_frontend(number, case)
    assert check.holds, check.note
    assert bool(check.note) == (case_key(case) in ON_PURPOSE)


@pytest.mark.parametrize(
    ("number", "case"),
    [pytest.param(n, c, id=str(n)) for n, c in enumerate(parity.cases(TEXTS, "text_pipeline.json"))],
)
def test_recorded_mixed_text_gives_the_recorded_symbols(number, case):
    packages_for("zh", "en", *(segment[0] for segment in case["segments"]))
    assert parity.check_pipeline(number, case).holds


@pytest.mark.parametrize("number", range(11))
def test_recorded_text_is_cut_into_the_recorded_languages(number):
    case = parity.cases(TEXTS, "lang_segments.json")[number]
    check = parity.check_languages(number, case)
    assert check.holds, check.note
    assert bool(check.note) == (
        number in (1, 3, 8, 9, 10)
    )  # short Chinese words that a detector took for Japanese


def test_the_symbol_tables_have_their_published_sizes_and_the_first_begins_the_second():
    assert len(symbols("v1")) == 322
    assert len(symbols("v2")) == 732
    assert symbols("v2")[:322] == symbols("v1")
    assert len(set(symbols("v2"))) == 732


# Every voice is given what `core.text` has read.


def test_a_sentence_is_said_as_it_is_read_for_every_voice():
    packages_for("zh", "en")
    written = "共有 1234 人参加，<b>今天</b>只要￥99，iPhone15是3C产品。"
    (*_, last) = [sentence for sentence in sentences(written) if sentence.text]
    assert "<b>" not in last.spoken
    for sentence in sentences(written):
        said = "".join(segment.text for segment in frontend(sentence.spoken, sentence.language, "v2"))
        heard = re.sub(r"[^\w]", "", said).lower()
        assert heard == re.sub(r"[^\w]", "", sentence.spoken).lower()


@pytest.mark.parametrize(
    ("text", "word", "sounds"),
    [
        ("They live here.", "live", "L IH1 V"),
        ("The live show.", "live", "L AY1 V"),
        ("I read it yesterday.", "read", "R EH1 D"),
        ("I read every day.", "read", "R IY1 D"),
        ("I object to the plan.", "object", "AH0 B JH EH1 K T"),
        ("The object fell.", "object", "AA1 B JH EH0 K T"),
        ("I used to go.", "used", "Y UW1 S T"),
        ("I used a pen.", "used", "Y UW1 Z D"),
    ],
)
def test_homographs_sound_by_their_part_of_speech(text, word, sounds):
    pytest.importorskip("wordsegment")
    assert word in text
    assert sounds in " ".join(english.phonemes(text))


def test_tags_follow_the_words_around():
    words = ["They", "will", "record", "a", "record", "."]
    tags = tagger.tag(words)
    assert tags[2] == "VB"
    assert tags[4] == "NN"


@pytest.mark.parametrize(
    ("word", "sounds"),
    [
        ("zorblax", "Z AO1 R B L AE1 K S"),  # the network
        ("fox's", "F AA1 K S AH0 Z"),
        ("bookshelfwall", "B UH1 K SH EH2 L F W AO1 L"),  # a compound
        ("xqz", "EH1 K S K Y UW1 Z IY1"),  # letters
    ],
)
def test_words_no_dictionary_has_are_said_all_the_same(word, sounds):
    pytest.importorskip("wordsegment")
    assert english.phonemes(f"say {word} here")[2:-3] == sounds.split()


def test_words_that_a_full_stop_joins_are_one_to_the_reference_and_have_a_pause_here():
    """It takes them for the name of a site: "two point zero.one" of 2.0.1, or a stop without a space."""
    pytest.importorskip("wordsegment")
    text = english.normalise("It stopped.then two point zero.one came.")
    assert english.tokens(text)[1:4] == ["stopped", ".", "then"]
    assert "." in english.phonemes(text)[:-1]
    assert english.tokens(text, as_reference=True)[1:2] == ["stopped.then"]
    assert "." not in english.phonemes(text, as_reference=True)[:-1]


# Chinese


@given(
    st.text(alphabet="一不儿个好你小看想想的地得们子上来，。！是第三二行长重hello", min_size=1, max_size=30)
)
def test_every_character_of_normalised_chinese_has_its_phonemes(text):
    packages_for("zh")
    text = chinese.normalise(text)
    found, word2ph = chinese.phonemes(text, "v2")
    assert len(word2ph) == len(text)
    assert sum(word2ph) == len(found)
    assert set(found) <= set(symbols("v2"))


def test_a_listed_word_has_its_listed_reading_in_v2_only():
    packages_for("zh")
    assert chinese.phonemes("湖泊", "v2")[0] == ["h", "u2", "p", "o1"]
    assert chinese.phonemes("湖泊", "v1")[0] == chinese.phonemes("湖泊", "v2", fixed=False)[0]


def test_pinyin_of_a_clause_must_have_one_syllable_a_character():
    packages_for("zh")
    with pytest.raises(ValueError, match="2 pinyin for the 3 characters"):
        chinese.phonemes("你好吗", "v2", pinyin=lambda clause: ["ni3", "hao3"])


@pytest.fixture
def g2pw_folder(tmp_path):
    (tmp_path / "POLYPHONIC_CHARS.txt").write_text("行\tㄒㄧㄥ2\n行\tㄏㄤ2\n長\tㄔㄤ2\n長\tㄓㄤ3\n", "utf-8")
    (tmp_path / "MONOPHONIC_CHARS.txt").write_text("銀\tㄧㄣ2\n", "utf-8")
    (tmp_path / "bopomofo_to_pinyin_wo_tune_dict.json").write_text(
        '{"ㄒㄧㄥ": "xing", "ㄏㄤ": "hang", "ㄔㄤ": "chang", "ㄓㄤ": "zhang", "ㄧㄣ": "yin"}', "utf-8"
    )
    (tmp_path / "vocab.txt").write_text("[UNK]\n[CLS]\n[SEP]\n銀\n行\n長\n,", "utf-8")
    return tmp_path


class Asked:
    """A session that keeps what it was asked and takes the last sound that is allowed."""

    def run(self, names, inputs):
        self.inputs = inputs
        places = np.arange(inputs["phoneme_mask"].shape[1])
        return [inputs["phoneme_mask"] * (places + 1)]


def test_g2pw_is_asked_about_the_characters_with_several_readings(g2pw_folder):
    packages_for("zh")
    session = Asked()
    traditional = SimpleNamespace(convert=lambda text: text.replace("银", "銀").replace("长", "長"))
    model = g2pw.assemble(g2pw_folder, g2pw_folder / "vocab.txt", session, traditional)
    assert model("银行行长,") == ["yin2", "xing2", "xing2", "chang2" if "ㄔㄤ2" > "ㄓㄤ3" else "zhang3", ","]
    assert session.inputs["input_ids"].tolist()[0] == [1, 3, 4, 4, 5, 6, 2]
    assert session.inputs["position_ids"].tolist() == [2, 3, 4]
    assert session.inputs["char_ids"].tolist() == [0, 0, 1]
    assert session.inputs["phoneme_mask"].sum(axis=1).tolist() == [2, 2, 2]


def test_a_configured_g2pw_model_is_run_and_decides_how_characters_are_read(g2pw_folder):
    """The network is small and random (tests/fixtures/g2pw), but of the published one's inputs and output."""
    packages_for("zh")
    pytest.importorskip("onnxruntime")
    pytest.importorskip("opencc")
    shutil.copy(FIXTURES / "g2pw" / "g2pW.onnx", g2pw_folder)
    model = G2pwModel(g2pw_folder, g2pw_folder / "vocab.txt")
    loaded = g2pw.load(model.folder, model.vocabulary)
    read = loaded("银行行长")
    assert (read[0], {*read[1:3]} <= {"xing2", "hang2"}) == ("yin2", True)
    clauses = ["".join(rest) for rest in itertools.product("银行长,", repeat=2)]
    assert {loaded("行" + clause)[0] for clause in clauses} == {"xing2", "hang2"}  # by what stands beside it
    phones, _ = chinese.phonemes("银行行长", "v2", pinyin=lambda _: read)
    (segment,) = frontend("银行行长。", "zh", "v2", model=model)
    assert segment.phones[: len(phones)] == ids(phones, "v2")
    assert frontend("银行行长。", "zh", "v1", model=model) == frontend("银行行长。", "zh", "v1")


def test_a_g2pw_model_that_cannot_be_run_is_named(g2pw_folder):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("opencc")
    (g2pw_folder / "g2pW.onnx").write_bytes(b"nonsense")
    with pytest.raises(BadInput, match=r"g2pW\.onnx is no model that runs"):
        g2pw.load(g2pw_folder, g2pw_folder / "vocab.txt")


def test_the_vocabulary_of_bert_is_read_from_either_file(tmp_path):
    (tmp_path / "vocab.txt").write_text("[UNK]\n你\n", "utf-8")
    (tmp_path / "tokenizer.json").write_text('{"model": {"vocab": {"[UNK]": 0, "你": 1}}}', "utf-8")
    assert g2pw.read_tokens(tmp_path / "vocab.txt") == g2pw.read_tokens(tmp_path / "tokenizer.json")
    (tmp_path / "tokenizer.json").write_text("{}", "utf-8")
    with pytest.raises(BadInput, match="no vocabulary of BERT"):
        g2pw.read_tokens(tmp_path / "tokenizer.json")


def test_a_g2pw_folder_without_its_model_is_refused_by_the_missing_file(g2pw_folder):
    with pytest.raises(BadInput, match=r"g2pW\.onnx"):
        g2pw.load(g2pw_folder, g2pw_folder)


# Languages


@given(st.text(alphabet="你好们駅のきよ안녕Hello kg,。！-", max_size=40), st.sampled_from(MODES))
def test_stretches_hold_all_of_the_text_and_neighbours_differ(text, mode):
    found = stretches(text, mode)
    assert "".join(stretch.text for stretch in found) == text
    assert all(a.language != b.language for a, b in itertools.pairwise(found))


@pytest.mark.parametrize(
    ("text", "mode", "languages"),
    [
        ("Hello 世界。", "auto", ["en", "zh"]),
        ("2024年。", "auto", ["zh"]),
        ("最近、僕は勉強してる。", "auto", ["ja"]),
        ("你也喜欢まいご吗？", "auto", ["zh", "ja", "zh"]),
        ("駅前。", "auto", ["ja"]),
        ("你好", "auto_yue", ["yue"]),
        ("今日はAIです。", "ja", ["ja", "en", "ja"]),
        ("你好 and 안녕", "all_ko", ["ko", "en", "ko"]),
        ("你好", "en", ["en"]),
    ],
)
def test_the_script_and_what_is_around_tell_the_language(text, mode, languages):
    assert [stretch.language for stretch in stretches(text, mode)] == languages


# Bad input


@pytest.mark.parametrize("language", ["zh", "en", "auto"])
@pytest.mark.parametrize("text", ["", " ", "……", "?!.,", "——", "🙂🙂", "\n\t"])
def test_text_without_a_word_is_refused(text, language):
    packages_for("zh", "en")
    with pytest.raises(BadInput, match="no words to speak"):
        frontend(text, language, "v2")


def test_a_language_a_v1_voice_lacks_is_refused_even_inside_a_text():
    packages_for("zh")
    for text, mode in (("안녕", "ko"), ("你好안녕", "auto")):
        with pytest.raises(BadInput, match="v1 voice has no language 'ko'"):
            frontend(text, mode, "v1")


def test_a_missing_package_is_named_with_the_extra_that_brings_it():
    with pytest.raises(EngineUnavailable, match=r"no-such-thing missing.*\[ko\]"):
        packages.need("no_such_module", "no-such-thing", "ko")


@pytest.mark.parametrize("char", ["Ж", "ث", "🙂", "\ufffd", "𠮷", "\x00", "ê", "㐀", "嗯"])
def test_a_symbol_nobody_knows_does_not_stop_the_words_around_it(char):
    packages_for("zh", "en")
    ids = ids_of(f"你好{char}世界", "zh")
    assert set(ids_of("世界真大", "zh")[:4]) <= set(ids)


def test_a_short_text_gets_a_full_stop_in_front():
    packages_for("zh", "en")
    stop = symbols("v2").index(".")
    assert ids_of("走。")[0] == stop
    assert ids_of("Go.", "en")[0] == stop
    assert ids_of("今天天气很好。")[0] != stop


# Long input


LONG = {
    "prose": ("我们今天去公园玩，天气很好。", "zh"),
    "no marks": ("我们今天去公园玩", "zh"),
    "one character": ("好", "zh"),
    "digits": ("7", "zh"),
    "English": ("The cats' 3.5km walk cost $1,250.99 today. ", "en"),
    "one letter": ("a", "en"),
    "English digits": ("1", "en"),
    "spaces": (" ", "en"),
    "mixed": ("他说hello 5kg。", "auto"),
    "marks": ("1.1,1:1-1/1+", "zh"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", LONG)
def test_a_long_text_takes_time_in_proportion(kind):
    packages_for("zh", "en")
    unit, language = LONG[kind]
    frontend("好a" + unit * 3, language, "v2")  # dictionaries are read once

    def seconds(characters: int) -> float:
        start = time.process_time()
        frontend("好a" + unit * (characters // len(unit)), language, "v2")
        return time.process_time() - start

    short, long = seconds(3_000), seconds(30_000)
    assert long < 25 * short + 0.3
