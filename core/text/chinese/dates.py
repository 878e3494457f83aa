"""How dates, years and times of day are read in Chinese text."""

import re

from core.text.chinese.codes import ahead, announced
from core.text.chinese.numbers import cardinal, number, one_by_one, year
from core.text.chinese.quantities import MEASURED, RANGE
from core.text.patterns import CURRENCIES, NUMBER, TIME, UNIT, iso_date
from core.text.rules import Rule

_SCORE_BEFORE = re.compile(r"(?:比分|比例|比率|配比)[^。；]{0,40}$|以\s*$")
_SCORE_AFTER = re.compile(
    r"\s*(?:战胜|击败|获胜|取胜|大胜|险胜|领先|落后|逆转|负于|不敌|的比分|的比例|[竖横]屏|屏|画面|画幅)"
)
_LASTING_BEFORE = re.compile(r"(?:时长|用时|耗时|历时|片长|全程|全长|成绩|倒计时)[:：]?(?:是|为|约|共)?\s?$")
_LASTING_AFTER = re.compile(r"\s?(?:完赛|跑完|跑进|的成绩)")
_LASTING = {"h": "小时", "min": "分钟", "m": "分钟", "s": "秒"}
_LISTED = re.compile(
    r"(?:日期|时间|日子|日程|安排)[:：为是]{0,2}\s?(?:\d{1,2}/\d{1,2}[日号]?[、,，和及与]\s?){1,9}$"
)
_SHARE_BEFORE = re.compile(
    r"(?:约占?|占|超过?|近|不到|不足|有|将近|大约|剩下?|还剩|[+×÷*=乘加减又])\s?$|\d\s$"
)
_SHARE_AFTER = re.compile(
    r"\s?(?:的(?!活动|直播|课|会|票|订单|场|晚会|大促|机票|比赛)|杯|勺|匙|处|量|人|页|[+×÷*=]|个|小时|以上|左右|拍|英寸|寸|圈|份|斤|强|决赛)"
)
_DAY_BEFORE = re.compile(
    r"(?:于|在|到|至|从|自|截止|截至|时间|日期|今天|明天|昨天|后天|活动|直播|开播|每年|定在|改到|延期到|周[一二三四五六日]|[号日月年]|\d\s?[-~—])"
    r"[:：为是]?\s?$"
)
_DAY_AFTER = re.compile(
    r"\s?(?:(?:妇女|女神|女王|女生|儿童|劳动|青年|教师|国庆|光棍|情人|圣诞|元旦|植树|愚人|程序员|购物)?节(?![课目省约点])|前|后|起|开始|到|至|止|截止|发货|到货|下单|开播|直播|上线|上新|上架|出发|当天|当日|日|号|晚|早|上午|下午|中午|凌晨|周[一二三四五六日]|"
    r"星期|开[售抢课学奖会营]|预售|考|上课|[交截]止?|比赛|聚|面试|生日|补[考课]|出[发货成]|结束|之前|之后|生效|[（(]周|大促|活动|放假|见|[-~—]\s?\d{1,2}/\d)"
)
_HOLIDAY_AFTER = re.compile(r"\s?(?:放假|[休调]|假期|期间|活动|[先全]|每[天日])")
# Years are told from counts by what follows.
_OF_A_YEAR = r"(?=年|届|级|款|版|赛季|财年|年度|学年|[Qq][1-4])"


_COUNTED = re.compile(rf"\s?(?:{UNIT}|{CURRENCIES}|[元块折万千百亿%天个月年点时日号號分秒])")


def day_of(month: str, day: str) -> str | None:
    """Month and day, if there is such a day."""
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return None
    return f"{cardinal(month)}月{cardinal(day)}日"


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
    said = day_of(str(month), str(day))
    return f"{year(match['y'])}年{said}" if said else None


