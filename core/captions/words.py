"""A shown text in words: what stays together on a line, and what is highlighted while it sounds.

Where a line may end follows the usual rules (UAX 14, the Japanese and Chinese kinsoku): no closing mark,
small kana or combining sign begins one, no opening mark ends one, and nothing is torn that is one thing: a
number with its unit, a Latin or Korean word, an address, a name, an emoji of several signs, Japanese endings
and particles with the word before them. Chinese words are jieba's where it is installed and loaded; else a
line may end after any character that none of these rules holds.
"""

import importlib
import importlib.util
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from core.text.jieba_dictionary import load_dictionary

_HAN: Final = r"\u2e80-\u2fdf\u3005\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_JOINED: Final = r"[\ufe0e\ufe0f\u20e3\u0300-\u036f\u3099\u309a\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]"
"""What changes the character before it: variants, keycaps, accents, skin colours, tags."""

CLUSTER: Final = re.compile(rf"[\U0001f1e6-\U0001f1ff]{{2}}|.{_JOINED}*(?:\u200d.{_JOINED}*)*", re.DOTALL)
"""What is seen as one sign: a flag, a family, a letter with its accents."""

_TOKEN: Final = re.compile(
    rf"\s+|[!-~À-ɏ\u0300-\u052f\u1100-\u11ff\u1e00-\u1fff\u3130-\u318f\uac00-\ud7a3]+"
    rf"|[\u30a1-\u30fa\u30fc\uff66-\uff9f]+|[{_HAN}]+|{CLUSTER.pattern}",
    re.DOTALL,
)
_OPENING: Final = "‘“「『（【《〈〔〖〘〚｛［([{<«¿¡#＃@＠$€£￥¥＄￡"
_CLOSING: Final = frozenset(
    "!%'\"),.:;?]}~>…‥—–‐‰°′″℃℉·・、。〃〉》」』】〕〗〙〛〞’”›»！＂％＇），．：；？］｝～"
    "ーゝゞヽヾ々ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶｧｨｩｪｫｬｭｮｯｰ\ufe0e\ufe0f\u200d\u20e3"
)
_CLAUSE_MARKS: Final = frozenset("、。，．！？：；,.!?:;…")
_LONGEST_KANA = 12
"""Characters after which a line may end within hiragana, which has no spaces."""
_JOINTS: Final = (
    re.compile(r"(?<=[-/\\.,:;@_?&=+#%|~])(?=[^\W_])"),
    re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])"),
    re.compile(
        r"(?<=[^\W\d_])(?=[b-df-hj-np-tv-zßçñбвгджзйклмнпрстфхцчшщ][aeiouyà-åè-ïò-öù-üаеёиоуыэюя])",
        re.IGNORECASE,
    ),
    re.compile(r"(?<=を)"),
)
"""Where a word too long for a line is torn, the best first: after a sign, where letters change, before a
syllable."""
_NUMERALS: Final = frozenset("〇零一二两兩三四五六七八九十百千万萬亿億")
_MEASURES: Final = frozenset(
    "元块塊毛角年月日号號时時点點分秒刻周週天岁歲人位名个個件只隻条條张張台臺辆輛部本页頁章节節课課次遍届屆期"
    "米寸尺吨噸斤克升度瓦伏折倍成楼樓层層室栋幢万萬亿億千百十盒箱瓶袋包罐支盏双雙套款种種类類集份单單杯碗回"
    "場场句字季級级路线線股票対枚匹匙歳円本階回"
)
_LONG_UNITS: Final = frozenset(
    [
        "公斤",
        "公里",
        "公顷",
        "公分",
        "小时",
        "小時",
        "分钟",
        "分鐘",
        "毫升",
        "毫米",
        "毫克",
        "厘米",
        "千克",
        "千米",
        "平米",
        "平方",
        "平方米",
        "立方",
        "立方米",
        "英里",
        "英寸",
        "美元",
        "美金",
        "欧元",
        "日元",
        "港元",
        "港币",
        "港幣",
        "英镑",
        "人民币",
        "个月",
        "個月",
        "星期",
        "時間",
        "分之",
    ]
)
_CHARACTERS: Final = re.compile("|".join((*sorted(_LONG_UNITS, key=len, reverse=True), ".")), re.DOTALL)
_OF_NAMES: Final = frozenset(
    "埃巴贝彼波布查迪蒂杜恩尔菲弗芙佛戈格贡哈赫亨吉卡凯康柯科克库拉莱兰劳雷蕾莉丽琳卢鲁伦罗洛玛麦曼梅蒙姆穆纳娜妮诺欧"
    "尼帕佩皮普奇恰乔切琼瑞萨塞桑莎珊丝苏索塔泰坦汤提图托瓦威韦维沃乌谢辛雅亚耶伊尤约泽詹珍朱兹佐利比斯特夫德"
)
"""Characters that foreign names are written with: 蕾比利亚."""


