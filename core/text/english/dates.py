"""How dates, years and times of day are read in English text."""

import re
from typing import Final

from core.text.english.numbers import cardinal, decade, number, ordinal, year
from core.text.patterns import NUMBER, TIME, UNIT, iso_date
from core.text.rules import Rule

_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_BY_NAME: Final = {m: m for m in _MONTHS} | {m[:3]: m for m in _MONTHS} | {"Sept": "September"}
_DAYS: Final = {
    **{"Mon": "Monday", "Tue": "Tuesday", "Tues": "Tuesday", "Wed": "Wednesday", "Thu": "Thursday"},
    **{"Thur": "Thursday", "Thurs": "Thursday", "Fri": "Friday", "Sat": "Saturday", "Sun": "Sunday"},
}
_SHORT_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)"
_WEEKDAY = "(?:Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun)"
_MONTH = "(?P<month>" + "|".join(sorted(_BY_NAME, key=len, reverse=True)) + r")\b(?:\.(?! [A-Z]|$))?"
_DAY = r"(?P<day>0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?(?![\d:%]|[.,]\d)"
_FULL_YEAR = r"(?P<year>[12]\d{3})(?![\d%]|[.,]\d|[-/]\d)"
# A number of four digits is a year after these words ...
_ANNOUNCES_YEAR = re.compile(
    r"\b(?:in|since|by|until|till|before|after|during|around|circa|year|late|early|mid|from|between|of|summer|winter|"
    r"spring|autumn|fall|©|c\.)\s+$|\($",
    re.IGNORECASE,
)
_DAY_BEFORE = re.compile(
    r"\b(?:on|by|before|until|till|from|since|after|between|and|to|through|thru|due|ends?|starts?|meet|open|dated?|"
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*),?\s+$|\d\s?[-~—]\s?$",
    re.IGNORECASE,
)
_EXPIRES = re.compile(r"\b[Ee]xp(?:\.|ir\w*)?(?: date)?:?\s$")
_SHARE_AFTER = re.compile(
    r"\s?(?:of\b|cups?\b|inch|miles?\b|teaspoons?|tbsp|tsp|pounds?\b|hours?\b|full\b|price|majority|votes?\b|off\b|-)(?!\d)"
)
_SUM_AFTER = re.compile(r"\s?(?:[+×÷*=<>π-]|time\b|signature|beats?\b|scale|ratio)")
_RANGE_AFTER = re.compile(r"\s?[-~—]\s?(?:1[0-2]|0?[1-9])/(?:3[01]|[12]\d|0?[1-9])(?!\d)")
# ... and is none before a thing that is counted.
_LASTING = re.compile(
    r"(?:\b(?:wait(?:ed|s)?|sleep|timeout|delay|interval|limit|after|within|every|took|takes?|lasts?|lasted|least|most|for)"
    r"(?: of| is| was|:)?|[<>≤≥=/]|\d(?:m|min)?)\s?$",
    re.IGNORECASE,
)  # before seconds
_LASTED = re.compile(
    r"\s?(?:[^\w\s-]|$|(?:and|or|before|after|until|to|in|then|on|at|with|is|was|per|for|from|by|but|if|when|while)\b)"
)
_COUNTED = re.compile(
    rf"\s?(?:{UNIT}|BC|[a-z]+s\b|people|men|women|children|percent|million|billion|-?(?:foot|page|word))"
)
_BOOKS: Final = (
    "Genesis|Exodus|Leviticus|Numbers|Deuteronomy|Joshua|Judges|Ruth|Samuel|Kings|Chronicles|Job|Psalms?|Proverbs|"
    "Ecclesiastes|Isaiah|Jeremiah|Ezekiel|Daniel|Hosea|Matthew|Mark|Luke|John|Acts|Romans|Corinthians|Galatians|"
    "Ephesians|Philippians|Colossians|Thessalonians|Timothy|Titus|Hebrews|James|Peter|Jude|Revelation"
)
# Only a place on the scale where sums and money do not reach.
_ALONE = r"(?<![\d.,$€£¥-])"


