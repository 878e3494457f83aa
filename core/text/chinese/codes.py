"""How telephone numbers, codes, models, rooms and addresses are read in Chinese: mostly digit by digit."""

import re
from functools import partial
from typing import Final

from core.text import patterns
from core.text.chinese.numbers import cardinal, number, one_by_one
from core.text.chinese.quantities import MEASURED
from core.text.formulas import joined
from core.text.rules import Reading, Rule

HAN = r"\u3007\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"

_MOBILE = r"(?<![\d.])(?:\+86[-\s]?|0086[-\s]?|86[-\s])?1[3-9]\d[-\s]?\d{4}[-\s]?\d{4}(?!\d)"
_LANDLINE = (
    r"(?<![\d.-])(?:\+86[-\s]?)?(?:\(0\d{2,3}\)\s?|0\d{2,3}[-\s])\d{3,4}[-\s]?\d{4}(?:-\d{1,5})?(?![\d-])"
)
_SERVICE = r"(?<![\d.-])[48]00-?\d{3,4}-?\d{3,4}(?![\d-])"
_SHORT_SERVICE = (
    r"(?<![\d.,:-])(?:100(?:86|10|01|00)|12[13]\d\d|95[0-9]\d\d|96\d{3,4}|110|119|120|122|114)(?:-\d(?![\d.]))?"
    r"(?![\d.,:%-]*\d)"
)
_GROUPED = r"(?<![\d.A-Za-z/:-])(?<!\d )\+?\(?\d{2,5}\)?(?:[- ]\(?\d{2,5}\)?){1,6}(?![\d%/:]|\.\d|-\d)"
# After these words digits are a code, not a quantity.
_CODE_WORD = re.compile(
    r"(?:电话|手机|群|股票|基金|证券|准考证|WhatsApp|Whatsapp|Signal|LINE|ISBN|CVV|IMEI|批号|票号|热线|号码|拨打|拨|致电|联系方式|联系人|微信|QQ|qq|编号|编码|单号|订单|卡号|账号|帐号|密码|口令|验证码|邮编|学号|工号|尾号|"
    r"代码|证号|座机|传真|会议|会议号|会议ID|房间号|群号|分机|机号|银行卡|信用卡|身份证|条码|端口|客服|咨询|直播间号|提取码|取件码|兑换码|邀请码|"
    r"電話|手機|號碼|撥打|密碼|驗證碼|傳真|熱線|會議|帳號|Tel|TEL|tel|PIN|OTP|ID)(?:号|号码|號碼|號)?\s?[是为為:：]?[\s*+(]*"
    r"(?:\d{5,}[、，,/或和]\s?){0,5}$"
)
_KNOWN_SERVICES = re.compile("100(?:86|10|01)|123(?:06|15|45|48|20|33|56|66)|955..")
_CALLED = re.compile(r"(?:拨|打|呼叫|报警|急救|火警|电话|热线|客服|官网|投诉|举报|咨询|急呼|電話|撥)")
_COUNTED = re.compile(rf"\s?(?:[{HAN}]|{patterns.UNIT}|%)")
_MANY = re.compile(rf"\s?(?:{patterns.UNIT}|[元块万千百亿%米年月]|公[里斤])")
_IN_A_ROW = re.compile(r"(?:1[12]\d|\d{5})[、,，和或]$")
_IN_A_ROW_AFTER = re.compile(r"[、,，和或](?:1[12]\d|\d{5})(?!\d)")
_BRAND = (
    r"(?<![\d.])(?:360(?=\s?(?:安全|卫士|杀毒|浏览器|搜索|手机|软件|企业|集团|数科|借条|摄像|行车记录|公司|金融|游戏|随身|极速|智))"
    r"|58(?=同城|到家)|36(?=氪)|51(?=job|CTO|信用卡)|4399(?=小游戏|游戏|网|平台)|2345(?=浏览器|网址|软件)|"
    r"1688(?=平台|网|采购|批发|拿货|进货|上)|"
    r"711(?=便利|门店|超市)|502(?=胶)|84(?=消毒)|99(?=划算)|798(?=艺术|园区|厂)|1912(?=街区))"
)
_PROVINCES: Final = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
IDLE: Final = rf"(?<=[A-Za-z])[a-z]|(?![{_PROVINCES}])[\u4e00-\u9fff]"
"""Characters that no rule of Chinese begins with: inside a Latin word, and all but those of number plates."""
_PLATE = (
    rf"[{_PROVINCES}][A-HJ-NP-Z][·.\s-]?"
    r"(?=[A-Z0-9]{5,6}(?![A-Z0-9]))[A-Z0-9]*\d[A-Z0-9]*"
)
_SIDES: Final = {"N": "北纬", "S": "南纬", "E": "东经", "W": "西经"}
_ADDRESS: Final = {
    **{".": "点", "/": "斜杠", "@": "艾特", "_": "下划线", "-": "杠", ":": "冒号"},
    **{"+": "加", "\\": "反斜杠"},
}


