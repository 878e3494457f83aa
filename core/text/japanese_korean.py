"""How numbers, clocks, counters and signs are read in Japanese and Korean text.

Japanese readings are in kana, as the built-in voice reads nothing else.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from core.text import acronyms, patterns
from core.text.markup import SPELLED
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
    said = _cardinal(digits, _hangul_group, ("", "만 ", "억 ", "조 "), _HANGUL_DIGITS).strip()
    return said.removeprefix("일") if said.startswith("일만") else said


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
    counted: Sequence[Rule],
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

    def ratio(match: re.Match[str]) -> str:
        return words[":"].join(map(number, match[0].split(":")))

    def grouped(match: re.Match[str]) -> str:
        return plain["、"].join(digits(group) for group in re.findall(r"\d+", match[0]))

    symbols = "|".join(sorted(map(re.escape, units), key=len, reverse=True))
    table: list[Rule] = [
        (f"{SPELLED}(?P<digit>[0-9])", lambda m: digits(m["digit"])),
        (f"{SPELLED}(?P<letter>[A-Za-z])", lambda m: m["letter"].upper()),
        *counted,
        (r"(?<![\d:])\d{1,3}(?::\d{1,3}){1,3}(?![\d:])", ratio),
        (r"(?<=\S)\s?[-~]\s?(?=\d{1,2}:[0-5]\d|\d{1,2}\s?[시時])", lambda m: words["~"]),
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


# How a counter sounds, and where a number and it are not said one after the other.
_HARD: Final = {"1": "いっ", "6": "ろっ", "8": "はっ", "10": "じゅっ"}
_COUNTERS: Final = {
    "時": ("じ", {"4": "よじ", "7": "しちじ", "9": "くじ", "0": "れいじ"}),
    "分": ("ふん", {**{n: _HARD[n] + "ぷん" for n in _HARD}, "3": "さんぷん", "4": "よんぷん"}),
    "つ": (
        "つ",
        dict(
            zip(
                "123456789",
                ["ひとつ", "ふたつ", "みっつ", "よっつ", "いつつ", "むっつ", "ななつ", "やっつ", "ここのつ"],
                strict=True,
            )
        ),
    ),
    "人": ("にん", {"1": "ひとり", "2": "ふたり", "4": "よにん"}),
    "個": ("こ", {n: _HARD[n] + "こ" for n in _HARD}),
    "本": ("ほん", {**{n: _HARD[n] + "ぽん" for n in _HARD}, "3": "さんぼん"}),
    "回": ("かい", {n: _HARD[n] + "かい" for n in _HARD}),
    "歳": ("さい", {**{n: _HARD[n] + "さい" for n in ("1", "8", "10")}, "20": "はたち"}),
    "月": ("がつ", {"4": "しがつ", "7": "しちがつ", "9": "くがつ"}),
    "年": ("ねん", {"4": "よねん", "9": "くねん"}),
    "枚": ("まい", {}),
    "円": ("えん", {"4": "よえん"}),
}
_DAYS: Final = dict(
    zip(
        ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "14", "20", "24"],
        [
            "ついたち",
            "ふつか",
            "みっか",
            "よっか",
            "いつか",
            "むいか",
            "なのか",
            "ようか",
            "ここのか",
            "とおか",
            "じゅうよっか",
            "はつか",
            "にじゅうよっか",
        ],
        strict=True,
    )
)
_HAND_WRITTEN: Final = {
    "にん": "人",
    "じ": "時",
    "ふん": "分",
    "ぷん": "分",
    "こ": "個",
    "ほん": "本",
    "かい": "回",
    "えん": "円",
}


def _counter(digits: str, counter: str) -> str:
    """5, 分 -> ごふん; the last one or two digits say how."""
    digits = digits.lstrip("0") or "0"
    name, irregular = _COUNTERS[counter]
    if digits in irregular:
        return irregular[digits]
    if counter in ("人", "つ", "歳") or len(digits) == 1:
        return kana(digits) + name
    last = "10" if digits[-1] == "0" and digits[-2] != "0" else digits[-1]
    if last not in irregular:
        return kana(digits) + name
    head = int(digits) - int(last)
    if last == "10":
        tens = kana(str(int(digits))).removesuffix("じゅう")
        return tens + irregular["10"]
    return (kana(str(head)) if head else "") + irregular[last]


_CLOCK: Final = patterns.TIME + r"(?![てで]?(?:で|に)?(?:か|ま)[ちけつっ]|로\s?(?:이|졌|승|패))"
"""A time of day, and no score that somebody wins or loses by."""


def _japanese_clock(match: re.Match[str]) -> str:
    minute = "" if match["minute"] == "00" else _counter(match["minute"], "分")
    return _counter(match["hour"], "時") + minute


_JAPANESE_COUNTED: Final[list[Rule]] = [
    (_CLOCK, _japanese_clock),
    (
        r"(?:(?<=月)|(?<=がつ)\s?)(?P<n>\d{1,2})(?:日|にち)",
        lambda m: _DAYS.get(m["n"].lstrip("0"), kana(m["n"]) + "にち"),
    ),
    (
        r"(?<![\d.,])(?P<n>\d{1,8})(?P<of>[時分つ人個本回歳月年枚円])(?![間目数分])",
        lambda m: _counter(m["n"], m["of"]),
    ),
    (
        r"(?<![\d.,])(?P<n>\d{1,4})(?P<of>にん|じ(?=[にかまはのも、。\s\d]|$)|ふん|ぷん|ほん)",
        lambda m: _counter(m["n"], _HAND_WRITTEN[m["of"]]),
    ),
]

_NATIVE_ONES: Final = ("", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉")
_NATIVE_TENS: Final = ("", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔")
_NATIVE_COUNTERS: Final = (
    "시간|시|개(?!월|년)|명|살|마리|잔|병|권|대|장|사람|그루|켤레|벌|송이|가지|달|"
    "곳|자루|채|통|판|조각|번째|그릇|봉지|박스|상자|줄"
)


def native(digits: str) -> str:
    """A whole number below a hundred as things are counted in Korean; a larger one Sino-Korean.

    >>> [native(n) for n in ("2", "20", "21", "100")]
    ['두', '스무', '스물한', '백']
    """
    value = int(digits)
    if not 0 < value < 100:
        return hangul(digits)
    return "스무" if value == 20 else _NATIVE_TENS[value // 10] + _NATIVE_ONES[value % 10]


def _hour(digits: str) -> str:
    return native(digits) if 0 < int(digits) <= 12 else hangul(digits)


def _korean_clock(match: re.Match[str]) -> str:
    minute = "" if match["minute"] == "00" else f" {hangul(match['minute'])} 분"
    return f"{_hour(match['hour'])} 시{minute}"


def _counted(match: re.Match[str]) -> str:
    said = _hour(match["n"]) if match["of"] == "시" else native(match["n"])
    return f"{said} {match['of']}"


_KOREAN_COUNTED: Final[list[Rule]] = [
    (_CLOCK, _korean_clock),
    (r"(?<![\d.,])0?(?P<n>6|10)\s?월", lambda m: "유월" if m["n"] == "6" else "시월"),
    (rf"(?<![\d.,])(?P<n>\d{{1,2}})\s?(?P<of>{_NATIVE_COUNTERS})", _counted),
    (r"(?<=시)\s?(?P<n>\d{1,2})\s?분", lambda m: f" {hangul(m['n'])} 분"),
]

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
_UNITS: Final = {
    "%": ("パーセント", " 퍼센트"),
    "°C": ("ど", " 도"),
    "$": ("ドル", " 달러"),
    "¥": ("えん", " 엔"),
    "€": ("ユーロ", " 유로"),
    "£": ("ポンド", " 파운드"),
    "₩": ("ウォン", " 원"),
    "km": ("キロメートル", " 킬로미터"),
    "m": ("メートル", " 미터"),
    "cm": ("センチメートル", " 센티미터"),
    "mm": ("ミリメートル", " 밀리미터"),
    "kg": ("キログラム", " 킬로그램"),
    "g": ("グラム", " 그램"),
    "L": ("リットル", " 리터"),
    "GB": ("ギガバイト", " 기가바이트"),
    "MB": ("メガバイト", " 메가바이트"),
}
"""What units are called in Japanese and in Korean, after a number."""

JAPANESE: Final = _rules(
    kana,
    _KANA_DIGITS,
    {".": "てん", "-": "マイナス", "~": "から", ":": "たい"},
    _JAPANESE_PLAIN,
    {unit: words[0] for unit, words in _UNITS.items()},
    _JAPANESE_COUNTED,
)
KOREAN: Final = _rules(
    hangul,
    _HANGUL_DIGITS,
    {".": " 점 ", "-": "마이너스 ", "~": "에서 ", ":": " 대 "},
    _KOREAN_PLAIN,
    {unit: words[1] for unit, words in _UNITS.items()},
    _KOREAN_COUNTED,
)
