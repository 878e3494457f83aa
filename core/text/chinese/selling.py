"""What sellers write all day, read as they say it: discounts, 满100-20, 10W+, 618, 666, 1米78."""

import re
from decimal import Decimal
from typing import Final

from core.text.chinese.codes import ahead
from core.text.chinese.dates import day_of
from core.text.chinese.numbers import cardinal, number, one_by_one
from core.text.chinese.quantities import MEASURED
from core.text.patterns import CURRENCIES, NUMBER, UNIT
from core.text.rules import Reading, Rule

_RESOLUTION = re.compile(
    r"\s?(?:超?高清|画质|视频|电视|屏|分辨率|显示|投影|影院|摄像|镜头|录|蓝光|直播|HDR|\d|片源|影片|画面|级|修复|纪录)"
)
_POWER_BEFORE = re.compile(
    r"(?:功率|快充|充电|闪充|超充|灯泡?|瓦数|输出|电源|无线充|支持|电机|风扇|音响)\s?$"
)
_POWER_AFTER = re.compile(
    r"\s?(?:的?(?:快充|充电|功率|闪充|超充|超级快充|无线|有线|反向|电源|适配器|氮化镓|风扇|电机|灯|节能|LED|大功率|吹风机|音响|暖|烤))"
)
_MANY_BEFORE = re.compile(
    r"(?:破|超|近|过|达|约|量|粉丝?|粉|卖了?|售|销|播放|点赞|关注|阅读|收藏|人气|在线|月薪|年薪|工资|薪)\s?$"
)
_MANY_AFTER = re.compile(
    r"\s?(?:\+|多?人|粉|单|件|元|块|次|播放|点赞|销量|用户|家|份|斤|套|条|台|关注|流量|好评|会员|册|瓶)"
    r"|[-~—至到]\s?[\d.]+[wW](?:多?人|粉|单|件|元|块|次|播放|点赞|销量|用户|家|份)"
)
_FESTIVALS: Final = {
    **{"3.8": "三八", "3.15": "三一五", "5.20": "五二零", "5.21": "五二一", "6.18": "六一八"},
    **{"8.18": "八一八", "10.24": "一零二四", "11.11": "双十一", "12.12": "双十二"},
}
_FESTIVAL_BEFORE: Final = "(?<=双十一|双十二|双11|双12|六一八|三八节)"
_FESTIVAL_AFTER: Final = (
    r"(?=(?:妇女|女神|儿童|建军|建党|教师|圣诞|元旦|劳动|青年|国庆|植树|光棍|感恩|万圣|中秋|端午|护士|母亲|父亲)|年[终中底货]|大促|活动|晚会|狂欢|购物节|表白|节|当天|期间|预售|放假|假期|来了|返场|"
    r"情人节|特惠|年货|黄金周|好物|提前|直播|盛典|福利|专场|发货|到货|开播|上线|截止|开售|发售|上新)"
)
_COUNTED = re.compile(
    rf"\s?(?:{UNIT}|{CURRENCIES}|[元块万千百亿%‰米公号號楼层室栋房路集期章页]|[.,:/-]\d|[-+×÷*=<>≤≥±xX~—])"
)


def _discount(match: re.Match[str]) -> str:
    """8.5折 is 八五折; but 三五 and 七八 by themselves are "three to five", "seven or eight"."""
    n = match["n"]
    near = n == "3.5" or (n[1] == "." and int(n[2]) == int(n[0]) + 1)
    return (number(n) if near else one_by_one(n.replace(".", ""))) + "折"


def _minus(match: re.Match[str]) -> list[tuple[int, str]]:
    """满100-20."""
    return [
        (match.start("a"), number(match["a"].replace(",", ""))),
        (match.end("a"), match["unit"] or ""),
        (match.start("sign"), "减"),
        (match.start("b"), number(match["b"])),
    ]


def _wan(match: re.Match[str]) -> Reading:
    """w is 万; W is too, unless it is a watt."""
    before, at = ahead(match, 6), match.end("w")
    if match["w"] == "W" and not (_MANY_BEFORE.search(before) or _MANY_AFTER.match(match.string, at)):
        return None
    if _POWER_BEFORE.search(before) or _POWER_AFTER.match(match.string, at):
        return None if match["w"] == "W" else number(match["n"]) + "瓦"
    words = "两" if match["n"] == "2" else number(match["n"].replace(",", ""))
    unit = "元" if match["money"] and not match.string.startswith(("元", "块"), match.end()) else ""
    return [(match.start(), words), (match.start("w"), "万" + unit)]


def _thousands(match: re.Match[str]) -> str | None:
    """8k is 八千, 12k 一万二; 4K of a picture stays."""
    at = match.end()
    counted = _MANY_BEFORE.search(ahead(match, 6)) or _MANY_AFTER.match(match.string, at)
    if match["k"] == "K" and not counted:
        return None
    if match["n"] in ("1", "2", "4", "8", "16") and _RESOLUTION.match(match.string, at):
        return None
    value = Decimal(match["n"]) * 1000
    words = number(f"{value:f}".rstrip("0").rstrip(".") if "." in f"{value:f}" else f"{value:f}")
    short = value == int(value) and 10_000 < value < 100_000 and value % 1000 == 0 and value % 10_000
    words = words.removesuffix("千") if short else words
    return words + ("元" if match["money"] else "")


