"""How signs between things are read in Chinese text: ranges, sums, comparisons, arrows, "per", spaces."""

import re
from typing import Final

from core.text.chinese.codes import HAN, ahead
from core.text.chinese.numbers import cardinal, number, one_by_one
from core.text.chinese.quantities import MEASURED
from core.text.formulas import (
    CHEMICAL,
    FACTORIAL,
    FORCE,
    FORMULA,
    ION,
    SCIENTIFIC,
    TENS,
    FormulaWords,
    operators,
)
from core.text.patterns import ABSOLUTE, CURRENCIES, EMOTICON, FRACTION, ROWS, UNIT, UNITS, row_name
from core.text.rules import Reading, Rule

_RIGHT: Final = (
    rf"(?=(?:{CURRENCIES}|第|农历|公元前?|[早晚])?\s?\d|(?:次年|翌年|明年|来年|至今|现在|[初高大研小][一二三四五六](?!\w))|[一二三四五六七八九]年级|[周星][一二三四五六日天期]|[上下中早晚凌傍次][午上晨晚日]|"
    r"[零一二两三四五六七八九十百]{1,4}[元块万千百折点月日号年天斤米度岁个楼层级])"
)
_LEFT: Final = (
    rf"(?:(?<=[\d%°])|(?<=\d[A-Za-z])|(?<=\d[A-Za-z]{{2}})|(?<=\d°C)|(?<=[\d零一二两三四五六七八九十][{HAN}])|(?<=\d分钟|\d小时|\d公里|\d公斤|\d千克|\d厘米|\d毫升|\d美元|\d万元|\d亿元|\d千米|\d毫米)|"
    r"(?<=周[一二三四五六日])|(?<=星期[一二三四五六日])|(?<=[初高大研小][一二三四五六])|(?<=年级)|(?<=[点點时時]半))"
)
_PLAYED_BEFORE = re.compile(
    r"(?:比分|大比分|以|战成|打成|踢成|[赢胜负输平])[:：为是]?\s?(?:\d{1,3}-\d{1,3}[、，,]\s?){0,6}$"
)
_PLAYED_AFTER = re.compile(
    r"\s?(?:领先|落后|战胜|击败|[大险完惨]?[胜败]|战平|逆转|赢|输|负|平|拿下|取胜|绝杀|贏)"
)
_CLOCKLIKE: Final = set("点时半分日号月年周星上下晚早中凌")
_SIGN_NAMES: Final = """
    ,， ;； :： !！ ?？ /、 &和 +加 ×乘 ÷除以 ±正负 √根号 ∞无穷大
    ≈约等于 ≠不等于 ≤小于等于 ≥大于等于 %百分号 ‰千分号 Ω欧姆 〇零
    ∵因为 ∴所以 ∈属于 ∉不属于 ∪并 ∩交 ⊂包含于 ⊆包含于 ∅空集 ⊥垂直于 ∥平行于 ≌全等于 ∽相似于 ≡恒等于
    ∝正比于 ∑求和 ∫积分 ∂偏 ∀任意 ∃存在 ∠角 ∏连乘
"""
PLAIN: Final = {
    **dict.fromkeys("(){}[]【】〔〕|—«»‹›→", "，"),
    **dict.fromkeys("'\"“”「」『』《》〈〉*_~#@^\\$¥€£₩₹·.°-<>=↑↓△", " "),
    **{entry[0]: entry[1:] for entry in _SIGN_NAMES.split()},
}


def power(exponent: str) -> str:
    """的平方, 的负五次方."""
    if exponent in ("2", "3"):
        return "的平方" if exponent == "2" else "的立方"
    return f"的{'负' if exponent[0] == '-' else ''}{cardinal(exponent.lstrip('-'))}次方"


def fraction(match: re.Match[str]) -> str:
    """1/2, 1 1/2; 120/80 is a blood pressure."""
    whole, top, bottom = match["whole"], match["top"], match["bottom"]
    if not whole and int(top) > 9 * int(bottom) and MEASURED.match(match.string, match.end()):
        return f"{number(top)}每{'两' if bottom == '2' else number(bottom)}"  # 159/2件
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


