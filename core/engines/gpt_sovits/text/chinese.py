"""Read Chinese to phonemes: words (jieba), pinyin, tones as spoken, erhua, initials and finals.

Pinyin comes word by word from pypinyin, or for a whole clause from a model (`g2pw`); v2 checkpoints were
trained with the latter and with the fixed readings in `words_zh.txt.xz` on top. Learnt from GPT-SoVITS (MIT).
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

from core.engines.gpt_sovits.text import tone_sandhi
from core.engines.gpt_sovits.text.packages import need
from core.engines.gpt_sovits.text.symbols import PUNCTUATION, Version, symbols
from core.engines.gpt_sovits.text.tables import pronunciations, simplified
from core.engines.gpt_sovits.text.tone_sandhi import Word
from core.text.jieba_dictionary import load_dictionary

ClausePinyin = Callable[[str], Sequence[str]]
"""Pinyin with tone digits ("ni3"), one for each character of a clause; a mark stands for itself."""

LONGEST_CLAUSE = 512
"""Characters. A longer clause without a mark is cut, which keeps the time linear."""

_CLAUSE_END = re.compile(rf"(?<=[{PUNCTUATION}])")
_SYLLABLE = re.compile(r"(zh|ch|sh|[bpmfdtnlgkhjqxrzcsyw]?)([aeiouvêü]+(?:ng?|r)?)")
_AFTER_Y = {"an": "En", "e": "E", "u": "v", "uan": "van", "ue": "ve", "un": "vn"}
_WRITTEN_OTHERWISE = {
    "yo": "o",
    "ê": "ei",
    "n": "en",
    "ng": "en",
    "m": "mu",
    "hm": "heng",
    "hng": "heng",
    "r": "er",
}

_ALWAYS_ERHUA_LIST = """
    小院儿 胡同儿 范儿 老汉儿 撒欢儿 寻老礼儿 妥妥儿 媳妇儿
"""
_ALWAYS_ERHUA = frozenset(_ALWAYS_ERHUA_LIST.split())
_NEVER_ERHUA_LIST = """
    虐儿 为儿 护儿 瞒儿 救儿 替儿 有儿 一儿 我儿 俺儿 妻儿 拐儿 聋儿 乞儿 患儿 幼儿 孤儿 婴儿 婴幼儿
    连体儿 脑瘫儿 流浪儿 体弱儿 混血儿 蜜雪儿 舫儿 祖儿 美儿 应采儿 可儿 侄儿 孙儿 侄孙儿 女儿 男儿
    红孩儿 花儿 虫儿 马儿 鸟儿 猪儿 猫儿 狗儿 少儿
