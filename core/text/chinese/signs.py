"""How signs between things are read in Chinese text: ranges, sums, comparisons, arrows, "per", spaces."""

import re
from typing import Final

from core.text.chinese.codes import HAN, ahead
from core.text.chinese.numbers import cardinal, number
from core.text.chinese.quantities import MEASURED
from core.text.formulas import CHEMICAL, FORMULA, ION, SCIENTIFIC, TENS, FormulaWords
from core.text.patterns import CURRENCIES, FRACTION, UNIT, UNITS
from core.text.rules import Reading, Rule

_RIGHT: Final = (
    rf"(?=(?:{CURRENCIES}|第|农历|公元前?)?\s?\d|[周星][一二三四五六日天期]|[上下中早晚凌傍次][午上晨晚日]|"
    r"[零一二两三四五六七八九十百]{1,4}[元块万千百折点月日号年天斤米度岁个楼层级])"
)
_LEFT: Final = (
    rf"(?:(?<=[\d%°])|(?<=\d[A-Za-z])|(?<=\d[A-Za-z]{{2}})|(?<=\d°C)|(?<=[\d零一二两三四五六七八九十][{HAN}])|(?<=\d分钟|\d小时|\d公里|\d公斤|\d千克|\d厘米|\d毫升|\d美元|\d万元|\d亿元|\d千米|\d毫米)|"
    r"(?<=周[一二三四五六日])|(?<=星期[一二三四五六日]))"
)
_CLOCKLIKE: Final = set("点时分日号月年周星上下晚早中凌")
OPERATORS: Final = {
    "+": "加",
    "-": "减",
    "×": "乘",
    "*": "乘",
    "÷": "除以",
    "/": "除以",
    "=": "等于",
    "≈": "约等于",
    "≠": "不等于",
    "<": "小于",
    ">": "大于",
    "≤": "小于等于",
    "≥": "大于等于",
    "±": "正负",
    "√": "根号",
    "∠": "角",
}
_WORD_SIGNS: Final = {
    **dict(
        zip(
            "∵∴∈∉∪∩⊂⊆∅",
            ["因为", "所以", "属于", "不属于", "并", "交", "包含于", "包含于", "空集"],
            strict=True,
        )
    ),
    **dict(
        zip(
            "⊥∥≌∽≡∝∑∫∂∀∃∠∏",
            [
                "垂直于",
                "平行于",
                "全等于",
                "相似于",
                "恒等于",
                "正比于",
                "求和",
                "积分",
                "偏",
                "任意",
                "存在",
                "角",
                "连乘",
            ],
            strict=True,
        )
    ),
}
PLAIN: Final = {
    **dict.fromkeys("(){}[]【】〔〕|—«»‹›→", "，"),
    **dict.fromkeys("'\"“”「」『』《》〈〉*_~#@^\\$¥€£₩₹·.°-<>=↑↓△", " "),
    ",": "，",
    ";": "；",
    ":": "：",
    "!": "！",
    "?": "？",
    "/": "、",
    "&": "和",
    "+": "加",
    "×": "乘",
    "÷": "除以",
    "±": "正负",
    "√": "根号",
    "∞": "无穷大",
    "≈": "约等于",
    "≠": "不等于",
    "≤": "小于等于",
    "≥": "大于等于",
    "%": "百分号",
    "‰": "千分号",
    "Ω": "欧姆",
    "〇": "零",
    **_WORD_SIGNS,
}


def power(exponent: str) -> str:
    """的平方, 的负五次方."""
    if exponent in ("2", "3"):
        return "的平方" if exponent == "2" else "的立方"
    return f"的{'负' if exponent[0] == '-' else ''}{cardinal(exponent.lstrip('-'))}次方"


def fraction(match: re.Match[str]) -> str:
    """1/2, 1 1/2; 120/80 is a blood pressure."""
    whole, top, bottom = match["whole"], match["top"], match["bottom"]
    if int(bottom) == 0 or (int(top) > int(bottom) > 9):
        return f"{number(top)}，{number(bottom)}"
    part = f"{cardinal(bottom)}分之{cardinal(top)}"
    return f"{cardinal(whole)}又{part}" if whole else part


