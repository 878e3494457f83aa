"""How numbers, clocks and counters are read in Korean text."""

import re
from typing import Final

from core.text.counted import CLOCK, UNITS, Language, cardinal
from core.text.formulas import operators
from core.text.rules import Rule

_HANGUL_DIGITS: Final = tuple("영일이삼사오육칠팔구")


def hangul(digits: str) -> str:
    """A whole number in hangul, Sino-Korean.

    >>> [hangul(n) for n in ("0", "11", "365", "2024", "18000")]
    ['영', '십일', '삼백육십오', '이천이십사', '만 팔천']
    """
    said = cardinal(digits, _hangul_group, ("", "만 ", "억 ", "조 "), _HANGUL_DIGITS).strip()
    return said.removeprefix("일") if said.startswith("일만") else said


def _hangul_group(value: int) -> str:
    words = ""
    for digit, unit in zip(f"{value:04d}", ("천", "백", "십", ""), strict=True):
        if digit != "0":
            words += ("" if digit == "1" and unit else _HANGUL_DIGITS[int(digit)]) + unit
    return words


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


def _verse(match: re.Match[str]) -> str:
    """요한복음 3:16."""
    last = "에서 " + hangul(match["last"]) if match["last"] else ""
    return f"{hangul(match['chapter'])}장 {hangul(match['verse'])}{last}절"


_NAMED: Final = {
    **{"3G": "스리지", "4G": "포지", "5G": "파이브지", "6G": "식스지"},
    **{"3D": "스리디", "4K": "포케이", "8K": "에이트케이"},
}
_KOREAN_COUNTED: Final[list[Rule]] = [
    (r"\d", rf"(?<![\w.])(?:{'|'.join(_NAMED)})(?![A-Za-z])", lambda m: _NAMED[m[0]]),
    (
        r"\d",
        r"(?:(?<=복음|시편|잠언|세기|시록|행전|마서)|(?<=복음 |시편 |잠언 |세기 |시록 |행전 |마서 ))"
        r"(?P<chapter>\d{1,3}):(?P<verse>\d{1,3})(?:[-~](?P<last>\d{1,3}))?(?![\d:])",
        _verse,
    ),
    ("~", r"(?<=[시원분일월%명살개세층도])~(?=\d|오[전후])", "에서 "),
    (r"\d", CLOCK, _korean_clock),
    (
        r"\d",
        r"(?<![\d.,])(?P<a>\d{1,3})\s?대\s?(?P<b>\d{1,3})(?!\d)",
        lambda m: f"{hangul(m['a'])} 대 {hangul(m['b'])}",
    ),
    (
        r"\d\s",
        r"(?<![\d.,])(?P<n>[1-9]0)대(?!\s?\d)|(?<=제)\s?(?P<of>\d{1,3})(?=장)",
        lambda m: hangul(m["n"] or m["of"]) + ("대" if m["n"] else ""),
    ),
    (
        r"\d",
        r"(?<![\d.,])11[029](?=에|로|번|\s?신고|[,.\s]|$)",
        lambda m: "".join(_HANGUL_DIGITS[int(d)] for d in m[0]),
    ),
    (r"\d", r"(?<![\d.,])0?(?P<n>6|10)\s?월", lambda m: "유월" if m["n"] == "6" else "시월"),
    (r"\d", rf"(?<![\d.,])(?P<n>\d{{1,2}})\s?(?P<of>{_NATIVE_COUNTERS})", _counted),
    (
        r"\d",
        r"(?:(?<=하루 )|(?<=하루에 )|(?<=매일 )|(?<=주일에 )|(?<=달에 ))(?P<n>\d{1,2})\s?(?P<of>번)",
        _counted,
    ),
    (r"\d\s", r"(?<=시)\s?(?P<n>\d{1,2})\s?분", lambda m: f" {hangul(m['n'])} 분"),
]

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
KOREAN: Final = Language(
    hangul,
    _HANGUL_DIGITS,
    {sign: f" {said} " for sign, said in operators(3).items()}
    | {".": " 점 ", "~": "에서 ", ":": " 대 ", "minus": " 빼기 ", "-": "마이너스 ", "plus": "플러스 "}
    | {"±": "플러스마이너스 ", "^": "의 %s제곱", "^2": "의 제곱", "^3": "의 세제곱", "%d/%d": "%s 분의 %s"}
    | {"year": "%s년 ", "month": "월 ", "day": "일", "/h": " 매시", "/s": " 매초"}
    | {"th": "제", "No.": "넘버 ", "@": "골뱅이", "0": "공"},
    _KOREAN_PLAIN,
    {sign: " " + korean for sign, _, korean in UNITS},
    _KOREAN_COUNTED,
    {"/": "슬래시", "-": "하이픈", ":": "콜론", "+": "플러스"},
).rules()