def _spoken_date(month: str, day: str, full_year: str | None) -> str:
    words = f"{month} {ordinal(day)}"
    return f"{words}, {year(full_year)}" if full_year else words


def _iso_date(match: re.Match[str]) -> str:
    return _spoken_date(_MONTHS[int(match["m"]) - 1], match["d"], match["y"])


def _slashed_date(match: re.Match[str]) -> str | None:
    """05/01/2024: month first, the American way, unless that cannot be; by points the European way."""
    first, second = match["a"], match["b"]
    if match["by"] == "." and int(second) <= 12:
        first, second = second, first
    month, day = (first, second) if int(first) <= 12 else (second, first)
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return None
    return _spoken_date(
        _MONTHS[int(month) - 1], day, match["y"] if len(match["y"]) > 2 else "20" + match["y"]
    )


def _month_day(match: re.Match[str]) -> str | None:
    """3/14 is a day, 3/4 a share, by the words around and by what it could be."""
    month, day = match["m"], match["d"]
    before = match.string[max(0, match.start() - 14) : match.start()]
    if (
        _SHARE_AFTER.match(match.string, match.end())
        or re.search(r"\d\s$", before)
        or (month, day) == ("9", "11")
    ):
        return None
    if _EXPIRES.search(before) and int(day) > 12:
        return f"{_MONTHS[int(month) - 1]} {year('20' + day)}"
    dated = _DAY_BEFORE.search(before) or _RANGE_AFTER.match(match.string, match.end())
    sum_ = re.search(r"[+×÷*=/<>-]\s?$", before) or _SUM_AFTER.match(match.string, match.end())
    likely = (int(day) > 12 and int(month) > 1) or (int(month) > int(day) and not sum_)
    return _spoken_date(_MONTHS[int(month) - 1], day, None) if dated or likely else None


def _numbered_month(match: re.Match[str]) -> str:
    """12/2026."""
    return f"{_MONTHS[int(match['m']) - 1]} {year(match['y'])}"


def _month_name(match: re.Match[str]) -> str:
    return _BY_NAME[match[0].rstrip(".")]


def _weekday(match: re.Match[str]) -> str:
    return _DAYS[match["weekday"]]


def _named_date(match: re.Match[str]) -> str:
    return _spoken_date(_BY_NAME[match["month"]], match["day"], match["year"])


def _days(match: re.Match[str]) -> str:
    """Jan 3-5."""
    return f"{_BY_NAME[match['month']]} {ordinal(match['day'])} to {ordinal(match['last'])}"


def _day_first(match: re.Match[str]) -> str:
    article = "" if match.string[: match.start()].lower().endswith("the ") else "the "
    words = f"{article}{ordinal(match['day'])} of {_BY_NAME[match['month']]}"
    return f"{words}, {year(match['year'])}" if match["year"] else words


def _month_year(match: re.Match[str]) -> str:
    return f"{_BY_NAME[match['month']]} {year(match['year'])}"


def _lasting(match: re.Match[str]) -> str:
    """1h30min."""
    units = {"h": "hour", "min": "minute", "m": "minute", "s": "second"}
    said = []
    for value, unit in ((match["a"], match["first"]), (match["b"], match["second"] or "m")):
        said.append(f"{number(value)} {units[unit]}{'' if int(value) == 1 else 's'}")
    return " ".join(said)


def _lap(match: re.Match[str]) -> str:
    """1:27.452."""
    return f"{cardinal(match['m'])} {'oh ' if match['s'][0] == '0' else ''}{number(match['s'].lstrip('0'))}"


def _verse(match: re.Match[str]) -> str:
    """Genesis 1:1-3."""
    last = f" to {cardinal(match['last'])}" if match["last"] else ""
    return f"{match['book']} {cardinal(match['chapter'])}, {cardinal(match['verse'])}{last}"


