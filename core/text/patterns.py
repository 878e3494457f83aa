"""How numbers, addresses, units and markup are written: what the rules of several languages look for."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from core.text.tables import rows

INTEGER = r"(?:\d{1,3}(?:,\d{3})+(?!\d|,\d)|\d{1,2}(?:,\d\d)+,\d{3}(?!\d|,\d)|\d++)"
NUMBER = rf"(?:{INTEGER}(?:\.\d+)?|\.\d+)"
# Repetitions are bounded, so that no text makes a search slow.
_PATH = r"(?:/[^\s<>\"'()\[\]{}|\u0080-\U0010ffff]{0,2000}(?<![.,;:!?'_*~-]))?"
_LABEL = r"[A-Za-z0-9][A-Za-z0-9-]{0,62}"
_TOP = r"(?:com|org|net|edu|gov|io|ai|cn|dev|app|co|hk|tw|jp|kr|uk|us|me|info|tv|cc|top|xyz)"
URL = (
    rf"(?<![A-Za-z0-9@.-])(?:https?://{_LABEL}(?:\.{_LABEL}){{0,8}}(?::\d{{1,5}})?{_PATH}|"
    rf"(?:{_LABEL}\.){{1,8}}{_TOP}(?![A-Za-z0-9]|\.[A-Za-z])(?::\d{{1,5}})?{_PATH})"
)
EMAIL = rf"(?<![A-Za-z0-9._%+-])[A-Za-z0-9][A-Za-z0-9._%+-]{{0,63}}@{_LABEL}(?:\.{_LABEL}){{1,8}}"
LIST_NUMBER = r"(?m:^[ \t]*(?P<n>\d{1,3})[.)](?=\s))"
TIME = (
    r"(?<!\d)(?<!\d[:：])(?P<hour>[01]?\d|2[0-4])[:：](?P<minute>[0-5]\d)(?:[:：](?P<second>[0-5]\d)(?:\.(?P<split>\d+))?)?"
    r"(?![\d:：]|,\d{3}(?!\d))(?:Z(?!\w))?(?:\s?(?P<half>[AaPp]\.[Mm](?:\.(?![A-Za-z])|(?![A-Za-z]))|[AaPp][Mm](?![A-Za-z])))?"
)
VERSION = (
    r"(?:(?<![A-Za-z0-9.])(?P<v>[vV])\.?(?P<versioned>\d+(?:\.\d+)*)|(?<![0-9.])(?P<dotted>\d+(?:\.\d+){2,}))"
    r"(?![A-Za-z0-9%])"
)
CODE = r"(?<![A-Za-z0-9.-])\d+(?:-\d+){2,20}(?![A-Za-z0-9-])"  # digits in groups: an ISBN, say
US_PHONE = r"(?<![A-Za-z0-9.-])(?:\+?1[-. ])?(?:\(\d{3}\)\s?|\d{3}[-. ])\d{3}[-. ]\d{4}(?![A-Za-z0-9-])"
FOREIGN_PHONE = r"\+\d{1,3}(?:[- ]\(?\d{1,5}\)?){2,5}(?![A-Za-z0-9-])"

HARDWARE = (
    r"(?<![A-Za-z0-9:-])(?:(?:[0-9A-Fa-f]{2}:){5}|(?:[0-9A-Fa-f]{2}-){5})[0-9A-Fa-f]{2}(?![A-Za-z0-9:-])"
    r"|(?<![A-Za-z0-9:])(?=[\d:]{0,34}[A-Fa-f])(?:[0-9A-Fa-f]{1,4}:){3,7}:?[0-9A-Fa-f]{1,4}(?![A-Za-z0-9:])"
    r"|(?<![A-Za-z0-9:])(?:[0-9A-Fa-f]{1,4}:){1,2}:[0-9A-Fa-f]{1,4}(?![A-Za-z0-9:])"
    r"|(?<![A-Za-z0-9-])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![A-Za-z0-9-])"
    r"|(?<![A-Za-z0-9])0[xX][0-9A-Fa-f]{2,64}(?![A-Za-z0-9])"
)
"""Addresses of network cards, those of IPv6, UUIDs and numbers such as 0x80070005."""
_ROOTS = r"(?:etc|usr|var|opt|home|tmp|dev|bin|lib|root|mnt|srv|proc|sys|api)(?![A-Za-z0-9])"
PATH = (
    rf"(?:(?<![^\s(\"'“（：:])(?=/[A-Za-z.][\w.-]{{0,64}}/[\w.]|~/|/{_ROOTS})~?|(?<=[\u4e00-\u9fff])(?=/{_ROOTS}))"
    r"(?:/[A-Za-z0-9._@+-]{1,64}){1,12}(?<![._-])/?|(?<![A-Za-z0-9])[A-Z]:(?:\\[A-Za-z0-9._-]{1,64}){1,12}(?<![._-])"
)
"""Where a file is: /etc/hosts, ~/.ssh, C:\\Users."""
INTERNET = (
    r"(?<![A-Za-z0-9.])(?P<ip>\d{1,3}(?:\.\d{1,3}){3})(?!\d|\.\d)"
    r"(?::(?P<port>\d{1,5}))?(?:/(?P<bits>\d{1,2}))?(?!\d)"
)
BOOK = r"(?<=IS[BS]N)[: ：]{0,2}\d[\d-]{6,16}[\dXx](?![\dA-Za-z])"
ANGLE = (
    r"(?<![\d.])(?P<degrees>\d{1,3}(?:\.\d+)?)°(?:(?P<minutes>[0-5]?\d)[′'](?:(?P<seconds>[0-5]?\d(?:\.\d+)?)[″\"])?"
    r"(?:\s?(?P<side>[NSEW])(?![A-Za-z]))?|\s?(?P<by>[NSEW])(?![A-Za-z]))"
)
_RATED = "(?:EUR|USD|GBP|JPY|CNY|CNH|HKD|AUD|CAD|CHF|NZD|SGD|BTC|ETH)"
RATE = rf"(?<![A-Za-z])(?P<a>{_RATED})/(?P<b>{_RATED})(?![A-Za-z])"

FRACTION = r"(?<![\d./])(?:(?P<whole>\d{1,4})\s)?(?P<top>\d{1,4})/(?P<bottom>\d{1,4})(?![\d/]|\.\d)"

GROUPED = r"(?<![\d.,'])[1-9]\d{0,2}(?:(?:\.\d{3}){2,}|(?:'\d{3})+|(?: \d{3})* 000)(?![\d.,']*\d| \d{3}\b)"
"""Thousands by points, spaces or strokes: 1.234.567, 10 000, 1'000."""
ABSOLUTE = r"\|(?P<of>-?[\w.]{1,8}(?:[-+][\w.]{1,8}){0,2})\|(?=\s?[=<>≤≥≠+×÷*-])"
EMOTICON = r"(?<![\w)])(?:[:;]['^-]?[)(DPp|oO*\[\]\\]|[T>^][_.-]{1,3}[T<^]|xD|XD)(?![\w(])"
ROWS = (
    r"(?<![A-Za-z0-9])(?P<of>[A-Z][A-Za-z]{0,3})(?P<a>\d{1,3})\s?[-~—]\s?"
    r"(?P<last>[A-Z][A-Za-z]{0,3})(?P<b>\d{1,3})(?![A-Za-z0-9])"
)
"""P12-P18; a row only where both letters are the same."""
EPISODE = r"(?<![A-Za-z0-9])[Ss](?P<season>\d{1,2})\s?[Ee][Pp]?(?P<n>\d{1,3})(?![A-Za-z0-9])"
CURRENCIES = (
    r"(?:US\$|HK\$|NT\$|A\$|C\$|S\$|R\$|RMB|CNY|USD|EUR|GBP|JPY|HKD|TWD|AUD|CAD|SGD|KRW|THB|CHF|[$¥€£₩₹₽฿₿₫])"
)

