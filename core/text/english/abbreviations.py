"""Short forms that are read in full in English text."""

import re
from functools import cache
from typing import Final

from core.text import acronyms
from core.text.english.codes import ahead
from core.text.english.numbers import cardinal, ordinal
from core.text.rules import Rule
from core.text.tables import rows

# Before a Roman numeral.
_NUMBERED = re.compile(
    r"\b(?:Chapter|Part|Volume|Book|Act|Scene|Phase|Type|Section|Article|Appendix|Stage|Level|Grade|Class|Title|Round|"
    r"War|Mark|[Vv]ol\.|[Cc]h\.|[Ff]ig\.|[Ss]ec\.|Vol|Episode|Season|Tier|Category|Bowl|Figure|Table) $"
)
_MONARCH = re.compile(
    r"\b(?:Louis|Henry|George|Edward|Charles|James|Richard|William|Napoleon|Pius|Paul|Elizabeth|Catherine|Frederick|"
    r"Nicholas|Alexander|Philip|Benedict|Leo|Ramses) $"
)
_NUMERALS: Final = {"I": 1, "V": 5, "X": 10, "L": 50}
_ABBREVIATIONS: Final = dict(rows("abbreviations.txt", " -> "))


@cache
def _each() -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile(pattern), words) for pattern, words in _ABBREVIATIONS.items()]


def _abbreviation(match: re.Match[str]) -> str | None:
    """In full; a full stop that also ends the sentence stays."""
    tried = ((pattern.match(match.string, match.start()), said) for pattern, said in _each())
    words = next((said for found, said in tried if found and found.end() == match.end()), None)
    if words is None:
        return None
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
    before = ahead(match)
    if _NUMBERED.search(before):
        return cardinal(str(value))
    return f"the {ordinal(str(value))}" if len(values) > 1 and _MONARCH.search(before) else None


ABBREVIATIONS: Final[list[Rule]] = [
    ("A-Za-z", rf"(?<![A-Za-z.])(?:{'|'.join(_ABBREVIATIONS)})(?![A-Za-z])", _abbreviation),
    ("A-Za-z", r"(?<= )(?P<n>[IVXL]+)(?![A-Za-z'])", _roman),
    ("A-Za-z", r"(?<![A-Za-z.])(?:[A-Za-z]\.){2,}(?![A-Za-z])", _letters),
    ("A-Za-z", r"(?<![A-Za-z.])(?P<letter>[A-HJ-Z])\.(?= ?[A-Z][a-z]|\s[A-Z]\.)", lambda m: m["letter"]),
    ("A-Za-z", acronyms.ACRONYM, _acronym),
]