def _month_day(match: re.Match[str]) -> str | None:
    """11/30 is a day, 3/4 a share, by what is around; with nothing around by what it could be."""
    month, day = match["m"], match["d"]
    around = (ahead(match, 6), match.string[match.end() : match.end() + 8])
    if _SHARE_BEFORE.search(around[0]) or _SHARE_AFTER.match(around[1]):
        return None
    listed = _LISTED.search(ahead(match, 50))
    dated = listed or _DAY_BEFORE.search(around[0]) or _DAY_AFTER.match(around[1])
    likely = int(day) > 10 or int(month) > int(day) or month[0] == "0" or day[0] == "0"
    new_year = int(month) == int(day) == 1
    said = day_of(month, day) if dated or new_year or (likely and int(month) > 1) else None
    return said and said.removesuffix("日" if match["of"] else "") + (match["of"] or "")


def _dotted_day(match: re.Match[str]) -> str | None:
    """The second day of 2026.11.1-11.11."""
    return day_of(match["m"], match["d"])


def _dotted_days(match: re.Match[str]) -> list[tuple[int, str]] | None:
    """6.18-6.20, if the second day is after the first; 9.1-9.30, if days are spoken of or a month ends."""
    first, second = (int(match["m"]), int(match["d"])), (int(match["last"]), int(match["day"]))
    before = ahead(match, 6)
    sure = (
        int(match["d"]) > 9
        or int(match["day"]) > 27
        or match["day"] == "10"
        or match["m"] + match["d"] == "101"
        or _DAY_BEFORE.search(before)
        or _HOLIDAY_AFTER.match(match.string, match.end())
    )
    if not (first < second and sure):
        return None
    return [
        (match.start("m"), f"{cardinal(match['m'])}月{cardinal(match['d'])}日"),
        (match.start("to"), "到"),
        (match.start("last"), f"{cardinal(match['last'])}月{cardinal(match['day'])}日"),
    ]


def _dotted_month(match: re.Match[str]) -> str | None:
    """2026.12, where a date is expected or the month has two digits."""
    after = match.string[match.end() : match.end() + 2]
    if re.match(r"\s?[元块万亿千百%米公克吨度人]", after):
        return None
    before = ahead(match, 5)
    announced = re.search(r"(?:至|到|自|于|在|从|截止|有效期|日期|时间|年月|出版)[:：]?\s?$", before)
    return _year_month(match) if announced or len(match["m"]) == 2 else None


def _year_month(match: re.Match[str]) -> str:
    return f"{year(match['y'])}年{cardinal(match['m'])}月"


def _month(match: re.Match[str]) -> list[tuple[int, str]]:
    """11月, 11月30号."""
    readings = [(match.start(), cardinal(match["m"]) + "月")]
    if match["d"]:
        readings.append((match.start("d"), cardinal(match["d"])))
    return readings


def _bare_day(match: re.Match[str]) -> list[tuple[int, str]] | None:
    """11月30: a day without its 日, unless something is counted."""
    if _COUNTED.match(match.string, match.end()) or MEASURED.match(match.string, match.end()):
        return None
    readings = [(match.start(), cardinal(match["m"]) + "月"), (match.start("d"), cardinal(match["d"]) + "日")]
    if match["last"]:
        readings += [(match.start("to"), "到"), (match.start("last"), cardinal(match["last"]) + "日")]
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
    """None for 21:18 where the words around it say it is a score, and for the offset of a time zone."""
    hour, minute, second = match["hour"], match["minute"], match["second"]
    before = ahead(match, 45)
    if not second and (_SCORE_BEFORE.search(before) or _SCORE_AFTER.match(match.string, match.end())):
        return None
    lasting = _LASTING_BEFORE.search(before) or _LASTING_AFTER.match(match.string, match.end())
    if lasting and not match["half"]:
        values = (hour, minute, second) if second else ("0", hour, minute)
        units = zip(values, ("小时", "分", "秒"), strict=True)
        parts = [(int(value), unit) for value, unit in units]
        first = next((k for k, (value, _) in enumerate(parts) if value), 2)
        return "".join(
            ("零" if k > first and value < 10 else "")
            + ("两" if (value, unit) == (2, "小时") else cardinal(str(value)))
            + unit
            for k, (value, unit) in enumerate(parts)
            if k >= first
        )
    half = _half(match)
    words = f"{half}{'两' if int(hour) == 2 else cardinal(hour)}点"
    if minute != "00" or second:
        words += _two_digits(minute) + "分"
    if second:
        words += _two_digits(second) + ("点" + one_by_one(match["split"]) if match["split"] else "") + "秒"
    return words


