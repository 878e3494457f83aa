"""Put into words what the reference's own rules misread, before those rules see it.

The reference reads plain forms well, and the checkpoints were trained on its wording, so these come first;
then `core.text` reads everything else written with digits and signs: telephones, money, scores, ranges,
abbreviations, addresses ... What is left is words, in which the reference's rules change nothing but marks.
"""

import re
from collections.abc import Callable

from core.engines.gpt_sovits.text import chinese_normal, english_normal
from core.engines.gpt_sovits.text.abbreviations import ENGLISH as ABBREVIATIONS
from core.engines.gpt_sovits.text.numerals import (
    chinese_cardinal,
    chinese_digits,
    english_cardinal,
    english_digits,
)
from core.text.folded import fold
from core.text.patterns import CURRENCIES, UNIT
from core.text.reading import read

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]

_CLOCK = r"(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?"
_NOT_HALF_DAY = r"(?!\s?[AaPp]\.?[Mm])"
_SCORE_BEFORE = re.compile(r"(?:比分|比例|以)[是为]?\s?$")
_SCORE_AFTER = re.compile(r"\s?(?:战胜|击败|获胜|大胜|险胜|领先|落后|不敌|的比分)")
_WELL_READ = chinese_normal.MEASURES.keys() - {"mm", "ds"}  # 米米 and 毫秒 to the reference
_LETTER_UNIT = "|".join(sorted(map(re.escape, _WELL_READ), key=lambda unit: (-len(unit), unit)))


def _around(match: re.Match[str]) -> tuple[str, str]:
    return match.string[max(0, match.start() - 16) : match.start()], match.string[match.end() :][:8]


def _chinese_clock(match: re.Match[str]) -> str:
    before, after = _around(match)
    half_with_seconds = re.fullmatch(r"\d+:30:\d\d", match[0])  # 半 and seconds do not go together
    if _SCORE_BEFORE.search(before) or _SCORE_AFTER.match(after) or half_with_seconds:
        return match[0]
    return chinese_normal.spoken_sentences(match[0])


def _chinese_clocks(match: re.Match[str]) -> str:
    first, second = match[1], match[2]
    if ":30" in first and ":30" not in second:  # the reference says half for both
        return "至".join(map(chinese_normal.spoken_sentences, (first, second)))
    return chinese_normal.spoken_sentences(f"{first}-{second}")


def _chinese_code(match: re.Match[str]) -> str:
    """Digits that count nothing are said one by one; in years 1 stays 一."""
    digits = match[0]
    return chinese_digits(digits, telephone=not re.fullmatch(r"(?:19|20)\d\d", digits))


def _as_reference(match: re.Match[str]) -> str:
    return chinese_normal.spoken_sentences(match[0])