def ahead(match: re.Match[str], width: int = 12) -> str:
    """The few characters before a match."""
    return match.string[max(0, match.start() - width) : match.start()]


def _behind(match: re.Match[str], width: int = 12) -> str:
    return match.string[match.end() : match.end() + width]


def announced(match: re.Match[str]) -> bool:
    """Is what matched a code, by the word before it?"""
    return _CODE_WORD.search(ahead(match, 40)) is not None


def _digits(match: re.Match[str], one: str) -> list[tuple[int, str]]:
    return patterns.grouped(match, partial(one_by_one, one=one), "加", "，")


def _code(match: re.Match[str], one: str) -> list[tuple[int, str]] | None:
    """Digits after a word such as 密码, and long ones that count nothing: digit by digit."""
    digits = match[0]
    if announced(match) and not MEASURED.match(match.string, match.end()):
        return _digits(match, one)
    if len(digits) > 16 or (len(digits) >= 5 and digits[0] == "0"):
        return _digits(match, one)
    long = len(digits) >= 9 and not digits.endswith("0000")
    return _digits(match, one) if long and not _COUNTED.match(match.string, match.end()) else None


def _service(match: re.Match[str], one: str) -> list[tuple[int, str]] | None:
    """10086, and 110 where it is called or stands in a row of such numbers."""
    if _MANY.match(match.string, match.end()) or MEASURED.match(match.string, match.end()):
        return None
    number_of = match[0]
    rare = not _KNOWN_SERVICES.fullmatch(number_of)
    called = _CALLED.search(ahead(match, 4) + "|" + _behind(match, 4))
    in_a_row = _IN_A_ROW.search(ahead(match, 6)) or _IN_A_ROW_AFTER.match(match.string, match.end())
    return None if rare and not called and not in_a_row else _digits(match, one)


def _grouped(match: re.Match[str], one: str) -> list[tuple[int, str]] | None:
    """Digits in groups: a card, a meeting, a telephone number; not a range, nor numbers in a row."""
    groups = re.findall(r"\d+", match[0])
    count = sum(map(len, groups))
    if announced(match) and count >= 6:
        return _digits(match, one)
    if re.match(rf"\s?(?:{patterns.UNIT}|[元块折万千百亿%年月日号天个件人米斤])", _behind(match)):
        return None
    spaced = "-" not in match[0]
    if spaced and len(groups) >= 3 and all(len(group) == 4 for group in groups[:-1]) and count >= 10:
        return _digits(match, one)
    if spaced or len(groups) != 2:
        return None
    first, second = groups
    same = len(first) == len(second) == 4
    rises = int(first) < int(second)
    return (
        _digits(match, one) if same and not (rises and first.endswith("0")) and not _years(groups) else None
    )


def _years(groups: list[str]) -> bool:
    return all(re.fullmatch(r"(?:19|20)\d\d", group) for group in groups)


def _place(match: re.Match[str], one: str) -> str:
    """The number of a room, flight or train."""
    return one_by_one(match[0], one)


def _room(match: re.Match[str], one: str) -> list[tuple[int, str]]:
    """3-202: a house and a flat; 图3-1, A1-2-301."""
    readings: list[tuple[int, str]] = []
    for piece in re.compile(r"\d+|-").finditer(match.string, *match.span()):
        digits = piece[0]
        said = "杠" if digits == "-" else number(digits) if len(digits) < 3 else one_by_one(digits, one)
        readings.append((piece.start(), said))
    return readings