def _measured(digits: str, unit: str) -> str:
    return ("两" if digits == "2" else number(digits)) + UNITS.get(unit, (unit,))[0]


def _by(match: re.Match[str]) -> str:
    """4x100m."""
    last = _measured(match["b"], match["unit"]) if match["unit"] else number(match["b"])
    return f"{number(match['a'])}乘{last}"


def _to(match: re.Match[str]) -> str:
    """Between two numbers: 到; where a spaced dash parts things of another kind, a pause."""
    left = match.string[match.start() - 1 : match.start()]
    right = re.compile(rf"[^{HAN}]{{0,10}}([{HAN}])").match(match.string, match.end())
    spaced = match[0] != match[0].strip()
    if spaced and right and not left.isascii() and left != right[1]:
        return "到" if {left, right[1]} <= _CLOCKLIKE else "，"
    return "到"


def _per(match: re.Match[str]) -> str | None:
    """元/件, 25人/班; before a number only of money, for 3天/7天 are two things."""
    money = match.string[match.start() - 1] in "元块角毛"
    return "每" if money or not match.string[match.end() :][:2].strip()[:1].isdigit() else None


def _arrow(match: re.Match[str]) -> str:
    return "到"


def _compare(match: re.Match[str]) -> str:
    sign = match["sign"]
    return {"<": "小于", ">": "大于", "<=": "小于等于", ">=": "大于等于"}[sign]


def _trend(match: re.Match[str]) -> str:
    return "上升" if "↑" in match[0] else "下降"


def _space(match: re.Match[str]) -> str | None:
    """A space between Chinese words is a short pause; one around a number is only how it is set."""
    text, start, stop = match.string, match.start(), match.end()
    before = re.compile(r"\S*$").search(text[max(0, start - 12) : start])
    after = re.compile(r"\S{0,3}").match(text, stop)
    left, right = before[0] if before else "", after[0] if after else ""
    if left[-1:].isascii():  # 原价199 现价99
        attached = re.search(rf"[{HAN}¥$][\d.,]+%?$", left)
        counted = MEASURED.match(text, stop) or re.match(r"[年月日号元块万千百多人岁]", right)
        return "，" if attached and not counted else None
    return "，" if min(len(left), len(right)) > 1 else None


def _row(match: re.Match[str]) -> list[tuple[int, str]]:
    """3 2 1: one after the other."""
    readings: list[tuple[int, str]] = []
    for piece in re.compile(r"\d+| ").finditer(match.string, *match.span()):
        readings.append((piece.start(), "，" if piece[0] == " " else number(piece[0])))
    return readings


def _pressure(match: re.Match[str]) -> list[tuple[int, str]]:
    return [
        (match.start("top"), number(match["top"])),
        (match.end("top"), "，"),
        (match.start("bottom"), number(match["bottom"])),
        (match.end("bottom"), "毫米汞柱" if match["unit"] else ""),
    ]


def _rating(match: re.Match[str]) -> str:
    return f"{number(match['a'])}分，满分{number(match['b'])}分"


def _page(match: re.Match[str]) -> str:
    unit = match["unit"]
    return f"{number(match['a'])}{unit}，共{number(match['b'])}{unit}"


def _hanging(match: re.Match[str]) -> Reading:
    """<3 at the end is a heart."""
    return "" if re.search(r"[A-Za-z\u4e00-\u9fff] $|^$", ahead(match, 2)) else None


