"""Written Chinese to speakable Chinese by the reference's rules, in the reference's order.

What comes out is Chinese characters and the six marks that are symbols. The order of the rules is part of the
behaviour, for better and worse; what they misread is put right beforehand by `chinese_readings`.
Rules learnt from GPT-SoVITS (MIT) and PaddleSpeech's text normaliser (Apache-2.0).
"""

import re
from collections.abc import Callable

from core.engines.gpt_sovits.text.numerals import chinese_cardinal, chinese_digits, chinese_number
from core.engines.gpt_sovits.text.symbols import PUNCTUATION
from core.engines.gpt_sovits.text.tables import simplified

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]

MEASURES = {
    "cm2": "平方厘米",
    "cm²": "平方厘米",
    "cm3": "立方厘米",
    "cm³": "立方厘米",
    "cm": "厘米",
    "db": "分贝",
    "ds": "毫秒",
    "kg": "千克",
    "km": "千米",
    "m2": "平方米",
    "m²": "平方米",
    "m³": "立方米",
    "m3": "立方米",
    "ml": "毫升",
    "m": "米",
    "mm": "毫米",
    "s": "秒",
}
# A number starts where a digit stands after no digit: said in every pattern below, it keeps the search
# linear. One character is enough to know that a measure word follows; the longer ones start with no such
# character.
MEASURE_WORD = (
    "(?:[处台架枚趟幅平方堵间床株批项例列篇栋注亩封艘把目套段人所朵匹张座回场尾条个首阙阵网炮顶丘棵只支袭辆挑担颗壳窠"
    "曲墙群腔砣客贯扎捆刀令打手罗坡山岭江溪钟队单双对出口头脚板跳枝件贴针线管名位身堂课本页家户层丝毫厘分钱两斤铢石"
    "钧锱忽寸尺丈里寻常铺程米撮勺合升斗盘碗碟叠桶笼盆盒杯斛锅簋篮罐瓶壶卮盏箩箱煲啖袋钵年月日季刻时周天秒旬纪岁世更"
    "夜春夏秋冬代伏辈丸泡粒幢堆根道面片块元角毛亿万千百吨]|小时|微[克米]|公分|美元|十吨)"
)
_RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹ˣʸⁿ", "0123456789xyn", strict=True))
_OPERATORS = {"+": "加", "-": "减", "×": "乘", "÷": "除", "=": "等于"}
_TERM = r"(?:-?(?<!\d)\d+(?:\.\d+)?[⁰¹²³⁴⁵⁶⁷⁸⁹ˣʸⁿ]*|\.\d+[⁰¹²³⁴⁵⁶⁷⁸⁹ˣʸⁿ]*|[A-Za-z][⁰¹²³⁴⁵⁶⁷⁸⁹ˣʸⁿ]*)"
_CLOCK = r"([0-1]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?"
_RANGE_UNIT = "(?:%|°C|℃|度|摄氏度|cm2|cm²|cm3|cm³|cm|db|ds|kg|km|m2|m²|m³|m3|ml|m|mm|s)"
_DECIMAL = r"-?(?<!\d)\d+(?:\.\d+)?"