def _houses(match: re.Match[str], one: str) -> list[tuple[int, str]] | None:
    """38-2号: no range goes down."""
    first, last = (int(n) for n in match[0].split("-")[:2])
    return _room(match, one) if first >= last else None


def _shelf(match: re.Match[str], one: str) -> list[tuple[int, str]] | None:
    """B12-3, but P12-18 is pages and A1-9号 a row."""
    first, last = (int(n) for n in match[0].split("-")[:2])
    row = first < last and re.compile(rf"号|{MEASURED.pattern}").match(match.string, match.end())
    return None if row or ahead(match, 1) in "Pp" else _room(match, one)


def _plate(match: re.Match[str], one: str) -> list[tuple[int, str]]:
    return [
        (k, one_by_one(c, one) if c.isdigit() else c)
        for k, c in enumerate(match[0], match.start())
        if c.isalnum()
    ]


def _tracking(match: re.Match[str], one: str) -> list[tuple[int, str]]:
    """SF1234567890123: a parcel."""
    letters = [(match.start(), " ".join(match["letters"]))]
    return letters + [
        (k, one_by_one(match.string[k], one)) for k in range(match.start("digits"), match.end())
    ]


def _measured(match: re.Match[str]) -> bool:
    return re.compile(patterns.UNIT).match(match.string, match.end()) is not None


def _model(match: re.Match[str]) -> str | None:
    """Digits that end a name: GPT-4, A380, H100; after a space only if the name is in capitals (RTX 4090)."""
    digits = match["digits"]
    named = len(digits) > 2 and re.search(r"[A-Z]{2}$", ahead(match)) and not _measured(match)
    if match[0][0] == " " and not named:
        return None
    if len(digits) <= 2 or digits[1:] == "00" or (len(digits) == 4 and digits.endswith("000")):
        return number(digits)
    return one_by_one(digits)


def _aircraft(match: re.Match[str]) -> list[tuple[int, str]]:
    """歼-20, 东风-41."""
    digits = match["digits"]
    return [(match.start("digits"), number(digits) if len(digits) < 3 else one_by_one(digits))]


def _standard(match: re.Match[str]) -> list[tuple[int, str]]:
    """GB/T 19001-2016."""
    said = [(match.start(), " ".join(re.sub(r"[^A-Z]", "", match["name"])))]
    said.append((match.start("number"), "点".join(map(one_by_one, match["number"].split(".")))))
    if match["year"]:
        said += [(match.end("number"), "，"), (match.start("year"), one_by_one(match["year"]))]
    return said


def _version(match: re.Match[str]) -> str:
    numbers = (match["versioned"] or match["dotted"]).split(".")
    words = "点".join(number(n) if len(n) < 3 else one_by_one(n) for n in numbers)
    return f"V{words}" if match["v"] else words


def _address(match: re.Match[str]) -> str:
    return "波浪号" * (match[0][0] == "~") + patterns.address(match, _ADDRESS, one_by_one)


def _hexadecimal(match: re.Match[str]) -> str:
    """00:1A:2B:3C:4D:5E."""
    return joined(patterns.hexadecimal(match[0], one_by_one, "冒号", "，"))


def _angle(match: re.Match[str]) -> str:
    """39°54′, 39.9°N."""
    parts = zip(("degrees", "minutes", "seconds"), "度分秒", strict=True)
    said = "".join(number(match[name]) + unit for name, unit in parts if match[name])
    return _SIDES.get(match["side"] or match["by"], "") + said


def _masked(match: re.Match[str], one: str) -> Reading:
    """138****1234."""
    head = [(match.start(), one_by_one(match["head"], one) + "，")] if match["head"] else []
    return [*head, (match.start("digits"), one_by_one(match["digits"], one))]


def _internet(match: re.Match[str]) -> list[tuple[int, str]]:
    """192.168.1.1:8080, 10.0.0.0/8."""
    said = [
        (match.start(), "点".join(number(n) if len(n) < 3 else one_by_one(n) for n in match["ip"].split(".")))
    ]
    said += [(match.end("ip"), "冒号" + one_by_one(match["port"]))] if match["port"] else []
    return said + ([(match.end("ip"), "斜杠" + cardinal(match["bits"]))] if match["bits"] else [])


