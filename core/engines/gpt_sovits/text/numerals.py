"""Numbers in words, the way GPT-SoVITS was taught to say them: Chinese characters, English words.

Numbers of more digits than have a name are said digit by digit, so that no input is refused and time stays
linear.
"""

_CHINESE = dict(zip("0123456789", "零一二三四五六七八九", strict=True))
_CHINESE_UNITS = ((8, "亿"), (4, "万"), (3, "千"), (2, "百"), (1, "十"))
_CHINESE_DIGITS_MAX = 16

_ONES_LIST = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen
"""
_ONES = _ONES_LIST.split()
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = ("", " thousand", " million", " billion", " trillion")
_ENGLISH_DIGITS_MAX = 15
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}


def chinese_digits(digits: str, *, telephone: bool = False) -> str:
    """ "2024" -> 二零二四; for telephone and room numbers one is 幺."""
    said = "".join(_CHINESE[digit] for digit in digits)
    return said.replace("一", "幺") if telephone else said


def chinese_cardinal(digits: str) -> str:
    """ "1050" -> 一千零五十; "" -> "" (the integer part of ".5")."""
    if not digits:
        return ""
    significant = digits.lstrip("0")
    if len(significant) > _CHINESE_DIGITS_MAX:
        return chinese_digits(significant)
    said = _chinese_value(significant)
    return (said[1:] if said.startswith("一十") else said) or "零"


def _chinese_value(digits: str) -> str:
    """As a cardinal, with 零 for skipped places in front of what follows them."""
    significant = digits.lstrip("0")
    if len(significant) <= 1:
        skipped = "零" if significant and len(digits) > 1 else ""
        return skipped + (_CHINESE[significant] if significant else "")
    places, unit = next(row for row in _CHINESE_UNITS if row[0] < len(significant))
    return _chinese_value(digits[:-places]) + unit + _chinese_value(digits[-places:])


def chinese_number(number: str) -> str:
    """An unsigned decimal: "3.14" -> 三点一四, ".5" -> 零点五, "3.20" -> 三点二零."""
    whole, _, decimals = number.partition(".")
    said = chinese_cardinal(whole)
    kept = decimals.rstrip("0") + ("0" if decimals.endswith("0") else "")
    return f"{said or '零'}点{chinese_digits(kept)}" if kept else said


def _below_thousand(value: int, link: str) -> str:
    hundreds, rest = divmod(value, 100)
    tens, ones = divmod(rest, 10)
    small = _ONES[rest] if rest < 20 else _TENS[tens] + (f"-{_ONES[ones]}" if ones else "")
    if not hundreds:
        return small
    return f"{_ONES[hundreds]} hundred" + (f"{link}{small}" if rest else "")


def english_digits(digits: str) -> str:
    """ "2024" -> "two zero two four"."""
    return " ".join(_ONES[int(digit)] for digit in digits)


def english_cardinal(number: int | str, *, link: str = " ") -> str:
    """1234567 -> "one million, two hundred thirty-four thousand, five hundred sixty-seven".

    `link` stands before the last two digits; British usage has " and ".
    """
    digits = str(number)
    if len(digits) > _ENGLISH_DIGITS_MAX:
        return english_digits(digits)
    value = int(digits)
    groups: list[str] = []
    for scale in reversed(range(len(_SCALES))):
        part = value // 1000**scale % 1000
        if not part:
            continue
        said = _below_thousand(part, link) + _SCALES[scale]
        small_tail = scale == 0 and part < 100 and groups
        groups.append(f"{groups.pop()}{link}{said}" if small_tail else said)
    return ", ".join(groups) or "zero"


def english_ordinal(number: int | str) -> str:
    """22 -> "twenty-second"; "and" stands before the last two digits, as in "one hundred and first"."""
    said = english_cardinal(number, link=" and ")
    cut = max(said.rfind(" "), said.rfind("-")) + 1
    head, last = said[:cut], said[cut:]
    if last in _ORDINALS:
        return head + _ORDINALS[last]
    return head + (last[:-1] + "ieth" if last.endswith("y") else last + "th")


def english_year(value: int) -> str:
    """As a year between 1001 and 2999: 1999 -> "nineteen ninety-nine", 2005 -> "two thousand five"."""
    century, rest = divmod(value, 100)
    if value == 2000 or 2000 < value < 2010:
        return "two thousand" + (f" {_ONES[rest]}" if rest else "")
    if not rest:
        return f"{english_cardinal(century)} hundred"
    return f"{english_cardinal(century)} {'oh ' if rest < 10 else ''}{english_cardinal(rest)}"