_RING = re.compile(r"(?<=[〇零一二三四五六七八九])○|○(?=[〇零一二三四五六七八九])")
_BYTES = {"KB": "千字节", "MB": "兆字节", "GB": "吉字节", "TB": "太字节"}
_CHINESE_MARKS: tuple[Rule, ...] = (
    (re.compile(r"(?<=\d)\s?[—–]+\s?(?=\d)"), lambda match: "-"),
    (re.compile(r"(?<=\d)\s?([KMGT]B)(?![A-Za-z/])"), lambda match: _BYTES[match[1]]),
    (re.compile(r"\d{2,4}(?=次(?:列车|航班|动车|高铁|快车))"), _chinese_code),
    (re.compile(r"(?<=利润|收益|涨幅|增速|增长|同比|环比|余额|差额)-(?=\d)"), lambda match: "负"),
    (re.compile(r"\+(\d{2,3})(?=是|的|开头|区号)"), lambda match: "加" + chinese_digits(match[1])),
    (re.compile(r"[—《》“”]|(?<!\d)[()](?!\d)"), lambda match: ""),
    (re.compile(r"·"), lambda match: "，"),
    (re.compile(r"~(?![\d\-])"), lambda match: "…"),
    (re.compile(r"(?<=[元块毛角分次个件人米克斤吨天月年升度瓦])/(?=[\u4e00-\u9fff])"), lambda match: "每"),
)
_PLAIN_CHINESE: tuple[Rule, ...] = (
    (re.compile(rf"(?<![\d:.])({_CLOCK})\s?[-~至到]\s?({_CLOCK})(?![\d:])"), _chinese_clocks),
    (re.compile(rf"(?<![\d:.]){_CLOCK}(?![\d:]){_NOT_HALF_DAY}"), _chinese_clock),
    (re.compile(r"(?<![\d~\-.])-?\d+(?:\.\d+)?(?:°C|摄氏度|度)(?![\d~\-])"), _as_reference),
    (re.compile(r"(?<![\d)%.])-\d+(?:\.\d+)?%(?![\d~\-])"), _as_reference),
    (
        re.compile(rf"(?<![\d.,~\-A-Za-z+×÷=])\d+(?:\.\d+)?(?:{_LETTER_UNIT})(?![A-Za-z0-9/^~\-])"),
        _as_reference,
    ),
    (
        re.compile(rf"(?<![\d.,~\-第+×÷=])2\d{{3,}}(?=(?!年){chinese_normal.MEASURE_WORD})"),
        lambda match: chinese_cardinal(match[0]),
    ),
    (
        re.compile(r"(?<![\d.,~\-])[5-9]\d(?=年(?!代|[前后内来间里多]))"),
        lambda match: chinese_digits(match[0]),
    ),
    (
        re.compile(
            r"(?<![\d.,:/~\-+×÷=%$€£¥A-Za-z#])(?!\d+00(?!\d))\d{3,}"
            r"(?=[号路室楼弄]|[，。！？；、,!?;…\s](?!\d)|$)"
        ),
        _chinese_code,
    ),
)


_STOPS = ".!?。！？…"
_PAUSES = _STOPS + ",， "


def _words(text: str, language: str) -> str:
    """What `core.text` says for folded `text`. The marks at both ends stay: they are pauses."""
    start = len(text) - len(text.lstrip(_PAUSES))
    spoken = read(text[start:], language).spoken
    last = text.rstrip()[-1:]
    ended = last not in _STOPS or spoken[-1:] in _PAUSES  # the dot of "5 p.m." can end the sentence too
    return text[:start].lstrip() + spoken + ("" if ended else last)


def _apply(rules: tuple[Rule, ...], text: str) -> str:
    for pattern, said in rules:
        text = pattern.sub(said, text)
    return text


def chinese(text: str) -> str:
    """Chinese text with its numbers and signs in words."""
    text = _RING.sub("零", text.translate(chinese_normal.LETTERS))  # a sign to `fold`, which drops it
    text = _apply(_CHINESE_MARKS, fold(text).text)
    return _words(_apply(_PLAIN_CHINESE, text), "zh")


def cantonese(text: str) -> str:
    """Cantonese text with its numbers and signs in words; the reference reads them no better than Mandarin
    ones.
    """
    return _words(_apply(_CHINESE_MARKS, fold(text).text), "yue")


_ANNOUNCED = re.compile(
    r"(?:phone|number|code|call|dial|ring|password|PIN|ID|zip|text|account|order|flight|extension|room)"
    r"(?: is|:)? ?$",
    re.IGNORECASE,
)
_INITIAL = re.compile(r"(?<![\w.'])(?!I\.)[A-Z]\.(?= ?[A-Z])")
_INITIAL_BEFORE = re.compile(r"(?:^|[.!?,] ?|[A-Z][a-z]+ |\b[A-Z]\.? ?)$")
_COUNT = (
    r"(?<![\w.,:/$£€¥+#'-])(?:\d{4,9}|\d{1,3}(?:,\d{3})+)"
    rf"(?![\w,:/%$£€¥°'-]*[\d%$£€¥°]|[/'-]|\.\d|\s?(?:{UNIT}|{CURRENCIES})|[A-Za-z])"
)