ADDRESSES: list[Rule] = [
    (r"\dA-Za-z", patterns.EMAIL, _address),
    (r"\dA-Za-z", patterns.URL, _address),
    ("~/A-Z", patterns.PATH, _address),
]


def telephones(one: str) -> list[Rule]:
    """Before clocks and quantities. one: how 1 is called in telephone numbers."""
    digits, room = partial(_digits, one=one), partial(_room, one=one)
    return [
        (r"\dA-Za-z", patterns.HARDWARE, _hexadecimal),
        (r"\d\s:：", patterns.BOOK, digits),
        (r"\d", patterns.ANGLE, _angle),
        ("A-Za-z", patterns.RATE, lambda m: f"{' '.join(m['a'])}兑{' '.join(m['b'])}"),
        (r"\d+", _MOBILE, digits),
        (r"\d(+", _LANDLINE, digits),
        (r"\d", _SERVICE, digits),
        (_PROVINCES, _PLATE, partial(_plate, one=one)),
        (r"\d(+", patterns.US_PHONE, digits),
        ("+", r"\+\d{2,3}(?=是|的|开头|区号)", digits),
        ("+", patterns.FOREIGN_PHONE, digits),
        (
            "A-Za-z",
            r"(?<![A-Za-z])(?P<name>(?:GB|ISO|IEC|IEEE|JIS|DIN|YY|HG|QB)(?:/[A-Z]{1,2})?)\s?(?P<number>\d{3,6}(?:\.\d+)?)"
            r"(?:[-—:](?P<year>\d{4}))?(?!\d)",
            _standard,
        ),
        (r"\d", patterns.INTERNET, _internet),
        (r"\d", patterns.GROUPED, lambda m: cardinal(re.sub(r"\D", "", m[0]))),
        (r"\d", r"(?<![\d-])\d{1,2}-\d{3,4}(?=室|房|号房|户)", room),
        (r"\d", r"(?:(?<=[图表式例题])|(?<=[图表式例题][ (]))\d{1,3}(?:-\d{1,3}){1,3}(?!\d)", room),
        (r"\d", r"(?<=[路街弄巷村道牌])\d{1,4}(?:-\d{1,4}){1,3}(?!\d)", room),
        (r"\d", r"(?<![\d.-])\d{1,4}-\d{1,3}(?=号(?!线)|[幢栋座铺])", partial(_houses, one=one)),
        (
            r"\d",
            r"(?<=[A-Z])\d{1,3}(?:-\d{1,4}){1,3}(?![\d.A-Za-z-])(?<![A-Z]{2}\d\d)",
            partial(_shelf, one=one),
        ),
        (r"\d", r"(?<![\d.-])\d{1,2}-\d{1,2}-(?!19|20)\d{3,4}(?![\d-])", room),
        (r"\d(+", _GROUPED, partial(_grouped, one=one)),
        (r"\d", patterns.CODE, partial(_digits, one="一")),
        (
            r"\dA-Za-z*",
            r"(?<![\d.])(?P<head>\d{1,10})?(?:\*{2,12}|[xX]{3,12})(?P<digits>\d{2,8})(?!\d)",
            partial(_masked, one=one),
        ),
    ]