def _divided(match: re.Match[str]) -> str | None:
    """速度=路程/时间."""
    return "除以" if re.search(r"=[^=，。；！？\d]{1,20}$", ahead(match, 24)) else None


def _per(match: re.Match[str]) -> str | None:
    """元/件, 25人/班; before a number only of money, for 3天/7天 are two things."""
    if unit := match.groupdict().get("unit"):
        return "每" + UNITS[unit][0]
    money = match.string[match.start() - 1] in "元块角毛"
    return "每" if money or not match.string[match.end() :][:2].strip()[:1].isdigit() else None


def _arrow(match: re.Match[str]) -> str:
    """To a place; of a reaction, 生成."""
    reaction = re.search(r"\+\s?\d?[A-Z][A-Za-z0-9()]*$", ahead(match, 16))
    return "生成" if reaction else "到"


def _against(match: re.Match[str]) -> list[tuple[int, str]] | None:
    """21-15 is a score, 1000-100 a sum; what goes up is a range, unless a match is spoken of."""
    a, b = int(match["a"]), int(match["b"])
    played = _PLAYED_BEFORE.search(ahead(match, 60)) or _PLAYED_AFTER.match(match.string, match.end())
    if not played and (a < b or match["b"][0] == "0" < match["b"]):
        return None
    said = "减" if not played and (a > 199 or (a >= 50 and a % 10 == b % 5 == 0)) else "比"
    return [
        (match.start(), number(match["a"])),
        (match.end("a"), said),
        (match.start("b"), number(match["b"])),
    ]


def _formula(match: re.Match[str]) -> Reading:
    """As a formula; what it ends with may be counted: 500g*2袋."""
    said = WORDS.read(match)
    if said and said[-1][1] == "二" and MEASURED.match(match.string, match.end()):
        said[-1] = (said[-1][0], "两")
    return said


def _ordinal(match: re.Match[str]) -> str:
    return ("" if ahead(match, 1) == "第" else "第") + cardinal(match["n"])


def tag(match: re.Match[str]) -> str:
    """A mark of #618# is a pause, #1 is the first, 3#楼 a house."""
    if re.search(r"#[^#\s，。、]{1,30}$", ahead(match, 32)) or re.match(
        r"[^#\s，。、]{1,30}#", match.string[match.end() :][:32]
    ):
        return "，"
    if ahead(match, 1).isdigit():
        return "号" if not match.string.startswith("号", match.end()) else ""
    return "第" if match.string[match.end() : match.end() + 1].isdigit() else "，"


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


def _rows(match: re.Match[str]) -> str | None:
    """P12-P18."""
    of = row_name(match)
    return f"{of}{number(match['a'])}到{of}{number(match['b'])}" if of else None


