"""Short forms that are read in full in English text."""

import re
from functools import cache
from typing import Final

from core.text import acronyms
from core.text.english.codes import ahead
from core.text.english.numbers import cardinal, ordinal
from core.text.rules import Rule

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
_ABBREVIATIONS: Final = {
    r"Dr\.(?= ?[A-Z])": "Doctor",
    r"Prof\.": "Professor",
    r"Mr\.?": "Mister",
    r"Mrs\.?": "Missus",
    r"Ms\.": "Miz",
    r"St\.(?= [A-Z])": "Saint",
    r"St\.(?=,| [a-z]|$)": "Street",
    r"Rd\.?(?=,| [a-z]|$)": "Road",
    r"Ln\.(?=,| [a-z]|$)": "Lane",
    r"Ste\.(?= ?\d)": "Suite",
    r"Bldg\.": "Building",
    r"Apt\.(?= ?\d)": "Apartment",
    r"[Ee]xt\.(?= ?\d)": "extension",
    r"[Tt]el\.?(?= ?[\d(+])": "Telephone",
    r"[Ee]st\.(?= ?\d)": "established",
    r"[Oo]p\.(?= ?\d)": "Opus",
    r"[Ee]x\.(?= ?\d)": "Example",
    r"Jr\.": "Junior",
    r"Sr\.": "Senior",
    r"Gen\.(?= [A-Z])": "General",
    r"Col\.(?= [A-Z])": "Colonel",
    r"Sgt\.(?= [A-Z])": "Sergeant",
    r"Rev\.(?= [A-Z])": "Reverend",
    r"Sen\.(?= [A-Z])": "Senator",
    r"Gov\.(?= [A-Z])": "Governor",
    r"Capt\.": "Captain",
    r"Lt\.": "Lieutenant",
    r"Mt\.(?= [A-Z])": "Mount",
    r"[Ee]\.\s?g\.": "for example",
    r"[Ii]\.\s?e\.": "that is",
    r"etc\.?": "et cetera",
    r"vs\.?": "versus",
    r"cf\.": "compare",
    r"al\.": "al",
    r"[Aa]pprox\.": "approximately",
    r"Inc\.": "Incorporated",
    r"Ltd\.": "Limited",
    r"Corp\.": "Corporation",
    r"Co\.": "Company",
    r"[Dd]ept\.": "Department",
    r"[Gg]ovt\.?": "government",
    r"Ave\.": "Avenue",
    r"Blvd\.": "Boulevard",
    r"Hwy\.?(?= ?\d)": "Highway",
    r"(?:[Nn]o|NO)\.(?= ?\d)": "number",
    r"[Nn]os\.(?= ?\d)": "numbers",
    r"[Ff]igs?\.(?= ?[\dIVXL])": "figure",
    r"[Vv]ol\.(?= ?[\dIVXL])": "volume",
    r"[Cc]h\.(?= ?[\dIVXL])": "chapter",
    r"[Ss]ec\.(?= ?[\dIVXL])": "section",
    r"[Ee]q\.(?= ?[\d(])": "equation",
    r"[Ee]p\.(?= ?\d)": "episode",
    r"[Aa]cct\.(?= ?\d)": "account",
    r"[Ww]t\.(?= ?\d)": "weight",
    r"c\.(?= ?\d)": "circa",
    r"b/c": "because",
    r"y/y": "year on year",
    r"AT(?=&T)": "A T",
    r"[Vv]er\.(?= ?\d)": "version",
    r"[Aa]rt\.(?= ?\d)": "article",
    r"[Ll]v\.?(?= ?\d)": "level",
    r"pp\.(?= ?\d)": "pages",
    r"p\.(?= ?\d)": "page",
    r"[Rr]te?\.(?= ?\d)": "Route",
    r"[Rr]m\.(?= ?\d)": "room",
    r"[Ff]l\.(?= ?\d)": "floor",
    r"[Aa]ttn(?:\.|(?=:))": "attention",
    r"c/o": "care of",
    r"w/o": "without",
    r"w/(?= ?[a-z0-9])": "with",
    r"Ph\.?D\.?": "P H D",
    r"WWII": "World War two",
    r"WWI": "World War one",
    r"(?<=per )kg": "kilogram",
    r"(?<=per )lb": "pound",
    r"(?<=per )(?:hr|h)": "hour",
    r"(?<=per )min": "minute",
    r"(?<=per )sec": "second",
    r"(?<=per )mi": "mile",
}


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