LETTERS = str.maketrans(
    {
        **dict(zip("①②③④⑤⑥⑦⑧⑨⑩", "一二三四五六七八九十", strict=True)),
        "α": "阿尔法", "β": "贝塔", "γ": "伽玛", "Γ": "伽玛", "δ": "德尔塔", "Δ": "德尔塔", "ε": "艾普西龙",
        "ζ": "捷塔", "η": "依塔", "θ": "西塔", "Θ": "西塔", "ι": "艾欧塔", "κ": "喀帕", "λ": "拉姆达",
        "Λ": "拉姆达", "μ": "缪", "ν": "拗", "ξ": "克西", "Ξ": "克西", "ο": "欧米克伦", "π": "派", "Π": "派",
        "ρ": "肉", "ς": "西格玛", "Σ": "西格玛", "σ": "西格玛", "τ": "套", "υ": "宇普西龙", "φ": "服艾",
        "Φ": "服艾", "χ": "器", "ψ": "普赛", "Ψ": "普赛", "ω": "欧米伽", "Ω": "欧米伽",
    }
)  # fmt: skip
"""Circled numbers and Greek letters, in words."""
_LEFTOVER = LETTERS | str.maketrans({"/": "每", "+": "加", "-": "减", "×": "乘", "÷": "除", "=": "等"})
_HALF_WIDTH = {
    **{code + 0xFEE0: code for code in (*range(0x30, 0x3A), *range(0x41, 0x5B), *range(0x61, 0x7B))},
    0x3000: 0x20,
}
_SENTENCE_END = re.compile(r"([：、，；。？！,;?!][”’]?)")
_IGNORED = re.compile(r"[—《》【】<>{}()（）#&@“”^_|\\]")
_MARKS = {
    **dict.fromkeys("：；，·、/", ","),
    **dict.fromkeys("。\n$", "."),
    **dict.fromkeys("~～", "…"),
    "！": "!",
    "？": "?",
    "...": "…",
    "—": "-",
}
_MARK = re.compile("|".join(re.escape(mark) for mark in _MARKS))
_UNSPEAKABLE = re.compile(rf"[^\u4e00-\u9fa5{PUNCTUATION}]+")
_MARKS_IN_A_ROW = re.compile(rf"([{PUNCTUATION}])[{PUNCTUATION}]+")


def _year_month_day(match: re.Match[str]) -> str:
    year, month, day, day_word = match.groups()
    said = f"{chinese_digits(year)}年"
    said += f"{chinese_cardinal(month)}月" if month else ""
    return said + (f"{chinese_cardinal(day)}{day_word}" if day else "")


def _numeric_date(match: re.Match[str]) -> str:
    year, _, month, day = match.groups()
    return f"{chinese_digits(year)}年{chinese_cardinal(month)}月{chinese_cardinal(day)}日"


def _two_places(number: str) -> str:
    """Minutes or seconds: "05" -> 零五, "30" -> 三十."""
    return ("零" if number.startswith("0") else "") + chinese_number(number.lstrip("0"))


def _minutes_and_seconds(minute: str, second: str | None, *, half: bool) -> str:
    said = ""
    if minute.strip("0"):
        said = "半" if half else f"{_two_places(minute)}分"
    return said + (f"{_two_places(second)}秒" if second and second.strip("0") else "")


def _clock(match: re.Match[str]) -> str:
    hour, minute, second = match.groups()
    return f"{chinese_number(hour)}点" + _minutes_and_seconds(minute, second, half=minute == "30")


def _clock_range(match: re.Match[str]) -> str:
    hour, minute, second, until_hour, until_minute, until_second = match.groups()
    half = (
        minute == "30"
    )  # the reference asks the first time about both; `chinese_readings` keeps ranges from here
    return (
        f"{chinese_number(hour)}点{_minutes_and_seconds(minute, second, half=half)}至"
        f"{chinese_number(until_hour)}点{_minutes_and_seconds(until_minute, until_second, half=half)}"
    )


def _temperature(match: re.Match[str]) -> str:
    below, number, unit = match.groups()
    return f"{'零下' if below else ''}{chinese_number(number)}{'摄氏度' if unit == '摄氏度' else '度'}"


def _signed(number: str) -> str:
    return ("负" if number.startswith("-") else "") + chinese_number(number.lstrip("-"))


def _power(match: re.Match[str]) -> str:
    return "的" + "".join(_RAISED[digit] for digit in match[0]) + "次方"


def _fraction(match: re.Match[str]) -> str:
    sign, above, below = match.groups()
    return f"{'负' if sign else ''}{chinese_number(below)}分之{chinese_number(above)}"


def _telephone(match: re.Match[str]) -> str:
    return "，".join(chinese_digits(part, telephone=True) for part in match[0].strip("+").split("-"))


def _version(match: re.Match[str]) -> str:
    return "".join("点" if mark == "." else chinese_digits(mark) for mark in match[0])


def _counted(match: re.Match[str]) -> str:
    number, more, measure = match.groups()
    said = chinese_number(number)
    return ("两" if said == "二" else said) + {"+": "多", None: ""}.get(more, more or "") + measure


_MOBILE = r"(?<!\d)(?:\+?86 ?)?1(?:[38]\d|5[0-35-9]|7[678]|9[89])\d{8}(?!\d)"
_LANDLINE = r"(?<!\d)(?:0(?:10|2[1-3]|[3-9]\d{2})-?)?[1-9]\d{6,7}(?!\d)"

