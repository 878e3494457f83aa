"""Read English to phonemes (ARPAbet with stress).

A word is looked up in this order: single letter, homograph by its part of speech, dictionary, names, letters
of short words, possessive 's, the words a compound is made of, and at last a network that reads letters.
Learnt from GPT-SoVITS (MIT) and g2p_en (Apache-2.0).
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from core.engines.gpt_sovits.text import tagger
from core.engines.gpt_sovits.text.packages import need
from core.engines.gpt_sovits.text.spelling import spelled
from core.engines.gpt_sovits.text.symbols import PUNCTUATION
from core.engines.gpt_sovits.text.tables import lines, pronunciations

LONGEST_WORD = 32
"""Letters. A longer run is cut, at its hyphens first: finding the words in it takes time by its square."""

_TOKEN = re.compile(r"[A-Za-z][A-Za-z'-]+[A-Za-z]|[A-Za-z]+|\S")
# What looks like a site's name is one word to the reference, "zero.one" of 2.0.1 too.
_SITE_OR_TOKEN = re.compile(rf"[A-Za-z]+(?:[.-][A-Za-z]+)*\.[A-Za-z]{{2,13}}\b|{_TOKEN.pattern}")
_SHORTEST_SENTENCE = 4  # phonemes; the checkpoints stumble over less, so a comma is put in front
_HISSING = frozenset({"S", "Z", "SH", "ZH", "CH", "JH"})
_VOICELESS = frozenset({"P", "T", "K", "F", "TH", "HH"})
# word | sound with the tag | sound without it | beginning of the tag
_HOMOGRAPHS = (
    "READ|R IY1 D|R EH1 D|VBP",
    "COMPLEX|K AH0 M P L EH1 K S|K AA1 M P L EH0 K S|JJ",
)
# Words of two sounds of which the reference knows one.
_MISREAD_HOMOGRAPHS = (
    "LIVE|L IH1 V|L AY1 V|V",
    "LIVES|L IH1 V Z|L AY1 V Z|V",
    "LEAD|L IY1 D|L IY1 D|V",
    "WIND|W AY1 N D|W IH1 N D|V",
    "TEAR|T EH1 R|T IH1 R|V",
    "TEARS|T EH1 R Z|T IH1 R Z|V",
    "WOUND|W AW1 N D|W UW1 N D|V",
    "DOVE|D OW1 V|D AH1 V|V",
    "RESUME|R IH0 Z UW1 M|R EH1 Z AH0 M EY2|V",
    "USED|Y UW1 S T|Y UW1 Z D|USED-TO",
)
# Words whose two sounds the list of g2p_en gives to the wrong parts of speech.
_SWAPPED = frozenset({"EXPLOIT", "EXPLOITS", "FRAGMENT", "IMPRINT", "OBJECT", "REBEL", "SEGMENT", "TORMENT"})
_PAST = frozenset({"yesterday", "ago", "already", "earlier", "last", "once"})


_MARKS = str.maketrans(
    {**dict.fromkeys(";:；：，、", ","), **dict.fromkeys("…。", "."), "！": "!", "？": "?", "’": "'"}
)
_WORD_IN_CAPITALS = re.compile(r"(?<![A-Za-z])[A-Z]{2,}(?![A-Za-z])")
_CAPITAL_AFTER_APOSTROPHE = re.compile(r"(?<=[A-Za-z]')[A-Z]")
_BRITISH_UNIT = re.compile(r"(?<=met|lit)re(?=s?\b)")
_MARKS_IN_A_ROW = re.compile(rf"([\s{PUNCTUATION}])[{PUNCTUATION}]+")


def normalise(text: str) -> str:
    """Read `text` as words and the marks ' . , ? ! -; a capital inside a word starts a new one."""
    text = _WORD_IN_CAPITALS.sub(lambda match: match[0].capitalize(), text.translate(_MARKS))
    text = _CAPITAL_AFTER_APOSTROPHE.sub(lambda match: match[0].lower(), text)
    text = _BRITISH_UNIT.sub("er", text)
    text = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
    text = re.sub(r"(?<!^)(?<!\s)([A-Z])", r" \1", re.sub(r"[^ A-Za-z'.,?!-]", "", text))
    return _MARKS_IN_A_ROW.sub(r"\1", text)


