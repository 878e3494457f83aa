"""How numbers and signs are read in Japanese and Korean text: the plain cases, without counters.

Japanese readings are in kana, as the built-in voice reads nothing else.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from core.text import acronyms, patterns
from core.text.rules import Rule, Rules

_KANA_DIGITS: Final = ("ゼロ", "いち", "に", "さん", "よん", "ご", "ろく", "なな", "はち", "きゅう")
_KANA_IRREGULAR: Final = {
    "さんひゃく": "さんびゃく",
    "ろくひゃく": "ろっぴゃく",
    "はちひゃく": "はっぴゃく",
} | {
    "さんせん": "さんぜん",
    "はちせん": "はっせん",
}
_HANGUL_DIGITS: Final = tuple("영일이삼사오육칠팔구")
_LONGEST = 16


def kana(digits: str) -> str:
    """A whole number in kana.

    >>> [kana(n) for n in ("0", "11", "365", "2024", "18000")]
    ['ゼロ', 'じゅういち', 'さんびゃくろくじゅうご', 'にせんにじゅうよん', 'いちまんはっせん']
    """
    return _cardinal(digits, _kana_group, ("", "まん", "おく", "ちょう"), _KANA_DIGITS)


def _kana_group(value: int) -> str:
    words = ""
    for digit, unit in zip(f"{value:04d}", ("せん", "ひゃく", "じゅう", ""), strict=True):
        if digit != "0":
            part = ("" if digit == "1" and unit else _KANA_DIGITS[int(digit)]) + unit
            words += _KANA_IRREGULAR.get(part, part)
    return words


def hangul(digits: str) -> str:
    """A whole number in hangul, Sino-Korean.

    >>> [hangul(n) for n in ("0", "11", "365", "2024", "18000")]
    ['영', '십일', '삼백육십오', '이천이십사', '만 팔천']
    """
    return (
        _cardinal(digits, _hangul_group, ("", "만 ", "억 ", "조 "), _HANGUL_DIGITS)
        .strip()
        .removeprefix("일만")
    )


def _hangul_group(value: int) -> str:
    words = ""
    for digit, unit in zip(f"{value:04d}", ("천", "백", "십", ""), strict=True):
        if digit != "0":
            words += ("" if digit == "1" and unit else _HANGUL_DIGITS[int(digit)]) + unit
    return words


def _cardinal(digits: str, group: Callable[[int], str], units: tuple[str, ...], names: Sequence[str]) -> str:
    digits = digits.replace(",", "").lstrip("0") or "0"
    if digits == "0" or len(digits) > _LONGEST:
        return "".join(names[int(d)] for d in digits)
    padded = digits.zfill(-(-len(digits) // 4) * 4)
    groups = [int(padded[k : k + 4]) for k in range(0, len(padded), 4)]
    return "".join(group(g) + units[len(groups) - 1 - k] for k, g in enumerate(groups) if g)


def _rules(
    whole: Callable[[str], str],
    names: Sequence[str],
    words: Mapping[str, str],
    plain: Mapping[str, str],
    units: Mapping[str, str],
) -> Rules:
    def digits(text: str) -> str:
        return "".join(names[int(d)] for d in text if d.isdigit())

    def number(text: str) -> str:
        before, _, after = text.partition(".")
        if len(before) > 1 and before[0] == "0":
            return digits(text)
        return whole(before or "0") + (words["."] + digits(after) if after else "")

    def quantity(match: re.Match[str]) -> str:
        sign = words["-"] if match["sign"] else ""
        other = words["~"] + number(match["b"]) if match["b"] else ""
        unit = units.get((match["unit"] or match["money"] or "").strip(), "")
        return f"{sign}{number(match['a'])}{other}{unit}"

    def grouped(match: re.Match[str]) -> str:
        return plain["、"].join(digits(group) for group in re.findall(r"\d+", match[0]))

    symbols = "|".join(sorted(map(re.escape, units), key=len, reverse=True))
    table: list[Rule] = [
        (patterns.MARKUP, patterns.markup),
        (r"(?<![\d-])\+?\d{2,4}(?:-\d{3,4}){2}(?![\d-])", grouped),
        (
            rf"(?P<money>[$¥€£₩])?(?P<sign>(?<![\w)])-)?(?P<a>{patterns.NUMBER})(?:[-~](?P<b>{patterns.NUMBER}))?"
            rf"(?P<unit>\s?(?:{symbols})(?![A-Za-z]))?",
            quantity,
        ),
        (r"(?<=(?P<last>[ぁ-ヶ]))[ゝヽ]", lambda m: m.string[m.start() - 1]),
        (acronyms.ACRONYM, acronyms.spell),
        (r"\.{2,}|…+|。{2,}", lambda m: "…"),
        (r"(?<=[A-Za-z])'(?=[A-Za-z])", lambda m: "'"),
    ]
    return Rules(table, plain)


_JAPANESE_PLAIN: Final = {
    **dict.fromkeys("(){}[]【】〔〕|—→；：,;:、，", "、"),
    **dict.fromkeys("'\"“”「」『』《》〈〉*_~#@^\\$¥€£₩·-<>=/°", " "),
    ".": "。",
    "!": "！",
    "?": "？",
    "&": "アンド",
    "+": "プラス",
    "%": "パーセント",
    "×": "かける",
}
_KOREAN_PLAIN: Final = {
    **dict.fromkeys("(){}[]【】〔〕|—→；：、，", ", "),
    **dict.fromkeys("'\"“”「」『』《》〈〉*_~#@^\\$¥€£₩·-<>=/°", " "),
    "。": ". ",
    "！": "! ",
    "？": "? ",
    "&": " 앤드 ",
    "+": " 더하기 ",
    "%": " 퍼센트 ",
    "×": " 곱하기 ",
}
JAPANESE: Final = _rules(
    kana,
    _KANA_DIGITS,
    {".": "てん", "-": "マイナス", "~": "から"},
    _JAPANESE_PLAIN,
    {
        "%": "パーセント",
        "°C": "ど",
        "$": "ドル",
        "¥": "えん",
        "€": "ユーロ",
        "£": "ポンド",
        "₩": "ウォン",
        "km": "キロメートル",
        "m": "メートル",
        "cm": "センチメートル",
        "mm": "ミリメートル",
        "kg": "キログラム",
        "g": "グラム",
        "L": "リットル",
        "GB": "ギガバイト",
        "MB": "メガバイト",
    },
)
KOREAN: Final = _rules(
    hangul,
    _HANGUL_DIGITS,
    {".": " 점 ", "-": "마이너스 ", "~": "에서 "},
    _KOREAN_PLAIN,
    {
        "%": " 퍼센트",
        "°C": " 도",
        "$": " 달러",
        "¥": " 엔",
        "€": " 유로",
        "£": " 파운드",
        "₩": " 원",
        "km": " 킬로미터",
        "m": " 미터",
        "cm": " 센티미터",
        "mm": " 밀리미터",
        "kg": " 킬로그램",
        "g": " 그램",
        "L": " 리터",
        "GB": " 기가바이트",
        "MB": " 메가바이트",
    },
)
