"""Cut mixed text into stretches of one language, by its script and what is around it; nothing is downloaded.

Latin letters are English, hangul Korean, kana Japanese. Chinese characters are Chinese unless kana or
characters that only Japanese has are near. Marks go to a neighbour. The reference asks a
statistical detector, which takes short Chinese words for Japanese; otherwise the stretches are the same.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable
from typing import Literal, NamedTuple, cast

from core.errors import BadInput

Language = Literal["zh", "en", "ja", "ko", "yue"]

MODES: tuple[str, ...] = (
    "zh", "en", "ja", "ko", "yue", "all_zh", "all_ja", "all_ko", "all_yue", "auto", "auto_yue",
)  # fmt: skip
"""zh, ja, ko, yue: that language with English in it. all_*: the same, told apart by script alone.
auto: every language by itself; auto_yue: Chinese characters are Cantonese."""

V1_MODES = ("zh", "en", "ja", "all_zh", "all_ja", "auto")

_TOKEN = re.compile(
    r"(?P<han>[\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+)"
    r"|(?P<ja>[\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\uff66-\uff9d]+)"
    r"|(?P<ko>[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]+)"
    r"|(?P<en>[A-Za-zÀ-ɏＡ-Ｚａ-ｚ][A-Za-zÀ-ɏＡ-Ｚａ-ｚ'’\-]*)"
)
_SENTENCE_END = re.compile(r"[。！？!?\n]+")


class Stretch(NamedTuple):
    """Text of one language."""

    language: Language
    text: str


def check_mode(mode: str, version: Literal["v1", "v2"]) -> None:
    """Raise BadInput `unsupported_language` unless checkpoints of `version` speak `mode`."""
    spoken = V1_MODES if version == "v1" else MODES
    if mode not in spoken:
        raise BadInput(
            "unsupported_language",
            f"a {version} voice has no language {mode!r}; it has {', '.join(spoken)}",
            "language",
        )


def stretches(text: str, mode: str) -> list[Stretch]:
    """`text`, all of it, in stretches of one language each, neighbours different. `mode` is one of MODES."""
    if not text:
        return []
    if mode == "en":
        return [Stretch("en", text)]
    chinese = "yue" if mode == "auto_yue" else "zh"
    home = mode.removeprefix("all_")
    borders = _by_script(text, chinese)
    if not mode.startswith("auto"):
        borders = _joined((kind if kind == "en" else home, start) for kind, start in borders)
    stops = [start for _, start in borders[1:]] + [len(text)]
    return [
        Stretch(cast(Language, kind), text[start:stop])
        for (kind, start), stop in zip(borders, stops, strict=True)
    ]


Borders = list[tuple[str, int]]
"""A language and where it starts; it lasts until the next."""


def _joined(borders: Iterable[tuple[str, int]]) -> Borders:
    out: Borders = []
    for kind, start in borders:
        if not out or out[-1][0] != kind:
            out.append((kind, start))
    return out


def _by_script(text: str, chinese: str) -> Borders:
    """Marks go with what is before them, those at the start with what is after."""
    tokens = list(_TOKEN.finditer(text))
    japanese = _japanese_han(text, tokens)
    kinds = (
        ("ja" if token.start() in japanese else chinese) if token.lastgroup == "han" else str(token.lastgroup)
        for token in tokens
    )
    borders = _joined((kind, token.start()) for kind, token in zip(kinds, tokens, strict=True))
    return [(borders[0][0], 0), *borders[1:]] if borders else [(chinese, 0)]


def _encodes(text: str, codec: str) -> bool:
    try:
        text.encode(codec)
    except UnicodeEncodeError:
        return False
    return True


def _japanese_han(text: str, tokens: list[re.Match[str]]) -> frozenset[int]:
    """Where the runs of Chinese characters start that are Japanese.

    A run that Japanese could not write is Chinese. Another one is Japanese in a sentence with kana, or in a
    text with kana in which nothing is Chinese for sure.
    """
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    runs = [token for token in tokens if token.lastgroup == "han"]
    # 们 and 这 are in no Japanese character set, 駅 and 円 in no Chinese one
    chinese = {run.start() for run in runs if not _encodes(run[0], "shift_jis")}
    japanese = {token.start() for token in tokens if token.lastgroup == "ja"} | {
        run.start()
        for run in runs
        if run.start() not in chinese
        and any(not _encodes(char, "gb2312") and not _encodes(char, "big5") for char in run[0])
    }
    if not japanese:
        return frozenset()
    with_chinese = {bisect_right(ends, place) for place in chinese}
    with_japanese = {bisect_right(ends, place) for place in japanese}
    found: set[int] = set()
    for place in {run.start() for run in runs} - chinese:
        sentence = bisect_right(ends, place)
        near = sentence in with_japanese and sentence not in with_chinese
        if near or place in japanese or not chinese:
            found.add(place)
    return frozenset(found)
