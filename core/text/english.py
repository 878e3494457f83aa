"""How signs, codes, names and abbreviations are read in English text; dates and quantities are next door.

Order matters: what looks like a date is a date before it is a sum, a telephone number before it is a range.
"""

import re
from functools import partial
from typing import Final

from core.text import acronyms, patterns
from core.text.english_dates import DATES, TIMES, YEARS
from core.text.english_numbers import cardinal, number, one_by_one, ordinal, year
from core.text.english_quantities import QUANTITY, quantity
from core.text.formulas import FORMULA, FormulaWords
from core.text.rules import Rule, Rules

_MOBILE = r"(?<![\d.])(?:\+86[-\s]?)?1[3-9]\d[-\s]?\d{4}[-\s]?\d{4}(?!\d)"
# After these words digits are a code, not a quantity.
_CODE_WORD = re.compile(
    r"(?:phone|number|code|call|dial|password|PIN|ID|zip|account|order|flight|extension)(?: is|:|#)?\s*$",
    re.I,
)
# Before a Roman numeral.
_NUMBERED = re.compile(
    r"\b(?:Chapter|Part|Volume|Book|Act|Scene|Phase|Type|Section|Article|Appendix|Stage|Level|Grade|Class|Title|Round|"
    r"War|Mark|Episode|Season|Tier|Category|Bowl|Figure|Table) $"
)
_MONARCH = re.compile(
    r"\b(?:Louis|Henry|George|Edward|Charles|James|Richard|William|Napoleon|Pius|Paul|Elizabeth|Catherine|Frederick|"
    r"Nicholas|Alexander|Philip|Benedict|Leo|Ramses) $"
)
_NUMERALS: Final = {"I": 1, "V": 5, "X": 10}
_ABBREVIATIONS: Final = {
    r"Dr\.(?= ?[A-Z])": "Doctor",
    r"Prof\.": "Professor",
    r"Mr\.?": "Mister",
    r"Mrs\.?": "Missus",
    r"Ms\.": "Miz",
    r"St\.(?= [A-Z])": "Saint",
    r"St\.(?=,| [a-z]|$)": "Street",
    r"Jr\.": "Junior",
    r"Sr\.": "Senior",
    r"Gen\.(?= [A-Z])": "General",
    r"Sen\.(?= [A-Z])": "Senator",
    r"Gov\.(?= [A-Z])": "Governor",
    r"Capt\.": "Captain",
    r"Lt\.": "Lieutenant",
    r"Mt\.(?= [A-Z])": "Mount",
    r"e\.\s?g\.": "for example",
    r"i\.\s?e\.": "that is",
    r"etc\.?": "et cetera",
    r"vs\.?": "versus",
    r"cf\.": "compare",
    r"al\.": "al",
    r"approx\.": "approximately",
    r"Inc\.": "Incorporated",
    r"Ltd\.": "Limited",
    r"Corp\.": "Corporation",
    r"Co\.": "Company",
    r"[Dd]ept\.": "Department",
    r"Ave\.": "Avenue",
    r"Blvd\.": "Boulevard",
    r"(?:[Nn]o|NO)\.(?= ?\d)": "number",
    r"[Ff]igs?\.(?= ?\d)": "figure",
    r"[Vv]ol\.(?= ?\d)": "volume",
    r"[Cc]h\.(?= ?\d)": "chapter",
    r"[Ss]ec\.(?= ?\d)": "section",
    r"pp\.(?= ?\d)": "pages",
    r"p\.(?= ?\d)": "page",
    r"w/o": "without",
    r"w/(?= ?[a-z])": "with",
    r"Ph\.?D\.?": "P H D",
}
_ADDRESS: Final = {".": "dot", "/": "slash", "@": "at", "_": "underscore", "-": "dash", ":": "colon"}
_PARTS: Final = {"2": ("half", "halves"), "4": ("quarter", "quarters")}


