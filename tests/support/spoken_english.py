"""Generated English prices, dates, times, ranges and numbers, and a checker of how they are read.

Like `spoken_numbers`, it knows nothing of the reader: words said are parsed back into numbers and held
against those that were put into the text.
"""

import random
import re
from decimal import Decimal

from tests.support.spoken_numbers import Case

_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = dict(
    zip(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"],
        range(20, 100, 10),
        strict=True,
    )
)
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
_ORDINAL = {"first": "one", "second": "two", "third": "three", "fifth": "five", "eighth": "eight"} | {
    "ninth": "nine",
    "twelfth": "twelve",
    "half": "two",
    "halves": "two",
    "quarter": "four",
    "quarters": "four",
}
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


def _word(word: str) -> str:
    """A number's word for an ordinal or a part: sixteenths -> sixteen."""
    single = word.removesuffix("s") if word.endswith(("ths", "rds", "fths")) else word
    if single in _ORDINAL:
        return _ORDINAL[single]
    if single.endswith("ieth"):
        return single[:-4] + "y"
    bare = single.removesuffix("th")
    return bare if bare in _ONES or bare in _SCALES else word


def english_values(said: str) -> list[Decimal]:
    """The numbers that English words say, in order; a year or a time is two."""
    values: list[Decimal] = []
    total = value = 0
    decimals: str | None = None
    state = ""  # of the number being said: what may follow

    def close() -> None:
        nonlocal total, value, decimals, state
        if state:
            values.append(Decimal(f"{total + value}.{decimals}" if decimals else total + value))
        total, value, decimals, state = 0, 0, None, ""

    for raw in re.findall(r"[A-Za-z]+|[^\sA-Za-z-]", said):
        word = _word(raw.lower())
        if decimals is not None and word in _ONES[:10]:
            decimals += str(_ONES.index(word))
        elif word == "point" and state:
            decimals = ""
        elif word in _TENS:
            if state not in ("", "scale"):
                close()
            value, state = value + _TENS[word], "tens"
        elif word in _ONES:
            number = _ONES.index(word)
            if state == "ones" or (state == "tens" and not 0 < number < 10):
                close()
            value, state = value + number, "ones"
        elif word in _SCALES and state:
            if word == "hundred":
                value *= 100
            else:
                total, value = total + (value * _SCALES[word]), 0
            state = "scale"
        else:
            close()
    close()
    return values


def heard(case: Case, said: str) -> bool:
    """Are the numbers and words of `case` said, in order and no other number?"""
    return tuple(english_values(said)) == case.numbers and all(word in said for word in case.words)


def english_cases(count: int, seed: int = 0) -> list[Case]:
    """`count` generated English texts."""
    draw = random.Random(seed)  # noqa: S311  # cases to try, no secrets
    makers = (_price, _date, _clock, _range, _count, _share, _sum, _cold, _compared, _part, _place)
    return [makers[draw.randrange(len(makers))](draw) for _ in range(count)]


def _case(text: str, *numbers: object, words: str = "") -> Case:
    return Case(text, tuple(Decimal(str(n)) for n in numbers), tuple(words.split()))


def _whole(draw: random.Random, least: int = 3) -> tuple[str, int]:
    value = draw.randrange(least, 10 ** draw.randrange(1, 7) + least)
    return (f"{value:,}" if draw.random() < 0.5 else str(value)), value


def _price(draw: random.Random) -> Case:
    written, value = _whole(draw)
    form = draw.choice(["It costs {}.", "Only {}, today.", "{} each", "From {} to you.", "(was {})", "{}!"])
    sign, name = draw.choice([("$", "dollars"), ("£", "pounds"), ("€", "euros")])
    cents = draw.choice([0, 0, 5, 50, 99])
    if cents:
        return _case(form.format(f"{sign}{written}.{cents:02}"), value, cents, words=name)
    return _case(form.format(sign + written), value, words=name)


