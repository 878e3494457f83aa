"""How tones change inside and between Chinese words: 一, 不, unstressed syllables, third tones in a row.

First `merged` joins words that sound as one, then `changed` rewrites the tones of each word, in this order:
不, 一, unstressed, third. Rules learnt from PaddleSpeech's ToneSandhi (Apache-2.0), which the checkpoints
were trained with; tags are jieba's.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

from core.engines.gpt_sovits.text.packages import need
from core.engines.gpt_sovits.text.tables import lines

_STRESSED_LIST = """
    男子 女子 分子 原子 量子 莲子 石子 瓜子 电子 人人 虎虎 幺幺 干嘛 学子 哈哈 数数 袅袅 局地 以下
    娃哈哈 花花草草 留得 耕地 想想 熙熙 攘攘 卵子 死死 冉冉 恳恳 佼佼 吵吵 打打 考考 整整 莘莘 落地
    算子 家家户户 青青
"""
_STRESSED = frozenset(_STRESSED_LIST.split())
"""Words that look as if their last syllable were unstressed, but it is not."""

_PARTICLES = frozenset("吧呢哈啊呐噻嘛吖嗨哦哒额滴哩哟喽啰耶喔诶的地得")
_BEFORE_COUNTING_GE = frozenset("几有两半多各整每做是")
_NO_YI_CHANGE_BEFORE = frozenset("：，；。？！“”‘’':,;.?!")

_LONGEST_ERHUA = 8  # characters; nobody says more 儿 in a row, and joining them would take quadratic time


class Word(NamedTuple):
    """A word and its part of speech in jieba's tags."""

    text: str
    tag: str


TonesOf = Callable[[str], Sequence[str]]
"""The dictionary tones of a word, one of "1" ... "5" a syllable; a punctuation mark is its own tone."""


@cache
def _unstressed_words() -> frozenset[str]:
    return frozenset(lines("neutral_zh.txt"))


def _ends_unstressed(word: str) -> bool:
    return word in _unstressed_words() or word[-2:] in _unstressed_words()


def merged(words: Sequence[Word], tones_of: TonesOf) -> list[Word]:
    """`words` with those joined that change each other's tones."""
    joined = _join_bu(words)
    joined = _join_yi(joined)
    joined = _join_repeated(joined)
    joined = _join_third_tones(joined, tones_of, _both_all_third)
    joined = _join_third_tones(joined, tones_of, _third_meets_third)
    return _join_er(joined)


def _join_bu(words: Sequence[Word]) -> list[Word]:
    """不 joins the word behind it."""
    out: list[Word] = []
    before = ""
    for text, tag in words:
        text = before + text if before == "不" else text
        if text != "不":
            out.append(Word(text, tag))
        before = text
    return [*out, Word("不", "d")] if before == "不" else out


def _join_yi(words: Sequence[Word]) -> list[Word]:
    """听 一 听 becomes one word; any other 一 joins the word behind it."""
    out: list[Word] = []
    k = 0
    while k < len(words):
        word = words[k]
        if 0 < k < len(words) - 1 and word.text == "一":
            before, after = out[-1], words[k + 1]
            if before.text == after.text and before.tag == after.tag == "v":
                out[-1] = Word(f"{before.text}一{after.text}", "v")
                k += 2
                continue
        out.append(word)
        k += 1
    words, out = out, []
    for word in words:
        if out and out[-1].text == "一":
            out[-1] = Word("一" + word.text, out[-1].tag)
        else:
            out.append(word)
    return out


def _join_repeated(words: Sequence[Word]) -> list[Word]:
    out: list[Word] = []
    for word in words:
        if out and word.text == out[-1].text:
            out[-1] = Word(word.text * 2, out[-1].tag)
        else:
            out.append(word)
    return out


def _all_third(tones: Sequence[str]) -> bool:
    return all(tone == "3" for tone in tones)


def _both_all_third(left: Sequence[str], right: Sequence[str]) -> bool:
    return _all_third(left) and _all_third(right)


def _third_meets_third(left: Sequence[str], right: Sequence[str]) -> bool:
    return left[-1] == right[0] == "3"


def _join_third_tones(
    words: Sequence[Word], tones_of: TonesOf, fits: Callable[[Sequence[str], Sequence[str]], bool]
) -> list[Word]:
    """Join two short neighbours whose third tones meet; the second of a pair is not the first of another."""
    out: list[Word] = []
    tones = [tones_of(word.text) for word in words]
    joined_last = False
    for k, word in enumerate(words):
        before = words[k - 1].text if k else ""
        doubled = len(before) == 2 and before[0] == before[1]  # 想想 keeps its own unstressed second syllable
        short = len(before) + len(word.text) <= 3
        joined_last = k > 0 and not joined_last and fits(tones[k - 1], tones[k]) and not doubled and short
        if joined_last:
            out[-1] = Word(out[-1].text + word.text, out[-1].tag)
        else:
            out.append(word)
    return out