_BEFORE_SUMS: tuple[Rule, ...] = (
    (
        re.compile(r"(\d{4}|\d{2})年(?:(0?[1-9]|1[0-2])月)?(?:(0?[1-9]|[12][0-9]|30|31)([日号]))?"),
        _year_month_day,
    ),
    (re.compile(r"(\d{4})([- /.])(0[1-9]|1[012])\2(0[1-9]|[12][0-9]|3[01])"), _numeric_date),
    (re.compile(rf"{_CLOCK}[~-]{_CLOCK}"), _clock_range),
    (re.compile(_CLOCK), _clock),
    (
        re.compile(rf"(?:{_DECIMAL}|\.\d+){_RANGE_UNIT}~(?:{_DECIMAL}|\.\d+){_RANGE_UNIT}"),
        lambda match: match[0].replace("~", "至"),
    ),
    (re.compile(r"(-?)(?<!\d)(\d+(?:\.\d+)?)(°C|℃|度|摄氏度)"), _temperature),
)
_SUM = re.compile(rf"({_TERM})([+\-×÷=])({_TERM})")
_AFTER_SUMS: tuple[Rule, ...] = (
    (re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹ˣʸⁿ]+"), _power),
    (re.compile(r"(-?)(?<!\d)(\d+)/(\d+)"), _fraction),
    (
        re.compile(r"(-?)(?<!\d)(\d+(?:\.\d+)?)%"),
        lambda match: f"{'负' if match[1] else ''}百分之{chinese_number(match[2])}",
    ),
    (re.compile(_MOBILE), lambda match: chinese_digits(match[0].lstrip("+"), telephone=True)),
    (re.compile(_LANDLINE), _telephone),
    (re.compile(r"400-?\d{3}-?\d{4}"), _telephone),
    (
        re.compile(rf"(?<![\d+\-×÷=])({_DECIMAL})[-~]({_DECIMAL})(?![\d+\-×÷=])"),
        lambda match: f"{_signed(match[1])}到{_signed(match[2])}",
    ),
    (re.compile(r"-(\d+)"), lambda match: f"负{chinese_number(match[1])}"),
    (re.compile(r"(?<!\d)\d+(?:\.\d+){2,}"), _version),
    (re.compile(r"-?(?<!\d)\d+\.\d+|\.\d+"), lambda match: _signed(match[0])),
    (re.compile(rf"(?<!\d)(\d+)([多余几+])?({MEASURE_WORD})"), _counted),
    (re.compile(r"\d{3,}"), lambda match: chinese_digits(match[0], telephone=True)),
    (re.compile(r"-?\d+(?:\.\d+)?|\.\d+"), lambda match: _signed(match[0])),
)


def _apply(rules: tuple[Rule, ...], text: str) -> str:
    for pattern, said in rules:
        text = pattern.sub(said, text)
    return text


def _sentence(text: str) -> str:
    text = text.translate(simplified()).translate(_HALF_WIDTH)
    text = _apply(_BEFORE_SUMS, text)
    for written, said in MEASURES.items():
        text = text.replace(written, said)
    while _SUM.search(text):  # two rounds at most: the terms of one sum are the neighbours of the next
        text = _SUM.sub(lambda match: match[1] + _OPERATORS[match[2]] + match[3], text)
    text = _apply(_AFTER_SUMS, text).translate(_LEFTOVER)
    return _IGNORED.sub("", text)


def spoken_sentences(text: str) -> str:
    """Every number, date, unit and sign of `text` in Chinese words; marks and foreign characters stay."""
    text = _IGNORED.sub("", text.replace(" ", ""))
    pieces = _SENTENCE_END.sub("\\1\n", text).split("\n")
    return "".join(_sentence(piece.strip()) for piece in pieces)


def normalise(text: str) -> str:
    """`text` as Chinese characters and the marks ! ? … , . - alone, no two marks in a row."""
    text = spoken_sentences(text).replace("嗯", "恩").replace("呣", "母")
    text = _MARK.sub(lambda match: _MARKS[match[0]], text)
    return _MARKS_IN_A_ROW.sub(r"\1", _UNSPEAKABLE.sub("", text))
