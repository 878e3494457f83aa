"""One form for characters that are written in several: full-width letters, ligatures, circled numbers, emoji.

What is left to read is letters, digits, ASCII symbols, CJK punctuation and single spaces of any kind as " ".
Every character remembers where it came from, so that what is spoken can be traced to what was written.
"""

import html
import re
import unicodedata
from dataclasses import dataclass

from core.text.markup import CALLED, COUNTED, SPELLED

# Characters that may follow a letter and make one character with it (NFC), or say how to draw an emoji.
_JOINING = r"[\u0300-\u036f\u1160-\u11ff\u3099\u309a\uff9e\uff9f]"
# A space that a typesetter puts into a date, a time, a ratio or a fraction: 2026 年 11 月, 20 : 00, 1 / 3.
_INSIDE = (
    r"(?<=\d) (?=[年月日号时点分秒])|(?<=\d[年月时点分]) (?=\d)|(?<=\d) (?=[:：/] \d)|(?<=\d [:：/]) (?=\d)"
)
# Everything else than plain ASCII, hanzi, kana, hangul and their punctuation is looked at one by one.
_UNUSUAL = re.compile(
    rf"&(?:[a-zA-Z]{{2,8}}|#\d{{1,6}}|#x[0-9a-fA-F]{{1,5}});|[0-9#*]\ufe0f?\u20e3|{_INSIDE}|.{_JOINING}+|[^\x20-\x5f\x61-\x7e\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3，。！？；：、“”…\n]",
    re.DOTALL,
)
_KNOWN = {
    **dict.fromkeys("‐‑‒–−﹣－", "-"),
    **dict.fromkeys("’‘ʼ＇`´", "'"),
    **dict.fromkeys("～〜∼˜", "~"),
    **dict.fromkeys("―─", "—"),
    **dict.fromkeys("″＂〝〞", '"'),
    **dict.fromkeys("•●▪■◆★☆◦‣", "、"),
    **dict.fromkeys("✕✖⨉╳", "×"),
    **dict.fromkeys("→⇒➔➡⟶", "→"),
    **{
        c: c
        for c in "°¥£€₩₹₽฿₿₫"
        "±×÷√∞≈≠≤≥‰△∠⊥∥≌∽∑∫∵∴∈∉∪∩⊂⊆∅↑↓∝∀∃∂≡∏→—…·•「」『』《》〈〉【】〔〕，。！？；：、“”«»‹›Ω"
    },
    **dict(zip("（）［］｛｝｟｠⸨⸩", "()[]{}()()", strict=True)),
    **dict(zip("　\t￥￡‥⋯．⁄∕∶µ％・･", "  ¥£…….//:μ%··", strict=True)),
    **dict.fromkeys("\r\v\f\u0085\u2028\u2029", "\n"),
    **{"℃": "°C", "℉": "°F", "№": "№", "〇": "〇", "🔟": "10、", "ㅋ": "크", "ㅎ": "흐"},
    **dict.fromkeys("ㅠㅜㅡ", " "),
}
# A ring among Chinese digits is a zero.
_RING = re.compile(r"(?<=[〇零一二三四五六七八九○])○|○(?=○{0,3}[〇零一二三四五六七八九])")
EMOJI = "\ufffc"
"""Stands for any emoji or ornament, for none is read."""

_COUNTED = frozenset("号號款楼层级")
_DROPPED = {"Cc", "Cf", "Cs", "Co", "Cn", "Mn", "Me"}
_SPACE = {"So", "Sk", "Zs", "Zl", "Zp"}
_SUBSCRIPT = frozenset("₀₁₂₃₄₅₆₇₈₉")
_SUPERSCRIPT = {c: str(n) for n, c in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")} | {"⁻": "-", "⁺": "+"}


@dataclass(frozen=True, slots=True)
class Folded:
    """Text in one form. `origin[k]` is where `text[k]` was in the written text; the last entry is its end."""

    text: str
    origin: list[int]


def fold(written: str) -> Folded:
    """`written` in one form, without control characters.

    >>> fold("Ｈｉ ５０％ ①\\0").text
    'Hi 50% 1、'
    """
    parts: list[str] = []
    origin: list[int] = []
    written = _RING.sub("〇", written).replace("ºC", "°C").replace("ºF", "°F")
    done = 0
    raised = False  # the character before was a superscript
    for match in _UNUSUAL.finditer(written):
        start, stop = match.span()
        if start > done:
            raised = False
        parts.append(written[done:start])
        origin.extend(range(done, start))
        folded = _one(match[0], raised)
        if folded.endswith("、") and written[stop : stop + 1] in _COUNTED:
            folded = folded.removesuffix("、")  # ①号链接
        if folded.endswith("、") and len(folded) > 1 and start and written[start - 1].isalpha():
            folded = "，" + folded  # ①首先②其次
        if folded.isdigit() and match[0] in _SUBSCRIPT and written[stop : stop + 1].isdecimal():
            folded += " "  # log₂8
        raised = match[0] in _SUPERSCRIPT
        before = written[start - 1] if start else ""
        if unicodedata.category(match[0][0]) == "No" and "/" in folded and before.isdigit():
            folded = " " + folded  # 1½
        parts.append(folded)
        origin.extend([start] * len(folded))
        done = stop
    parts.append(written[done:])
    origin.extend(range(done, len(written) + 1))
    return Folded("".join(parts), origin)


def _one(character: str, raised: bool) -> str:
    """The folded form of one unusual character, with the marks that belong to it."""
    if character[0] == "&" and character[-1] == ";":  # an HTML entity
        return fold(html.unescape(character)).text if html.unescape(character) != character else character
    if character[-1] == "\u20e3":
        return character[0] + "、"  # a keycap
    if character == " ":
        return ""
    if len(character) > 1:
        composed = unicodedata.normalize("NFKC", character)
        if character[0] in _KNOWN or len(composed) >= len(character):
            # The marks do not belong to it after all (a dakuten after a dot, say): they are dropped.
            return _one(character[0], raised) if _UNUSUAL.match(character[0]) else character[0]
        return composed
    if character in _KNOWN:
        return _KNOWN[character]
    if character in (SPELLED, CALLED, COUNTED):
        return character
    if character in _SUPERSCRIPT:
        return _SUPERSCRIPT[character] if raised else "^" + _SUPERSCRIPT[character]
    return _by_category(character)


def _by_category(character: str) -> str:
    category = unicodedata.category(character)
    if category in _DROPPED:
        return ""
    if category == "Nd":
        return str(unicodedata.digit(character))
    if category == "Nl":  # Roman numerals
        return f"{unicodedata.numeric(character):.0f}"
    compatible = unicodedata.normalize("NFKC", character).replace("⁄", "/").strip()
    if category == "No" and compatible.isdigit() and compatible.isascii():
        # Circled numbers head the items of a list. Subscripts (CO₂) are part of a word.
        return compatible if "SUBSCRIPT" in unicodedata.name(character, "") else compatible + "、"
    if character in "™℠":
        return ""
    if category in _SPACE and not any(c.isalnum() for c in compatible):
        return EMOJI if category == "So" else " "
    return compatible or " "
