"""How numbers, clocks and counters are read in Japanese text.

In kana, as the built-in voice reads nothing else.
"""

import re
from collections.abc import Mapping
from typing import Final

from core.text.counted import CLOCK, UNITS, Language, cardinal
from core.text.formulas import operators
from core.text.rules import Rule

_KANA_DIGITS: Final = ("ゼロ", "いち", "に", "さん", "よん", "ご", "ろく", "なな", "はち", "きゅう")
_KANA_IRREGULAR: Final = {
    "さんひゃく": "さんびゃく",
    "ろくひゃく": "ろっぴゃく",
    "はちひゃく": "はっぴゃく",
} | {"さんせん": "さんぜん", "はちせん": "はっせん"}


def kana(digits: str) -> str:
    """A whole number in kana.

    >>> [kana(n) for n in ("0", "11", "365", "2024", "18000")]
    ['ゼロ', 'じゅういち', 'さんびゃくろくじゅうご', 'にせんにじゅうよん', 'いちまんはっせん']
    """
    return cardinal(digits, _kana_group, ("", "まん", "おく", "ちょう"), _KANA_DIGITS)


def _kana_group(value: int) -> str:
    words = ""
    for digit, unit in zip(f"{value:04d}", ("せん", "ひゃく", "じゅう", ""), strict=True):
        if digit != "0":
            part = ("" if digit == "1" and unit else _KANA_DIGITS[int(digit)]) + unit
            words += _KANA_IRREGULAR.get(part, part)
    return words


# How a counter sounds, and where a number and it are not said one after the other.
_HARD: Final = {"1": "いっ", "6": "ろっ", "8": "はっ", "10": "じゅっ"}
_THINGS: Final = "ひとつ ふたつ みっつ よっつ いつつ むっつ ななつ やっつ ここのつ"
_REGULAR: Final = "枚まい 台だい 番ばん 秒びょう 割わり 位い 号ごう 度ど 倍ばい 名めい 組くみ 部ぶ 巻かん"
_SOFT: Final = {"1": "いっ", "8": "はっ", "10": "じゅっ"}


def _joined(numbers: Mapping[str, str], counter: str) -> dict[str, str]:
    return {digits: said + counter for digits, said in numbers.items()}


_COUNTERS: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "時間": ("じかん", {"4": "よじかん", "9": "くじかん"}),
    "週間": ("しゅうかん", _joined(_SOFT, "しゅうかん")),
    "か月": ("かげつ", _joined(_HARD, "かげつ")),
    "ヶ月": ("かげつ", _joined(_HARD, "かげつ")),
    "時": ("じ", {"4": "よじ", "7": "しちじ", "9": "くじ", "0": "れいじ"}),
    "分": ("ふん", _joined(_HARD | {"3": "さん", "4": "よん"}, "ぷん")),
    "分間": ("ふんかん", _joined(_HARD | {"3": "さん", "4": "よん"}, "ぷんかん")),
    "番目": ("ばんめ", {}),
    "泊": ("はく", _joined(_HARD | {"3": "さん", "4": "よん"}, "ぱく")),
    "つ": ("つ", dict(zip("123456789", _THINGS.split(), strict=True))),
    "人": ("にん", {"1": "ひとり", "2": "ふたり", "4": "よにん"}),
    "個": ("こ", _joined(_HARD, "こ")),
    "本": ("ほん", _joined(_HARD, "ぽん") | {"3": "さんぼん"}),
    "匹": ("ひき", _joined(_HARD, "ぴき") | {"3": "さんびき"}),
    "杯": ("はい", _joined(_HARD, "ぱい") | {"3": "さんばい"}),
    "回": ("かい", _joined(_HARD, "かい")),
    "階": ("かい", _joined(_HARD, "かい") | {"3": "さんがい"}),
    "冊": ("さつ", _joined(_SOFT, "さつ")),
    "章": ("しょう", _joined(_SOFT, "しょう")),
    "点": ("てん", _joined(_SOFT, "てん")),
    "件": ("けん", _joined(_HARD, "けん")),
    "歳": ("さい", _joined(_SOFT, "さい") | {"20": "はたち"}),
    "月": ("がつ", {"4": "しがつ", "7": "しちがつ", "9": "くがつ"}),
    "年": ("ねん", {"4": "よねん", "9": "くねん"}),
    "円": ("えん", {"4": "よえん"}),
    **{counter: (name, {}) for counter, name in re.findall("(.)([ぁ-ん]+)", _REGULAR)},
}
_COUNTER: Final = "|".join(sorted(_COUNTERS, key=len, reverse=True))
_DAY_NAMES: Final = """
    1ついたち 2ふつか 3みっか 4よっか 5いつか 6むいか 7なのか 8ようか 9ここのか 10とおか 14じゅうよっか
    20はつか 24にじゅうよっか
"""
_DAYS: Final[dict[str, str]] = dict(re.findall(r"(\d+)([ぁ-ん]+)", _DAY_NAMES))
_SCRIPTURE: Final = (
    "(?:(?<=ルカ)|(?<=福音|詩編|詩篇|箴言|の書)|(?<=ヨハネ|マタイ|マルコ|ローマ|創世記|福音書|黙示録)"
    "|(?<=ルカ |詩編 |詩篇 |箴言 )|(?<=ヨハネ |マタイ |マルコ |福音書 ))"
)
_LARGE: Final = {"百": 2, "千": 3, "万": 4, "億": 8, "兆": 12}
_HAND_WRITTEN: Final = {
    **dict.fromkeys(("ふん", "ぷん"), "分"),
    **dict.fromkeys(("ほん", "ぽん", "ぼん"), "本"),
    **dict.fromkeys(("ぴき", "びき"), "匹"),
    **{"にん": "人", "じ": "時", "こ": "個", "ぱい": "杯", "かい": "回", "えん": "円"},
}