def _half(match: re.Match[str]) -> str:
    """上午 or 下午 for am and pm, unless it is said already."""
    said = re.search(r"[上下中][午]|[早晚][上]?|凌晨|傍晚", ahead(match, 3))
    return {"a": "上午", "p": "下午"}[match["half"][0].lower()] if match["half"] and not said else ""


def _hour(match: re.Match[str]) -> str:
    return f"{_half(match)}{'两' if int(match['hour']) == 2 else cardinal(match['hour'])}点"


def _zone(match: re.Match[str]) -> str:
    """UTC+08:00."""
    minutes = "" if match["minute"] in (None, "00") else "点" + cardinal(match["minute"])
    zone = "，U T C" if not match["zone"] else " ".join(match["zone"])
    return zone + ("加" if match["sign"] == "+" else "减") + cardinal(match["hour"]) + minutes


def _lasting(match: re.Match[str]) -> list[tuple[int, str]] | None:
    """1h30min, 5min30s; 100m2 is an area."""
    if match["first"] == "m" and match["second"] != "s":
        return None
    first, second = _LASTING[match["first"]], _LASTING[match["second"] or "m"]
    if match["first"] == "h" and not match["second"]:
        second = "分钟"
    one = "两" if match["a"] == "2" else number(match["a"])
    return [
        (match.start("a"), one),
        (match.start("first"), first),
        (match.start("b"), "两" if match["b"] == "2" else number(match["b"])),
        (match.end("b") - 1, second),
    ]


def _two_digits(digits: str) -> str:
    return "零" + cardinal(digits) if digits[0] == "0" and digits != "00" else cardinal(digits)


def _ratio(match: re.Match[str]) -> list[tuple[int, str]]:
    pieces = re.compile(r"[:：]|[\d.,]+").finditer(match.string, *match.span())
    return [(piece.start(), "比" if piece[0] in ":：" else number(piece[0])) for piece in pieces]


_CLOSE_DATE = (
    r"(?<![\d.,A-Za-z-])(?P<y>19\d\d|20\d\d)(?P<m>0[1-9]|1[0-2])(?P<d>0[1-9]|[12]\d|3[01])(?![\d.,A-Za-z-])"
)


def _short_date(match: re.Match[str]) -> str | None:
    """26/11/30."""
    said = day_of(match["m"], match["d"])
    return f"{year('20' + match['y'])}年{said}" if said else None


def _verse(match: re.Match[str]) -> str | None:
    """约翰福音3:16, 诗篇23:1-6."""
    if not _SCRIPTURE.search(ahead(match, 8)):
        return None
    last = f"到{cardinal(match['last'])}" if match["last"] else ""
    return f"{cardinal(match['chapter'])}章{cardinal(match['verse'])}{last}节"


def _close_date(match: re.Match[str]) -> list[tuple[int, str]] | None:
    """20251130, unless it is a code or something is counted."""
    counted = _COUNTED.match(match.string, match.end()) or MEASURED.match(match.string, match.end())
    return None if announced(match) or counted else _date(match)


_SCRIPTURE = re.compile(
    r"(?:福音|诗篇|箴言|启示录|行传|[世及未数命亚师得耳伯拉米帖]记[上下]?|[王代][纪志][上下]|(?:[亚米结理马多太所比西伯]|雅各|犹大|[前后])书)\s?$"
)
_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"
_NAMED_MONTH = rf"(?P<name>{'|'.join(re.findall('...', _MONTHS))})[a-z]{{0,6}}\.?"