def _slogan(match: re.Match[str]) -> str | None:
    """618, 996: names, unless something is counted."""
    if _COUNTED.match(match.string, match.end()) or MEASURED.match(match.string, match.end()):
        return None
    return one_by_one(match[0])


def _festival(match: re.Match[str]) -> str | None:
    """12.12, a name; after that name a day."""
    named = re.search(_FESTIVAL_BEFORE, ahead(match, 3))
    return (None if named else _FESTIVALS.get(match[0])) or day_of(*match[0].split("."))


def _size(match: re.Match[str]) -> list[tuple[int, str]] | None:
    """1米78, but 5块2斤."""
    if match["of"] == "块" and MEASURED.match(match.string, match.end()):
        return None
    whole = "两" if match["a"] == "2" else number(match["a"])
    return [
        (match.start(), whole),
        (match.start("of"), match["of"]),
        (match.start("b"), one_by_one(match["b"]) if len(match["b"]) > 1 else cardinal(match["b"])),
    ]


def _garment(match: re.Match[str]) -> str:
    """2XL."""
    return ("两" if match["n"] == "2" else cardinal(match["n"])) + " ".join(match["size"])


def _more(match: re.Match[str]) -> str:
    """6000+小时."""
    return number(match["n"].replace(",", "")) + "多"


SELLING: list[Rule] = [
    (r"\d", r"(?<![\d.])(?P<n>[1-9]{2}|(?<!\d[-~至到])[1-9]\.[1-9])\s?折", _discount),
    (
        r"\d\s",
        r"(?<=满)\s?(?P<a>\d{1,6})(?P<unit>[元块]?)\s?(?P<sign>[-—])\s?(?P<b>\d{1,6})(?![\d.%])",
        _minus,
    ),
    (r"\d.¥", rf"(?P<money>[¥]\s?)?(?<![\d.])(?P<n>{NUMBER})(?P<w>[wW])(?![A-Za-z0-9])", _wan),
    (r"\d¥", r"(?P<money>[¥]\s?)?(?<![\d.])(?P<n>\d{1,4}(?:\.\d)?)(?P<k>[kK])(?![A-Za-z0-9/])", _thousands),
    (
        r"\d",
        r"(?<![\d.,:/%+×÷*=<>≤≥±~—-])(?<![¥$€£])(?:618|996|985|211|1314|52[01]|404|315|3721|3{3,7}|5{3,7}|6{3,7}|7{3,7}|8{3,7}|9{3,7}|23{2,6})"
        r"(?![\d.,:%-]*\d|[至到~—]\s?\d)",
        _slogan,
    ),
    (
        r"\d",
        r"(?<![\d.])(?:1024|1111|1212|818|419|99|88|66)(?=(?:程序员|购物|划算|女生|大促|嗨购|狂欢)?节(?![课目省约点])|大促|狂欢|"
        r"购物|划算|会员日|晚会|盛典|嗨购)",
        lambda m: one_by_one(m[0]),
    ),
    (
        r"\d",
        r"(?<![\d.¥$])(?:1[0-2]|[1-9])\.(?:[12]\d|3[01])(?![\d.])(?=之?前(?![后面])|起(?![来步])|止|之后)",
        _festival,
    ),
    (r"\d", r"(?<![\d.·])\d{1,2}·\d{1,2}(?![\d·])", lambda m: one_by_one(m[0])),  # 9·18
    (r"\d", r"(?<![\d.])38(?=节|妇女节|女神节|女王节|大促)", "三八"),
    (r"\d", rf"(?<![\d.第])(?:1[0-2]|[1-9])\.(?:[12]\d|3[01]|[1-9])(?![\d.]){_FESTIVAL_AFTER}", _festival),
    (
        r"\d",
        rf"(?:(?<=国庆|元旦|五一|圣诞|双节|中秋|春节|端午|清明)|{_FESTIVAL_BEFORE})"
        r"(?:1[0-2]|[1-9])\.(?:[12]\d|3[01]|[1-9])(?![\d.%元块万亿折倍米斤])",
        _festival,
    ),
    (r"\d", r"(?<![\d.])(?P<a>\d{1,2})(?P<of>[米块秒])(?P<b>\d{1,2})(?![\d.米厘分毛角元块])", _size),
    (r"\d", r"(?<![A-Za-z0-9.])(?P<n>[2-6])(?P<size>XL|XS)(?![A-Za-z0-9])", _garment),
    (
        r"\d",
        r"(?<![A-Za-z.\d])(?P<n>\d{1,3}(?:,\d{3})+|\d{2,8})\+(?=\s?[\u4e00-\u9fff])(?!\s?[和与加])",
        _more,
    ),
]
