"""How signs between things are read in English text: sums, comparisons, sizes, arrows, "per"."""

import re
from typing import Final

from core.text import patterns
from core.text.english.codes import ahead
from core.text.english.numbers import cardinal, number, ordinal
from core.text.english.quantities import measured
from core.text.formulas import (
    CHEMICAL,
    FACTORIAL,
    FORCE,
    FORMULA,
    ION,
    SCIENTIFIC,
    TENS,
    FormulaWords,
    operators,
)
from core.text.rules import Rule

_CHEMICAL_BEFORE = re.compile(r"\+\s?\d?[A-Z][A-Za-z0-9()]*$")
_PARTS: Final = {"2": ("half", "halves"), "4": ("quarter", "quarters")}
_COMPARED: Final = {
    "<": "less than",
    ">": "greater than",
    "<=": "at most",
    ">=": "at least",
    "≤": "at most",
    "≥": "at least",
}


def _fraction(match: re.Match[str]) -> str | None:
    whole, top, bottom = match["whole"], match["top"], match["bottom"]
    beat = re.compile(r" (?:time|signature)\b").match(match.string, match.end())
    if match[0] in ("24/7", "9/11") or top == bottom or beat:
        return f"{number(top)} {number(bottom)}"
    if int(top) > int(bottom) > 9 and not whole:  # a blood pressure
        return f"{number(top)} over {number(bottom)}"
    if not 2 <= int(bottom) < 100 or int(top) > 9 * int(bottom):
        between = "out of" if bottom == "100" else "over"
        return None if whole else f"{number(top)} {between} {number(bottom)}"
    part = _share(top, bottom, "a" if int(top) == 1 and whole else "")
    return f"{cardinal(whole)} and {part}" if whole else part


def _share(top: str, bottom: str, count: str = "") -> str:
    names = _PARTS.get(bottom, (ordinal(bottom), ordinal(bottom) + "s"))
    return f"{count or cardinal(top)} {names[int(top) != 1]}"


def _power(exponent: str) -> str:
    if exponent in ("2", "3"):
        return " squared" if exponent == "2" else " cubed"
    return f" to the power of {'minus ' if exponent[0] == '-' else ''}{cardinal(exponent.lstrip('-'))}"


def _rows(match: re.Match[str]) -> str | None:
    """P12-P18."""
    of = patterns.row_name(match)
    return f"{of} {number(match['a'])} to {of} {number(match['b'])}" if of else None


def _arrow(match: re.Match[str]) -> str:
    """To a place; of a reaction, yields."""
    return " yields " if _CHEMICAL_BEFORE.search(ahead(match, 16)) else " to "


def _by(match: re.Match[str]) -> str:
    """4x4, 4x100m."""
    last = measured(match["b"], match["unit"]) if match["unit"] else number(match["b"])
    return f"{number(match['a'])} by {last}"


def _inches(match: re.Match[str]) -> list[tuple[int, str]]:
    """10" x 12", but a 55" TV."""
    one = match["a"] == "1" or re.compile(
        r"\s(?:[A-Z]|tv|screen|monitor|display|pipe|laptop|tablet|drive|disk|floppy|bay)"
    ).match(match.string, match.end("mark"))
    by = [(match.start("by"), "by")] if match["by"] else []
    return [(match.start("a"), f"{number(match['a'])} inch{'' if one else 'es'}"), *by]


