"""How signs, codes, names and addresses are read in Chinese text; dates and quantities are next door.

Order matters: what looks like a date is a date before it is a sum, a telephone number before it is a range.
"""

import re
from functools import partial
from typing import Final

from core.text import acronyms, patterns
from core.text.chinese_dates import DATES, TIMES, YEARS
from core.text.chinese_numbers import cardinal, number, one_by_one
from core.text.chinese_quantities import QUANTITY, quantity
from core.text.formulas import FORMULA, FormulaWords
from core.text.rules import Rule, Rules

_HAN = r"\u3007\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
_MOBILE = r"(?<![\d.])(?:\+86[-\s]?|0086[-\s]?|86[-\s])?1[3-9]\d[-\s]?\d{4}[-\s]?\d{4}(?!\d)"
_LANDLINE = r"(?<![\d.-])(?:\+86[-\s]?)?(?:\(0\d{2,3}\)\s?|0\d{2,3}[-\s])\d{7,8}(?:-\d{1,5})?(?![\d-])"
_SERVICE = (
    r"(?<![\d.-])[48]00-?\d{3,4}-?\d{3,4}(?![\d-])"
    r"|(?<![\d.])(?:10086|10010|12306|12315|12345)(?=[，。！？\s]|$|客服|热线|官网)"
)
# After these words digits are a code, not a quantity.
_CODE_WORD = re.compile(
    r"(?:电话|手机|热线|号码|拨打|拨|致电|联系方式|微信|QQ|qq|编号|编码|单号|订单|卡号|账号|帐号|密码|口令|验证码|邮编|学号|工号|尾号|"
    r"代码|证号|電話|手機|號碼|撥打|密碼|驗證碼)(?:号|号码|號碼)?[是为為:：]?\s*$"
)
_ROMAN: Final = {"II": 2, "III": 3, "IV": 4, "VI": 6, "VII": 7, "VIII": 8, "IX": 9, "XI": 11, "XII": 12} | {
    "I": 1,
    "V": 5,
    "X": 10,
}
_ADDRESS: Final = {".": "点", "/": "斜杠", "@": "艾特", "_": "下划线", "-": "杠", ":": "冒号"}


def _ahead(match: re.Match[str], width: int = 12) -> str:
    """The few characters before a match."""
    return match.string[max(0, match.start() - width) : match.start()]


def _digits(match: re.Match[str], one: str) -> list[tuple[int, str]]:
    """A telephone number or code: digit by digit, a pause where it is grouped."""
    readings: list[tuple[int, str]] = []
    for piece in re.compile(r"\+|\d|[^\d+]+").finditer(match.string, *match.span()):
        if piece[0] == "+":
            readings.append((piece.start(), "加"))
        elif piece[0].isdigit():
            readings.append((piece.start(), one_by_one(piece[0], one)))
        elif readings and piece.end() < match.end():
            readings.append((piece.start(), "，"))
    return readings


def _code(match: re.Match[str], one: str) -> list[tuple[int, str]] | None:
    """Digits after a word such as 密码, and long ones that count nothing: digit by digit."""
    digits = match[0]
    announced = _CODE_WORD.search(_ahead(match)) is not None
    if announced or len(digits) > 16 or (len(digits) >= 5 and digits[0] == "0"):
        return _digits(match, one)
    long = len(digits) >= 9 and not digits.endswith("0000")
    counted = re.compile(rf"\s?(?:[{_HAN}]|{patterns.UNIT}|%)").match(match.string, match.end())
    return _digits(match, one) if long and not counted else None


def _place(match: re.Match[str], one: str) -> str:
    """The number of a room, flight or train."""
    return one_by_one(match[0], one)


def _model(match: re.Match[str]) -> str | None:
    """Digits that end a name: GPT-4, A380, H100; after a space only if the name is in capitals (RTX 4090)."""
    digits = match["digits"]
    if match[0][0] == " " and (len(digits) < 3 or not re.search(r"[A-Z]{2}$", _ahead(match))):
        return None
    if len(digits) <= 2 or digits[1:] == "00" or (digits[0] != "0" and digits.endswith("000")):
        return number(digits)
    return one_by_one(digits)


def _version(match: re.Match[str]) -> str:
    numbers = (match["versioned"] or match["dotted"]).split(".")
    words = "点".join(number(n) if len(n) < 3 else one_by_one(n) for n in numbers)
    return f"V{words}" if match["v"] else words


def _by(match: re.Match[str]) -> str:
    return f"{number(match['a'])}乘{number(match['b'])}"


def _fraction(match: re.Match[str]) -> str:
    whole, top, bottom = match["whole"], match["top"], match["bottom"]
    if int(bottom) == 0 or (int(top) > int(bottom) > 9):
        return f"{number(top)}，{number(bottom)}"  # blood pressure, say
    part = f"{cardinal(bottom)}分之{cardinal(top)}"
    return f"{cardinal(whole)}又{part}" if whole else part


def _power(exponent: str) -> str:
    if exponent in ("2", "3"):
        return "的平方" if exponent == "2" else "的立方"
    return f"的{'负' if exponent[0] == '-' else ''}{cardinal(exponent.lstrip('-'))}次方"


