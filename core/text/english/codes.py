"""How telephone numbers, codes, models and addresses are read in English text: mostly digit by digit."""

import re
from typing import Final

from core.text import patterns
from core.text.english.numbers import cardinal, number, one_by_one, year
from core.text.rules import Rule

_MOBILE = r"(?<![\d.])(?:\+86[-\s]?)?1[3-9]\d[-\s]?\d{4}[-\s]?\d{4}(?!\d)"
_GROUPED = r"(?<![\w.:/$£€¥-])(?<!\d )\(?\d{2,5}\)?(?:[- ]\d{2,5}){1,6}(?![\w%/:]|\.\d|-\d)"
# After these words digits are a code, not a quantity.
_CODE_WORD = re.compile(
    r"(?:phone|number|code|call|dial|ring|text|fax|tel\.?|telephone|mobile|cell|password|pin|otp|id|zip|account|order|cvv|cvc|ssn|imei|case|ticket|booking|confirmation|port|build|"
    r"flight|extension|card|passcode|hotline|tracking|invoice|serial|reference|[a-z]{2,}, "
    r"[a-z]{2})(?: is| no\.?|:| ?#)*\s*(?:\d{3,}(?:,| and| or)\s){0,5}$",
)
_ROOM = re.compile(
    r"\b(?:room|suite|apartment|apt\.?|flat|gate|bus|route|unit|highway|hwy\.?|flight [A-Z]{2})\s$",
    re.IGNORECASE,
)
_STREET = re.compile(
    r" (?:[A-Z][a-z]+ ){1,3}"
    r"(?:Ave|Avenue|St|Street|Rd|Road|Blvd|Boulevard|Dr|Drive|Ln|Lane|Way|Court|Ct|Place|Pl)\b"
)
_STATE = re.compile(r"\b(?-i:[A-Z]{2})\s$")
_PLACE: Final = r"\b(?:Table|Figure|Section|Problem|Exercise|Example|Question|Appendix|Lesson)"
_SIDES: Final = {"N": "north", "S": "south", "E": "east", "W": "west"}
_ADDRESS: Final = {
    **{".": "dot", "/": "slash", "@": "at", "_": "underscore", "-": "dash", ":": "colon"},
    **{"+": "plus", "\\": "backslash"},
}


def ahead(match: re.Match[str], width: int = 24) -> str:
    """The few characters before a match."""
    return match.string[max(0, match.start() - width) : match.start()]


def _announced(match: re.Match[str]) -> bool:
    """Is what matched a code, by the word before it?"""
    return _CODE_WORD.search(ahead(match).lower()) is not None


def _digits(match: re.Match[str]) -> list[tuple[int, str]]:
    return patterns.grouped(match, one_by_one, "plus", ",")


def _code(match: re.Match[str]) -> list[tuple[int, str]] | None:
    """Digits that are a code, because of the word before them or because nobody counts so far."""
    announced = _announced(match) or (len(match[0]) == 5 and _STATE.search(ahead(match)))
    least = 3 if announced else 10
    return None if len(match[0]) < least and match[0][0] != "0" else _digits(match)


def _room(match: re.Match[str]) -> str | None:
    """Room 1204, Room 101, 1600 Pennsylvania Avenue."""
    placed = _ROOM.search(ahead(match)) or _STREET.match(match.string, match.end())
    if not placed or match[0][0] == "0":
        return None
    return year(match[0]) if len(match[0]) == 4 else _hundreds(match[0])


def _card(match: re.Match[str]) -> str | None:
    return None if _announced(match) else year(match[0])


def _grouped(match: re.Match[str]) -> list[tuple[int, str]] | None:
    """Digits in groups: a card, a meeting, a telephone number; not a range, nor numbers in a row."""
    groups = re.findall(r"\d+", match[0])
    count = sum(map(len, groups))
    announced = _announced(match)
    if announced and count >= 6:
        return _digits(match)
    spaced = "-" not in match[0]
    if spaced and len(groups) >= 3 and all(len(group) == 4 for group in groups[:-1]) and count >= 10:
        return _digits(match)
    seven = [len(group) for group in groups] == [3, 4] and not spaced
    counted = groups[-1][0] != "0" and re.compile(r"\s(?:[a-z]{3,}s|people)\b").match(
        match.string, match.end()
    )
    phone = seven and int(groups[0]) > 200 and groups[1][0] in "01" and not counted
    return _digits(match) if phone else None


def _version(match: re.Match[str]) -> str:
    numbers = (match["versioned"] or match["dotted"]).split(".")
    words = " point ".join(cardinal(n) if len(n) < 3 else one_by_one(n) for n in numbers)
    said = ahead(match).rstrip().lower().endswith("version")
    if match["v"] == "V" and "." not in words and len(numbers) == 1:
        return f"V {words}"  # a V8
    return f"version {words}" if match["v"] and not said else words


def _model(match: re.Match[str]) -> list[tuple[int, str]]:
    """Digits that end a name: GPT-4, H100, A380."""
    digits = match["digits"]
    words = number(digits) if len(digits) < 3 or digits.endswith("00") else one_by_one(digits)
    return [(match.start("digits"), " " + words)]


def _hundreds(digits: str) -> str:
    """747 as seven forty-seven; 400 as four hundred."""
    if digits.endswith("00"):
        return cardinal(digits)
    return f"{cardinal(digits[0])} {'oh ' if digits[1] == '0' else ''}{cardinal(digits[1:])}"