_TIMES_AS: Final = (
    r"/|\s(?:faster|slower|more|as|the|bigger|larger|smaller|better|higher|cheaper|longer|a|per|growth|zoom|daily|"
    r"weekly)\b"
)
WORDS: Final = FormulaWords(
    operators=operators(1),
    negative="minus",
    number=number,
    percent=lambda digits: number(digits) + " percent",
    power=_power,
    fraction=_share,
    unit=measured,
    what="what?",
    times=" times ",
    factorial=" factorial",
    bars="the absolute value of ",
    greek=1,
)
SCALES: Final[list[Rule]] = [
    (r"A-Za-z:;>\^", patterns.EMOTICON, ""),
    ("A-Za-z", patterns.EPISODE, lambda m: f"season {cardinal(m['season'])} episode {cardinal(m['n'])}"),
    ("A-Za-z", patterns.ROWS, _rows),
    ('"', r"(?<=\d/\d)\"(?!\w)", " inch"),
    ("|", patterns.ABSOLUTE, WORDS.absolute),
    (
        "A-Za-z:",
        r"(?<![A-Za-z0-9:])(?P<a>[a-z]):(?=[a-z\d]+\s?=)|(?<=[=:][a-z]):(?=[a-z\d])|(?<=\d=[a-z]):(?=\d)",
        lambda m: f"{m['a'] or ''} to ",
    ),
    (r"\d", rf"(?<![\d.])(?P<a>\d+)\s?[xX]\s?(?P<b>\d+)(?:\s?(?P<unit>{patterns.UNIT}))?(?![\dA-Za-z])", _by),
    (r"\d.", rf"(?<![\d.])(?P<n>{patterns.NUMBER})x(?={_TIMES_AS})", lambda m: f"{number(m['n'])} times"),
    (r"\s!", r"(?<=\w)\s?!=\s?(?=[\w(])", " is not equal to "),
    (r"\d", r"(?<![\d.])\d{1,3}\.\d+x(?!\w)", lambda m: number(m[0][:-1]) + " times"),
    ("(", r"(?<=\b[fgh])\((?=-?\d+\)\s?=)", " of "),
    (r"\d", r"(?<![\d./$])\d{1,2}/(?=\$\d)", lambda m: number(m[0][:-1]) + " for "),
    (r"A-Za-z", r"(?<=/\d )(?P<unit>tsp|tbsp|oz|lb|mi)\b", lambda m: measured("1", m["unit"], only=True)),
    (r"A-Za-z", r"(?<=\d )N(?= of\b| force)", "newtons"),
    (r"A-Za-z", r"(?<=\d )A(?= fuse| current| of current| circuit| charger| breaker)", "amp"),
    (
        r"\d",
        r"(?<![\d./])(?P<n>\d{1,3})\s?¢",
        lambda m: f"{number(m['n'])} cent{'' if m['n'] == '1' else 's'}",
    ),
    (
        r"\d",
        r"(?<![\d./])(?P<a>\d{2,3})/(?P<b>\d{2,3})\s?mmHg",
        lambda m: f"{number(m['a'])} over {number(m['b'])} millimetres of mercury",
    ),
    (
        r"\d",
        r"(?<![\d./])(?P<a>\d{1,2}\.\d)/(?P<b>5|10|100)(?![\d./])",
        lambda m: f"{number(m['a'])} out of {number(m['b'])}",
    ),
    ("-", r"(?<=\d)-yr\b", " year"),
    ("-", r"(?<=[A-Z]{2})-(?=[A-Z](?![A-Za-z]))", " "),
    ("A-Za-z", r"(?<=[A-Za-z\d.] )[xX](?= \d)", "by"),
]
"""Before years."""
SUMS: Final[list[Rule]] = [
    (r"\d", r"(?<![\d.])(?P<n>\d{1,3}(?:,\d{3})+|\d{1,9})(?:st|nd|rd|th)\b", lambda m: ordinal(m["n"])),
    (r"\s<", r" ?<3(?=\s*$|\s*[!.]|\s(?:yo)?u\b)", ""),  # a heart
    ("A-Za-z", r"\bI <3(?= \w)", "I love"),
    (r"\dn!", FACTORIAL, WORDS.factorial_of),
    ("A-Za-z", FORCE, WORDS.force),
    (r"\d.", SCIENTIFIC, WORDS.scientific),
    (r"\d.", TENS, WORDS.tens),
    ("A-Za-z(", ION, WORDS.ion),
    ("A-Za-z", CHEMICAL, WORDS.chemical),
    (r"\dA-Za-zΑ-Ωα-ω(.±√∠-", FORMULA, WORDS.read),
    (r"\d", patterns.FRACTION, _fraction),
    (r"\^", r"\^(?P<n>-?\d+)", lambda m: _power(m["n"])),
    (r"\^", r"\^(?P<n>[a-z])(?![A-Za-z])", lambda m: f" to the power of {m['n']}"),
    ("~", r"(?<![\w)])~(?=\s?\d)", "about "),
]
SIZES: Final[list[Rule]] = [
    (
        r"\d",
        r"(?<![\d.,])(?P<n>\d+(?:\.\d+)?)m"
        r"(?= (?:users|views|followers|downloads|subscribers|people|customers|players)\b)",
        lambda m: number(m["n"]) + " million",
    ),
    (r"\d", r"(?<![\d.,])(?P<a>\d)'\s?(?P<b>\d{1,2})\"", lambda m: f"{number(m['a'])} foot {number(m['b'])}"),
    (r"\d", r"(?<![\d.,'])(?P<a>\d{1,3}(?:\.\d+)?)(?P<mark>\")(?P<by>\s?[xX×](?=\s?\d))?", _inches),
    ("A-Za-z", r"(?<=\d )(?:in|IN)\.?(?= (?:tall|long|wide|high|deep|thick|x)\b|[,;]|\.?$)", "inches"),
    (
        "A-Za-z",
        r"(?<=\d )(?P<unit>mi|min|sec|hrs?|lbs?|oz|yds?|ft)\.(?=\s[a-z0-9]|$)",
        lambda m: measured("2", m["unit"].rstrip("s") if m["unit"] != "s" else "s", only=True),
    ),
]
SIGNS: Final[list[Rule]] = [
    ("№", r"№\s?(?=\d)", "number "),
    ("A-Za-z", r"\bq(?P<n>\d{1,2})h\b", lambda m: f"every {number(m['n'])} hours"),
    (
        "/",
        r"(?<=[a-z])/(?P<per>yr|mo|wk|day|week|month|year|hr|hour|person|ea)\b",
        lambda m: (
            "per "
            + {"yr": "year", "mo": "month", "wk": "week", "hr": "hour", "ea": "piece"}.get(m["per"], m["per"])
        ),
    ),
    (
        "<>≤≥",
        rf"(?<![<>])(?P<sign>[<>]=?|[≤≥])\s?(?=[-+]?{patterns.CURRENCIES}?\s?\d)",
        lambda m: _COMPARED[m["sign"]],
    ),
    (r"\s<>", r"(?<=[\w)%°])\s?(?P<sign>[<>]=?)\s?(?=[\w(])", lambda m: f" {_COMPARED[m['sign']]} "),
    (r"\s=→-", r"(?<=[\w)])\s?(?:-{1,2}>|=>|→)\s?(?=[\w(])", _arrow),
    ("*", r"(?<=[Pp]ress )\*|\*(?= key\b| to\b)", "star"),
    ("#", r"(?<=[Pp]ress )#|#(?= key\b| to\b)", "pound"),
    (r"\s*", r"(?<=[0-9A-Za-z)])\s?\*\s?(?=\d)", " times "),
    ("↑", r"(?<=\w )[↑](?=\s?\d)", "up "),
    ("↓", r"(?<=\w )[↓](?=\s?\d)", "down "),
    (r"\s~—-", r"(?<=[SMLX\d])\s?[-~—]\s?(?=\d?X{0,4}[SML](?![A-Za-z]))", " to "),
    ("#", r"(?<=\b[A-G])#", " sharp"),
    (".", r"(?<![A-Za-z0-9])\.NET\b", "dot net"),
    ("+", r"(?<=[A-Za-z0-9])\+(?!\w)", " plus"),
]
_SIGN_NAMES: Final = """
    &and @at +plus =equals ×times ÷divided_by ±plus_or_minus √square_root_of ∞infinity ≈about
    ≠is_not_equal_to ≤at_most ≥at_least %percent ‰per_thousand Ωohm ∵because ∴therefore ∈in ∪union
    ∩intersection ⊥is_perpendicular_to ∥is_parallel_to ≌is_congruent_to ∠angle ∑the_sum_of
    ∫the_integral_of ∝is_proportional_to
"""
PLAIN: Final = {
    **dict.fromkeys("(){}[]【】〔〕|—→、；«»‹›", ", "),
    **dict.fromkeys("'\"“”「」『』《》〈〉*_~#^\\$¥€£₩₹·°-<>↑↓△", " "),
    **{"，": ", ", "。": ". ", "！": "! ", "？": "? ", "：": ": ", "/": " "},
    **{entry[0]: f" {entry[1:].replace('_', ' ')} " for entry in _SIGN_NAMES.split()},
}
