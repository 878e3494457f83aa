"""A number in Chinese text with whatever belongs to it: sign, range, currency, unit, measure word."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Final

from core.text.chinese.numbers import number
from core.text.patterns import CURRENCIES, MONEY, NUMBER, UNIT, UNITS

RANGE = r"\s?(?:[-~至到]|—{1,2})\s?"

_BIG: Final = {
    **dict.fromkeys(("k", "K"), 10**3),
    **dict.fromkeys(("m", "M", "mn", "million"), 10**6),
    **dict.fromkeys(("b", "B", "bn", "billion"), 10**9),
    **dict.fromkeys(("tn", "trillion"), 10**12),
}
_MONEY: Final = {sign: chinese for sign, (chinese, *_) in MONEY.items()}
_MEASURE_AFTER = (
    r"[人次天件个包盒箱瓶袋罐份斤台套张只块月年周日班组户人间层亩支条双对科门课节页行篇册本米吨克升桌位名场轮栋单"
    r"趟车集期季晚夜批颗粒股席磅碗碟]"
)
QUANTITY = (
    rf"(?P<sign>[-+±](?={CURRENCIES}?\s?[\d.]))?(?P<money>{CURRENCIES}\s?)?(?P<a>{NUMBER})"
    rf"(?:(?P<own>[%‰](?!{RANGE}{CURRENCIES})|{UNIT})(?=(?:{RANGE}|\s?±\s?)(?:{CURRENCIES})?\s?-?\.?\d))?"
    rf"(?:(?P<to>{RANGE}|\s?±\s?)(?:{CURRENCIES}\s?)?(?P<bsign>-)?(?P<b>{NUMBER})(?![xX×*]\d))?"
    rf"(?P<big>(?!{UNIT})(?:\s?(?:million|billion|trillion)(?![A-Za-z])|(?:[kKmMbB]|bn|mn|tn)(?![A-Za-z0-9])|"
    r"[万亿千百萬億]+))?"
    rf"(?P<unit>\s?(?:{UNIT}|{CURRENCIES}|[%‰]))?"
    rf"(?P<per>/(?P<each>\d+(?:\.\d+)?)?(?:{UNIT}|[dyr](?![A-Za-z0-9])|{_MEASURE_AFTER}))?"
)
MONEY_QUANTITY = QUANTITY.replace(rf"(?P<big>(?!{UNIT})", "(?P<big>").replace(
    rf"(?P<money>{CURRENCIES}\s?)?", rf"(?P<money>{CURRENCIES}\s?)"
)
"""With a currency, in which m is a million and no metre."""
# Before these 2 is 两. Not before 月 日 号 楼 级 等 分之, where it is 二.
_ONE_WORD = (
    "个個只隻条條张張件位台臺辆輛家名人天年周岁歲次倍种種层層座所间間杯瓶碗盘份本册篇首支枝把双雙对對套副颗顆粒滴块塊片根棵朵头頭匹群秒点元斤吨升米克亩"
    "部款批场場门門类類组組步句字遍趟项項则幅架艘口笔回顿代轮圈段股串箱包袋桶卷盒罐单單提桌篮籃扎捆排行列页頁道节節听打盆碟壶勺筐筒管枚样樣株簇束盏盞"
    "扇蚊枝角毛床锅鍋帖剂劑味枪缸毫厘寸尺丈里碼码瓣节枕晚夜餐票集堂桩壺坛罈屉笼籠摞叠沓版拨撥伙班球"
)
MEASURED = re.compile(
    rf"\s?(?:(?![年班]级|单[元位项号]|層樓|层楼|点[五\d]|分之|班|版本|代表|口味|里[面边]|夜市)[{_ONE_WORD}]|"
    r"[男女大小荤素](?![学小号时写寒暑雪号])(?=\d|[，。、；！？\s]|$|优|亮|特|重|福|好|礼)|[室房](?=\d[厅卫])|[厅卫]|"
    r"小时|小時|分钟|分鐘|公里|公斤|公尺|千克|千米|厘米|毫米|毫升|平方|立方|美元|英镑|欧元|港元|日元|星期|礼拜|季度|世代|大[盒包瓶袋箱罐桶]|"
    r"小[盒包瓶袋箱罐桶])"
)
_CURRENCY_AFTER: Final = re.compile("[美欧日港澳加韩]元|美金|英镑|人民币|新台币")
_PER: Final = {"d": "天", "y": "年", "r": "转", "min": "分钟"}
_WARMTH = ("°C", "°c", "°F")
_CAN_BE_BELOW_ZERO = set("温為为是到至约降低达於于在零值得约差跌，。：；、！？,:;(= \n\t“\"'~")


def quantities(dollar: str) -> Callable[[re.Match[str]], list[tuple[int, str]]]:
    """What reads a match of QUANTITY. dollar: the currency of a bare $."""
    return partial(_quantity, names=_MONEY | {"$": dollar})


def _quantity(match: re.Match[str], names: Mapping[str, str]) -> list[tuple[int, str]]:
    """The readings of a match of QUANTITY, each with its place. names: of currencies."""
    unit, money, own = ((match[group] or "").strip() for group in ("unit", "money", "own"))
    share = {"%": "百分之", "‰": "千分之"}.get(unit, "")
    readings: list[tuple[int, str]] = []
    if match["sign"] and (sign := _sign(match, unit)):
        readings.append((match.start("sign"), sign))
    # From the currency on, if it is written first.
    begin = match.start("money") if money else match.start("a")
    readings.append((begin, share + _value(match, "a", money)))
    if own and (own != unit or "±" in (match["to"] or "")):
        readings.append((match.start("own"), UNITS[own][0] if own in UNITS else ""))
    if match["b"]:
        below = ("零下" if unit in _WARMTH else "负") if match["bsign"] else ""
        readings.append((match.start("to"), "正负" if "±" in match["to"] else "到"))
        readings.append(
            (match.start("b"), (share if own in ("%", "‰") else "") + below + _value(match, "b", money))
        )
    scaled = money or _CURRENCY_AFTER.match(match.string, match.end())
    if match["big"] and not (scaled and match["big"].strip() in _BIG):
        readings.append((match.start("big"), _big(match["big"].strip())))
    if name := _unit(match, unit, money, names):
        readings.append((match.start("unit") if unit else readings[-1][0], name))
    if match["per"]:
        per = match["per"][1:].removeprefix(match["each"] or "")
        each = number(match["each"]) if match["each"] else ""
        each = "两" if each == "二" else each
        readings.append((match.start("per"), "每" + each + _PER.get(per, UNITS.get(per, (per,))[0])))
    return readings


def _sign(match: re.Match[str], unit: str) -> str:
    before = match.string[max(0, match.start() - 2) : match.start()]
    previous, sign = before[-1:], match["sign"]
    if sign == "±":
        return "正负"
    if (previous.isascii() and previous.isalnum()) or previous in (")", "]", "…"):
        return "加" if sign == "+" else ""
    if sign == "+" and re.fullmatch(r"\d[\u4e00-\u9fff]", before):
        return "加"  # 2瓶+3支
    warm = unit in _WARMTH or match.string[match.end() : match.end() + 1] == "度"
    counted = (
        unit or match["big"] or "." in match["a"] or match.string[match.end() : match.end() + 1] in "元块"
    )
    if sign == "-" and previous and previous not in _CAN_BE_BELOW_ZERO and not (warm or counted):
        return "，"
    return {"+": "正", "-": "零下" if warm else "负"}[sign]


def _value(match: re.Match[str], group: str, money: str) -> str:
    digits = match[group].replace(",", "")
    big = (match["big"] or "").strip()
    scale = _BIG.get(big) if money or _CURRENCY_AFTER.match(match.string, match.end()) else None
    if scale:
        digits = f"{(Decimal(digits) * scale).normalize():f}"
    if "." in digits and (money or match.string.startswith("元", match.end())):
        digits = digits.rstrip("0").rstrip(".")
    return "两" if digits == "2" and _takes_liang(match, group) else number(digits)


def _takes_liang(match: re.Match[str], group: str) -> bool:
    """Is this 2 a count of something (两个), not a name or a grade (二楼)?"""
    if match.string[max(0, match.start() - 2) : match.start()].rstrip().endswith(("第", "初")):
        return False
    if match["big"]:
        return match["big"].strip()[0] in "千万亿萬億"
    unit = (match["unit"] or match["money"] or "").strip()
    if unit and not unit.startswith(("%", "‰", "°")):
        return True
    return not unit and MEASURED.match(match.string, match.end()) is not None


def _big(letters: str) -> str:
    """万 and its like stay as they are; K and its like are letters."""
    return {"million": "百万", "billion": "十亿", "trillion": "万亿"}.get(letters, letters)


def _unit(match: re.Match[str], unit: str, money: str, names: Mapping[str, str]) -> str:
    # ¥100元 has its currency twice.
    if money and not match.string.startswith(("元", "美元", "块"), match.end()):
        return names[money]
    if unit in _MONEY:
        return names[unit]
    if unit in UNITS:
        return UNITS[unit][0]
    return ""