def _time(match: re.Match[str]) -> str | None:
    hour, minute, second, half = match["hour"], match["minute"], match["second"], match["half"]
    before = match.string[max(0, match.start() - 12) : match.start()]
    if re.search(r"\b(?:scale|ratio|odds|mix|diluted)(?: of| is|:)? $", before, re.I):
        return None
    words = cardinal(hour)
    if minute != "00":
        words += f" {'oh ' if minute[0] == '0' else ''}{cardinal(minute)}"
    elif not half and not second:
        clock = re.compile(r" (?:noon|midnight|o'clock)").match(match.string, match.end())
        words += "" if clock else " o'clock" if 1 <= int(hour) <= 12 else " hundred hours"
    if second:
        words += f" and {cardinal(second)} second{'' if second == '01' else 's'}"
    return f"{words} {half[0].upper()} M" if half else words


def _hour(match: re.Match[str]) -> str:
    return f"{cardinal(match['hour'])} {match['half'].upper()} M"


def _year(match: re.Match[str]) -> str | None:
    ahead = match.string[max(0, match.start() - 12) : match.start()]
    earliest = 1000 if _ANNOUNCES_YEAR.search(ahead) else 1900
    if not earliest <= int(match[0]) <= 2099 or _COUNTED.match(match.string, match.end()):
        return None
    return year(match[0])


def _after_hyphen(match: re.Match[str]) -> str:
    """mid-1990s, post-2010."""
    return decade(match["digits"]) if match["many"] and match["digits"][3] == "0" else year(match["digits"])


def _decade(match: re.Match[str]) -> str | None:
    """The 1990s, in her 30s; a timeout of 30s lasts."""
    lasting = _LASTING.search(match.string[max(0, match.start() - 24) : match.start()])
    seconds = lasting and _LASTED.match(match.string, match.end()) and "'" not in match[0]
    return None if seconds else decade(match["digits"])


def _years(match: re.Match[str]) -> list[tuple[int, str]] | None:
    """1998-2003, and 1998-99."""
    first, written = match["first"], match["last"]
    last = first[: 4 - len(written)] + written
    if not 1100 <= int(first) < int(last) <= 2199:
        return None
    said = year(last) if len(written) == 4 else cardinal(written)
    return [(match.start(), year(first)), (match.end("first"), "to"), (match.start("last"), said)]


def _ratio(match: re.Match[str]) -> str:
    """16:9; 41:02 is a time, of minutes and seconds."""
    if timed := re.fullmatch(r"(\d{2}):0([1-9])", match[0]):
        return f"{number(timed[1])} oh {number(timed[2])}"
    return " to ".join(number(n) for n in match[0].split(":"))


