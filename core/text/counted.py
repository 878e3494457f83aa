"""How numbers, dates, sums and signs are read in Japanese and Korean text: what is the same in both.

Counters, clocks and the words are in `japanese` and `korean`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Final

from core.text import acronyms, patterns
from core.text.formulas import CHEMICAL, FORMULA, FormulaWords
from core.text.markup import CALLED, COUNTED, SPELLED
from core.text.rules import Rule, Rules
from core.text.tables import rows

_LONGEST = 16


CLOCK: Final = patterns.TIME + r"(?![てで]?(?:で|に)?(?:か|ま)[ちけつっ]|로\s?(?:이|졌|승|패))"
"""A time of day, and no score that somebody wins or loses by."""


def cardinal(digits: str, group: Callable[[int], str], units: tuple[str, ...], names: Sequence[str]) -> str:
    """A whole number in groups of four digits. units: of the groups, the last first; names: of digits."""
    digits = digits.replace(",", "").lstrip("0") or "0"
    if digits == "0" or len(digits) > _LONGEST:
        return "".join(names[int(d)] for d in digits)
    padded = digits.zfill(-(-len(digits) // 4) * 4)
    groups = [int(padded[k : k + 4]) for k in range(0, len(padded), 4)]
    return "".join(group(g) + units[len(groups) - 1 - k] for k, g in enumerate(groups) if g)


@dataclass(frozen=True)
class Language:
    """whole: a whole number in words; names: of the digits 0 to 9. words: for the point and the signs of
    numbers; "%d/%d" of a fraction (bottom, top), "date" of year, month and day, "0" of telephone numbers.
    plain: single signs.
    units: what is said after a number. counted: rules of its own, tried first. signs: of addresses.
    """

    whole: Callable[[str], str]
    names: Sequence[str]
    words: Mapping[str, str]
    plain: Mapping[str, str]
    units: Mapping[str, str]
    counted: Sequence[Rule]
    signs: Mapping[str, str]

    def digits(self, text: str) -> str:
        return "".join(self.names[int(d)] for d in text if d.isdigit())

    def number(self, text: str) -> str:
        before, _, after = text.partition(".")
        if len(before) > 1 and before[0] == "0":
            return self.digits(text)
        return self.whole(before or "0") + (self.words["."] + self.digits(after) if after else "")

    def quantity(self, match: re.Match[str]) -> str:
        unit, money = (match["unit"] or "").strip(), (match["money"] or "").strip()
        scale = {"k": 3, "M": 6, "B": 9}.get(match["big"] or "", 0) if money else 0
        a = f"{Decimal(match['a'].replace(',', '')).scaleb(scale).normalize():f}" if scale else match["a"]
        other = self.words["~"] + self.number(match["b"]) if match["b"] else ""
        big = match["big"] if match["big"] and not scale else ""
        per = self.words[match["per"]] if match["per"] else ""
        return f"{self.number(a)}{other}{big}{self.units.get(unit or money, '')}{per}"

    def ratio(self, match: re.Match[str]) -> str:
        return self.words[":"].join(map(self.number, match[0].split(":")))

    def grouped(self, match: re.Match[str]) -> str:
        said = self.plain["、"].join(self.digits(group) for group in re.findall(r"\d+", match[0]))
        return said.replace(self.names[0], self.words.get("0", self.names[0]))

    def score(self, match: re.Match[str]) -> str | None:
        """21-15; what goes up is a range."""
        a, b = match[0].split("-")
        return self.number(a) + self.words[":"] + self.number(b) if int(a) >= int(b) else None

    def sign(self, match: re.Match[str]) -> str:
        return self.words["plus" if match["sign"] == "+" else match["sign"]]

    def fraction(self, match: re.Match[str]) -> str:
        """1/3; 135/85 is a blood pressure."""
        top, bottom = match["top"], match["bottom"]
        if int(top) > int(bottom) > 9:
            unit = self.units[match["unit"]] if match["unit"] else ""
            return self.number(top) + self.plain["、"] + self.number(bottom) + unit
        return self.share(bottom, top)

    def share(self, bottom: str, top: str) -> str:
        return self.words["%d/%d"] % (self.whole(bottom), self.whole(top))

    def day(self, match: re.Match[str]) -> str:
        month, day = self.words["month"], self.words["day"]
        year = self.words["year"] % self.whole(match["y"]) if match.groupdict().get("y") else ""
        return year + self._days.read(f"{int(match['m'])}{month}{int(match['d'])}{day}").text()

    @cached_property
    def _days(self) -> Rules:
        return Rules([*self.counted, (r"\d", r"\d+", lambda m: self.whole(m[0]))], {})

    def month_day(self, match: re.Match[str]) -> str | None:
        """11/30 is a day, 3/4 a share."""
        dated = re.compile(r"\s?(?:まで|から|に|は|より|以|締|까지|부터|에|일|[(（~-])").match(
            match.string, match.end()
        )
        return self.day(match) if dated or int(match["d"]) > 12 else None

    def rules(self) -> Rules:
        symbols = "|".join(sorted(map(re.escape, self.units), key=len, reverse=True))
        formula = FormulaWords(
            operators={sign: self.words[sign] for sign in "+×*÷/=≈≠<>≤≥±√∠"} | {"-": self.words["minus"]},
            negative=self.words["-"],
            number=self.number,
            percent=lambda digits: self.number(digits) + self.units["%"],
            power=lambda n: self.words.get("^" + n) or self.words["^"] % self.number(n.lstrip("-")),
            fraction=lambda top, bottom: self.share(bottom, top),
            unit=lambda digits, unit: self.number(digits) + self.units.get(unit, " ".join(unit)),
            what="",
            times=self.words["×"],
            factorial="",
            bars="",
            greek=1,
        )
        table: list[Rule] = [
            (SPELLED + CALLED, f"[{SPELLED}{CALLED}](?P<digit>[0-9])", lambda m: self.digits(m["digit"])),
            ("±+-", r"(?<![A-Za-z0-9)ァ-ヿ])(?P<sign>[-+±])(?=[$¥€£₩.]?\d)", self.sign),
            ("<>≥≤", r"(?P<sign>[<>≥≤])\s?(?=[-$¥€£₩]?\d)", lambda m: self.words[m["sign"]]),
            ("=", r"(?<=\w)=(?=\w)", lambda m: self.words["="]),
            (COUNTED, rf"{COUNTED}(?P<n>\d+)", lambda m: self.number(m["n"])),
            (
                r"\d",
                r"(?<![\d.])(?P<n>\d{1,4})(?:st|nd|rd|th)(?![A-Za-z])",
                lambda m: self.words["th"] + self.number(m["n"]),
            ),
            (SPELLED + CALLED, f"[{SPELLED}{CALLED}](?P<letter>[A-Za-z])", lambda m: m["letter"].upper()),
            (r"A-Za-z:;>\^", patterns.EMOTICON, ""),
            *((r"\d", patterns.iso_date(mark) + r"\.?(?!\d)", self.day) for mark in "-/."),
            (
                r"\d",
                r"(?<![\d./])(?P<m>1[0-2]|0?[1-9])/(?P<d>3[01]|[12]\d|0?[1-9])(?![\d/%]|\.\d)",
                self.month_day,
            ),
            *self.counted,
            (r"\d", r"(?<![\d:])\d{1,3}(?::\d{1,3}){1,3}(?![\d:])", self.ratio),
            (r"\s~-", r"(?<=\S)\s?[-~]\s?(?=\d{1,2}:[0-5]\d|\d{1,2}\s?[시時])", lambda m: self.words["~"]),
            (r"\d+", r"(?<![\d-])\+?\d{2,4}(?:-\d{3,4}){2}(?![\d-])", self.grouped),
            (r"\d", r"(?<![\d-])(?:1[568]\d\d-\d{4}|\d{3}-\d{4}|\d+(?:-\d+){2,5})(?![\d-])", self.grouped),
            ("A-Za-z№", r"(?:(?<![A-Za-z])[Nn][Oo]\.|№)\s?(?=\d)", lambda m: self.words["No."]),
            (r"\dA-Za-zΑ-Ωα-ω(.±√∠-", FORMULA, formula.read),
            ("A-Za-z", CHEMICAL, formula.chemical),
            (
                r"\d",
                r"(?<![\d./])(?P<top>\d{1,3})/(?P<bottom>\d{1,3})(?![\d/])\s?(?P<unit>mmHg)?",
                self.fraction,
            ),
            (r"\d", r"(?<![\d.,A-Za-z-])\d{1,3}-\d{1,3}(?!\d|[.,]\d|[A-Za-z-])", self.score),
            (
                r"\d.$¥€£₩",
                rf"(?P<money>[$¥€£₩])?(?P<a>{patterns.NUMBER})(?:[-~](?P<b>{patterns.NUMBER}))?"
                rf"(?P<big>[kMB](?![A-Za-z]))?(?P<unit>\s?(?:{symbols})(?![A-Za-z]))?(?P<per>/[hs](?![A-Za-z]))?",
                self.quantity,
            ),
            ("ゝヽ", r"(?<=(?P<last>[ぁ-ヶ]))[ゝヽ]", lambda m: m.string[m.start() - 1]),
            (r"\dA-Za-z", patterns.EMAIL, self._address),
            (r"\dA-Za-z", patterns.URL, self._address),
            ("A-Za-z", acronyms.ACRONYM, acronyms.spell),
            (".…。", r"\.{2,}|…+|。{2,}", "…"),
            ("'", r"(?<=[A-Za-z])'(?=[A-Za-z])", "'"),
        ]
        return Rules(table, self.plain)

    def _address(self, match: re.Match[str]) -> str:
        names = {**self.words, **self.signs}
        return " ".join(names.get(p) or patterns.address_word(p) for p in patterns.parts(match[0]))


UNITS: Final = [(sign, japanese, korean) for sign, *_, japanese, korean in rows("units.txt") if japanese]
"""Sign, and what it is called in Japanese and in Korean, after a number."""