def _year(value: int) -> tuple[int, ...]:
    if 2000 <= value < 2010:
        return (value,)
    return (value // 100, value % 100) if value % 100 else (value // 100 * 100,)


def _date(draw: random.Random) -> Case:
    year, month, day = draw.randrange(1950, 2050), draw.randrange(1, 13), draw.randrange(1, 29)
    name, other = _MONTHS[month - 1], draw.randrange(1, 29)
    kind = draw.randrange(5)
    if kind == 0:
        return _case(f"Due {year}-{month:02}-{day:02}, at noon.", day, *_year(year), words=name)
    if kind == 1:
        short = name[:3] + "." if len(name) > 4 else name
        return _case(f"It is on {short} {day}, {year}.", day, *_year(year), words=name)
    if kind == 2:
        return _case(f"We met on {day} {name} {year}, I think.", day, *_year(year), words=name)
    if kind == 3 and other > day:
        return _case(f"From {name} {day}-{other} we are away.", day, other, words=f"{name} to")
    return _case(f"Sale ends on {month}/{day}/{year}.", day, *_year(year), words=name)


def _clock(draw: random.Random) -> Case:
    hour, minute = draw.randrange(1, 13), draw.randrange(1, 60)
    half = draw.choice(["am", "PM", "a.m.", "pm"])
    if draw.random() < 0.5:
        return _case(f"Starts at {hour}:{minute:02} {half}, sharp.", hour, minute, words=half[0].upper())
    later, last = draw.randrange(1, 13), draw.randrange(1, 60)
    return _case(
        f"Open {hour}:{minute:02}-{later}:{last:02} {half} daily", hour, minute, later, last, words="to"
    )


def _range(draw: random.Random) -> Case:
    low = draw.randrange(3, 900)
    high = low + draw.randrange(3, 900)
    unit, name = draw.choice(
        [
            ("kg", "kilograms"),
            ("%", "percent"),
            ("cm", "centimetres"),
            (" people", "people"),
            (" days", "days"),
        ]
    )
    dash = draw.choice("-–~")
    return _case(f"About {low}{dash}{high}{unit}, usually.", low, high, words=f"to {name}")


def _count(draw: random.Random) -> Case:
    written, value = _whole(draw)
    noun = draw.choice(["people", "orders", "votes"])
    form = draw.choice(["There were {} {}.", "Over {} {}, so far", "{} {} came; few left"])
    return _case(form.format(written, noun), value, words=noun)


def _share(draw: random.Random) -> Case:
    value = f"{draw.randrange(3, 99)}{draw.choice(['', '.5', '.25'])}"
    return _case(f"Up {value}% on last year", value, words="percent")


def _sum(draw: random.Random) -> Case:
    a, b = draw.randrange(3, 999), draw.randrange(3, 999)
    sign, word = draw.choice([("+", "plus"), ("-", "minus"), ("×", "times"), ("÷", "divided")])
    return _case(f"{a} {sign} {b} = ?", a, b, words=f"{word} equals")


def _cold(draw: random.Random) -> Case:
    value = draw.randrange(3, 60)
    return draw.choice(
        [
            _case(f"It was -{value}°C outside.", value, words="minus Celsius"),
            _case(f"Shares moved -{value}.5%, again.", f"{value}.5", words="minus percent"),
            _case(f"A gap of {value + 60}±{value} mm", value + 60, value, words="plus or minus millimetres"),
            _case(f"A loss of -${value}m this year", value * 1_000_000, words="minus million dollars"),
        ]
    )


def _compared(draw: random.Random) -> Case:
    written, value = _whole(draw)
    sign, word = draw.choice([("<", "less"), (">", "greater"), ("≤", "most"), (">=", "least")])
    return _case(f"Weight {sign} {written} kg, please.", value, words=word)


def _part(draw: random.Random) -> Case:
    bottom = draw.randrange(3, 21)
    top = draw.randrange(1, bottom)
    return _case(f"Take {top}/{bottom} of the cake", top, bottom)


def _place(draw: random.Random) -> Case:
    value = draw.randrange(1, 1000)
    end = "th" if 10 < value % 100 < 20 else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    return _case(f"She was {value}{end}, he said.", value)