def _ahead(match: re.Match[str], width: int = 24) -> str:
    """The few characters before a match."""
    return match.string[max(0, match.start() - width) : match.start()]


def _digits(match: re.Match[str]) -> list[tuple[int, str]]:
    """A telephone number or code: digit by digit, a pause where it is grouped."""
    readings: list[tuple[int, str]] = []
    for piece in re.compile(r"\+|\d|[^\d+]+").finditer(match.string, *match.span()):
        if piece[0] == "+":
            readings.append((piece.start(), "plus"))
        elif piece[0].isdigit():
            readings.append((piece.start(), one_by_one(piece[0])))
        elif readings and piece.end() < match.end():
            readings.append((piece.start(), ","))
    return readings


def _code(match: re.Match[str]) -> list[tuple[int, str]] | None:
    """Digits that are a code, because of the word before them or because nobody counts so far."""
    least = 4 if _CODE_WORD.search(_ahead(match)) else 10
    return None if len(match[0]) < least and match[0][0] != "0" else _digits(match)


def _version(match: re.Match[str]) -> str:
    numbers = (match["versioned"] or match["dotted"]).split(".")
    point = " dot " if len(numbers) == 4 else " point "
    words = point.join(cardinal(n) if len(n) < 3 else one_by_one(n) for n in numbers)
    said = _ahead(match).rstrip().lower().endswith("version")
    return f"version {words}" if match["v"] and not said else words


def _model(match: re.Match[str]) -> list[tuple[int, str]]:
    """Digits that end a name: GPT-4, H100, A380."""
    digits = match["digits"]
    words = number(digits) if len(digits) < 3 or digits.endswith("00") else one_by_one(digits)
    return [(match.start("digits"), " " + words)]


def _by(match: re.Match[str]) -> str:
    return f"{number(match['a'])} by {number(match['b'])}"


def _fraction(match: re.Match[str]) -> str | None:
    whole, top, bottom = match["whole"], match["top"], match["bottom"]
    if match[0] == "24/7" or top == bottom:
        return f"{number(top)} {number(bottom)}"
    if not 2 <= int(bottom) <= 100 or int(top) > 9 * int(bottom):
        return None if whole else f"{number(top)} over {number(bottom)}"
    single = int(top) == 1
    part = _PARTS.get(bottom, (ordinal(bottom), ordinal(bottom) + "s"))[not single]
    count = "a" if single and whole else cardinal(top)
    return f"{cardinal(whole)} and {count} {part}" if whole else f"{count} {part}"


def _power(exponent: str) -> str:
    if exponent in ("2", "3"):
        return " squared" if exponent == "2" else " cubed"
    return f" to the power of {'minus ' if exponent[0] == '-' else ''}{cardinal(exponent.lstrip('-'))}"


def _address(match: re.Match[str]) -> str:
    words = []
    for part in patterns.parts(match[0]):
        for piece in re.findall(r"\d+|\D+", part):
            digits = one_by_one(piece) if piece.isdigit() else patterns.address_word(piece)
            words.append(_ADDRESS.get(piece, digits))
    return " ".join(words)


def _abbreviation(match: re.Match[str], words: str) -> str:
    """In full; a full stop that also ends the sentence stays."""
    ends = match[0].endswith(".") and not match.string[match.end() :].strip()
    return words + "." if ends else words


def _letters(match: re.Match[str]) -> str:
    """U.S., J.K.: letters with points."""
    words = " ".join(c for c in match[0] if c.isalpha())
    return words + "." if match.end() == len(match.string) else words


def _acronym(match: re.Match[str]) -> str | None:
    return None if acronyms.is_shouted(match.string) else acronyms.spell(match)


def _roman(match: re.Match[str]) -> str | None:
    """War II, Louis XIV; after other words a capital I, V or X is a letter."""
    values = [_NUMERALS[c] for c in match["n"]]
    value = sum(-v if v < after else v for v, after in zip(values, [*values[1:], 0], strict=True))
    ahead = _ahead(match)
    if _NUMBERED.search(ahead):
        return cardinal(str(value))
    return f"the {ordinal(str(value))}" if len(values) > 1 and _MONARCH.search(ahead) else None


