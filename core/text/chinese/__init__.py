"""How Chinese text is read, Mandarin and Cantonese: the order of the rules.

What looks like a date is a date before it is a sum, a telephone number before it is a range.
"""

import re
from functools import partial
from typing import Final

from core.text import acronyms, patterns
from core.text.chinese.codes import ADDRESSES, HAN, IDLE, MODELS, ahead, codes, telephones
from core.text.chinese.dates import DATES, TIMES, YEARS
from core.text.chinese.numbers import cardinal, number, one_by_one
from core.text.chinese.quantities import MONEY_QUANTITY, QUANTITY, quantities
from core.text.chinese.selling import SELLING
from core.text.chinese.signs import PLAIN, RANGES, SIGNS, SUMS, tag
from core.text.markup import CALLED, COUNTED, SPELLED
from core.text.rules import Rule, Rules

_ROMAN: Final = dict(
    zip(["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X"], range(1, 11), strict=True)
) | dict(zip(["XI", "XII", "XIII", "XIV", "XV", "XVI", "XVII", "XVIII"], range(11, 19), strict=True))
_MONARCHS: Final = (
    r"(?:路易|亨利|乔治|威廉|查理|理查|保禄|本笃|约翰|爱德华|腓特烈|拿破仑|伊丽莎白|亚历山大|尼古拉|"
    r"[A-Z][a-z]{2,9} ?)"
)
_TITLES: Final = {
    **{"Mr": "Mister", "Mrs": "Missus", "Ms": "Miz", "Dr": "Doctor", "St": "Saint", "Mt": "Mount"},
    **{"Prof": "Professor", "Jr": "Junior", "Sr": "Senior"},
}
_PARTS_OF_SPEECH: Final = {
    **{"adj": "形容词", "adv": "副词", "n": "名词", "v": "动词", "vt": "及物动词", "vi": "不及物动词"},
    **{"prep": "介词", "conj": "连词", "pron": "代词", "num": "数词", "art": "冠词", "int": "感叹词"},
    **{"abbr": "缩写", "aux": "助动词", "phr": "短语"},
}


def _spelled(match: re.Match[str], one: str) -> str:
    character = match["character"]
    return one_by_one(character, one) if character.isdigit() else character.upper()


def _roman(match: re.Match[str]) -> str | None:
    value = _ROMAN.get(match["n"])
    return cardinal(str(value)) if value else None


def _monarch(match: re.Match[str]) -> str | None:
    """路易XIV; a single letter is one."""
    named = re.search(f"{_MONARCHS}$", ahead(match, 12))
    return _roman(match) if named and len(match["n"]) > 1 else None


def _greek(match: re.Match[str]) -> str:
    return patterns.GREEK[match[0].lower()][0]


def _again(match: re.Match[str]) -> str:
    """々 repeats the character before it."""
    return re.sub(f"[^{HAN}]", "", ahead(match, 1))


def _every(match: re.Match[str]) -> str:
    """q8h, of a medicine."""
    return f"每{'两' if match['n'] == '2' else cardinal(match['n'])}小时"


def _war(match: re.Match[str]) -> str:
    return "二战" if match[0] == "WWII" else "一战"