WORDS: Final = FormulaWords(
    operators=OPERATORS,
    negative="负",
    number=number,
    percent=lambda digits: "百分之" + number(digits),
    power=power,
    fraction=lambda top, bottom: f"{cardinal(bottom)}分之{cardinal(top)}",
    unit=_measured,
    what="几",
    times="乘",
    greek=0,
)
SUMS: list[Rule] = [
    (r"(?<=[A-Za-z])\.(?=\d)(?<![A-Za-z]{5}\.)", lambda m: " "),
    (r"<3(?=\s*$|\s*[!！。])", _hanging),
    (SCIENTIFIC, WORDS.scientific),
    (TENS, WORDS.tens),
    (ION, WORDS.ion),
    (r"(?<=[\w)])\s?!=\s?(?=[\w(])", lambda m: "不等于"),
    (CHEMICAL, WORDS.chemical),
    (FORMULA, WORDS.read),
    (r"(?<![\d./])(?P<top>\d{2,3})/(?P<bottom>\d{2,3})\s?(?P<unit>mmHg)", _pressure),
    (r"(?<=第)(?P<a>\d{1,4})/(?P<b>\d{1,4})(?P<unit>[页章节课集期讲步题])", _page),
    (r"(?<![\d./])24/7(?![\d/])", lambda m: "七天二十四小时"),
    (r"(?<![\d./])(?P<a>\d{1,2}\.\d)/(?P<b>5|10|100)(?![\d./])分?", _rating),
    (FRACTION, fraction),
    (rf"(?<![\d.])(?P<a>\d+)\s?[xX]\s?(?P<b>\d+)(?:\s?(?P<unit>{UNIT}))?(?!\d)", _by),
    (r"\^(?P<n>-?\d+)", lambda m: power(m["n"])),
    (r"\^(?P<n>[a-z])(?![A-Za-z])", lambda m: f"的{m['n']}次方"),
]
RANGES: list[Rule] = [
    (rf"(?<![\d.,])\d{{1,2}}(?: \d{{1,2}}){{1,9}}(?![\d./:%]|\s\d|\s?(?:{UNIT}|[{HAN}]))", _row),
    (rf"(?<![\d.,])\d(?: \d){{1,9}} (?=[{HAN}])", _row),
    (rf"{_LEFT}\s?[-~—](?![-~—])\s?{_RIGHT}", _to),
    (r"(?<=[SMLX\d码])\s?[-~—]\s?(?=\d?X{0,4}[SML](?![A-Za-z]))", lambda m: "到"),
]
SIGNS: list[Rule] = [
    (
        r"(?<=按)\s?#号?键?(?=[^\w]|$|键|结束|返回|确认)|#号?(?=键)",
        lambda m: "井号" + ("键" if not m.string.startswith("键", m.end()) else ""),
    ),
    (
        r"(?<=按)\s?\*号?键?(?=[^\w]|$|键|返回|重听)|\*号?(?=键)",
        lambda m: "星号" + ("键" if not m.string.startswith("键", m.end()) else ""),
    ),
    (rf"(?P<sign>[<>]=?)(?=\s?[-+]?(?:{CURRENCIES})?\s?\d)", _compare),
    (rf"(?<=[A-Za-z0-9%)°{HAN}])\s?(?P<sign>[<>]=?)\s?(?=[A-Za-z0-9({HAN}])", _compare),
    (r"(?<=[\w)])\s?(?:-{1,2}>|=>|→)\s?(?=[\w(])", _arrow),
    (r"(?<=[\w)%°])\s?={1,3}\s?(?=[\w(√¥$€£-])", lambda m: "等于"),
    (r"(?<=[0-9A-Za-z)%°])\s?\*\s?(?=\d)|(?<=\d[\u4e00-\u9fff])\s?\*\s?(?=\d)", lambda m: "乘"),
    (r"(?<=[\u4e00-\u9fff%])\s?[↑↓]\s?(?=\d)|(?<=[\d%])\s?[↑↓](?![↑↓])", _trend),
    (r"(?:(?<=\d[A-Za-z])|(?<=\d[A-Za-z]{2}))\s?[xX]\s?(?=\d)", lambda m: "乘"),
    (r"(?<![\w%)])~(?=\s?\d)", lambda m: "约"),
    (r"△(?=[A-Z])", lambda m: "三角形"),
    (r"∥(?=[A-Za-z])", lambda m: "平行于"),
    (
        rf"(?:(?<=[元块角毛])|(?<=[\d零一二两三四五六七八九十百][{HAN}])|(?<=\d[{HAN}]{{2}}))/(?=\s?\d|[{HAN}])",
        _per,
    ),
    (rf"(?<=[元块塊])/(?P<per>{UNIT})", lambda m: "每" + UNITS.get(m["per"], (m["per"],))[0]),
    (rf"(?<=[{HAN}\d%]) +(?=[{HAN}])", _space),
]
