"""What is read for what people write: sellers, teachers, service desks. Each row was written by hand.

A row is `what is written | what is said`; " / " stands where one sentence ends and the next begins.
"""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from core.text import sentences, spoken
from core.text.first import KINDS, kinds
from core.text.folded import fold
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
    """A rule is left out only at characters that none of its matches begins with."""
    rules = [(re.compile(pattern), kinds(pattern)) for pattern, _ in _RULES[language].rules]
    for row in list(rows())[::9]:
        text = fold(row.values[1]).text
        for at in range(len(text)):
            kind = next(kind for kind, ahead in KINDS.items() if re.compile(ahead).match(text, at))
            begun = [may for pattern, may in rules if (m := pattern.match(text, at)) and m.end() > at]
            assert all(kind in may for may in begun), text[at:]


def test_a_rule_that_fails_costs_its_own_reading_and_nothing_else(caplog):
    def broken(match):
        raise ZeroDivisionError

    mended = Rules([(r"\d", broken), (r"7", lambda m: "seven"), (r"b", broken)], {"&": " and "})
    assert mended.read("a7b&8").text() == "a seven b and 8"
    assert caplog.text.count("failed at") == 3
