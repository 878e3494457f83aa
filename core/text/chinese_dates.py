"""How dates, years and times of day are read in Chinese text."""

import re

from core.text.chinese_numbers import cardinal, number, year
from core.text.chinese_quantities import RANGE
from core.text.patterns import ISO_DATE, TIME
from core.text.rules import Rule

_SCORE_BEFORE = re.compile(r"(?:比分|比例|比率|配比)[^。；]{0,40}$|以\s*$")
_SCORE_AFTER = re.compile(r"\s*(?:战胜|击败|获胜|取胜|大胜|险胜|领先|落后|逆转|负于|不敌|的比分|的比例)")
# Years are told from counts by what follows.
_OF_A_YEAR = r"(?=年|届|级|款|版|赛季|财年|年度|学年|[Qq][1-4])"


def _date(match: re.Match[str]) -> list[tuple[int, str]]:
    return [
        (match.start("y"), year(match["y"]) + "年"),
        (match.start("m"), cardinal(match["m"]) + "月"),
        (match.start("d"), cardinal(match["d"]) + "日"),
    ]


def _slashed_date(match: re.Match[str]) -> str | None:
    """05/01/2024: month first, the American way, unless that cannot be."""
    first, second = int(match["a"]), int(match["b"])
    month, day = (first, second) if first <= 12 else (second, first)
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    return f"{year(match['y'])}年{cardinal(str(month))}月{cardinal(str(day))}日"


def _year_month(match: re.Match[str]) -> str:
    return f"{year(match['y'])}年{cardinal(match['m'])}月"


def _month(match: re.Match[str]) -> list[tuple[int, str]]:
    readings = [(match.start(), cardinal(match["m"]) + "月")]
    if match["d"]:
        readings.append((match.start("d"), cardinal(match["d"])))
    return readings


def _year(match: re.Match[str]) -> str:
    return year(match[0])


def _years(match: re.Match[str]) -> list[tuple[int, str]] | None:
    written = match.string.startswith("年", match.end())
    modern = all(re.fullmatch(r"(?:19|20)\d\d", match[group]) for group in "ab")
    if not (written or modern):
        return None
    return [(match.start(), year(match["a"])), (match.end("a"), "到"), (match.start("b"), year(match["b"]))]


def _time(match: re.Match[str]) -> str | None:
    """None for 21:18 where the words around it say it is a score."""
    hour, minute, second = match["hour"], match["minute"], match["second"]
    ahead = match.string[max(0, match.start() - 45) : match.start()]
    if not second and (_SCORE_BEFORE.search(ahead) or _SCORE_AFTER.match(match.string, match.end())):
        return None
    half = {"a": "上午", "p": "下午"}[match["half"][0].lower()] if match["half"] else ""
    words = f"{half}{'两' if int(hour) == 2 else cardinal(hour)}点"
    if minute != "00" or second:
        words += _two_digits(minute) + "分"
    return words + (_two_digits(second) + "秒" if second else "")


def _two_digits(digits: str) -> str:
    return "零" + cardinal(digits) if digits[0] == "0" and digits != "00" else cardinal(digits)


def _ratio(match: re.Match[str]) -> list[tuple[int, str]]:
    pieces = re.compile(r"[:：]|[\d.]+").finditer(match.string, *match.span())
    return [(piece.start(), "比" if piece[0] in ":：" else number(piece[0])) for piece in pieces]


DATES: list[Rule] = [
    (ISO_DATE, _date),
    (r"(?<![\d.])(?P<a>\d{1,2})/(?P<b>\d{1,2})/(?P<y>[12]\d{3})(?!\d)", _slashed_date),
    (r"(?<![\d.])(?P<y>[12]\d{3})[-/](?P<m>0[1-9]|1[0-2])(?![\d/-])", _year_month),
]
TIMES: list[Rule] = [
    (TIME, _time),
    (rf"(?<=[:：]\d\d){RANGE}(?=\d{{1,2}}[:：][0-5]\d)", lambda m: "到"),
    (r"(?<![\d:：])\d+(?:\.\d+)?(?:[:：]\d+(?:\.\d+)?)+(?![\d:：])", _ratio),
]
YEARS: list[Rule] = [
    # 2000年前 and 5000年的历史 are spans of time.
    (
        r"(?<![\d.])[1-9]000(?=年(?:前|来|以前|之前|以来|间|的?历史|的?文明|多))",
        lambda m: cardinal(m[0]),
    ),
    (rf"(?<![\d.])(?P<a>[12]\d{{3}}){RANGE}(?P<b>[12]\d{{3}})(?=年|$|[^\w%])", _years),
    (rf"(?<![\d.,])[12]\d{{3}}{_OF_A_YEAR}", _year),
    (r"(?<!\d)\d{2}(?=年\d{1,2}月|年(?:版|款|届|毕业))", _year),
    (r"(?<!\d)(?:[5-9]0|[6-9]5|0[05])(?=后(?![\d天年个小时秒分周月来面的]))", _year),  # 80后
    (r"(?<!\d)0?(?P<m>\d{1,2})月(?:0?(?P<d>\d{1,2})(?=[日号號]))?", _month),
]
