"""English short forms that are written out before anything else reads them.

Only where what stands beside them says what they are: "Sat. at 5" is a day, "He sat. Then" is not.
"""

import re
from collections.abc import Callable

_MONTHS = {
    **{"Jan": "January", "Feb": "February", "Mar": "March", "Apr": "April", "Jun": "June", "Jul": "July"},
    **{"Aug": "August", "Sep": "September", "Sept": "September", "Oct": "October", "Nov": "November"},
    "Dec": "December",
}
_DAYS = {
    **{"Mon": "Monday", "Tue": "Tuesday", "Tues": "Tuesday", "Wed": "Wednesday", "Thu": "Thursday"},
    **{"Thur": "Thursday", "Thurs": "Thursday", "Fri": "Friday", "Sat": "Saturday", "Sun": "Sunday"},
}
_TITLES = {"Col": "Colonel", "Gen": "General", "Sgt": "Sergeant", "Capt": "Captain", "Rev": "Reverend"}
_PER = {
    **{"kg": "kilogram", "g": "gram", "km": "kilometer", "m": "meter", "lb": "pound", "oz": "ounce"},
    **{"ml": "milliliter", "L": "liter", "hr": "hour", "min": "minute", "sec": "second", "mi": "mile"},
}


def _any(words: dict[str, str]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


def _letters(match: re.Match[str]) -> str:
    """The letters of U.S.A.; its last dot stays where it ends the text."""
    return " ".join(match[0].replace(".", "")) + ("" if match.string[match.end() :].strip() else ".")


def _groups(match: re.Match[str]) -> str:
    """A telephone number as its writer grouped it, in a form that is read digit by digit."""
    return "Telephone " + "-".join(match[1].split())


ENGLISH: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (re.compile(rf"\b({_any(_MONTHS)})\.(?= ?\d)"), lambda match: _MONTHS[match[1]]),
    (re.compile(rf"\b({_any(_DAYS)})\.(?=,? (?:[a-z]|\d))"), lambda match: _DAYS[match[1]]),
    (re.compile(rf"\b({_any(_TITLES)})\.(?= [A-Z])"), lambda match: _TITLES[match[1]]),
    (re.compile(rf"(?<=\bper )({_any(_PER)})\b(?:\.(?= [a-z]))?"), lambda match: _PER[match[1]]),
    (re.compile(r"\bApt\.(?= ?\d)"), lambda match: "Apartment"),
    (re.compile(r"\bApprox\.(?= )"), lambda match: "Approximately"),
    (re.compile(r"\bWW(II|I)\b"), lambda match: f"World War {match[1]}"),
    (re.compile(r"(?<![\w.])(?:[A-Z]\.){2,}(?!\w)"), _letters),
    (re.compile(r"\bTel\.? ((?:\d{2,5} )+\d{2,5})\b"), _groups),
    (re.compile(r"(?<=\d )in\.(?= [a-z])|(?<=\d )in(?=\.$)"), lambda match: "inches"),
    (re.compile(r"(?<=\d )(mi|min|sec|hrs?|lbs?|oz|yds?)\.(?= [a-z])"), lambda match: match[1]),
    (re.compile(r"(?<![\d/.,])(\d+) 1/2\b"), lambda match: f"{match[1]} and a half"),
    (re.compile(r"(?<![\d/.,])(\d+) ([123]/[34])\b"), lambda match: f"{match[1]} and {match[2]}"),
    (re.compile(r"(?<![\d/])50/50(?![\d/])"), lambda match: "fifty fifty"),
    (re.compile(r"(?<![\d/])9/11(?![\d/])"), lambda match: "nine eleven"),
    (re.compile(r"(?<=[A-Za-z0-9])\^2\b"), lambda match: " squared"),
    (re.compile(r"(?<=[A-Za-z0-9])\^3\b"), lambda match: " cubed"),
    (re.compile(r"(?<=\d) ?\* ?(?=\d)"), lambda match: " × "),
    (re.compile(r"₽ ?(\d[\d.,]*)(?<!\W)"), lambda match: f"{match[1]} rubles"),
)