_LETTERS: Final[list[Rule]] = [
    ("A-Za-z", r"(?<=第)(?P<n>[IVX]+)(?=[章节節部卷册条條款型期级級届集回])", _roman),
    ("A-Za-z", r"(?<![A-Za-z])(?P<n>I{2,3}|IV|VI{1,3}|IX|XI{1,2})(?=[型期级級类類度世章])", _roman),
    ("A-Za-z", r"(?<![A-Za-z])(?P<n>[IVX]{2,5})(?![A-Za-z])", _monarch),
    ("A-Za-z", r"(?<![A-Za-z])e\.g\.", "例如"),
    ("A-Za-z", r"(?<![A-Za-z])i\.e\.", "即"),
    ("A-Za-z", r"(?<![A-Za-z])etc\.", "等等"),
    ("A-Za-z", r"(?<![A-Za-z])(?:vs|VS)\.?(?![A-Za-z])", "对"),
    ("A-Za-z№", r"(?<![A-Za-z])(?:No|NO|№)\.?\s?(?=\d)|(?<![A-Za-z])no\.\s?(?=\d)", "第"),
    (
        "A-Za-z",
        r"(?<![A-Za-z])(?P<of>Mr|Mrs|Ms|Dr|St|Mt|Prof|Jr|Sr)\.\s?(?=[A-Z\u4e00-\u9fff])",
        lambda m: _TITLES[m["of"]] + " ",
    ),
    ("A-Za-z", r"(?<![A-Za-z.])Ph\.?D\.?(?![A-Za-z])", "P H D"),
    ("A-Za-z", patterns.EPISODE, lambda m: f"第{cardinal(m['season'])}季第{cardinal(m['n'])}集"),
    ("A-Za-z", rf"(?<![A-Za-z.])(?P<of>[A-H])\.\s?(?=[{HAN}])", lambda m: m["of"] + "，"),
    ("&", r"(?<=[A-Z]{2})&(?=[A-Z])", " and "),
    (
        "A-Za-z",
        rf"(?<![A-Za-z.])(?P<part>adj|adv|n|vt|vi|v|prep|conj|pron|num|art|int|abbr|aux|phr)\.(?=\s?[{HAN}])",
        lambda m: f"，{_PARTS_OF_SPEECH[m['part']]}，",
    ),
    (
        "A-Za-z",
        r"(?<![A-Za-z.])(?:[a-z]\.){2,}(?![A-Za-z])",
        lambda m: " ".join(m[0].replace(".", "").upper()),
    ),
    ("A-Za-z", r"(?<![A-Za-z])WW(?:II|I)(?![A-Za-z])", _war),
    ("A-Za-z", r"(?<![A-Za-z])SK-?II(?![A-Za-z])", "S K two"),
    ("A-Za-z", r"(?<![A-Za-z])(?:YoY|YOY)(?![A-Za-z])", "同比"),
    ("A-Za-z", r"(?<![A-Za-z])(?:[MQ]o[MQ]|QOQ)(?![A-Za-z])", "环比"),
    ("A-Za-z", r"(?<![A-Za-z])q(?P<n>\d{1,2})h(?![A-Za-z])", _every),
    ("#", r"(?<=[A-Z])#", " sharp"),
    (".", r"(?<![A-Za-z0-9])\.NET", "dot net"),
    ("+", r"(?<=[A-Za-z0-9])\+(?![A-Za-z0-9])", "加"),
    ("A-Za-z", r"(?<![A-Za-z])(?P<letters>Lv|LV|lv)(?P<many>)(?:\.\s?)?(?=\d|$)", "L V"),
    ("A-Za-z", r"(?<![A-Za-z])(?P<letters>[A-Z])\.\s?(?=[A-Z](?![a-z]))", lambda m: m["letters"] + " "),
    (".", r"(?<=\s[A-Z])\.(?=[A-Z][a-z])", "，"),
    (".", r"(?<=[A-Z]\.[A-Z])\.|(?<![A-Za-z][A-Z])(?<=[A-Z])\.(?=\s?[A-Z][a-z])", " "),
    (".", r"(?<=[A-Za-z0-9])\.(?=[A-Za-z0-9])", "点"),
    (
        "A-Za-z",
        r"(?<![A-Za-z])(?P<letters>[b-df-hj-np-tv-z]{3,6})(?<!y)(?<!shh)(?<!hmm)(?P<many>)(?![A-Za-z.])",
        acronyms.letters,
    ),
    (
        "A-Za-z",
        r"(?<![A-Za-z])(?P<letters>yyds|YYDS|xswl|awsl|wx|vx|qq|pk|pvp|diy|ios)(?P<many>)(?![A-Za-z])",
        acronyms.letters,
    ),
    ("A-Za-z", acronyms.ACRONYM, acronyms.spell),
    ("Α-Ωα-ω", r"[Α-ΡΣ-Ωα-ω]", _greek),
    ("々", r"々", _again),
]
_MARKS: Final[list[Rule]] = [
    (".…。", r"\.{2,}|…+|。{2,}", "…"),
    (".", r"\.(?![A-Za-z0-9])", "。"),
    ("'", r"(?<=[A-Za-z])'(?=[A-Za-z])", "'"),
    (r"\s-", r"(?<!\s)\s+-+\s+|--+", "，"),
    ("#", r"#", tag),
    ("@", r"@(?=\w)", "艾特"),
    (r"\s", r"(?<!\n)\n\s*+(?=\S)", "，"),
]


def _rules(one: str, dollar: str) -> Rules:
    """The rules of Chinese.

    one: how 1 is called in telephone numbers: 幺 in Mandarin, 一 in Cantonese. dollar: what $ means.
    """
    quantity = quantities(dollar)
    table: list[Rule] = [
        (SPELLED, f"{SPELLED}(?P<character>[A-Za-z0-9])", partial(_spelled, one="一")),
        (CALLED, f"{CALLED}(?P<character>[A-Za-z0-9])", partial(_spelled, one=one)),
        (COUNTED, rf"{COUNTED}(?P<n>\d+)", lambda m: number(m["n"])),
        (r"\d\s", patterns.LIST_NUMBER, lambda m: cardinal(m["n"]) + "，"),
        *ADDRESSES,
        *DATES,
        *telephones(one),
        *TIMES,
        *YEARS,
        *codes(one),
        *SELLING,
        *SUMS,
        *RANGES,
        *MODELS,
        ("A-Za-z$+£¥±฿₩₫€₹₽₿-", MONEY_QUANTITY, quantity),
        (r"\dA-Za-z$+.£¥±฿₩₫€₹₽₿-", QUANTITY, quantity),
        *SIGNS,
        *_LETTERS,
        *_MARKS,
    ]
    return Rules(table, PLAIN, IDLE)


MANDARIN: Final = _rules("幺", "美元")
CANTONESE: Final = _rules("一", "元")