UNITS: Final = {
    sign: (chinese, one, many or one) for sign, chinese, one, many, *_ in rows("units.txt") if chinese
}
"""Sign: Chinese, English for one, English for many."""
MONEY: Final = {sign: words for sign, *words in rows("money.txt")}
"""Sign: Chinese, English for one and for many, and the same of its hundredth."""
UNIT = (
    f"(?=[{''.join({unit[0] for unit in UNITS})}])(?:"
    + "|".join(sorted(map(re.escape, UNITS), key=len, reverse=True))
    + r")(?![A-Za-z0-9^])"
)

# Greek letters stand alone, in formulas; a word of them is text in a language nobody here reads.
_LETTERS: Final = """
    α阿尔法/alpha β贝塔/beta γ伽马/gamma δ德尔塔/delta ε艾普西隆/epsilon ζ泽塔/zeta η伊塔/eta θ西塔/theta
    ι约塔/iota κ卡帕/kappa λ拉姆达/lambda μ缪/mu ν纽/nu ξ克西/xi ο奥密克戎/omicron π派/pi ρ柔/rho
    σ西格马/sigma ς西格马/sigma τ套/tau υ宇普西隆/upsilon φ斐/phi χ希/chi ψ普西/psi ω欧米伽/omega
"""
GREEK: Final = {entry[0]: tuple(entry[1:].split("/")) for entry in _LETTERS.split()}


