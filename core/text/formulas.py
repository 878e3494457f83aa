"""Formulas: sums, equations, powers."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from core.text.patterns import NUMBER

_TERM = rf"(?:{NUMBER}%?|[A-Za-z](?![A-Za-z]))(?:\^-?\d+)?"
FORMULA = rf"(?<![A-Za-z0-9.])-?{_TERM}(?:\s?[-+×*÷/=≈≠<>≤≥]\s?-?{_TERM}){{1,20}}(?![A-Za-z0-9])"
_TOKEN = re.compile(rf"\^-?\d+|{NUMBER}%?|[A-Za-z]|\S")


@dataclass(frozen=True, slots=True)
class FormulaWords:
    """How a language says formulas.

    operators: by sign. negative: said before a number below zero. number, percent, power: of digits, a number
    without its %, an exponent.
    """

    operators: Mapping[str, str]
    negative: str
    number: Callable[[str], str]
    percent: Callable[[str], str]
    power: Callable[[str], str]

    def read(self, match: re.Match[str]) -> list[tuple[int, str]] | None:
        """The readings of a match of FORMULA.

        None if it has no sign that only formulas have: 3-5 is a range and 1/2 a fraction.
        """
        if not re.search(r"[+×÷*=≈≠≤≥<>]", match[0]):
            return None
        readings: list[tuple[int, str]] = []
        after_operand = False
        for part in _TOKEN.finditer(match.string, *match.span()):
            words, after_operand = self._part(part[0].replace(",", ""), after_operand)
            readings.append((part.start(), words))
        return readings

    def _part(self, part: str, after_operand: bool) -> tuple[str, bool]:
        """What is said for a part, and whether it is an operand."""
        if part[0] == "^":
            return self.power(part[1:]), True
        if part == "-" and not after_operand:
            return self.negative, False
        if part in self.operators:
            return self.operators[part], False
        if part.isalpha():
            return part, True
        return (self.percent(part[:-1]) if part.endswith("%") else self.number(part)), True
