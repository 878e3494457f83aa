"""Generated prices, dates, times, ranges and numbers, and a checker of how they are read.

The checker knows nothing of the reader: it parses the words said back into numbers, by arithmetic of its own,
and compares them with those that were put into the text. A digit that is dropped, said twice or joined to
another, and a sign that is lost, give another list.
"""

import random
import re
from dataclasses import dataclass
from decimal import Decimal

_DIGITS = {c: n for n, c in enumerate("零一二三四五六七八九")} | {"两": 2, "幺": 1}
_UNITS = {"十": 10, "百": 100, "千": 1000}
_LARGE = {"万": 10**4, "亿": 10**8}
_NUMBER = re.compile("[零一二三四五六七八九两幺十百千万亿]+(?:点[零一二三四五六七八九幺]+)?")


def chinese_value(words: str) -> Decimal:
    """The number that Chinese words say: 一千零五 -> 1005, 二零二六 -> 2026, 三点一四 -> 3.14."""
    whole, _, decimals = words.partition("点")
    tail = "".join(str(_DIGITS[c]) for c in decimals)
    if not set(whole) & (set(_UNITS) | set(_LARGE)):
        value = int("".join(str(_DIGITS[c]) for c in whole))
    else:
        value = total = digit = 0
        for character in whole:
            if character in _DIGITS:
                digit = _DIGITS[character]
            elif character in _UNITS:
                value += (digit or 1) * _UNITS[character]
                digit = 0
            else:
                total = (total + value + digit) * _LARGE[character]
                value = digit = 0
        value = total + value + digit
    return Decimal(f"{value}.{tail}" if tail else value)


@dataclass(frozen=True)
class Case:
    """text, and what must be heard: numbers in order, and words that must be there."""

    text: str
    numbers: tuple[Decimal, ...]
    words: tuple[str, ...]


def chinese_cases(count: int, seed: int = 0) -> list[Case]:
    """`count` generated Chinese texts."""
    draw = random.Random(seed)  # noqa: S311  # cases to try, no secrets
    makers = (_price, _discount, _date, _clock, _range, _count, _share, _sum, _cold, _compared)
    return [makers[draw.randrange(len(makers))](draw) for _ in range(count)]


def heard(case: Case, said: str) -> bool:
    """Are the numbers and words of `case` said, in order and no other number?"""
    # 千克 has a 千 and 零下 a 零 that are no number's, and 三点十分 no decimal point
    plain = re.sub(
        r"点(?=[^点]{1,4}分|[，。到！ ]|$)", "时", said.replace("千克", "克").replace("零下", "下")
    )
    numbers = tuple(chinese_value(words) for words in _NUMBER.findall(plain))
    return numbers == case.numbers and all(word in said.replace("点", "时点") for word in case.words)


def _case(text: str, *numbers: object, words: str = "") -> Case:
    return Case(text, tuple(Decimal(str(n)) for n in numbers), tuple(words.split()))


def _amount(draw: random.Random) -> tuple[str, Decimal]:
    whole = draw.randrange(3, 10 ** draw.randrange(1, 7) + 3)
    cents = draw.choice(["", "", ".5", ".9", ".99", ".08"])
    written = f"{whole:,}" if draw.random() < 0.3 else str(whole)
    return written + cents, Decimal(f"{whole}{cents}")


def _price(draw: random.Random) -> Case:
    written, value = _amount(draw)
    form = draw.choice(["到手价{}元。", "￥{}。", "只要¥{}起。", "每斤{}元。", "原价{}元，", "售价:{}元！"])
    return _case(form.format(written), value, words="元")


def _discount(draw: random.Random) -> Case:
    tens, ones = draw.randrange(1, 10), draw.randrange(1, 10)
    return _case(f"今天打{tens}{ones}折。", f"{tens}{ones}", words="折")


def _day(draw: random.Random) -> tuple[int, int]:
    return draw.randrange(1, 13), draw.randrange(1, 29)


def _date(draw: random.Random) -> Case:
    year, (month, day) = draw.randrange(1950, 2050), _day(draw)
    mark = draw.choice("-/.")
    end, last = _day(draw)
    kind = draw.randrange(4)
    if kind == 0:
        return _case(f"定于{year}{mark}{month}{mark}{day}举行。", year, month, day, words="年 月 日")
    if kind == 1:
        return _case(f"活动时间：{month}月{day}日-{end}月{last}日。", month, day, end, last, words="到")
    if kind == 2:
        return _case(f"截止到{month}/{day}前下单。", month, day, words="月 日")
    return _case(f"从{year}年{month}月{day}日起。", year, month, day, words="年 月 日")


def _time(hour: int, minute: int) -> list[int]:
    return [hour, minute] if minute else [hour]


def _clock(draw: random.Random) -> Case:
    first, second = (draw.randrange(24), draw.randrange(60)), (draw.randrange(24), draw.randrange(60))
    label = draw.choice(["开播时间：", "今晚", "营业时间:", "定在"])
    written = [f"{hour}:{minute:02}" for hour, minute in (first, second)]
    if draw.random() < 0.5:
        return _case(f"{label}{written[0]}，不见不散。", *_time(*first), words="点")
    dash = draw.choice("-~—～")
    return _case(f"{label}{written[0]}{dash}{written[1]}。", *_time(*first), *_time(*second), words="点 到")


def _range(draw: random.Random) -> Case:
    low = draw.randrange(3, 900)
    high = low + draw.randrange(3, 900)
    unit = draw.choice(["元", "斤", "天", "kg", "cm", "人", "%", "ml", "岁"])
    dash = draw.choice(["-", "~", "～", "—", "至"])
    both = unit if draw.random() < 0.5 and unit != "%" else ""
    numbers = (100, low, high) if unit == "%" else (low, high)
    text = f"大约{low}{both}{dash}{high}{unit}。"
    return _case(text, *numbers, words="" if dash == "至" else "到")


def _count(draw: random.Random) -> Case:
    value = draw.randrange(3, 99_999)
    unit = draw.choice(["人", "件", "盒", "单", "次", "箱"])
    space = draw.choice(["", " "])
    return _case(f"共有{space}{value}{space}{unit}。", value, words=unit)


def _share(draw: random.Random) -> Case:
    whole, part = draw.randrange(3, 99), draw.choice(["", ".5", ".25", ".8"])
    return _case(f"占{whole}{part}%。", 100, f"{whole}{part}", words="分之")


def _sum(draw: random.Random) -> Case:
    a, b = draw.randrange(3, 999), draw.randrange(3, 999)
    sign, word = draw.choice([("+", "加"), ("-", "减"), ("×", "乘"), ("÷", "除以")])
    return _case(f"{a}{sign}{b}=?", a, b, words=f"{word} 等于")


def _cold(draw: random.Random) -> Case:
    value = draw.randrange(3, 60)
    return draw.choice(
        [
            _case(f"气温-{value}℃。", value, words="零下"),
            _case(f"涨幅-{value}.5%。", 100, f"{value}.5", words="负"),
            _case(f"满{value * 10}-{value}。", value * 10, value, words="减"),
            _case(f"公差{value + 60}±{value}mm。", value + 60, value, words="正负"),
        ]
    )


def _compared(draw: random.Random) -> Case:
    written, value = _amount(draw)
    sign, word = draw.choice([("<", "小于"), (">", "大于"), ("≤", "小于等于"), (">=", "大于等于")])
    return _case(f"重量{sign}{written}kg。", value, words=word)