def _greek(match: re.Match[str]) -> str:
    return patterns.GREEK[match[0].lower()][1]


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
    },
    negative="minus",
    number=number,
    percent=lambda digits: number(digits) + " percent",
    power=_power,
)
_TABLE: Final[list[Rule]] = [
    (patterns.MARKUP, patterns.markup),
    (patterns.LIST_NUMBER, lambda m: cardinal(m["n"]) + ","),
    (patterns.EMAIL, _address),
    (patterns.URL, _address),
    *DATES,
    (patterns.US_PHONE, _digits),
    (patterns.FOREIGN_PHONE, _digits),
    (_MOBILE, _digits),
    (patterns.CODE, _digits),
    *TIMES,
    (patterns.VERSION, _version),
    (r"(?<![\d.])(?P<a>\d+)\s?[xX]\s?(?P<b>\d+)(?!\d)", _by),
    (r"(?<=[A-Za-z\d] )[xX](?= \d)", lambda m: "by"),
    (r"(?<=[A-Z]{2} )\d{4}(?![\d%]|[.,]\d)", lambda m: year(m[0])),  # RTX 4090
    *YEARS,
    (r"(?<![\d.])(?P<n>\d{1,3}(?:,\d{3})+|\d{1,9})(?:st|nd|rd|th)\b", lambda m: ordinal(m["n"])),
    (r"(?<![\d.,$€£¥A-Za-z-])\d{3,}(?![\d%]|[.,]\d)", _code),
    (FORMULA, _FORMULA_WORDS.read),
    (patterns.FRACTION, _fraction),
    (r"\^(?P<n>-?\d+)", lambda m: _power(m["n"])),
    (r"(?<=[A-Za-z])-?(?P<digits>\d+)(?![\d%]|[.,]\d)", _model),
    (r"(?<![\d.,])(?P<a>\d)'\s?(?P<b>\d{1,2})\"", lambda m: f"{number(m['a'])} foot {number(m['b'])}"),
    (QUANTITY, quantity),
    *(
        (rf"(?<![A-Za-z.])(?:{pattern})(?![A-Za-z])", partial(_abbreviation, words=words))
        for pattern, words in _ABBREVIATIONS.items()
    ),
    (r"(?<= )(?P<n>[IVX]+)(?![A-Za-z'])", _roman),
    (r"(?<![A-Za-z.])(?:[A-Za-z]\.){2,}(?![A-Za-z])", _letters),
    (r"(?<=[A-Z])\+\+", lambda m: " plus plus"),
    (r"(?<=\b[A-G])#", lambda m: " sharp"),
    (r"(?<![A-Za-z0-9])\.NET\b", lambda m: "dot net"),
    (r"(?<=[A-Za-z0-9])\+(?!\w)", lambda m: " plus"),
    (r"(?<=[A-Za-z0-9])\.(?=[A-Za-z0-9])", lambda m: " dot "),
    (acronyms.ACRONYM, _acronym),
    (r"[Α-ΡΣ-Ωα-ω]", _greek),
    (r"\.{2,}|…+", lambda m: "…"),
    (r"(?<=[A-Za-z])'(?=[A-Za-z])|(?<=[sS])'(?= )", lambda m: "'"),
    (r"(?<=[A-Za-z])-(?=[A-Za-z])", lambda m: "-"),
    (r"\s+-+\s+|--+", lambda m: ", "),
    (r"#(?=\d)", lambda m: "number "),
]
_PLAIN: Final = {
    **dict.fromkeys("(){}[]【】〔〕|—→、；«»‹›", ", "),
    **dict.fromkeys("'\"“”「」『』《》〈〉*_~#^\\$¥€£₩₹·°-<>", " "),
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
}

ENGLISH: Final = Rules(_TABLE, _PLAIN)