@cache
def _homographs(as_reference: bool) -> dict[str, tuple[str, str, str]]:
    """Word -> sound with the tag, sound without it, the tag's beginning."""
    more = _HOMOGRAPHS if as_reference else _HOMOGRAPHS + _MISREAD_HOMOGRAPHS
    rows = (line.split("|") for line in [*lines("homographs.txt.xz"), *more])
    swapped: frozenset[str] = frozenset() if as_reference else _SWAPPED
    return {
        word.lower(): (other, one, tag) if word in swapped else (one, other, tag)
        for word, one, other, tag in rows
    }


def _tags(words: Sequence[str]) -> list[str]:
    """Parts of speech; in the two cases that tags cannot tell apart, what the words around say."""
    tags = tagger.tag(words)
    lower = [word.lower() for word in words]
    for k, word in enumerate(lower):
        if word == "read" and tags[k] == "VBP" and not _PAST.isdisjoint(lower[k : k + 8]):
            tags[k] = "VBD"
        if word == "used" and lower[k + 1 : k + 2] == ["to"] and lower[k - 1 : k] != ["be"]:
            tags[k] = "USED-TO"
    return tags


@cache
def _wordsegment() -> Any:
    module = need("wordsegment", "wordsegment", "neural")
    module.load()
    return module


def tokens(text: str, *, as_reference: bool = False) -> list[str]:
    """Words, with their apostrophes and inner hyphens, and single marks.

    as_reference: words joined by a full stop are one.
    """
    return [
        part[start : start + LONGEST_WORD]
        for token in (_SITE_OR_TOKEN if as_reference else _TOKEN).findall(text)
        for part in (token.split("-") if len(token) > LONGEST_WORD else [token])
        for start in range(0, len(part), LONGEST_WORD)
    ]


def phonemes(text: str, tags: Sequence[str] | None = None, *, as_reference: bool = False) -> list[str]:
    """Symbols of normalised `text`; `tags` are Penn Treebank tags of its `tokens`, found if not given.

    as_reference: only with the homographs the reference knows, and `tokens` as it has them.
    """
    words = tokens(text, as_reference=as_reference)
    homographs = _homographs(as_reference)
    if tags is None:
        ambiguous = any(word.lower() in homographs for word in words)
        tags = _tags(words) if ambiguous else [""] * len(words)
    found = [
        "-" if sound == "'" else sound
        for word, tag in zip(words, tags, strict=True)
        for sound in _token_sounds(word, tag, homographs)
    ]
    return [",", *found] if words and len(found) < _SHORTEST_SENTENCE else found


def _token_sounds(written: str, tag: str, homographs: dict[str, tuple[str, str, str]]) -> Sequence[str]:
    word = written.lower()
    if not word[0].isalpha():
        return [word]
    if len(word) == 1:
        return ["EY1"] if written == "A" else _dictionary()[word].split()
    if word in homographs:
        one, other, wanted = homographs[word]
        # "read" is listed with a longer tag than most: its base form VB counts too
        return (one if tag.startswith(wanted) or (tag and wanted.startswith(tag)) else other).split()
    return _word_sounds(written)


def _dictionary() -> Mapping[str, str]:
    return pronunciations("english.txt.xz")


def _word_sounds(written: str) -> Sequence[str]:
    word = written.lower()
    if len(word) > 1 and word in _dictionary():
        return _dictionary()[word].split()
    if written.istitle() and word in pronunciations("names.txt.xz"):
        return pronunciations("names.txt.xz")[word].split()
    if len(word) <= 3:
        return [sound for letter in word for sound in _letter_sounds(letter)]
    if re.fullmatch("[a-z]+'s", word):
        return _possessive(_word_sounds(word[:-2]))
    parts = _words_in(word)
    if len(parts) == 1:
        return spelled(word)
    return [sound for part in parts for sound in _word_sounds(part)]


@lru_cache(maxsize=4096)
def _words_in(compound: str) -> tuple[str, ...]:
    return tuple(_wordsegment().segment(compound))


def _letter_sounds(letter: str) -> list[str]:
    if letter == "a":
        return ["EY1"]
    return _dictionary()[letter].split() if letter.isalpha() else [letter]


def _possessive(sounds: Sequence[str]) -> list[str]:
    if sounds[-1] in _VOICELESS:
        return [*sounds, "S"]
    return [*sounds, "AH0", "Z"] if sounds[-1] in _HISSING else [*sounds, "Z"]
