"""A number in Chinese text with whatever belongs to it: sign, range, currency, unit, measure word."""

import re
from decimal import Decimal
from typing import Final

from core.text.chinese_numbers import number
from core.text.patterns import CURRENCIES, NUMBER, UNIT, UNITS

RANGE = r"\s?[-~—至到]\s?"

_BIG: Final = {"k": 10**3, "K": 10**3, "m": 10**6, "M": 10**6, "b": 10**9, "B": 10**9, "bn": 10**9} | {
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}
_MONEY: Final = {
    "$": "美元",
    "US$": "美元",
    "USD": "美元",
    "HK$": "港元",
    "HKD": "港元",
    "NT$": "新台币",
    "A$": "澳元",
    "C$": "加元",
    "S$": "新加坡元",
    "R$": "雷亚尔",
    "¥": "元",
    "RMB": "元",
    "CNY": "元",
    "€": "欧元",
    "EUR": "欧元",
    "£": "英镑",
    "GBP": "英镑",
    "JPY": "日元",
    "₩": "韩元",
    "₹": "卢比",
}
QUANTITY = (
    rf"(?P<sign>[-+±](?={CURRENCIES}?\s?[\d.]))?(?P<money>{CURRENCIES}\s?)?(?P<a>{NUMBER})"
    rf"(?:(?P<own>%|{UNIT})(?={RANGE}-?\.?\d))?"
    rf"(?:(?P<to>{RANGE})(?:{CURRENCIES}\s?)?(?P<bsign>-)?(?P<b>{NUMBER}))?"
    rf"(?P<big>(?!{UNIT})(?:\s?(?:million|billion|trillion)(?![A-Za-z])|(?:[kKmMbB]|bn)(?![A-Za-z0-9])|"
    r"[万亿千百萬億]+))?"
    rf"(?P<unit>\s?(?:{UNIT}|{CURRENCIES}|[%‰]))?"
    rf"(?P<per>/(?:{UNIT}|[\u4e00-\u9fff]))?"
)
# Before these 2 is 两. Not before 月 日 号 楼 级 等 分之, where it is 二.
_MEASURED = re.compile(
    r"\s?(?:[个個只隻条條张張件位台臺辆輛家名人天年周岁歲次倍种種层層座所间間杯瓶碗盘份本册篇首支枝把双雙对對套副颗顆粒滴块塊片"
    r"根棵朵头頭匹群秒点元斤吨升米克亩部款批场場门門类組组步句字遍趟项項则幅架艘口笔回顿代轮圈段股串箱包袋桶卷]|"
    r"小时|小時|分钟|分鐘|公里|公斤|公尺|千克|千米|厘米|毫米|毫升|平方|立方|美元|英镑|欧元|港元|日元|星期|礼拜|季度|世代)"
)
_WARMTH = ("°C", "°c", "°F")
_CAN_BE_BELOW_ZERO = set("温為为是到至约降低达於于在零值得约差跌，。：；、！？,:;(= \n\t“\"'~")


def quantity(match: re.Match[str]) -> list[tuple[int, str]]:
    """The readings of a match of QUANTITY, each with its place."""
    unit, money, own = ((match[group] or "").strip() for group in ("unit", "money", "own"))
    share = {"%": "百分之", "‰": "千分之"}.get(unit, "")
    readings: list[tuple[int, str]] = []
    if match["sign"] and (sign := _sign(match, unit)):
        readings.append((match.start("sign"), sign))
    # From the currency on, if it is written first.
    begin = match.start("money") if money else match.start("a")
    readings.append((begin, share + _value(match, "a", money)))
    if own and own != unit:
        readings.append((match.start("own"), UNITS[own][0] if own in UNITS else ""))
    if match["b"]:
        below = ("零下" if unit in _WARMTH else "负") if match["bsign"] else ""
        readings.append((match.start("to"), "到"))
        readings.append((match.start("b"), (share if own == "%" else "") + below + _value(match, "b", money)))
    if match["big"] and not (money and match["big"].strip().isascii()):
        readings.append((match.start("big"), _big(match["big"].strip())))
    if name := _unit(match, unit, money):
        readings.append((match.start("unit") if unit else readings[-1][0], name))
    if match["per"]:
        per = match["per"][1:]
        readings.append((match.start("per"), "每" + UNITS.get(per, (per,))[0]))
    return readings


def _sign(match: re.Match[str], unit: str) -> str:
    previous = match.string[match.start("sign") - 1 : match.start("sign")]
    sign = match["sign"]
    warm = unit in _WARMTH or match.string[match.end() : match.end() + 1] == "度"
    if (previous.isascii() and previous.isalnum()) or previous in (")", "]"):
        return ""
    if sign == "-" and previous and previous not in _CAN_BE_BELOW_ZERO and not (warm or unit):
        return "，"
    return {"+": "正", "±": "正负", "-": "零下" if warm else "负"}[sign]


def _value(match: re.Match[str], group: str, money: str) -> str:
    digits = match[group].replace(",", "")
    big = (match["big"] or "").strip()
    scale = _BIG.get(big) if money else None
    if scale:
        digits = f"{Decimal(digits) * scale:f}"
    if "." in digits and (money or match.string.startswith("元", match.end())):
        digits = digits.rstrip("0").rstrip(".")
    return "两" if digits == "2" and _takes_liang(match, group) else number(digits)


def _takes_liang(match: re.Match[str], group: str) -> bool:
    """Is this 2 a count of something (两个), not a name or a grade (二楼)?"""
    if match.string[max(0, match.start() - 1) : match.start()] in ("第", "初"):
        return False
    if match["big"]:
        return match["big"].strip()[0] in "千万亿萬億"
    unit = (match["unit"] or match["money"] or "").strip()
    if unit and not unit.startswith(("%", "‰", "°")):
        return True
    return not unit and _MEASURED.match(match.string, match.end()) is not None


def _big(letters: str) -> str:
    """万 and its like stay as they are; K and its like are letters."""
    return {"million": "百万", "billion": "十亿", "trillion": "万亿"}.get(letters, letters)


def _unit(match: re.Match[str], unit: str, money: str) -> str:
    # ¥100元 has its currency twice.
    if money and not match.string.startswith(("元", "美元", "块"), match.end()):
        return _MONEY[money]
    if unit in _MONEY:
        return _MONEY[unit]
    if unit in UNITS:
        return UNITS[unit][0]
    return ""