def codes(one: str) -> list[Rule]:
    """After clocks and years, before quantities."""
    place = partial(_place, one=one)
    return [
        (
            r"\d",
            r"(?<![\d.])\d{3,4}(?=室|房|号房|教室|宿舍|寝室|病房|次航班|航班|次列车|次动车|次高铁)",
            place,
        ),
        (
            r"\d",
            r"(?:(?<=单元)|(?<=单元 )|(?<=号楼)|(?<=[栋幢座]))\d{3,4}(?![\d.元人万米户])|"
            r"(?<=[房室]号)\d{3,4}(?!\d)|(?<=[A-Z][座栋幢])\d{3,4}(?!\d)",
            place,
        ),
        (r"\d\s", r"(?<=波音|空客)\s?\d{3}(?![\d.])", lambda m: one_by_one(m[0])),
        (
            r"\d\s",
            r"(?<![\d.])\d{3}(?=路(?:公交|车|巴士|电车|$|[，。、；]))|(?:(?<=公交)|(?<=巴士))\s?\d{3}(?=[路號号]|$|[，。])",
            lambda m: one_by_one(m[0]),
        ),
        (r"\d", r"(?<![\d.])[1-9]0[1-9](?=班(?![车次机])|[大]楼)", lambda m: one_by_one(m[0])),
        (
            r"\d",
            rf"(?<=[{HAN}])(?:60[0135]|688|00[0-3]|30[01])\d{{3}}(?=[，。,(（]|\s?(?:收盘|开盘|股价|报|涨|跌)|$)",
            lambda m: one_by_one(m[0], one),
        ),
        (r"\d", _BRAND, lambda m: one_by_one(m[0])),
        ("-", r"(?<![\d.])-(?P<n>\d)(?=[层楼])", lambda m: "负" + number(m["n"])),
        (r"\d\s", r"(?:(?<=地下)|(?<=负))\s?\d{1,2}(?=[层楼])", lambda m: number(m[0].strip())),
        (
            "A-Za-z",
            r"(?<![A-Za-z])(?P<a>[A-Z])\s?[-~—]\s?(?P<b>[A-Z])(?=[区座栋班组楼级类档款线厅馆口排])",
            lambda m: f"{m['a']}到{m['b']}",
        ),
        (r"\d\s", r"(?<=端口)\s?\d{2,5}(?!\d)", lambda m: one_by_one(m[0])),
        (r"\d", r"(?<![\d-])7-11(?=便利|超市|门店|旁|门口)", "七，十一"),
        (
            r"\d",
            r"(?<![\d.])(?:1080|720|480|360|1440|2160)(?=[pPiI](?![A-Za-z]))",
            lambda m: one_by_one(m[0]),
        ),
        (r"\d", r"(?<=转)\d{2,5}(?![\d.元块万千百°%])(?=[^\w]|号|分机|$)", place),
        (r"\d", r"(?<=[GDCZTK])\d{1,4}(?=次|号?列车|高铁|动车)", place),
        (
            "A-Za-z",
            r"(?<![A-Za-z])(?P<letters>[A-Z]{2,4})(?P<digits>\d{8,20})(?![A-Za-z0-9])",
            partial(_tracking, one=one),
        ),
        (r"\d", _SHORT_SERVICE, partial(_service, one=one)),
        (r"\d", r"(?<![\d.,])\d{3,}(?![\d.,%]\d|%)(?!\d)", partial(_code, one=one)),
        ("-", r"(?<=[歼轰运直图米苏])-(?P<digits>\d{1,3})(?![\d.%])", _aircraft),
        ("-", rf"(?<=[{HAN}])-(?P<digits>\d{{1,3}})(?=号|型|$|[，。、；！？]|[式机])", _named),
        (
            r"\d",
            r"(?<![\d.A-Za-z-])(?P<digits>\d{3,4})(?=[A-Z](?![A-Za-z0-9]))(?![GKMWVLTHNJ])",
            lambda m: one_by_one(m[0]),
        ),
        (r"\dA-Za-z", patterns.VERSION, _version),
    ]


_SIGNED_WORD = re.compile(
    r"(?:利|润|幅|比|值|额|率|度|温|益|收|损|亏|流|差|为|是|得|于|至|到|约|降|跌|减|扣|负|增|加|长|数|分|量|低|高|达|余|账|本|息)$"
)


def _named(match: re.Match[str]) -> list[tuple[int, str]] | None:
    """东风-41 is a name; 利润-5 is below zero."""
    counted = re.search(r"\d.$", ahead(match, 2))  # 1号-3号
    return None if counted or _SIGNED_WORD.search(ahead(match, 1)) else _aircraft(match)


MODELS: list[Rule] = [
    (r"\d\s-", r"(?<=[A-Za-z_])[- ]?(?P<digits>\d+)(?![\d.,]\d|\d|%|[- ]\d{4})", _model),
    ("-", r"(?<=[A-Za-z])-(?=1[3-9]\d[- ]?\d{4})", "，"),
]
