"""Numbers in Chinese words. Mandarin; Cantonese reads the same words its own way."""

from functools import lru_cache

_DIGITS = "零一二三四五六七八九"
_LONGEST = 16  # digits; beyond 千万亿 a number is read digit by digit


def one_by_one(digits: str, one: str = "一") -> str:
    """Digits read one after the other, anything else left out.

    one: how 1 is called; 幺 in telephone numbers.

    >>> one_by_one("110", "幺")
    '幺幺零'
    """
    return "".join(one if d == "1" else _DIGITS[int(d)] for d in digits if d.isdigit())


def cardinal(digits: str) -> str:
    """A whole number, given as digits with or without commas.

    >>> [cardinal(n) for n in ("10", "110", "2005", "20,000", "100010", "305000000")]
    ['十', '一百一十', '两千零五', '两万', '十万零一十', '三亿零五百万']
    """
    digits = digits.replace(",", "").lstrip("0") or "0"
    if digits == "0":
        return "零"
    if len(digits) > _LONGEST:
        return one_by_one(digits)
    padded = digits.zfill(-(-len(digits) // 4) * 4)
    groups = [padded[k : k + 4] for k in range(0, len(padded), 4)]
    words = ""
    gap = False  # a zero is owed before the next group
    for k, group in enumerate(groups):
        if group == "0000":
            gap = bool(words)
            continue
        if words and (gap or group[0] == "0"):
            words += "零"
        words += _group(group) + ("", "万", "亿", "万亿")[len(groups) - 1 - k]
        gap = False
    words = words.replace("一十", "十", 1) if words.startswith("一十") else words
    # 两千, 两万, 两亿; but 二百 and 二十
    return "两" + words[1:] if words[0] == "二" and words[1:2] in ("千", "万", "亿") else words


def _group(digits: str) -> str:
    """Four digits; leading zeros are not said."""
    words = ""
    for digit, unit in zip(digits, ("千", "百", "十", ""), strict=True):
        if digit != "0":
            words += _DIGITS[int(digit)] + unit
        elif words and not words.endswith("零"):
            words += "零"
    return words.rstrip("零")


@lru_cache
def number(text: str) -> str:
    """A number with a decimal point or without, its digits after the point one by one.

    >>> [number(n) for n in ("3.5", "0.05", "1,250.99", "007")]
    ['三点五', '零点零五', '一千二百五十点九九', '零零七']
    """
    whole, _, decimals = text.partition(".")
    if decimals:
        return f"{cardinal(whole or '0')}点{one_by_one(decimals)}"
    if len(whole) > 1 and whole.startswith("0"):
        return one_by_one(whole)
    return cardinal(whole)


def year(digits: str) -> str:
    """A year: its digits one by one.

    >>> year("2024")
    '二零二四'
    """
    return one_by_one(digits)