def _named_day(match: re.Match[str]) -> str:
    """Nov 30, 2026; 30 Nov."""
    said = f"{cardinal(str(_MONTHS.index(match['name']) // 3 + 1))}月{cardinal(match['d'])}日"
    return f"{year(match['y'])}年{said}" if match["y"] else said


DATES: list[Rule] = [
    (
        "A-Za-z",
        rf"(?<![A-Za-z]){_NAMED_MONTH}\s?(?P<d>[12]\d|3[01]|[1-9])(?:st|nd|rd|th)?(?:,?\s(?P<y>20\d\d))?(?![A-Za-z0-9.:%])",
        _named_day,
    ),
    (
        r"\d",
        rf"(?<![\w.])(?P<d>[12]\d|3[01]|[1-9])(?:st|nd|rd|th)?\s?{_NAMED_MONTH}(?![A-Za-z])(?:,?\s(?P<y>20\d\d)(?!\d))?",
        _named_day,
    ),
    *((r"\d", iso_date(mark), _date) for mark in "-/."),
    (r"\d", _CLOSE_DATE, _close_date),
    (r"\d", r"(?<![\d./])(?P<m>0?[1-9]|1[0-2])/(?P<y>20\d\d)(?![\d/])", _year_month),
    (
        r"\d",
        r"(?<![\d./])(?P<y>2\d)/(?P<m>0?[1-9]|1[0-2])/(?P<d>0?[1-9]|[12]\d|3[01])(?![\d/]|\.\d)",
        _short_date,
    ),
    (r"\d", r"(?<![\d.])(?P<a>\d{1,2})/(?P<b>\d{1,2})/(?P<y>[12]\d{3})(?!\d)", _slashed_date),
    (r"\d", r"(?<![\d.])(?P<y>[12]\d{3})[-/](?P<m>0[1-9]|1[0-2])(?![\d/-])", _year_month),
    (r"\d", r"(?<![\d.¥$€£])(?P<y>20[0-4]\d|19\d\d)\.(?P<m>0?[1-9]|1[0-2])(?![\d%A-Za-z.])", _dotted_month),
    (
        r"\d",
        r"(?<=\d[-~—至到])(?P<m>1[0-2]|0?[1-9])\.(?P<d>3[01]|[12]\d|0?[1-9])(?![\d.])(?=[^\w%]|$|[日号])",
        _dotted_day,
    ),
    (
        r"\d",
        r"(?<![\d./第])(?P<m>0?[1-9]|1[0-2])/(?P<d>0?[1-9]|[12]\d|3[01])(?![\d/%]|\.\d)(?!\s?(?:mm|[米元块]))"
        r"(?P<of>[日号](?![线楼店]))?",
        _month_day,
    ),
]
DATES.append(
    (
        r"\d",
        r"(?<![\d.¥$€£])(?P<m>1[0-2]|[1-9])\.(?P<d>[12]\d|3[01]|[1-9])(?P<to>\s?[-~—至到]\s?)"
        r"(?P<last>1[0-2]|[1-9])\.(?P<day>[12]\d|3[01]|[1-9])(?![\d.%A-Za-z元块万亿米斤折倍度克升])",
        _dotted_days,
    )
)
TIMES: list[Rule] = [
    (
        "A-Za-z",
        r"(?P<zone>UTC|GMT)\s?(?P<sign>[-+])(?P<hour>0?\d|1[0-4])(?:[:：](?P<minute>[0-5]\d))?(?!\d)",
        _zone,
    ),
    (
        "+-",
        r"(?<=\d:\d\d:\d\d)(?P<zone>)(?P<sign>[-+])(?P<hour>0\d|1[0-4]):?(?P<minute>[0-5]\d)(?!\d)",
        _zone,
    ),
    (
        r"\d",
        r"(?<![\d:.])(?P<chapter>\d{1,3})[:：](?P<verse>\d{1,3})(?:[-~—](?P<last>\d{1,3}))?(?![\d:.])",
        _verse,
    ),
    (
        r"\d",
        r"(?<![\d:.])(?P<m>\d{1,2}):(?P<s>[0-5]\d\.\d{1,3})(?![\d:])",
        lambda m: f"{number(m['m'])}分{_two_digits(m['s'][:2])}{number('0' + m['s'][2:])[1:]}秒",
    ),
    (r"\d", TIME + r"(?:分(?![钟之])|点(?!\d))?", _time),
    (r"\d", r"(?<![\d.:A-Za-z])(?P<hour>1[0-2]|0?[1-9])\s?(?P<half>[AaPp])\.?[Mm](?:\.|(?![A-Za-z]))", _hour),
    (
        r"\d",
        r"(?<![\d.])(?P<m>\d{1,2})'(?P<s>[0-5]\d)\"",
        lambda m: f"{number(m['m'])}分{_two_digits(m['s'])}秒",
    ),
    (r"\d", r"(?<![\d.A-Za-z])(?P<h>12|24|36|48|72)H(?![A-Za-z0-9])", lambda m: number(m["h"]) + "小时"),
    (r"\s~—到至-", rf"(?<=[:：]\d\d)(?:{RANGE}|\s?[-~]{{2}}\s?)(?=\d{{1,2}}[:：][0-5]\d)", "到"),
    (
        r"\d",
        r"(?<![\d.A-Za-z])(?P<a>\d{1,3})\s?(?P<first>h|min|m)\s?(?P<b>\d{1,2})\s?(?P<second>min|m|s)?(?![A-Za-z0-9])",
        _lasting,
    ),
    (r"\d.", rf"(?<!\d)(?<!\d[:：]){NUMBER}(?:[:：]{NUMBER})+(?![\d:：])", _ratio),
]
YEARS: list[Rule] = [
    # 2000年前 and 5000年的历史 are spans of time.
    (
        r"\d",
        r"(?<![\d.])[1-9]000(?=年(?:前|来|以前|之前|以来|间|的?历史|的?文明|多))",
        lambda m: cardinal(m[0]),
    ),
    (r"\d", rf"(?<![\d.])(?P<a>[12]\d{{3}}){RANGE}(?P<b>[12]\d{{3}})(?=年|学年|赛季|财年|$|[^\w%])", _years),
    (
        r"\d",
        r"(?<![\d.])(?P<a>(?:19|20)\d\d)/(?P<b>\d\d)(?=赛季|学年|财年|年度|雪季)",
        lambda m: f"{year(m['a'])}到{year(m['b'])}",
    ),
    (r"\d", rf"(?<![\d.,])[12]\d{{3}}{_OF_A_YEAR}", _year),
    (r"\d", r"(?<![\d.,A-Za-z¥$-])20[2-4]\d(?=[“\"「『《][\u4e00-\u9fff])", _year),  # 2026“嘉年华”
    (r"\d", r"(?<!\d)\d{2}(?=年\d{1,2}月|年(?:版|款|届|毕业|出世|出生|生[的人]|[春夏秋冬]))", _year),
    (
        r"\d",
        r"(?<!\d)(?:[15-9]0|[6-9]5|0[05])(?=[后後](?![\d天年个個小时時秒分周週月来來面的])|、\d[05][后後])",
        _year,
    ),  # 80后
    ("'", r"'(?P<short>\d{2})(?=年|届|级)", lambda m: year(m["short"])),
    (r"\d", r"(?<![\d.])(?P<y>1[5-9]\d0|20\d0)'?s(?![A-Za-z])", lambda m: year(m["y"]) + "年代"),
    (
        r"\d",
        rf"(?<!\d)0?(?P<m>1[0-2]|[1-9])月0?(?P<d>3[01]|[12]\d|[1-9])"
        rf"(?:(?P<to>{RANGE})0?(?P<last>3[01]|[12]\d|[1-9]))?(?![\d.,:/%]|{RANGE}\d)",
        _bare_day,
    ),
    (r"\d", r"(?<!\d)0?(?P<m>\d{1,2})月(?:0?(?P<d>\d{1,2})(?=[日号號]))?", _month),
]
