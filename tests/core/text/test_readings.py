"""What is read for what people write: sellers, teachers, service desks. Each row was written by hand.

A row is `what is written | what is said`; " / " stands where one sentence ends and the next begins.
"""

import contextlib
import re
import time
from decimal import Decimal
from pathlib import Path

import pytest

from core.errors import BadInput
from core.text import sentences, spoken
from core.text.folded import fold
from core.text.needed import needed
from core.text.reading import _RULES
from core.text.rules import Rules
from tests.support import spoken_english, spoken_numbers

TABLES = Path(__file__).parent / "readings"


def rows():
    for table in sorted(TABLES.glob("*.txt")):
        for line in table.read_text("utf-8").splitlines():
            if line and not line.startswith("#"):
                written, said = line.split(" | ")
                yield pytest.param(table.stem, written, said, id=f"{table.stem} {written}")


@pytest.mark.parametrize(("language", "written", "said"), list(rows()))
def test_reading(language, written, said):
    assert " / ".join(sentence.spoken for sentence in sentences(written, language)) == said


@pytest.mark.slow
def test_no_digit_and_no_sign_of_generated_english_texts_is_lost_or_said_twice():
    wrong = [
        (case.text, said)
        for case in spoken_english.english_cases(1500, seed=1)
        if not spoken_english.heard(case, said := spoken(case.text, "en").replace("\n", " "))
    ]
    assert wrong == []


def test_the_checker_of_english_hears_what_is_wrong():
    (case,) = spoken_english.english_cases(1, seed=4)
    said = spoken(case.text, "en")
    assert spoken_english.heard(case, said)
    assert not spoken_english.heard(case, said + " nine")
    assert spoken_english.english_values("twenty twenty-six, one thousand oh five point five") == [
        20,
        26,
        1000,
        Decimal("5.5"),
    ]


@pytest.mark.slow
def test_no_digit_and_no_sign_of_generated_texts_is_lost_or_said_twice():
    wrong = [
        (case.text, said)
        for case in spoken_numbers.chinese_cases(1500, seed=1)
        if not spoken_numbers.heard(case, said := spoken(case.text, "zh").replace("\n", " "))
    ]
    assert wrong == []


@pytest.mark.slow
@pytest.mark.parametrize("language", ["zh", "yue", "en"])
def test_no_rule_begins_where_none_is_looked_for(language):
    """Most characters are passed over; what is read is the same as if each were looked at."""
    quick = _RULES[language]
    thorough = Rules(quick.rules, quick.plain)
    for row in rows():
        text = fold(row.values[1]).text
        assert quick.read(text).text() == thorough.read(text).text()


@pytest.mark.parametrize("language", ["zh", "en", "ja", "ko"])
def test_a_rule_is_tried_wherever_it_could_match(language):
    """A rule is left out only at characters that none of its matches begins with, and in texts without what
    it needs."""
    rules = [
        (re.compile(pattern), re.compile(f"[{begins}]"), needed(pattern))
        for begins, pattern, _ in _RULES[language].rules
    ]
    for row in list(rows())[::9]:
        text = fold(row.values[1]).text
        for at in range(len(text)):
            begun = [rule for rule in rules if (m := rule[0].match(text, at)) and m.end() > at]
            assert all(may.match(text, at) for _, may, _ in begun), text[at:]
            assert all(some is None or some & set(text) for _, _, some in begun), text


@pytest.mark.parametrize(
    ("pattern", "characters"),
    {
        r"\d+/\d+": "/",
        r"\d(?:/|:)\d": "/:",
        r"(?<=[a-c])\d": "abc",
        r"\d(?=%)": "%",
        r"\d(?:%)?(?!x)": "0123456789",
        r"x|\d*": "",
        r"[^x]": "",
        r"(?i:x)": "",
        r"(?i)x": "",
        r"[\u4e00-\u9fff]": "",
    }.items(),
)
def test_what_a_pattern_needs_is_told_by_its_rarest_part(pattern, characters):
    assert set(needed(pattern) or "") == set(characters)


def test_a_rule_that_fails_costs_its_own_reading_and_nothing_else(caplog):
    def broken(match):
        raise ZeroDivisionError

    mended = Rules(
        [(r"\d", r"\d", broken), ("7", "7", lambda m: "seven"), ("b", "b", broken)], {"&": " and "}
    )
    assert mended.read("a7b&8").text() == "a seven b and 8"
    assert caplog.text.count("failed at") == 3


RUNS = [
    *(
        "7",
        "7 ",
        "73 ",
        "1.",
        ".",
        "1,",
        ":",
        "9:",
        "/",
        "1/",
        "12/5 ",
        "-",
        "1-",
        "1~",
        "—",
        "+",
        "2x+",
        "=",
        "1=",
        "^",
    ),
    *(
        "(",
        ")",
        "()",
        "[",
        "[[ ",
        "[a]",
        "{",
        "{\\",
        "（",
        "【1",
        "<",
        "<a",
        "<a b=",
        "<!--",
        "<|",
        "&",
        "&am",
        "&lt;",
        "[停顿",
    ),
    *(" ", "a ", "\n", "a\n", "b", "B", "A.", "a. ", "aB1", "a@b.", "http://", "H2", "IV ", "a1:", "Mr. "),
    *(
        "😀",
        "👨\u200d👩",
        "\u0301",
        "e\u0301",
        "か\u3099",
        "“",
        '"a',
        "'",
        "a'",
        "《",
        "*",
        "*a",
        "**a ",
        "_",
        "`",
        "#a ",
        "~~",
    ),
    *(
        "|a",
        "=",
        "√",
        "$",
        "$1 ",
        "%",
        "@",
        "!",
        "…",
        "。",
        "，",
        "好，",
        "我1",
        "3月",
        "5元",
        "2kg ",
        "[a](",
        "/ə",
        "○",
        "²",
        "①",
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_run_of_characters_takes_longer_than_its_length_says(language):
    """Four times the text takes four times as long: no pattern goes back over what it has seen."""

    def seconds(run, length):
        began = time.thread_time()
        with contextlib.suppress(BadInput):
            sentences((run * length)[:length], language)
        return time.thread_time() - began

    def ratio(run):
        return seconds(run, 4800) / max(seconds(run, 1200), 0.002)

    sentences("1a", language)
    # as much again once more: what else the machine does may disturb a measurement
    assert [run for run in RUNS if min(ratio(run) for _ in range(3 if ratio(run) > 9 else 1)) > 9] == []