def _join_er(words: Sequence[Word]) -> list[Word]:
    out: list[Word] = []
    for word in words:
        if word.text == "儿" and out and out[-1].text[-1].isalpha() and len(out[-1].text) < _LONGEST_ERHUA:
            out[-1] = Word(out[-1].text + "儿", out[-1].tag)
        else:
            out.append(word)
    return out


def changed(word: Word, tones: Sequence[str]) -> list[str]:
    """The tones `word` is spoken with, given its dictionary tones (as many as it has characters)."""
    out = list(tones)
    _change_bu(word.text, out)
    _change_yi(word.text, out)
    _change_unstressed(word, out)
    return _change_third(word.text, out)


def _change_bu(word: str, tones: list[str]) -> None:
    if len(word) == 3 and word[1] == "不":
        tones[1] = "5"  # 看不懂
        return
    for k, char in enumerate(word[:-1]):
        if char == "不" and tones[k + 1] == "4":
            tones[k] = "2"  # 不怕


def _change_yi(word: str, tones: list[str]) -> None:
    if all(char.isnumeric() for char in word):
        return  # 一零一 is a number; so is 一 alone
    if len(word) == 3 and word[1] == "一" and word[0] == word[2]:
        tones[1] = "5"  # 看一看
    elif word.startswith("第一"):
        tones[1] = "1"
    else:
        for k, char in enumerate(word[:-1]):
            if char == "一" and tones[k + 1] == "4":
                tones[k] = "2"  # 一段
            elif char == "一" and word[k + 1] not in _NO_YI_CHANGE_BEFORE:
                tones[k] = "4"  # 一天


def _change_unstressed(word: Word, tones: list[str]) -> None:
    text, tag = word
    if tag[0] in "nva" and text not in _STRESSED:
        for k in range(1, len(text)):
            if text[k] == text[k - 1]:
                tones[k] = "5"  # 奶奶
    counting = text.find("个")
    if _last_is_unstressed(text, tag):
        tones[-1] = "5"
    elif text == "个" or (
        counting > 0 and (text[counting - 1].isnumeric() or text[counting - 1] in _BEFORE_COUNTING_GE)
    ):
        tones[counting] = "5"
    elif _ends_unstressed(text):
        tones[-1] = "5"
    first, second = _halves(text)
    if _ends_unstressed(first):
        tones[len(first) - 1] = "5"
    if second and _ends_unstressed(second):
        tones[-1] = "5"


def _last_is_unstressed(text: str, tag: str) -> bool:
    last = text[-1]
    if last in _PARTICLES:
        return True
    if len(text) == 1:
        return last in "了着过" and tag in {"ul", "uz", "ug"}
    if last in "们子" and tag in {"r", "n"} and text not in _STRESSED:
        return True
    if last in "上下里" and tag in {"s", "l", "f"}:
        return True  # 桌上
    return last in "来去" and text[-2] in "上下进出回过起开"  # 上来


def _halves(word: str) -> tuple[str, str]:
    """`word` cut behind, or before, its shortest part: 纸/老虎, 蒙古/包. The second half may be empty."""
    if len(word) == 1:
        return word, ""
    parts = need("jieba", "jieba", "neural").cut_for_search(word)
    shortest: str = min(parts, key=len)
    cut = len(shortest) if word.startswith(shortest) else len(word) - len(shortest)
    return word[:cut], word[cut:]


def _change_third(word: str, tones: list[str]) -> list[str]:
    if len(word) == 2 and _all_third(tones):
        return ["2", "3"]
    if len(word) == 3:
        _change_third_of_three(word, tones)
    elif len(word) == 4:
        for k in (0, 2):
            if _all_third(tones[k : k + 2]):
                tones[k] = "2"
    return tones


def _change_third_of_three(word: str, tones: list[str]) -> None:
    cut = len(_halves(word)[0])
    if _all_third(tones):
        tones[:2] = ["2", "2"] if cut == 2 else [tones[0], "2" if cut == 1 else tones[1]]
        return
    for start, stop in ((0, cut), (cut, 3)):
        if stop - start == 2 and _all_third(tones[start:stop]):
            tones[start] = "2"  # 所有/人
        elif start and not _all_third(tones[start:stop]) and tones[start] == tones[start - 1] == "3":
            tones[start - 1] = "2"  # 好/喜欢
