"""A number in English text with whatever belongs to it: sign, range, currency, unit."""

import re
from typing import Final

from core.text.english.numbers import number
from core.text.patterns import CURRENCIES, MONEY, NUMBER, UNIT, UNITS

RANGE = r"\s?[-~—]\s?"

_BIG: Final = {
    "k": "thousand",
    **dict.fromkeys(("m", "mn"), "million"),
    **dict.fromkeys(("b", "bn"), "billion"),
} | {**dict.fromkeys(("t", "tn"), "trillion")}
_MONEY: Final = {sign: english for sign, (_, *english) in MONEY.items()}
QUANTITY = (
    rf"(?P<sign>(?<![\w)\].])[-+±](?={CURRENCIES}?\s?[\d.]))?(?P<money>{CURRENCIES}\s?)?(?P<a>{NUMBER})"
    rf"(?:(?P<own>%|{UNIT})(?=(?:{RANGE}|\s?±\s?)-?\.?\d))?"
    rf"(?:(?P<to>{RANGE}|\s?±\s?)(?:{CURRENCIES}\s?)?(?P<bsign>-)?(?P<b>{NUMBER})(?![-/]\d))?"
    rf"(?P<big>(?!{UNIT})(?:\s?(?:million|billion|trillion|thousand|hundred|lakh|crore)(?![A-Za-z])|"
    r"(?:[kKmMbBtT]|bn|mn|tn)(?![A-Za-z0-9/^])))?"
    rf"(?P<unit>\s?(?:{UNIT}|{CURRENCIES}|%))?(?:(?<=[a-z])\.(?=\s[a-z\d]|,))?"
    rf"(?P<per>/(?P<each>\d+(?:\.\d+)?)?\s?(?:{UNIT}|[a-z]{{2,}}))?"
)
MONEY_QUANTITY = (
    QUANTITY.replace(rf"(?P<big>(?!{UNIT})", "(?P<big>")
    .replace("(?![A-Za-z0-9/^])", "(?![A-Za-z0-9^])")
    .replace(rf"(?P<money>{CURRENCIES}\s?)?", rf"(?P<money>{CURRENCIES}\s?)")
    .replace(rf"(?:(?P<to>{RANGE}|\s?±\s?)(?:{CURRENCIES}\s?)?", rf"(?:(?P<to>{RANGE})(?!{CURRENCIES})")
)
"""With a currency, in which m is a million and no metre; $10-$20 are two sums."""
_COUNTED = re.compile(r"\+?(?:-\d+[kKM])?\s(?:[a-z]{3,}s|people|sold)\b")
_STORED = re.compile(r"(?<=[KMGT]B) (?:SSD|HDD|RAM|VRAM|USB|NVMe|card|disk|drive|file|memory|storage)s?\b")
_PER: Final = {
    **{"mo": "month", "yr": "year", "yrs": "year", "wk": "week", "hr": "hour", "ea": "each", "pc": "piece"},
    **{"pcs": "piece", "pp": "person", "sq": "square", "da": "day", "qtr": "quarter", "min": "minute"},
}
_SIGNS: Final = {"-": "minus", "+": "plus", "±": "plus or minus"}


def quantity(match: re.Match[str]) -> list[tuple[int, str]]:
    """The readings of a match of QUANTITY, each with its place."""
    unit, own, money, big = ((match[g] or "").strip() for g in ("unit", "own", "money", "big"))
    readings: list[tuple[int, str]] = []
    if match["sign"]:
        readings.append((match.start("sign"), _SIGNS[match["sign"]]))
    # From the currency on, if it is written first.
    begin = match.start("money") if money else match.start("a")
    if money and not match["b"] and not big:
        readings.append((begin, _money(match["a"], money)))
    else:
        readings.append((begin, number(match["a"])))
        if own and own != unit:
            readings.append((match.start("own"), _unit(own, one=match["a"] == "1")))
        if match["b"]:
            readings.append((match.start("to"), "plus or minus" if "±" in match["to"] else "to"))
            readings.append((match.start("b"), ("minus " if match["bsign"] else "") + number(match["b"])))
        if big:
            readings.append((match.start("big"), _big(big, money or _many(match))))
        if money:
            readings.append((readings[-1][0], _MONEY[money][1]))
    one = match["a"] == "1" and not match["b"] and not big
    if said := _unit(unit, one=one or ((len(unit) > 1 or unit in "VWgL") and _attributive(match))):
        readings.append((match.start("unit"), said))
    if match["per"]:
        each = match["each"] or ""
        per = match["per"][1:].removeprefix(each).strip()
        name = _PER.get(per, UNITS.get(per, ("", per, per))[2 if each and each != "1" else 1])
        said = name if name == "each" else f"per {number(each)} {name}" if each else f"per {name}"
        readings.append((match.start("per"), said))
    return readings


def _attributive(match: re.Match[str]) -> bool:
    """A 12 V battery, a 5 kg bag, 2TB SSD."""
    if _STORED.match(match.string, match.end()):
        return True
    article = re.search(r"\b[Aa]n? $", match.string[max(0, match.start() - 3) : match.start()])
    noun = re.compile(
        r" (?!of\b|and\b|or\b|to\b|in\b|at\b|for\b|from\b|with\b|per\b|more\b|less\b)(?:[a-z]{3,}|[A-Z]{3})"
    )
    return bool(article and noun.match(match.string, match.end()))


def measured(digits: str, unit: str, *, only: bool = False) -> str:
    """A number and its unit. only: the unit alone."""
    name = {"%": "percent", "mi": "miles", "yd": "yards", "hr": "hours"}.get(unit) or _unit(
        unit, one=digits == "1"
    )
    return name if only else f"{number(digits)} {name or ' '.join(unit)}"


def below(match: re.Match[str]) -> str:
    """$-5."""
    return f"minus {_money(match['a'], match['money'])}"


def _money(amount: str, money: str) -> str:
    one, many, cent, cents = _MONEY[money]
    whole, _, decimals = amount.partition(".")
    if not cent or len(decimals) > 2:
        return f"{number(amount)} {one if amount == '1' else many}"
    small = int(decimals.ljust(2, "0") or 0) if decimals else 0
    pounds = f"{number(whole or '0')} {one if whole == '1' else many}"
    pence = f"{number(str(small))} {cent if small == 1 else cents}"
    if not small:
        return pounds
    return pence if whole.strip("0") == "" else f"{pounds} and {pence}"


def _many(match: re.Match[str]) -> str:
    """1.2M views and 10K followers are counts; 4K videos are not."""
    if "." in match["a"]:
        return "+"
    sharp = match["a"] in ("2", "4", "5", "8", "16") and (match["big"] or "").strip() in "kK"
    return "" if sharp else "+"[: _COUNTED.match(match.string, match.end()) is not None]


def _big(big: str, money: str) -> str:
    """10K is ten K, but $10K is ten thousand dollars."""
    if len(big) > 1:
        return _BIG.get(big.lower(), big)
    return _BIG[big.lower()] if money else big.upper()


def _unit(unit: str, *, one: bool) -> str:
    if unit == "%":
        return "percent"
    if unit in _MONEY:
        return _MONEY[unit][0 if one else 1]
    return UNITS[unit][1 if one else 2] if unit in UNITS else ""
