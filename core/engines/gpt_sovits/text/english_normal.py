"""Written English to words by the reference's rules, in the reference's order.

What comes out is letters, spaces and the marks ' . , ? ! -. The order of the rules is part of the behaviour;
what they misread is put right beforehand by `english_readings`. Rules learnt from GPT-SoVITS (MIT).
"""

import re
import unicodedata
from collections.abc import Callable

from core.engines.gpt_sovits.text.numerals import (
    english_cardinal,
    english_digits,
    english_ordinal,
    english_year,
)
from core.engines.gpt_sovits.text.symbols import PUNCTUATION

_UNITS = {
    "m": ("meter", "meters"),
    "km": ("kilometer", "kilometers"),
    "ft": ("feet", "feet"),
    "L": ("liter", "liters"),
    "tbsp": ("tablespoon", "tablespoons"),
    "tsp": ("teaspoon", "teaspoons"),
    "h": ("hour", "hours"),
    "min": ("minute", "minutes"),
    "s": ("second", "seconds"),
    "°C": ("degree celsius", "degrees celsius"),
    "°F": ("degree fahrenheit", "degrees fahrenheit"),
}
_OPERATORS = {"+": " plus ", "-": " minus ", "×": " times ", "÷": " divided by ", "=": " Equals "}
_TERM = r"(?:-?(?<!\d)\d+(?:\.\d+)?[⁰¹²³⁴⁵⁶⁷⁸⁹ˣʸⁿ]*|\.\d+[⁰¹²³⁴⁵⁶⁷⁸⁹ˣʸⁿ]*|[A-Za-z][⁰¹²³⁴⁵⁶⁷⁸⁹ˣʸⁿ]*)"
_SUM = re.compile(rf"({_TERM})\s+([+\-×÷=])\s+({_TERM})")
_FULL_WIDTH_ENDS = str.maketrans("。！？", ".!?")
_MARKS_IN_A_ROW = re.compile(rf"([\s{PUNCTUATION}])[{PUNCTUATION}]+")
_MAX_DIGITS = 15


def _ordinal_suffix(digits: str) -> str:
    value = int(digits[-2:])
    if 10 < value < 20:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")


def _clock(match: re.Match[str]) -> str:
    hour, minute = int(match[1]), int(match[2])
    period = "a.m." if hour < 12 else "p.m."
    said = english_cardinal(hour - 12 if hour > 12 else hour)
    minutes = english_cardinal(minute) if minute else "o'clock"
    return f"{said} {minutes} {period}"


def _measure(match: re.Match[str]) -> str:
    number, decimals, unit = match[1], match[2], match[3]
    one = not decimals and number.lstrip("0") == "1"
    return f"{number}{decimals or ''} {_UNITS[unit][0 if one else 1]}"


def _money(names: tuple[str, str, str, str]) -> Callable[[re.Match[str]], str]:
    one, many, small_one, small_many = names

    def said(match: re.Match[str]) -> str:
        whole, *rest = match[1].split(".")
        if len(rest) > 1 or not (whole + "".join(rest)).isdigit():
            return f"{match[1]} {many}"
        units = whole.lstrip("0")
        cents = rest[0].ljust(2, "0").lstrip("0") if rest else ""
        parts = [f"{units} {one if units == '1' else many}"] if units else []
        parts += [f"{cents} {small_one if cents == '1' else small_many}"] if cents else []
        return " and ".join(parts) or f"zero {many}"

    return said


_DOLLARS = _money(("dollar", "dollars", "cent", "cents"))
_POUNDS = _money(("pound", "pounds", "penny", "pence"))


def _decimal(match: re.Match[str]) -> str:
    whole, decimals = match[0].split(".")
    return f"{whole} point {' '.join(decimals)}"


def _fraction(match: re.Match[str]) -> str:
    above, below = match[1], match[2]
    if max(len(above), len(below)) > _MAX_DIGITS:
        return f"{english_digits(above)} over {english_digits(below)}"
    numerator, denominator = int(above), int(below)
    said = english_cardinal(numerator, link=" and ")
    if denominator == 1:
        return said
    if denominator == 2:
        return f"{said} {'half' if numerator == 1 else 'halves'}"
    return f"{said} {english_ordinal(denominator)}{'s' if numerator > 1 else ''}"


def number(digits: str) -> str:
    """A bare number: 1001-2999 as a year, anything else as a cardinal."""
    if len(digits) <= _MAX_DIGITS and 1000 < int(digits) < 3000:
        return english_year(int(digits))
    return english_cardinal(digits)


_RULES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"(?:^|\s+)-(\d+)"), r"negative \1"),
    (re.compile(r"[0-9][0-9,]+[0-9]"), lambda match: match[0].replace(",", "")),
    (re.compile(r"\b([01]?[0-9]|2[0-3]):([0-5][0-9])\b"), _clock),
    (re.compile(r"\b([0-9]+)(\.[0-9]+)?(m|km|ft|L|tbsp|tsp|h|min|s|°C|°F)\b"), _measure),
    (re.compile(r"£([0-9.,]*[0-9])"), _POUNDS),
    (re.compile(r"(?<![0-9.,])([0-9.,]*[0-9])£"), _POUNDS),
    (re.compile(r"\$([0-9.,]*[0-9])"), _DOLLARS),
    (re.compile(r"(?<![(0-9.,])([(0-9.,]*[0-9])\$"), _DOLLARS),
    (re.compile(r"(?<!\d)[0-9]+\.\s*[0-9]+"), _decimal),
    (re.compile(r"(?<!\d)([0-9]+)/([0-9]+)"), _fraction),
    (re.compile(r"(?<!\d)([0-9]+)(?:st|nd|rd|th)"), lambda match: english_ordinal(match[1])),
    (re.compile(r"[0-9]+"), lambda match: number(match[0])),
)
_LAST_RULES = (
    (re.compile("%"), " percent"),
    (re.compile(r"[^ A-Za-z'.,?!-]"), ""),
    (re.compile(r"(?i)i\.e\."), "that is"),
    (re.compile(r"(?i)e\.g\."), "for example"),
    (re.compile(r"(?<!^)(?<!\s)([A-Z])"), r" \1"),
)


def normalise(text: str) -> str:
    """`text` as words and the marks ' . , ? ! -; a capital inside a word starts a new one, so acronyms are
    spelled.
    """
    text = text.translate(_FULL_WIDTH_ENDS)
    text = re.sub(r"\b([0-9]+)\. ", lambda match: f"{match[1]}{_ordinal_suffix(match[1])}, ", text)
    while _SUM.search(text):  # two rounds at most: the terms of one sum are the neighbours of the next
        text = _SUM.sub(lambda match: match[1] + _OPERATORS[match[2]] + match[3], text)
    for pattern, said in _RULES:
        text = pattern.sub(said, text)
    text = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
    for pattern, words in _LAST_RULES:
        text = pattern.sub(words, text)
    return _MARKS_IN_A_ROW.sub(r"\1", text)
