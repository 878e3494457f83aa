"""Formulas: sums, equations, inequalities, powers, chemistry."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from core.text.patterns import GREEK, NUMBER, UNIT, UNITS
from core.text.tables import rows

_LETTER: Final = "[A-Za-zΑ-Ωα-ω]"
_FUNCTION: Final = r"(?:sin|cos|tan|cot|log|ln|lg)"
_LETTERS: Final = rf"{_LETTER}{{1,4}}(?!{_LETTER})(?:\({_LETTER}\))?"
_ATOM: Final = (
    rf"(?:{NUMBER}(?:(?:\s(?=m/s|[ckm]?m\^|[mnμ]?(?:g|mol)/d?L))?{UNIT}|[%°]|{_LETTERS})?|{_FUNCTION}(?:\^-?\d)?\s?\(?(?:{NUMBER}°?|{_LETTER})|∠?{_LETTERS})"
    r"\)?(?:\^-?\d+)?"
)
_BEFORE: Final = r"[-(√±]{0,3}"
_UNKNOWN: Final = r"(?:\?{1,3}|？|_{1,20}|\(\s{0,4}\))"
_SOON: Final = r"[^+×÷*=≈≠≤≥<>√\u3000-\uffff]{0,60}(?:[+×÷*=≈≠≤≥<>√]|\^\d-)"  # else it is none
FORMULA: Final = (
    rf"(?<![A-Za-z0-9.])(?={_SOON}){_BEFORE}{_ATOM}(?:(?:\s?[-+×*÷/=≈≠<>≤≥±]\s?|(?<=\))(?=\()){_BEFORE}{_ATOM}){{1,20}}(?![A-Za-z0-9]|:\d)"
    rf"(?:\s?=\s?{_UNKNOWN})?"
)
_TOKEN: Final = re.compile(
    rf"\^-?\d+|\d+/\d+(?![\d/.])|{NUMBER}(?:(?:\s(?=m/s|[ckm]?m\^|[mnμ]?(?:g|mol)/d?L))?{UNIT}|[%°])?|{_FUNCTION}(?![A-Za-z])|{_LETTER}|=\s?(?P<what>{_UNKNOWN})|\S"
)
_SIGN: Final = re.compile(r"[+×÷*=≈≠≤≥<>√]|[a-z]\^\d-")
_LIMIT: Final = re.compile(rf"[A-Za-z ]+[<>≤≥]=?\s?{NUMBER}\s?[hs]")  # RPO ≤ 1h
_WORDS: Final = re.compile(
    "is|to|or|in|of|if|[nsdg]o|[whmb]e|my|it|as|at|by|up|us|an|am|on|ok|hi|oh|id|tv|pc|vs|pk"
)
_PARTS: Final = re.compile(rf"(?P<number>{NUMBER})(?P<after>.*)", re.DOTALL)

_ELEMENT: Final = r"(?:He|Li|Be|Ne|Na|Mg|Al|Si|Cl|Ca|Mn|Fe|Cu|Zn|Br|Ag|Ba|Hg|Pb|[HBCNOFPSKI])"
ION: Final = (
    rf"(?<![A-Za-z0-9])(?P<of>(?:\(?{_ELEMENT}\)?\d{{0,2}}){{1,6}})\^(?P<charge>\d?)(?P<sign>[-+])(?![\d-])"
)
TENS: Final = (
    rf"(?<![A-Za-z0-9_.^])(?:(?P<a>{NUMBER})\s?[×*xX]\s?)?10\^(?P<exponent>-?\d+)\s?(?P<unit>{UNIT})?(?:/(?P<per>{UNIT}))?"
    r"(?![A-Za-z0-9_^+-])"
)
"""12.3×10⁹/L, 10⁴km²."""
CHEMICAL: Final = rf"(?<![A-Za-z0-9]){_ELEMENT}\d{{0,2}}(?:\(?{_ELEMENT}\)?\d{{0,2}}){{1,6}}(?![A-Za-z0-9])"
SCIENTIFIC: Final = (
    rf"(?<![A-Za-z0-9_.])(?P<a>{NUMBER})[eE](?P<exponent>[-+]\d{{1,3}})(?![A-Za-z0-9_]|\.\d)"
    rf"|(?<![A-Za-z0-9_.])(?P<b>\d+\.\d+|\d(?=e))[eE](?P<more>\d{{1,3}})(?![A-Za-z0-9_]|\.\d)"
)


FACTORIAL: Final = (
    r"(?<![A-Za-z0-9])(?P<of>n)!(?!!)|(?<![A-Za-z0-9.])(?P<number>\d{1,2})!(?=\s?[=÷/×*+)-])"
    r"|(?<=[-+]\d\))!"
)
FORCE: Final = rf"(?<![A-Za-z])(?P<of>[FGfI])\s?=\s?(?P<n>{NUMBER})\s?(?P<unit>N|A)(?![A-Za-z0-9])"
"""F=10N, I=2A: in other sums N and A may stand for numbers."""


def operators(language: int) -> dict[str, str]:
    """How the signs of sums are said in Chinese (0), English, Japanese or Korean (3)."""
    return {sign: words[language] for sign, *words in rows("operators.txt")}


@dataclass(frozen=True, slots=True)
class FormulaWords:
    """How a language says formulas.

    operators: by sign. negative: said before a number below zero. number, percent, power: of digits, a number
    without its %, an exponent. fraction: of two whole numbers. unit: of a number and its unit. what: where
    the result is asked for. factorial: said after a number. bars: said before what stands between | and |.
    greek: which of the two names of a Greek letter.
    """

    operators: Mapping[str, str]
    negative: str
    number: Callable[[str], str]
    percent: Callable[[str], str]
    power: Callable[[str], str]
    fraction: Callable[[str, str], str]
    unit: Callable[[str, str], str]
    what: str
    times: str
    factorial: str
    bars: str
    greek: int

    def read(self, match: re.Match[str]) -> list[tuple[int, str]] | None:
        """The readings of a match of FORMULA.

        None if it has no sign that only formulas have: 3-5 is a range and 1/2 a fraction; or words in it.
        """
        text = match[0]
        if not _SIGN.search(text) or _has_words(text):
            return None
        measured = _all_units(text) or _LIMIT.fullmatch(text) is not None
        readings: list[tuple[int, str]] = []
        after_operand = False
        for part in _TOKEN.finditer(match.string, *match.span()):
            if part["what"]:
                readings += [(part.start(), self.operators["="]), (part.start("what"), self.what)]
                continue
            words, operand = self._part(part[0].replace(",", ""), after_operand, measured)
            after_operand = operand if words or part[0] in "()" else after_operand
            if words:
                readings.append((part.start(), words))
        return readings

    def absolute(self, match: re.Match[str]) -> str:
        """|x-1|."""
        said = []
        after_operand = False
        for part in _TOKEN.finditer(match["of"]):
            words, after_operand = self._part(part[0], after_operand, measured=False)
            said.append(words)
        return self.bars + (" ".join(said) if self.greek else joined(said))

    def _part(self, part: str, after_operand: bool, measured: bool) -> tuple[str, bool]:
        """What is said for a part, and whether it is an operand."""
        if part[0] == "^":
            return self.power(part[1:]), True
        if part in "()":
            return "", part == ")"
        if part == "-" and not after_operand:
            return self.negative, False
        if part in self.operators:
            return self.operators[part], False
        if re.fullmatch(_FUNCTION, part):
            return part, False
        if part[0].isalpha():
            return (GREEK[part.lower()][self.greek] if part.lower() in GREEK else part), True
        if fraction := re.fullmatch(r"(\d+)/(\d+)", part):
            return self._share(fraction[1], fraction[2]), True
        return self._number(part, measured), True

    def _share(self, top: str, bottom: str) -> str:
        if 0 < int(top) < int(bottom) <= 100:
            return self.fraction(top, bottom)
        return (" " * self.greek).join((self.number(top), self.operators["/"], self.number(bottom)))

    def _number(self, part: str, measured: bool) -> str:
        parts = _PARTS.fullmatch(part)
        if parts is None:
            return part
        number, after = parts["number"], parts["after"].strip()
        if after == "%":
            return self.percent(number)
        if after and (measured or len(after) > 1 or after == "°"):
            return self.unit(number, after)
        return (" " * (self.greek and bool(after))).join((self.number(number), " ".join(after)))

    def factorial_of(self, match: re.Match[str]) -> str:
        """n!, 5!, and the last sign of (n-1)!."""
        return (match["of"] or (self.number(match["number"]) if match["number"] else "")) + self.factorial

    def force(self, match: re.Match[str]) -> str:
        """F=10N, I=2A."""
        one, many = ("牛", "安培") if not self.greek else ("newtons", "amperes")
        said = (
            match["of"],
            self.operators["="],
            self.number(match["n"]) + " " * self.greek + (one if match["unit"] == "N" else many),
        )
        return (" " * self.greek).join(said)

    def scientific(self, match: re.Match[str]) -> str:
        """1e-5."""
        number, exponent = match["a"] or match["b"], match["exponent"] or match["more"]
        ten = self.number("10")
        return f"{self.number(number)}{self.times}{ten}{self.power(exponent.removeprefix('+'))}"

    def tens(self, match: re.Match[str]) -> str | None:
        """12.3×10⁹/L; None for a bare power."""
        if not (match["unit"] or match["per"]):
            return None
        words = f"{self.number(match['a'])}{self.times}" if match["a"] else ""
        words += self.number("10") + self.power(match["exponent"])
        space = " " if self.greek else ""
        if match["unit"]:
            words += space + UNITS[match["unit"]][2 if self.greek else 0]
        if match["per"]:
            words += f"{space}per {UNITS[match['per']][1]}" if self.greek else "每" + UNITS[match["per"]][0]
        return words

    def ion(self, match: re.Match[str]) -> str:
        """Fe³⁺: letters, charge and sign."""
        said = [self.number(p) if p.isdigit() else p for p in re.findall(r"\d+|[A-Za-z]", match["of"])]
        said += [self.number(match["charge"])] if match["charge"] else []
        signs = {"+": "plus", "-": "minus"} if self.greek else {"+": "正", "-": "负"}
        said.append(signs[match["sign"]])
        return " ".join(said) if self.greek else joined(said)

    def chemical(self, match: re.Match[str]) -> str | None:
        """NaOH, H2SO4: letter by letter; None for what may be a word in capitals."""
        if not re.search(r"[a-z]|\d", match[0]):
            return None
        said = [
            self.number(part) if part.isdigit() else part for part in re.findall(r"\d+|[A-Za-z]", match[0])
        ]
        return " ".join(said) if self.greek else joined(said)


def joined(words: list[str]) -> str:
    """`words` with spaces between Latin letters only."""
    out = words[0]
    for word in words[1:]:
        out += (" " if out[-1].isascii() and word[0].isascii() else "") + word
    return out


def _all_units(text: str) -> bool:
    letters = re.findall(rf"{_LETTER}+", text)
    return all(run in UNITS for run in letters)


def _has_words(text: str) -> bool:
    """Letters that are a word, not variables: more than two of them that no number precedes."""
    for run in re.finditer(rf"(?<![A-Za-z])(?P<number>\d\s?)?(?P<run>{_LETTER}{{2,}})", text):
        letters = run["run"]
        if (
            run["number"]
            or not letters.isascii()
            or re.fullmatch(_FUNCTION, letters)
            or re.fullmatch("[A-Z]{2,3}", letters)
        ):
            continue
        if len(letters) > 2 or _WORDS.fullmatch(letters.lower()) or ("=" not in text and letters.islower()):
            return True
    return False