WORDS: Final = FormulaWords(
    operators=operators(0),
    negative="负",
    number=number,
    percent=lambda digits: "百分之" + number(digits),
    power=power,
    fraction=lambda top, bottom: f"{cardinal(bottom)}分之{cardinal(top)}",
    unit=_measured,
    what="几",
    times="乘",
    factorial="的阶乘",
    bars="绝对值",
    greek=0,
)
SUMS: list[Rule] = [
    (r"A-Za-z:;>\^", EMOTICON, ""),
    (r"\d", r"(?<![\d.])(?P<n>\d{1,4})(?:st|nd|rd|th)(?![A-Za-z])", _ordinal),
    (
        r"\d",
        r"(?<![\d.,])(?P<a>[3-7])['′](?P<b>\d)[\"″]",
        lambda m: f"{cardinal(m['a'])}英尺{cardinal(m['b'])}英寸",
    ),
    ("-", r"(?<![A-Za-z][TD])(?<=[TD])-(?=\d(?!\d))", "减"),
    ("-", r"(?<=[Α-Ωα-ω])-(?=\d)", ""),
    (".", r"(?<=[A-Za-z])\.(?=\d)(?<![A-Za-z]{5}\.)", " "),
    (r"\dn!", FACTORIAL, WORDS.factorial_of),
    (r"A-Za-z", FORCE, WORDS.force),
    (r"\d.", SCIENTIFIC, WORDS.scientific),
    (r"\d.", TENS, WORDS.tens),
    ("A-Za-z(", ION, WORDS.ion),
    (r"\s!", r"(?<=[\w)])\s?!=\s?(?=[\w(])", "不等于"),
    ("A-Za-z", CHEMICAL, WORDS.chemical),
    ("|", ABSOLUTE, WORDS.absolute),
    ("/", r"(?<=[A-Z]{2})//(?=[A-Z]{2})", "平行于"),
    (
        "A-Za-z:",
        r"(?<![A-Za-z0-9:])(?P<a>[a-z]):(?=[a-z\d]+\s?=)|(?<=[=:][a-z]):(?=[a-z\d])|(?<=\d=[a-z]):(?=\d)",
        lambda m: (m["a"] or "") + "比",
    ),
    (r"\dA-Za-zΑ-Ωα-ω(.±√∠-", FORMULA, _formula),
    (r"\d", r"(?<![\d./])(?P<top>\d{2,3})/(?P<bottom>\d{2,3})\s?(?P<unit>mmHg)", _pressure),
    (r"\d", r"(?<=第)(?P<a>\d{1,4})/(?P<b>\d{1,4})(?P<unit>[页章节课集期讲步题])", _page),
    (r"\d", r"(?<=第)(?P<a>\d)/(?P<b>\d)(?=季度|单元)", lambda m: f"{number(m['a'])}、{number(m['b'])}"),
    (r"\d", r"(?<![\d./])24/7(?![\d/])", "七天二十四小时"),
    (r"\d", r"(?<![\d./])(?P<a>\d{1,2}\.\d)/(?P<b>(?:5|10|100)(?:\.0)?)(?![\d./])分?", _rating),
    (r"\d", r"(?<![\d./])(?P<a>\d{1,3})/(?P<b>10|50|100|120|150)(?![\d./])分", _rating),
    (
        r"\d",
        r"(?<![\d./])(?P<a>\d{1,3})/(?P<b>\d{1,3})(?=型|楼|号线)",
        lambda m: f"{number(m['a'])}、{number(m['b'])}",
    ),
    (r"\d", FRACTION, fraction),
    (r"\d", rf"(?<![\d.])(?P<a>\d+)\s?[xX]\s?(?P<b>\d+)(?:\s?(?P<unit>{UNIT}))?(?!\d)", _by),
    (r"\^", r"\^(?P<n>-?\d+)", lambda m: power(m["n"])),
    (r"\^", r"\^(?P<n>[a-z])(?![A-Za-z])", lambda m: f"的{m['n']}次方"),
]
RANGES: list[Rule] = [
    (
        r"\d-",
        r"(?<=[A-Za-z])-?(?P<n>\d{1,2})-(?=\d{2,5}[A-Z](?![A-Za-z]))",
        lambda m: number(m["n"]) + "，",
    ),  # i9-14900K
    (r"\d", r"(?<=[A-Za-z]\d-)\d{4,5}(?=[A-Z])", lambda m: one_by_one(m[0])),
    (r"\d", r"(?<![\d.])(?P<a>\d)'(?P<b>\d{1,2})\"", lambda m: f"{number(m['a'])}英尺{number(m['b'])}英寸"),
    (
        r"\d",
        r"(?<![\d.A-Za-z:/%第点點时時$¥€£-])(?P<a>\d{1,4})-(?P<b>\d{1,3})(?![\d.:%/A-Za-z°-]|[年月日号天元块])",
        _against,
    ),
    (r"\s~—-", rf"{_LEFT}\s?[-~—](?![-~—])\s?{_RIGHT}", _to),
    ("A-Za-z", ROWS, _rows),
    ("-", rf"(?<=[{HAN}])-(?=[{HAN}])", "，"),
    (r"\s~—-", r"(?<=[SMLX\d码])\s?[-~—]\s?(?=\d?X{0,4}[SML](?![A-Za-z]))", "到"),
]
SIGNS: list[Rule] = [
    (
        r"\s#",
        r"(?<=按)\s?#号?键?(?=[^\w]|$|键|结束|返回|确认)|#号?(?=键)",
        lambda m: "井号" + ("键" if not m.string.startswith("键", m.end()) else ""),
    ),
    (
        r"\s*",
        r"(?<=按)\s?\*号?键?(?=[^\w]|$|键|返回|重听)|\*号?(?=键)",
        lambda m: "星号" + ("键" if not m.string.startswith("键", m.end()) else ""),
    ),
    ("<>", rf"(?P<sign>[<>]=?)(?=\s?[-+]?(?:{CURRENCIES})?\s?\d)", _compare),
    (r"\s<>", rf"(?<=[A-Za-z0-9%)°{HAN}])\s?(?P<sign>[<>]=?)\s?(?=[A-Za-z0-9({HAN}])", _compare),
    (r"\s=→-", r"(?<=[\w)])\s?(?:-{1,2}>|=>|→)\s?(?=[\w(])", _arrow),
    (r"\s=", r"(?<=[\w)!%°|∅])\s?={1,3}\s?(?=[^\s，。！？；：、,.;:!?=])", "等于"),
    (r"\s*", r"(?<=[0-9A-Za-z)%°])\s?\*\s?(?=\d)|(?<=\d[\u4e00-\u9fff])\s?\*\s?(?=\d)", "乘"),
    (
        r"\s↑↓",
        r"(?<=[\u4e00-\u9fff%])\s?[↑↓]\s?(?=\d)|(?<=[\d%])\s?(?<![A-Z]\d)[↑↓](?![↑↓])|(?<![A-Za-z\d)%])[↑↓]\s?(?=\d)",
        _trend,
    ),
    (r"A-Za-z\s", r"(?:(?<=\d[A-Za-z])|(?<=\d[A-Za-z]{2}))\s?[xX]\s?(?=\d)", "乘"),
    (":：", r"(?<=[甲乙丙丁男女父母])[:：](?=[甲乙丙丁男女父母])", "比"),
    ("/", rf"(?<=[{HAN})])/(?=[{HAN}(])", _divided),
    ("/", r"(?<=欧元|美元|日元|英镑|港元|港币|澳元|韩元)/(?=人民币|[美日港欧]元|英镑)", "兑"),
    ("~", r"(?<![\w%)])~(?=\s?\d)", "约"),
    ("△", r"△(?=[A-Z])", "三角形"),
    ("△", r"△(?=[a-z])", "德尔塔"),
    ("@", r"(?<=[KkPp\d])@(?=\d)", "，"),
    ("∥", r"∥(?=[A-Za-z])", "平行于"),
    (
        "/",
        rf"(?:(?<=[元块角毛])|(?<=[\d零一二两三四五六七八九十百][{HAN}])|(?<=\d[{HAN}]{{2}}))/(?:(?P<unit>{UNIT})|(?=\s?\d|[{HAN}]|[A-Z]{{2,6}}(?![A-Za-z])))",
        _per,
    ),
    (
        "'\"",
        r"(?<=\d)''|(?<=\d)\"(?=\s?(?:[x×*]\s?\d|屏|电视|显示|平板|笔记本|寸|轮|披萨|蛋糕|管|口径|的))",
        "英寸",
    ),
    (r"\s", rf"(?<! ) +(?=[A-H][.、．]\s?[{HAN}])", "，"),
    (r"\s", rf"(?<=\d \d) (?=[{HAN}])", "，"),  # 3 2 1 开始
    (r"\s", r"(?<=\d) +(?=\d++(?![:：点时]))", "，"),
    (r"\s", rf"(?<=[{HAN}\d%#]) +(?=[{HAN}#@])", _space),
]
