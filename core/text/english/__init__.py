"""How English text is read: the order of the rules.

What looks like a date is a date before it is a sum, a telephone number before it is a range.
"""

import re
from typing import Final

from core.text import patterns
from core.text.english.abbreviations import ABBREVIATIONS
from core.text.english.codes import ADDRESSES, CODES, LONG_CODES, MODELS, TELEPHONES
from core.text.english.dates import DATES, TIMES, YEARS
from core.text.english.numbers import cardinal, number, one_by_one
from core.text.english.quantities import MONEY_QUANTITY, QUANTITY, below, quantity
from core.text.english.signs import PLAIN, SCALES, SIGNS, SIZES, SUMS
from core.text.markup import CALLED, COUNTED, SPELLED
from core.text.rules import Rule, Rules


def _spelled(match: re.Match[str]) -> str:
    character = match["character"]
    return one_by_one(character) if character.isdigit() else character.upper()


_MARKS: Final[list[Rule]] = [
    (".", r"(?<=[A-Za-z0-9])\.(?=[A-Za-z0-9])", " dot "),
    ("Α-Ωα-ω", r"[Α-ΡΣ-Ωα-ω]", lambda m: patterns.GREEK[m[0].lower()][1]),
    (".…", r"\.{2,}|…+", "…"),
    ("'", r"(?<=[A-Za-z])'(?=[A-Za-z])|(?<=[sS])'(?= )", "'"),
    ("-", r"(?<=-\d)-(?=\d+[A-Z])", " "),  # Llama-3-70B
    # Between two ends of a span of time; elsewhere a dash is a pause.
    (
        r"\s~—-",
        r"(?<=[a-z0-9.])(?<!mid)(?<!late)(?<!early)(?<!post)(?<!pre)\s?[-~—]\s?(?=(?:Jan|Feb|Mar|Apr|May|June?|July?|Aug|Sep|Oct|Nov|Dec|Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*\.?\b)",
        " to ",
    ),
    (
        r"\s~—-",
        rf"(?<=\d)\s?[-~—]\s?(?={patterns.CURRENCIES}\d)|(?<=\d[kKmMbB])\s?[-~—]\s?(?={patterns.CURRENCIES}?\d)",
        " to ",
    ),
    (
        r"\s~—-",
        r"(?<=\d[a-z]{2})\s?[-~—]\s?(?=\d)|(?<=\d[a-z])\s?[-~—]\s?(?=\d)|(?<=\d\")\s?[-~—]\s?(?=\d)",
        " to ",
    ),
    ("-", r"(?<=[A-Za-z])-(?=[A-Za-z])", "-"),
    (r"\s-", r"(?<!\s)\s+-+\s+|--+", ", "),
    ("#", r"#(?=\d)", "number "),
    ("-", r"(?:(?<=[A-Za-z]\d)|(?<=[A-Za-z]\d\d))-(?=\d)", " "),
    ("/", r"(?<=\d)/(?=\d)", " slash "),
]
_TABLE: Final[list[Rule]] = [
    (SPELLED + CALLED, f"[{SPELLED}{CALLED}](?P<character>[A-Za-z0-9])", _spelled),
    (COUNTED, rf"{COUNTED}(?P<n>\d+)", lambda m: number(m["n"])),
    (r"\d\s", patterns.LIST_NUMBER, lambda m: cardinal(m["n"]) + ","),
    *ADDRESSES,
    *DATES,
    *TELEPHONES,
    *TIMES,
    *CODES,
    *SCALES,
    *YEARS,
    *LONG_CODES,
    *SUMS,
    *MODELS,
    *SIZES,
    ("A-Za-z$£¥฿₩₫€₹₽₿", rf"(?P<money>{patterns.CURRENCIES})-(?P<a>{patterns.NUMBER})(?!-)", below),
    ("A-Za-z$+£¥±฿₩₫€₹₽₿-", MONEY_QUANTITY, quantity),
    (r"\dA-Za-z$+.£¥±฿₩₫€₹₽₿-", QUANTITY, quantity),
    *SIGNS,
    *ABBREVIATIONS,
    *_MARKS,
]

ENGLISH: Final = Rules(_TABLE, PLAIN, r"(?<=[A-Za-z])[a-z]|(?<=[a-z]) (?=[a-z])")