def _aircraft(match: re.Match[str]) -> list[tuple[int, str]]:
    """Boeing 747-400, 787-9."""
    last = _hundreds(match["b"]) if len(match["b"]) == 3 else "dash " + cardinal(match["b"])
    return [(match.start("a"), _hundreds(match["a"])), (match.start("b"), " " + last)]


def _dashes(match: re.Match[str]) -> list[tuple[int, str]]:
    """Table 4-1, B12-3; P12-18 is pages."""
    begin = match.start("n")
    between = " to " if match.string[begin - 1] in "Pp" else " dash "
    said = between.join(cardinal(n) if len(n) < 3 else one_by_one(n) for n in match["n"].split("-"))
    named = [] if begin == match.start() else [(match.start(), match.string[match.start() : begin - 1])]
    return [*named, (begin, " " + said)]


def _internet(match: re.Match[str]) -> str:
    """192.168.1.1:8080, 10.0.0.0/8."""
    said = " dot ".join(cardinal(n) if len(n) < 3 else one_by_one(n) for n in match["ip"].split("."))
    said += f" colon {one_by_one(match['port'])}" if match["port"] else ""
    return said + (f" slash {cardinal(match['bits'])}" if match["bits"] else "")


def _serial(match: re.Match[str]) -> list[tuple[int, str]]:
    """0,013,225: no sum begins with a nought."""
    return _digits(match)


def _address(match: re.Match[str]) -> str:
    return "tilde " * (match[0][0] == "~") + patterns.address(match, _ADDRESS, one_by_one)


ADDRESSES: list[Rule] = [
    (r"\dA-Za-z", patterns.EMAIL, _address),
    (r"\dA-Za-z", patterns.URL, _address),
    ("~/A-Z", patterns.PATH, _address),
]


def _hexadecimal(match: re.Match[str]) -> str:
    """00:1A:2B:3C:4D:5E."""
    return " ".join(patterns.hexadecimal(match[0], one_by_one, "colon", ","))


def _angle(match: re.Match[str]) -> str:
    """40°26′46″."""
    named = [(match[name], name) for name in ("degrees", "minutes", "seconds") if match[name]]
    said = [f"{number(value)} {name[:-1] if value == '1' else name}" for value, name in named]
    side = match["side"] or match["by"]
    return " ".join([*said, _SIDES[side]] if side else said)


TELEPHONES: list[Rule] = [
    (r"\dA-Za-z", patterns.HARDWARE, _hexadecimal),
    (r"\d\s:：", patterns.BOOK, _digits),
    (r"\d", patterns.ANGLE, _angle),
    ("A-Za-z", patterns.RATE, lambda m: f"{' '.join(m['a'])} {' '.join(m['b'])}"),
    (r"\d(+", patterns.US_PHONE, _digits),
    (r"\d", r"(?<![\w-])1-8(?P<n>\d\d)-(?=[A-Z]{2})", lambda m: f"one, {_hundreds('8' + m['n'])},"),
    ("+", patterns.FOREIGN_PHONE, _digits),
    (r"\d+", _MOBILE, _digits),
    (r"\d", r"(?<=Boeing |Airbus )(?P<a>\d{3})-(?P<b>\d{1,3})(?!\d)", _aircraft),
    (r"\d", patterns.INTERNET, _internet),
    (r"\d", patterns.GROUPED, lambda m: cardinal(re.sub(r"\D", "", m[0]))),
    ("A-Za-z", rf"{_PLACE} (?P<n>\d{{1,3}}(?:-\d{{1,3}}){{1,3}})(?!\d)", _dashes),
    (r"\d", r"(?<![A-Za-z][A-Z])(?<=[A-Z])(?P<n>\d{1,3}(?:-\d{1,4}){1,3})(?![\d.A-Za-z-])", _dashes),
    (r"\d", r"(?<=[A-Za-z]\d-)\d{4,5}(?=[A-Z]{0,2}(?![\w]))", lambda m: one_by_one(m[0])),
    (r"\d", r"(?<!\w)\d{1,6}[*xX•]{3,12}\d{2,8}(?!\d)", _digits),
    (r"\d", r"(?<![\d.,])0(?:,\d{3})+(?![\d,])", _serial),
    (r"\d-", r"(?:(?<=#)|(?<=[A-Z]{2})-)\d{3,8}(?:-\d{3,8}){1,4}(?![\w-])", _digits),
    (r"\d(", _GROUPED, _grouped),
    (r"\d", patterns.CODE, _digits),
]
CODES: list[Rule] = [
    (r"\dA-Za-z", patterns.VERSION, _version),
    (r"\d", r"(?<![\d.,$€£¥A-Za-z-])\d{3,4}(?![\d%]|[.,]\d)", _room),
    (r"\d", r"(?<=[A-Z]{2} )[1-9]\d{3}(?![\d%]|[.,]\d)", _card),  # RTX 4090
]
LONG_CODES: list[Rule] = [(r"\d", r"(?<![\d.,$€£¥A-Za-z-])\d{3,}(?![\d%]|[.,]\d)", _code)]
MODELS: list[Rule] = [
    (
        r"\d-",
        r"(?<=[A-Za-z])(?!(?<=\d[kKmMbB])-)-?(?P<digits>\d+)(?![\d%]|X{1,4}[SL]|[.,]\d|(?:st|nd|rd|th|(?<=\d\d\d0)s)\b)",
        _model,
    )
]