def load_words(text: str) -> None:
    """Load what knows Chinese words, where it is installed and `text` has some. Takes 0.3 s, once."""
    if re.search(f"[{_HAN}]", text) and importlib.util.find_spec("jieba") is not None:
        load_dictionary(importlib.import_module("jieba"))


def split(text: str) -> list[str]:
    """`text` in words, each with the marks and the white space around it; joined they are the text."""
    words: list[str] = []
    for token in _tokens(text):
        if words and _stay_together(words[-1], token):
            words[-1] += token
        else:
            words.append(token)
    return words


def columns(text: str) -> int:
    """How wide it is: two a Chinese, Japanese or Korean character or an emoji, one any other that is seen."""
    return sum(map(_columns_of, CLUSTER.findall(text)))


def _columns_of(sign: str) -> int:
    wide = unicodedata.east_asian_width(sign[0]) in "WF" or "\ufe0f" in sign
    if wide or (len(sign) > 1 and sign[0] > "\U0001f000"):
        return 2
    return int(unicodedata.category(sign[0]) not in ("Mn", "Me", "Cf"))


def torn(word: str, fits: Callable[[str], bool]) -> tuple[str, str]:
    """A word that does not fit, in two: a beginning that does (one sign at least), as long as can be without
    tearing badly, and the rest.

    >>> torn("https://example.com/one-long-name", lambda part: len(part) <= 26)
    ('https://example.com/one-', 'long-name')
    """
    ends: list[int] = []
    for sign in CLUSTER.finditer(word):
        if ends and not fits(word[: sign.end()]):
            break
        ends.append(sign.end())
    for joint in _JOINTS:
        places = [m.start() for m in joint.finditer(word) if ends[-1] // 2 < m.start() <= ends[-1]]
        if places:
            return word[: places[-1]], word[places[-1] :]
    end = next((end for end in reversed(ends) if word[end : end + 1] not in _CLOSING), ends[-1])
    return word[:end], word[end:]


def _tokens(text: str) -> Iterator[str]:
    for match in _TOKEN.finditer(text):
        token = match.group()
        yield from _chinese(token) if re.match(f"[{_HAN}]", token) else (token,)


def _chinese(text: str) -> Sequence[str]:
    """A run of Chinese characters in words, or in characters where none is known."""
    jieba: Any = sys.modules.get("jieba")
    if jieba is None or not jieba.dt.initialized:
        return _CHARACTERS.findall(text)
    words: list[str] = jieba.lcut(text)
    return words


def _stay_together(before: str, after: str) -> bool:
    """Is there no place for a line to end between them?"""
    last, first = before[-1], after[0]
    if first.isspace() or not before.strip() or first in _CLOSING:
        return True
    if last.isspace():
        return False
    if last in _OPENING or last in "·‧/" or first == "/":
        return True
    if "\u3041" <= first <= "\u309f":
        return last not in _CLAUSE_MARKS and last != "を" and len(before) < _LONGEST_KANA
    if before in ("お", "ご"):
        return True
    counted = any(map(str.isdigit, before))
    if first in "-~～〜" or (last in "-~～〜年月" and first.isdigit()):  # a range, a date
        return counted
    if last == "第" and (first in _NUMERALS or first.isdigit()):
        return True
    if last in _NUMERALS or last.isdigit():
        return first in _NUMERALS or first in _MEASURES or first.isdigit() or after in _LONG_UNITS
    if first in _NUMERALS and before.endswith(("分之", "点", "點")):
        return True
    return last in _OF_NAMES and first in _OF_NAMES
