"""How English text is read: the order of the rules, and signs.

What looks like a date is a date before it is a sum, a telephone number before it is a range.
"""

import re
from typing import Final

from core.text import patterns
from core.text.english.abbreviations import ABBREVIATIONS
from core.text.english.codes import ADDRESSES, CODES, LONG_CODES, MODELS, TELEPHONES
from core.text.english.dates import DATES, TIMES, YEARS
from core.text.english.numbers import cardinal, number, one_by_one, ordinal
from core.text.english.quantities import MONEY_QUANTITY, QUANTITY, measured, quantity
from core.text.formulas import CHEMICAL, FORMULA, ION, SCIENTIFIC, TENS, FormulaWords
from core.text.markup import SPELLED
from core.text.rules import Rule, Rules

_PARTS: Final = {"2": ("half", "halves"), "4": ("quarter", "quarters")}
_COMPARED: Final = {
    "<": "less than",
    ">": "greater than",
    "<=": "at most",
    ">=": "at least",
    "≤": "at most",
    "≥": "at least",
}


def _spelled(match: re.Match[str]) -> str:
    character = match["character"]
    return one_by_one(character) if character.isdigit() else character.upper()


def _fraction(match: re.Match[str]) -> str | None:
    whole, top, bottom = match["whole"], match["top"], match["bottom"]
    if match[0] in ("24/7", "9/11") or top == bottom:
        return f"{number(top)} {number(bottom)}"
    if int(top) > int(bottom) > 9 and not whole:  # a blood pressure
        return f"{number(top)} over {number(bottom)}"
    if not 2 <= int(bottom) <= 100 or int(top) > 9 * int(bottom):
        return None if whole else f"{number(top)} over {number(bottom)}"
    part = _share(top, bottom, "a" if int(top) == 1 and whole else "")
    return f"{cardinal(whole)} and {part}" if whole else part


def _share(top: str, bottom: str, count: str = "") -> str:
    names = _PARTS.get(bottom, (ordinal(bottom), ordinal(bottom) + "s"))
    return f"{count or cardinal(top)} {names[int(top) != 1]}"


def _power(exponent: str) -> str:
    if exponent in ("2", "3"):
        return " squared" if exponent == "2" else " cubed"
    return f" to the power of {'minus ' if exponent[0] == '-' else ''}{cardinal(exponent.lstrip('-'))}"


def _by(match: re.Match[str]) -> str:
    """4x4, 4x100m."""
    last = measured(match["b"], match["unit"]) if match["unit"] else number(match["b"])
    return f"{number(match['a'])} by {last}"


def _inches(match: re.Match[str]) -> list[tuple[int, str]]:
    """10" x 12"."""
    by = [(match.start("by"), "by")] if match["by"] else []
    return [
        (match.start("a"), f"{number(match['a'])} inch{'' if match['a'] == '1' else 'es'}"),
        *by,
    ]