def _address(match: re.Match[str]) -> str:
    words = []
    for part in patterns.parts(match[0]):
        for piece in re.findall(r"\d+|\D+", part):
            digits = one_by_one(piece) if piece.isdigit() else patterns.address_word(piece)
            words.append(_ADDRESS.get(piece, digits))
    return " ".join(words)


def _per(match: re.Match[str]) -> str:
    return "每" + patterns.UNITS.get(match["per"], (match["per"],))[0]


def _roman(match: re.Match[str]) -> str | None:
    value = _ROMAN.get(match["n"])
    return cardinal(str(value)) if value else None


def _greek(match: re.Match[str]) -> str:
    return patterns.GREEK[match[0].lower()][0]


def _again(match: re.Match[str]) -> str:
    """々 repeats the character before it."""
    return re.sub(f"[^{_HAN}]", "", _ahead(match, 1))


_FORMULA_WORDS: Final = FormulaWords(
    operators={
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
    },
    negative="负",
    number=number,
    percent=lambda digits: "百分之" + number(digits),
    power=_power,
)
_LETTERS: Final[list[Rule]] = [
    (r"(?<=第)(?P<n>[IVX]+)(?=[章节節部卷册条條款型期级級届集回])", _roman),
    (r"(?<![A-Za-z])(?P<n>I{2,3}|IV|VI{1,3}|IX|XI{1,2})(?=[型期级級类類度世章])", _roman),
    (r"(?<![A-Za-z])e\.g\.", lambda m: "例如"),
    (r"(?<![A-Za-z])i\.e\.", lambda m: "即"),
    (r"(?<![A-Za-z])etc\.", lambda m: "等等"),
    (r"(?<![A-Za-z])(?:vs|VS)\.?(?![A-Za-z])", lambda m: "对"),
    (r"(?<![A-Za-z])(?:No|NO|no)\.\s?(?=\d)", lambda m: "第"),
    (r"(?<=[A-Z])\+\+", lambda m: "加加"),
    (r"(?<=[A-Z])#", lambda m: " sharp"),
    (r"(?<![A-Za-z0-9])\.NET", lambda m: "dot net"),
    (r"(?<=[A-Za-z0-9])\+(?![A-Za-z0-9])", lambda m: "加"),
    (r"(?<=[A-Za-z0-9])\.(?=[A-Za-z0-9])", lambda m: "点"),
    (acronyms.ACRONYM, acronyms.spell),
    (r"[Α-ΡΣ-Ωα-ω]", _greek),
    (r"々", _again),
]
_MARKS: Final[list[Rule]] = [
    (r"\.{2,}|…+|。{2,}", lambda m: "…"),
    (r"\.(?![A-Za-z0-9])", lambda m: "。"),
    (r"(?<=[A-Za-z])'(?=[A-Za-z])", lambda m: "'"),
    (r"\s+-+\s+|--+", lambda m: "，"),
    (r"#(?=\d)", lambda m: "第"),
    (r"@(?=\w)", lambda m: "艾特"),
    (r"\n\s*(?=\S)", lambda m: "，"),
]
_PLAIN: Final = {
    **dict.fromkeys("(){}[]【】〔〕|—→«»‹›", "，"),
    **dict.fromkeys("'\"“”「」『』《》〈〉*_~#@^\\$¥€£₩₹·.°-<>=", " "),
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
}


def _rules(one: str) -> Rules:
    """The rules of Chinese.

    one: how 1 is called in telephone numbers: 幺 in Mandarin, 一 in Cantonese.
    """
    digits = partial(_digits, one=one)
    table: list[Rule] = [
        (patterns.MARKUP, patterns.markup),
        (patterns.LIST_NUMBER, lambda m: cardinal(m["n"]) + "，"),
        (patterns.EMAIL, _address),
        (patterns.URL, _address),
        *DATES,
        (_MOBILE, digits),
        (_LANDLINE, digits),
        (_SERVICE, digits),
        (patterns.US_PHONE, digits),
        (patterns.FOREIGN_PHONE, digits),
        (patterns.CODE, partial(_digits, one="一")),
        *TIMES,
        (patterns.VERSION, _version),
        *YEARS,
        (r"(?<![\d.])\d{3,4}(?=室|房|号房|教室|宿舍|寝室|病房|次航班|航班)", partial(_place, one=one)),
        (r"(?<=[GDCZTK])\d{1,4}(?=次|号?列车|高铁|动车)", partial(_place, one=one)),
        (r"(?<![\d.])\d{3,}(?![\d.,%]\d)(?!\d)", partial(_code, one=one)),
        (FORMULA, _FORMULA_WORDS.read),
        (r"(?<![\d.])(?P<a>\d+)\s?[xX]\s?(?P<b>\d+)(?!\d)", _by),
        (patterns.FRACTION, _fraction),
        (r"\^(?P<n>-?\d+)", lambda m: _power(m["n"])),
        (r"(?<=[A-Za-z_])[- ]?(?P<digits>\d+)(?![\d.,]\d|\d|%)", _model),
        (QUANTITY, quantity),
        (rf"(?<=[元块塊])/(?P<per>{patterns.UNIT}|[{_HAN}])", _per),
        *_LETTERS,
        *_MARKS,
    ]
    return Rules(table, _PLAIN)


MANDARIN: Final = _rules("幺")
CANTONESE: Final = _rules("一")