"""
_NEVER_ERHUA = frozenset(_NEVER_ERHUA_LIST.split())


# The marks that are symbols; both 嗯 and 呣 are written as characters the dictionaries know.
_MARKS = str.maketrans(
    {
        **dict.fromkeys("：；，·、", ","),
        **dict.fromkeys("。\n", "."),
        **dict.fromkeys("~～", "…"),
        **{"！": "!", "？": "?", "—": "-", "嗯": "恩", "呣": "母"},
    }
)
_GIVE_BACK = re.compile("还(?=款|钱|贷|债|清|信用卡|花呗)")  # huan2; the dictionaries have hai2
_UNSPEAKABLE = re.compile(rf"[^\u4e00-\u9fa5{PUNCTUATION}]+")
_MARKS_IN_A_ROW = re.compile(rf"([{PUNCTUATION}])[{PUNCTUATION}]+")


class Syllable(NamedTuple):
    """Pinyin without its tone, and the tone "1" ... "5". A punctuation mark is (mark, mark)."""

    sound: str
    tone: str


def normalise(text: str) -> str:
    """Read `text` as simplified characters and the marks ! ? … , . - alone, no two marks in a row."""
    text = text.translate(simplified()).translate(_MARKS).replace("...", "…")
    text = _GIVE_BACK.sub("环", text)
    return _MARKS_IN_A_ROW.sub(r"\1", _UNSPEAKABLE.sub("", text))


@cache
def _tagger() -> Any:
    jieba = need("jieba", "jieba", "neural")
    load_dictionary(jieba)
    return need("jieba.posseg", "jieba", "neural")


@lru_cache(maxsize=1 << 14)
def _word_syllables(word: str) -> tuple[Syllable, ...]:
    """Dictionary syllables of a word, one for each character."""
    pypinyin = need("pypinyin", "pypinyin", "neural")
    style = pypinyin.Style.TONE3
    found = pypinyin.lazy_pinyin(word, style=style, neutral_tone_with_five=True)
    if len(found) != len(word):  # characters without pinyin come back in one piece
        found = [pypinyin.lazy_pinyin(char, style=style, neutral_tone_with_five=True)[0] for char in word]
    return tuple(_syllable(pinyin) for pinyin in found)


def _syllable(pinyin: str) -> Syllable:
    return Syllable(pinyin[:-1], pinyin[-1]) if pinyin[-1] in "12345" else Syllable(pinyin, pinyin)


def _word_tones(word: str) -> tuple[str, ...]:
    return tuple(syllable.tone for syllable in _word_syllables(word))


@cache
def _known_sounds(version: Version) -> frozenset[str]:
    return frozenset(symbols(version))


def phonemes_of(syllable: Syllable, version: Version) -> list[str]:
    """Two symbols of a syllable: ("yan", "3") -> ["y", "En3"]; one of a mark; UNK of what has no sound."""
    sound, tone = syllable
    if sound == tone:
        return [sound if sound in PUNCTUATION else "UNK"]
    match = _SYLLABLE.fullmatch(_WRITTEN_OTHERWISE.get(sound, sound).replace("ü", "v"))
    if match is None:
        return ["UNK"]
    initial, final = match[1], match[2]
    if initial in ("z", "c", "s") and final == "i":
        final = "i0"
    elif initial in ("zh", "ch", "sh", "r") and final == "i":
        final = "ir"
    elif initial in ("j", "q", "x") and final.startswith("u"):
        final = "v" + final[1:]
    elif initial == "y":
        final = _AFTER_Y.get(final, final)
    elif not initial:  # a vowel on its own
        initial = {"a": "AA", "o": "OO"}.get(final[0], "EE")
    pair = [initial, final + tone]
    return pair if _known_sounds(version).issuperset(pair) else ["UNK"]


def _erhua(word: Word, syllables: Sequence[Syllable]) -> list[Syllable]:
    """儿 at the end of a word takes the tone before it, except in words where it is a syllable of its own."""
    out = list(syllables)
    if word.text[-1] != "儿" or out[-1].sound != "er":
        return out
    if out[-1].tone == "1":
        out[-1] = Syllable("er", "2")
    kept = word.text in _NEVER_ERHUA or word.tag in {"a", "j", "nr"}
    if kept and word.text not in _ALWAYS_ERHUA:
        return out
    if len(out) > 1 and out[-1].tone in "25" and word.text[-2:] not in _NEVER_ERHUA:
        out[-1] = Syllable("er", out[-2].tone)
    return out


def _fixed_reading(word: str, syllables: Sequence[Syllable]) -> Sequence[Syllable]:
    """The reading listed for `word`, or for single characters of it; otherwise `syllables`."""
    table = pronunciations("words_zh.txt.xz")
    if listed := table.get(word):
        return [_syllable(pinyin) for pinyin in listed.split(" ")]
    return [
        _syllable(table[char]) if char in table else syllable
        for char, syllable in zip(word, syllables, strict=True)
    ]


def _clause_syllables(
    clause: str, version: Version, pinyin: ClausePinyin | None, fixed: bool
) -> list[Syllable]:
    return [one for _, found in _clause_words(clause, version, pinyin, fixed) for one in found]


def words(text: str) -> Iterator[tuple[str, Sequence[Syllable]]]:
    """The words of normalised `text`, and how each character is read (v2): its tone as spoken."""
    for clause in _CLAUSE_END.split(text):
        for start in range(0, len(clause), LONGEST_CLAUSE):
            yield from _clause_words(clause[start : start + LONGEST_CLAUSE], "v2", None, True)


def _clause_words(
    clause: str, version: Version, pinyin: ClausePinyin | None, fixed: bool
) -> Iterator[tuple[str, Sequence[Syllable]]]:
    split = [Word(pair.word, pair.flag) for pair in _tagger().lcut(clause)]
    given = [_syllable(item) for item in pinyin(clause)] if pinyin else []
    if given and len(given) != len(clause):
        raise ValueError(f"{len(given)} pinyin for the {len(clause)} characters of {clause!r}")
    start = 0
    for word in tone_sandhi.merged(split, _word_tones):
        stop = start + len(word.text)
        syllables: Sequence[Syllable] = given[start:stop] or _word_syllables(word.text)
        if fixed:
            syllables = _fixed_reading(word.text, syllables)
        tones = tone_sandhi.changed(word, [syllable.tone for syllable in syllables])
        spoken = [_with_tone(syllable, tone) for syllable, tone in zip(syllables, tones, strict=True)]
        yield word.text, spoken if version == "v1" else _erhua(word, spoken)
        start = stop


def _with_tone(syllable: Syllable, tone: str) -> Syllable:
    silent = syllable.sound == syllable.tone  # a mark has no tone to change
    return syllable if silent else Syllable(syllable.sound, tone)


def phonemes(
    text: str, version: Version, *, pinyin: ClausePinyin | None = None, fixed: bool = True
) -> tuple[list[str], list[int]]:
    """Symbols of normalised `text`, and how many of them each character has (`word2ph`).

    `pinyin` reads whole clauses in place of the word dictionary. `fixed` puts the listed readings of whole
    words on top (v2; v1 was trained without them).
    """
    found: list[str] = []
    word2ph: list[int] = []
    for clause in _CLAUSE_END.split(text):
        for start in range(0, len(clause), LONGEST_CLAUSE):
            piece = clause[start : start + LONGEST_CLAUSE]
            for syllable in _clause_syllables(piece, version, pinyin, fixed and version != "v1"):
                pair = phonemes_of(syllable, version)
                found += pair
                word2ph.append(len(pair))
    return found, word2ph