def _counter(digits: str, counter: str) -> str:
    """5, 分 -> ごふん; the last one or two digits say how."""
    digits = digits.replace(",", "").lstrip("0") or "0"
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


def _japanese_clock(match: re.Match[str]) -> str:
    minute = "" if match["minute"] == "00" else _counter(match["minute"], "分")
    return _counter(match["hour"], "時") + minute


def _day(number: str) -> str:
    """Of a month, or so many of them."""
    return _DAYS.get(number, kana(number) + "にち")


def _verse(match: re.Match[str]) -> str:
    """ヨハネ3:16."""
    last = "から" + kana(match["last"]) if match["last"] else ""
    return f"{_counter(match['chapter'], '章')}{kana(match['verse'])}{last}せつ"


def _large(match: re.Match[str]) -> str:
    """3千, 1万円."""
    return kana(match["n"] + "0" * _LARGE[match["big"]]) + {"円": "えん", "人": "にん"}.get(match["of"], "")


_JAPANESE_COUNTED: Final[list[Rule]] = [
    (
        r"\d",
        rf"{_SCRIPTURE}(?P<chapter>\d{{1,3}}):(?P<verse>\d{{1,3}})(?:[-~](?P<last>\d{{1,3}}))?(?![\d:])",
        _verse,
    ),
    (r"\d", CLOCK, _japanese_clock),
    (
        r"\d\s",
        r"(?:(?<=月)|(?<=がつ)\s?)(?P<n>\d{1,2})(?:日|にち)",
        lambda m: _day(m["n"].lstrip("0")),
    ),
    (
        r"\d",
        r"(?<=[\u4e00-\u9fff])\d{1,4}(?:-\d{1,4}){1,3}(?![\d-])(?<!\d{4})",
        lambda m: "の".join(map(kana, m[0].split("-"))),
    ),  # 渋谷2-21-1
    (
        r"\d",
        r"(?<![\d.月])(?P<n>\d{1,3})日(?!本|々)",
        lambda m: "いちにち" if m["n"] == "1" else _day(m["n"]),
    ),
    ("第", r"第(?=\d)", "だい"),
    ("~", r"(?<=[円%度人個日時分秒年月位g])~(?=\d)", "から"),
    (r"\d", r"(?<![\d.,])(?P<n>\d{1,4})(?P<big>[百千万億兆])(?P<of>[円人])?", _large),
    (
        r"\d",
        rf"(?<![\d.,:/])(?<!\d-)(?:(?P<from>\d{{1,4}})[-~])?"
        rf"(?P<n>(?<![\d.,])\d{{1,3}}(?:,\d{{3}})+|(?<![\d.,])\d{{1,8}})(?P<of>{_COUNTER})(?!(?<!つ)目|[数分])",
        lambda m: (kana(m["from"]) + "から" if m["from"] else "") + _counter(m["n"], m["of"]),
    ),
    (
        r"\d",
        r"(?<![\d.,])(?P<n>\d{1,4})(?P<of>にん|じ(?=[にかまはのも、。\s\d]|$)|ふん|ぷん|ほん|ぽん|ぼん|ぴき|びき|ぱい)",
        lambda m: _counter(m["n"], _HAND_WRITTEN[m["of"]]),
    ),
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
JAPANESE: Final = Language(
    kana,
    _KANA_DIGITS,
    operators(2)
    | {".": "てん", "~": "から", ":": "たい", "minus": "マイナス", "plus": "プラス", "^": "の%sじょう"}
    | {"%d/%d": "%sぶんの%s", "/h": "まいじ", "/s": "まいびょう", "year": "%sねん", "month": "月"}
    | {"day": "日", "th": "だい", "No.": "ナンバー", "@": "アット"},
    _JAPANESE_PLAIN,
    {sign: japanese for sign, japanese, _ in UNITS},
    _JAPANESE_COUNTED,
    {"/": "スラッシュ", "-": "ハイフン", ":": "コロン", "+": "プラス"},
).rules()
