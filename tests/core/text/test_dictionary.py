"""A reading dictionary of one's own: read, checked, obeyed, and no obstacle to captions."""

import pytest

from core.errors import BadInput
from core.text import sentences, spoken
from core.text.dictionary import load, parsed, readings

FILE = """# ours
iPhone = 爱疯
SQL = sequel
重庆 = chong2 qing4
"""


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "readings.txt"
    path.write_text(FILE, "utf-8")
    return load(path)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("我在重庆用iPhone15。", "我在崇庆用iPhone十五。"),
        ("我在重庆用iPhone 15。", "我在崇庆用爱疯十五。"),
        ("用SQL很好，PSQL也是。", "用sequel很好，P S Q L也是。"),
        ("The SQL course.", "The sequel course."),
        ("我用 iPhone 在重庆拍照。", "我用爱疯在崇庆拍照。"),
        ("我用  iPhone，你 iPhone - 好吗", "我用爱疯，你爱疯，好吗"),
        ("iPhone iPhone 好", "爱疯爱疯好"),
    ],
)
def test_words_are_said_as_the_dictionary_has_them(own, written, said):
    language = "en" if written.isascii() else "zh"
    assert spoken(written, language, readings=own).replace("\n", "") == said


def test_what_is_said_leads_back_to_what_is_written(own):
    (sentence,) = sentences("我在重庆呢", readings=own)
    assert (sentence.text, sentence.spoken) == ("我在重庆呢", "我在崇庆呢")
    assert sentence.offsets == (0, 1, 2, 2, 4, 5)


def test_no_file_is_no_dictionary():
    assert load(None) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("iPhone", "line 1"),
        ("a=b\n=c", "line 2"),
        ("SQL=sequel\nSQL=sequel\n\nSQL = S Q L", "line 4: 'SQL' is said as 'sequel'"),
        ("小米=mi 14", None),
        ("MI6=SIS\nSIS=MI6", None),
        ("一只猫=a cat", None),
        ("iPhone=ai4 feng1", None),
        ("重庆市=chong2 qing4", "'重庆市' has 3 characters and 'chong2 qing4' 2 syllables"),
        ("重庆=chong2 qing9x2", "is no pinyin"),
        ("重庆=chong9 qing4", "'chong9 qing4' for '重庆' is no pinyin"),
        ("重庆=chong2 qing", "is no pinyin"),
        ("iPhone=ai4 feng0", "is no pinyin"),
        ("重庆=chong2", "2 characters and 'chong2' 1 syllables"),
        ("重庆=chong2 qqq4", "qqq4"),
        ("，=x", "no word to read"),
        ("x=。", "nothing to say"),
        ("x=" + "y" * 101, "too long"),
    ],
)
def test_a_mistake_is_told(text, words):
    if words is None:
        assert readings(parsed(text))
        return
    with pytest.raises(BadInput, match=words) as caught:
        readings(parsed(text))
    assert caught.value.code == "bad_reading"


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"gone\.txt"):
        load(tmp_path / "gone.txt")