_TIMES_AS: Final = (
    r"/|\s(?:faster|slower|more|as|the|bigger|larger|smaller|better|higher|cheaper|longer|a|per|growth|zoom|daily|"
    r"weekly)\b"
)
_FORMULA_WORDS: Final = FormulaWords(
    operators={
        "+": "plus",
        "-": "minus",
        "×": "times",
        "*": "times",
        "÷": "divided by",
        "/": "over",
        "=": "equals",
        "≈": "is about",
        "≠": "is not equal to",
        "<": "is less than",
        ">": "is greater than",
        "≤": "is at most",
        "≥": "is at least",
        "±": "plus or minus",
        "√": "square root of",
        "∠": "angle",
    },
    negative="minus",
    number=number,
    percent=lambda digits: number(digits) + " percent",
    power=_power,
    fraction=_share,
    unit=measured,
    what="what?",
    times=" times ",
    greek=1,
)
_SIGNS: Final[list[Rule]] = [
    (
        rf"(?<![<>])(?P<sign>[<>]=?|[≤≥])\s?(?=[-+]?{patterns.CURRENCIES}?\s?\d)",
        lambda m: _COMPARED[m["sign"]],
    ),
    (r"(?<=[\w)%°])\s?(?P<sign>[<>]=?)\s?(?=[\w(])", lambda m: f" {_COMPARED[m['sign']]} "),
    (r"(?<=[\w)])\s?(?:-{1,2}>|=>|→)\s?(?=[\w(])", lambda m: " to "),
    (r"(?<=[Pp]ress )\*|\*(?= key\b| to\b)", lambda m: "star"),
    (r"(?<=[Pp]ress )#|#(?= key\b| to\b)", lambda m: "pound"),
    (r"(?<=[0-9A-Za-z)])\s?\*\s?(?=\d)", lambda m: " times "),
    (r"(?<=\w )[↑](?=\s?\d)", lambda m: "up "),
    (r"(?<=\w )[↓](?=\s?\d)", lambda m: "down "),
    (r"(?<=[SMLX\d])\s?[-~—]\s?(?=X{0,4}[SML](?![A-Za-z]))", lambda m: " to "),
    (r"(?<=[A-Z])\+\+", lambda m: " plus plus"),
    (r"(?<=\b[A-G])#", lambda m: " sharp"),
    (r"(?<![A-Za-z0-9])\.NET\b", lambda m: "dot net"),
    (r"(?<=[A-Za-z0-9])\+(?!\w)", lambda m: " plus"),
]
_MARKS: Final[list[Rule]] = [
    (r"(?<=[A-Za-z0-9])\.(?=[A-Za-z0-9])", lambda m: " dot "),
    (r"[Α-ΡΣ-Ωα-ω]", lambda m: patterns.GREEK[m[0].lower()][1]),
    (r"\.{2,}|…+", lambda m: "…"),
    (r"(?<=[A-Za-z])'(?=[A-Za-z])|(?<=[sS])'(?= )", lambda m: "'"),
    # Between two ends of a span of time; elsewhere a dash is a pause.
    (
        r"(?<=[a-z0-9.])(?<!mid)(?<!late)(?<!early)(?<!post)(?<!pre)\s?[-~—]\s?(?=(?:Jan|Feb|Mar|Apr|May|June?|July?|Aug|Sep|Oct|Nov|Dec|Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*\.?\b)",
        lambda m: " to ",
    ),
    (
        rf"(?<=\d)\s?[-~—]\s?(?={patterns.CURRENCIES}\d)|(?<=\d[kKmMbB])\s?[-~—]\s?(?={patterns.CURRENCIES}?\d)",
        lambda m: " to ",
    ),
    (
        r"(?<=\d[a-z]{2})\s?[-~—]\s?(?=\d)|(?<=\d[a-z])\s?[-~—]\s?(?=\d)|(?<=\d\")\s?[-~—]\s?(?=\d)",
        lambda m: " to ",
    ),
    (r"(?<=[A-Za-z])-(?=[A-Za-z])", lambda m: "-"),
    (r"\s+-+\s+|--+", lambda m: ", "),
    (r"#(?=\d)", lambda m: "number "),
]
_TABLE: Final[list[Rule]] = [
    (f"{SPELLED}(?P<character>[A-Za-z0-9])", _spelled),
    (patterns.LIST_NUMBER, lambda m: cardinal(m["n"]) + ","),
    *ADDRESSES,
    *DATES,
    *TELEPHONES,
    *TIMES,
    *CODES,
    (rf"(?<![\d.])(?P<a>\d+)\s?[xX]\s?(?P<b>\d+)(?:\s?(?P<unit>{patterns.UNIT}))?(?!\d)", _by),
    (rf"(?<![\d.])(?P<n>{patterns.NUMBER})x(?={_TIMES_AS})", lambda m: f"{number(m['n'])} times"),
    (r"(?<=\w)\s?!=\s?(?=[\w(])", lambda m: " is not equal to "),
    (r"(?<![\d./])(?P<n>\d{1,3})\s?¢", lambda m: f"{number(m['n'])} cent{'' if m['n'] == '1' else 's'}"),
    (
        r"(?<![\d./])(?P<a>\d{2,3})/(?P<b>\d{2,3})\s?mmHg",
        lambda m: f"{number(m['a'])} over {number(m['b'])} millimetres of mercury",
    ),
    (
        r"(?<![\d./])(?P<a>\d{1,2}\.\d)/(?P<b>5|10|100)(?![\d./])",
        lambda m: f"{number(m['a'])} out of {number(m['b'])}",
    ),
    (r"(?<=\d)-yr\b", lambda m: " year"),
    (r"(?<=[A-Z]{2})-(?=[A-Z](?![A-Za-z]))", lambda m: " "),
    (r"(?<=[A-Za-z\d] )[xX](?= \d)", lambda m: "by"),
    *YEARS,
    (r"(?<![\d.])(?P<n>\d{1,3}(?:,\d{3})+|\d{1,9})(?:st|nd|rd|th)\b", lambda m: ordinal(m["n"])),
    *LONG_CODES,
    (r" ?<3(?=\s*$|\s*[!.])", lambda m: ""),  # a heart
    (SCIENTIFIC, _FORMULA_WORDS.scientific),
    (TENS, _FORMULA_WORDS.tens),
    (ION, _FORMULA_WORDS.ion),
    (CHEMICAL, _FORMULA_WORDS.chemical),
    (FORMULA, _FORMULA_WORDS.read),
    (patterns.FRACTION, _fraction),
    (r"\^(?P<n>-?\d+)", lambda m: _power(m["n"])),
    (r"\^(?P<n>[a-z])(?![A-Za-z])", lambda m: f" to the power of {m['n']}"),
    (r"(?<=\dst|\dnd|\drd|\dth)\s?[-~—]\s?(?=\d)", lambda m: " to "),
    (r"(?<![\w)])~(?=\s?\d)", lambda m: "about "),
    *MODELS,
    (r"(?<![\d.,])(?P<a>\d)'\s?(?P<b>\d{1,2})\"", lambda m: f"{number(m['a'])} foot {number(m['b'])}"),
    (r"(?<![\d.,'])(?P<a>\d{1,3}(?:\.\d+)?)\"(?P<by>\s?[xX×](?=\s?\d))?", _inches),
    (r"(?<=\d )(?:in|IN)\.?(?= (?:tall|long|wide|high|deep|thick|x)\b|[,;]|\.?$)", lambda m: "inches"),
    (
        r"(?<=\d )(?P<unit>mi|min|sec|hrs?|lbs?|oz|yds?|ft)\.(?=\s[a-z0-9]|$)",
        lambda m: measured("2", m["unit"].rstrip("s") if m["unit"] != "s" else "s", only=True),
    ),
    (MONEY_QUANTITY, quantity),
    (QUANTITY, quantity),
    (
        r"(?<=[a-z])/(?P<per>yr|mo|wk|day|week|month|year|hr|hour|person|ea)\b",
        lambda m: (
            "per "
            + {"yr": "year", "mo": "month", "wk": "week", "hr": "hour", "ea": "piece"}.get(m["per"], m["per"])
        ),
    ),
    *_SIGNS,
    *ABBREVIATIONS,
    *_MARKS,
]
_PLAIN: Final = {
    **dict.fromkeys("(){}[]【】〔〕|—→、；«»‹›", ", "),
    **dict.fromkeys("'\"“”「」『』《》〈〉*_~#^\\$¥€£₩₹·°-<>↑↓△", " "),
    "，": ", ",
    "。": ". ",
    "！": "! ",
    "？": "? ",
    "：": ": ",
    "/": " ",
    "&": " and ",
    "@": " at ",
    "+": " plus ",
    "=": " equals ",
    "×": " times ",
    "÷": " divided by ",
    "±": " plus or minus ",
    "√": " square root of ",
    "∞": " infinity ",
    "≈": " about ",
    "≠": " is not equal to ",
    "≤": " at most ",
    "≥": " at least ",
    "%": " percent ",
    "‰": " per thousand ",
    "Ω": " ohm ",
    "∵": " because ",
    "∴": " therefore ",
    "∈": " in ",
    "∪": " union ",
    "∩": " intersection ",
    "⊥": " is perpendicular to ",
    "∥": " is parallel to ",
    "≌": " is congruent to ",
    "∠": " angle ",
    "∑": " the sum of ",
    "∫": " the integral of ",
    "∝": " is proportional to ",
}

ENGLISH: Final = Rules(_TABLE, _PLAIN, r"(?<=[A-Za-z])[a-z]|(?<=[a-z]) (?=[a-z])")