DATES: list[Rule] = [
    *((r"\d", iso_date(mark), _iso_date) for mark in "-/."),
    (
        r"\d",
        r"(?<![\d./-])(?P<a>\d{1,2})(?P<by>/)(?P<b>\d{1,2})/(?P<y>[12]\d{3}|[2-4]\d)(?![\d/]|\.\d)",
        _slashed_date,
    ),
    (
        r"\d",
        r"(?<![\d./-])(?P<a>\d{1,2})(?P<by>[.-])(?P<b>\d{1,2})[.-](?P<y>(?:19|20)\d\d)(?![\d-]|\.\d)",
        _slashed_date,
    ),
    (
        r"\d",
        r"(?<![\d./$])(?P<m>1[0-2]|0?[1-9])/(?P<d>3[01]|[12]\d|0?[1-9])(?![\d/%A-Za-z]|\.\d)",
        _month_day,
    ),
    (r"\s~—-", r"(?<=\d)\s?[-~—]\s?(?=(?:1[0-2]|0?[1-9])/(?:3[01]|[12]\d|0?[1-9])(?![\d/]))", " to "),
    ("A-Za-z", rf"\b(?P<weekday>{_WEEKDAY})\b\.?(?=\s?[-~—–]\s?{_WEEKDAY}\b)", _weekday),
    ("A-Za-z", rf"(?<=[-~—])(?P<weekday>{_WEEKDAY})\b\.?", _weekday),
    (
        "A-Za-z",
        rf"\b(?P<weekday>{_WEEKDAY})\.(?=,? (?:at|on|to|until|from|or|\d|and {_WEEKDAY}\b)|,|$)",
        _weekday,
    ),
    (
        "A-Za-z",
        rf"\b(?P<weekday>{_WEEKDAY})\b(?=,? (?:{_SHORT_MONTH}\b|\d{{1,2}}(?:[:/]\d|\s?[AaPp]\.?[Mm]\b)))",
        _weekday,
    ),
    ("A-Za-z", rf"\b{_SHORT_MONTH}\b\.?(?=\s?[-~—]\s?{_SHORT_MONTH})", _month_name),
    ("A-Za-z", rf"(?<=[-~—]){_SHORT_MONTH}\b\.?(?! ?\d)", _month_name),
    (r"\d", r"(?<![\d./$])(?P<m>0?[1-9]|1[0-2])/(?P<y>(?:19|20)\d\d)(?![\d/%])", _numbered_month),
    (
        "A-Za-z",
        rf"\b{_MONTH} {_DAY}\s?[-~—]\s?(?P<last>3[01]|[12]\d|[1-9])(?:st|nd|rd|th)?(?![\d:%]|[.,]\d)",
        _days,
    ),
    ("A-Za-z", rf"\b{_MONTH} {_DAY}(?:,? {_FULL_YEAR})?", _named_date),
    (r"\d", rf"\b{_DAY}(?: of)? {_MONTH}(?:,? {_FULL_YEAR})?", _day_first),
    ("A-Za-z", rf"\b{_MONTH},? {_FULL_YEAR}", _month_year),
]
TIMES: list[Rule] = [
    (
        "A-Za-z",
        rf"\b(?P<book>{_BOOKS}) (?P<chapter>\d+):(?P<verse>\d{{1,3}})(?:[-~—](?P<last>\d{{1,3}}))?(?![\d:])",
        _verse,
    ),
    (r"\d", r"(?<![\d:.])(?P<m>\d{1,2}):(?P<s>[0-5]\d\.\d{1,3})(?![\d:])", _lap),
    (r"\d", TIME, _time),
    (r"\d", r"(?<![\d.])(?P<hour>1[0-2]|[1-9])\s?(?P<half>[AaPp])(?:\.[Mm]\.|[Mm])(?![A-Za-z])", _hour),
    (
        r"\d",
        r"(?<![\w.])(?P<a>\d{1,3})\s?(?P<first>h|min)\s?(?P<b>\d{1,2})\s?(?P<second>min|m|s)?(?![A-Za-z0-9])",
        _lasting,
    ),
    (
        r"\d",
        r"(?<![\d.:/-])(?P<n>1[0-2]|[1-9])\s?[-~—]\s?(?=(?:1[0-2]|[1-9])\s?[AaPp]\.?[Mm]\b)",
        lambda m: cardinal(m["n"]) + " to ",
    ),
    (r"\s~—-", r"(?<=[\dMm.])\s?[-~—]\s?(?=\d{1,2}(?::[0-5]\d|\s?[AaPp]\.?[Mm]))", " to "),
    (r"\d.", rf"(?<![\d:.]){NUMBER}(?::{NUMBER})+(?![\d:])", _ratio),
]
YEARS: list[Rule] = [
    (
        r"\d",
        rf"{_ALONE}(?P<first>[12]\d{{3}})\s?[-~—]\s?(?P<last>[12]\d{{3}}|\d{{2}})(?![\d.,%]\d|\d|%)",
        _years,
    ),
    ("'", r"'(?P<short>0\d)(?!\d|s)", lambda m: "oh " + number(m["short"][1])),
    ("-", r"(?<=mid|pre|ate|rly|ost)-(?P<digits>[12]\d{3})(?P<many>'?s)?\b", _after_hyphen),
    (r"\d'", r"(?<![\d.,])'?(?P<digits>[12]\d\d0|[2-9]0)'?s\b", _decade),
    (r"\d", rf"{_ALONE}[12]\d{{3}}(?![\d%]|[.,]\d|-\d)", _year),
]
