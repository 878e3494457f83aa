"""Numbers in English words, American way (no "and" after hundred)."""

from functools import lru_cache

_BELOW_TWENTY = (
    *(
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
    ),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_THOUSANDS = ("", " thousand", " million", " billion", " trillion")
_ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth"} | {
    "nine": "ninth",
    "twelve": "twelfth",
}


def one_by_one(digits: str) -> str:
    """Digits read one after the other, anything else left out.

    >>> one_by_one("40-2")
    'four zero two'
    """
    return " ".join(_BELOW_TWENTY[int(d)] for d in digits if d.isdigit())


def cardinal(digits: str) -> str:
    """A whole number, given as digits with or without commas.

    >>> [cardinal(n) for n in ("0", "21", "1,250", "1000001")]
    ['zero', 'twenty-one', 'one thousand two hundred fifty', 'one million one']
    """
    digits = digits.replace(",", "").lstrip("0") or "0"
    if digits == "0":
        return "zero"
    if len(digits) > 3 * len(_THOUSANDS):
        return one_by_one(digits)
    padded = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [int(padded[k : k + 3]) for k in range(0, len(padded), 3)]
    words = (
        _below_thousand(group) + _THOUSANDS[len(groups) - 1 - k] for k, group in enumerate(groups) if group
    )
    return " ".join(words)


def _below_thousand(value: int) -> str:
    hundreds, rest = divmod(value, 100)
    words = [f"{_BELOW_TWENTY[hundreds]} hundred"] if hundreds else []
    if rest:
        words.append(_below_hundred(rest))
    return " ".join(words)


def _below_hundred(value: int) -> str:
    if value < 20:
        return _BELOW_TWENTY[value]
    tens, units = divmod(value, 10)
    return _TENS[tens] + (f"-{_BELOW_TWENTY[units]}" if units else "")


def ordinal(digits: str) -> str:
    """A place in a row.

    >>> [ordinal(n) for n in ("1", "12", "20", "23", "100")]
    ['first', 'twelfth', 'twentieth', 'twenty-third', 'one hundredth']
    """
    words = cardinal(digits)
    cut = max(words.rfind(" "), words.rfind("-")) + 1
    head, last = words[:cut], words[cut:]
    if last in _ORDINALS:
        return head + _ORDINALS[last]
    return head + (last[:-1] + "ieth" if last.endswith("y") else last + "th")


@lru_cache
def number(text: str) -> str:
    """A number with a decimal point or without, its digits after the point one by one.

    >>> [number(n) for n in ("3.14", ".5", "1,250", "007")]
    ['three point one four', 'zero point five', 'one thousand two hundred fifty', 'zero zero seven']
    """
    whole, _, decimals = text.partition(".")
    if decimals:
        return f"{cardinal(whole or '0')} point {one_by_one(decimals)}"
    if len(whole) > 1 and whole.startswith("0"):
        return one_by_one(whole)
    return cardinal(whole)


def year(digits: str) -> str:
    """A year of four digits, as people say it.

    >>> [year(n) for n in ("1984", "1900", "1905", "2000", "2008", "2024")]
    ['nineteen eighty-four', 'nineteen hundred', 'nineteen oh five', 'two thousand', 'two thousand eight', \
'twenty twenty-four']
    """
    century, rest = int(digits[:2]), int(digits[2:])
    if digits[1:3] == "00":
        return cardinal(digits)
    if rest == 0:
        return f"{_below_hundred(century)} hundred"
    return f"{_below_hundred(century)} {'oh ' if rest < 10 else ''}{_below_hundred(rest)}"


def decade(digits: str) -> str:
    """A decade, given by its first year of two or four digits.

    >>> [decade(n) for n in ("1990", "80", "2000", "2010")]
    ['nineteen nineties', 'eighties', 'two thousands', 'twenty tens']
    """
    if digits.endswith("00"):
        return (cardinal(digits) if digits[1:3] == "00" else year(digits)) + "s"
    rest = "tens" if digits[-2:] == "10" else _below_hundred(int(digits[-2:]))[:-1] + "ies"
    return rest if len(digits) == 2 else f"{_below_hundred(int(digits[:2]))} {rest}"