def iso_date(mark: str) -> str:
    """2026-11-30, with one mark; a range of dates may follow."""
    between = re.escape(mark)
    return (
        rf"(?<![\d.])(?P<y>[12]\d{{3}}){between}(?P<m>0?[1-9]|1[0-2]){between}(?P<d>0?[1-9]|[12]\d|3[01])"
        rf"(?![\d%])(?!{between}\d{{1,2}}(?!\d))(?:T(?=\d\d:\d\d))?"
    )


def row_name(match: re.Match[str]) -> str | None:
    """Of ROWS: the letters as they are said, or None where they differ."""
    of: str = match["of"]
    if of != match["last"]:
        return None
    return " ".join(of.upper()) if of.isupper() or of == "Lv" else of


def parts(address: str) -> list[str]:
    """A web address as it is worth hearing: host and path in words and dots, no scheme, query or fragment.

    >>> parts("https://www.example.com/docs/?q=1#top")
    ['www', '.', 'example', '.', 'com', '/', 'docs']
    """
    address = re.sub(r"^https?://", "", re.split(r"[?#]", address)[0]).rstrip("/.,;:!-_")
    return re.findall(r"[^\W_]+|[./@_:\\+-]", address)


def address_word(word: str) -> str:
    """A word of a web address; spelled if nobody could say it."""
    spelled = (
        len(word) == 1
        or word.lower() in ("io", "ai", "uk", "us", "etc")
        or not set(word.lower()) & set("aeiouy")
    )
    return " ".join(word.upper()) if spelled and len(word) <= 5 else word


def hexadecimal(address: str, digit: Callable[[str], str], colon: str, pause: str) -> list[str]:
    """Hexadecimal digits one by one, a pause between groups; in an address of IPv6 the colons are said."""
    between = colon if "::" in address or len(address.partition(":")[0]) in (3, 4) else pause
    pieces = re.findall(r"\d|[A-FX]|[:-]", address.upper())
    return [digit(p) or (p if p.isalpha() else between) for p in pieces]


def address(match: re.Match[str], marks: Mapping[str, str], digits: Callable[[str], str]) -> str:
    """A web address, its marks and digits in words."""
    pieces = (piece for part in parts(match[0]) for piece in re.findall(r"\d+|\D+", part))
    return " ".join(marks.get(p, digits(p) if p.isdigit() else address_word(p)) for p in pieces)


def grouped(
    match: re.Match[str], digit: Callable[[str], str], plus: str, pause: str
) -> list[tuple[int, str]]:
    """A telephone number or code: digit by digit, a pause where it is grouped."""
    readings: list[tuple[int, str]] = []
    for piece in re.compile(r"\+|\d|[^\d+]+").finditer(match.string, *match.span()):
        if piece[0] == "+":
            readings.append((piece.start(), plus))
        elif piece[0].isdigit():
            readings.append((piece.start(), digit(piece[0])))
        elif readings and piece.end() < match.end():
            readings.append((piece.start(), pause))
    return readings