def _english_count(match: re.Match[str]) -> str:
    if _ANNOUNCED.search(_around(match)[0]):
        return match[0]
    grouped = "," in match[0]
    return english_cardinal(match[0].replace(",", "")) if grouped else english_normal.number(match[0])


def _english_telephone(match: re.Match[str]) -> str:
    if not _ANNOUNCED.search(_around(match)[0]):
        return match[0]
    return ", ".join(map(english_digits, match[0].split("-")))


def _initial(match: re.Match[str]) -> str:
    """The J. of J. K. Rowling, but not the B. of "plan B. Then"."""
    return match[0][0] if _INITIAL_BEFORE.search(_around(match)[0]) else match[0]


def _english_as_reference(match: re.Match[str]) -> str:
    return english_normal.normalise(match[0])


def _english_clock(match: re.Match[str]) -> str:
    """The half of the day as letters; "a.m." would be read as an article and two full stops."""
    return english_normal.normalise(match[0]).replace("a.m.", "A M").replace("p.m.", "P M")


_PLAIN_ENGLISH: tuple[Rule, ...] = (
    (re.compile(r"\b([EI])\. ?([ge])\."), lambda match: "For example" if match[2] == "g" else "That is"),
    (re.compile(r"\bMs\.(?= )"), lambda match: "Ms"),  # which the dictionary knows how to say
    (_INITIAL, _initial),
    (re.compile(r"(?<![\w.,:/$£€¥-])(?:\d{3}-\d{4}|\d{3})(?![\w,:/%$£€¥°'-]|\.\d)"), _english_telephone),
    (re.compile(rf"(?<=:[0-5]\d)\s?[-~]\s?(?={_CLOCK})"), lambda match: " to "),
    (
        re.compile(rf"(?<![\d:.])(?:0?[1-9]|1\d|2[0-3]):(?:00|[1-5]\d)(?![\d:]){_NOT_HALF_DAY}"),
        _english_clock,
    ),
    (
        re.compile(r"(?<![\w.,])\d+(?:\.\d+)?(?:\s[+\-×÷]\s\d+(?:\.\d+)?)*\s=\s\d+(?:\.\d+)?(?!\w|[.,]\d)"),
        _english_as_reference,
    ),
    (
        re.compile(r"(?<![\w.,:/$£€¥-])\d+(?:\.\d+)?(?:m|km|ft|L|h|min|°C|°F| ?tbsp| ?tsp)(?![\w/^])"),
        lambda match: english_normal.normalise(match[0].replace(" ", "")),
    ),
    (re.compile(r"(?<![\w.,:/$£€¥-])(?!24/7)\d{1,3}/\d{1,3}(?![\w/]|[.,]\d)"), _english_as_reference),
    (re.compile(r"(?<![\w.,:/-])\d{1,9}(?:st|nd|rd|th)\b"), _english_as_reference),
    (re.compile(_COUNT), _english_count),
)
_CAPITALS_READ_AS_A_WORD = re.compile(r"(?<![A-Za-z])[A-Z]{2,}(?![A-Za-z])")
_CAPITAL_AFTER_APOSTROPHE = re.compile(r"(?<=[A-Za-z]')[A-Z]")
_BRITISH_UNIT = re.compile(r"(?<=met|lit)re(?=s?\b)")
_ENGLISH_MARKS = str.maketrans({";": ",", ":": ",", "…": "."})


def english(text: str) -> str:
    """English text with its numbers, signs and abbreviations in words; spelled acronyms have spaces."""
    spoken = _words(_apply((*ABBREVIATIONS, *_PLAIN_ENGLISH), fold(text).text), "en")
    spoken = _CAPITALS_READ_AS_A_WORD.sub(lambda match: match[0].capitalize(), spoken)
    spoken = _CAPITAL_AFTER_APOSTROPHE.sub(lambda match: match[0].lower(), spoken)
    spoken = _BRITISH_UNIT.sub("er", spoken)
    return spoken.translate(_ENGLISH_MARKS)
