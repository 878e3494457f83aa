"""A reading dictionary of one's own: words, and how they are said.

One entry a line, `written = said`: `iPhone = 爱疯`, `SQL = sequel`, `重庆 = chong2 qing4`. What is said may
be any text, or pinyin with tone numbers. Empty lines and lines that begin with # are passed over.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from core.errors import BadInput
from core.text.files import decoded
from core.text.tables import rows

MOST: Final = 2000
LONGEST: Final = 100

_PINYIN: Final = re.compile(r"(?:[a-zü]{1,6}:?[1-5])(?:\s*[a-zü]{1,6}:?[1-5])*", re.IGNORECASE)
_SYLLABLE: Final = re.compile(r"([a-zü]{1,6}:?)([1-5])", re.IGNORECASE)
_WORD: Final = r"[A-Za-z0-9]"
_HAN: Final = "[\u3007\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]"


@dataclass(frozen=True)
class Readings:
    """words: what is written -> what is said instead, with pinyin already in characters."""

    words: Mapping[str, str]
    _any: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        alternatives = (
            _pattern(word, self.words[word]) for word in sorted(self.words, key=len, reverse=True)
        )
        object.__setattr__(self, "_any", re.compile("|".join(alternatives) or r"(?!)"))

    def found(self, text: str) -> Iterator[tuple[re.Match[str], str]]:
        """The words of the dictionary in `text`, each with what is said instead.

        A match holds the spaces between a Latin word and its neighbours where it is said in Chinese, which
        would be heard as pauses.
        """
        for match in self._any.finditer(text):
            yield match, self.words[match[0].strip(" ")]

    @staticmethod
    def pinyin(said: str) -> str | None:
        """Characters that sound like `said`, pinyin with tone numbers; None if it is something else.

        Raises BadInput `bad_reading` for a syllable that Mandarin does not have.

        >>> Readings.pinyin("chong2 qing4")
        '崇庆'
        """
        if not _PINYIN.fullmatch(said.strip()):
            return None
        found = []
        for sound, tone in _SYLLABLE.findall(said):
            syllable = _plain(sound) + tone
            if syllable not in _characters():
                raise BadInput(
                    "bad_reading",
                    f"{sound + tone!r} is no syllable of Mandarin; write pinyin with tone numbers, "
                    f"chong2 qing4",
                    "readings",
                )
            found.append(_characters()[syllable])
        return "".join(found)


def _pattern(word: str, said: str) -> str:
    """Matches `word` by itself, not within another Latin word."""
    before = rf"(?<!{_WORD})" if re.match(_WORD, word) else ""
    after = rf"(?!{_WORD})" if re.match(_WORD, word[-1]) else ""
    if before and re.match(_HAN, said):
        before = rf"(?:(?<=\w) +)?{before}"
    if after and re.match(_HAN, said[-1]):
        after += r"(?: +(?=\w))?"
    return before + re.escape(word) + after


@cache
def _characters() -> Mapping[str, str]:
    """A common character of one reading for each syllable of Mandarin, "qing4" -> "庆"."""
    return dict(rows("syllables.txt", " "))


@cache
def _sounds() -> frozenset[str]:
    """The syllables without their tones."""
    return frozenset(syllable[:-1] for syllable in _characters())


def _plain(sound: str) -> str:
    """A syllable as the table has it: small letters, v for ü."""
    return sound.lower().replace("ü", "v").replace("u:", "v").rstrip(":")


def readings(words: Mapping[str, str]) -> Readings:
    """A dictionary of `words`, checked.

    Raises BadInput `bad_reading`: an empty word or one without a letter, too many or too long entries, pinyin
    that is none.
    """
    if len(words) > MOST:
        raise _bad(f"there are {len(words)} readings; at most {MOST} are allowed")
    checked: dict[str, str] = {}
    for written, said in words.items():
        word, sound = written.strip(), said.strip()
        if not any(c.isalnum() for c in word):
            raise _bad(
                f"the reading {written!r}={said!r} has no word to read; write it as word=how it is said"
            )
        if not any(c.isalnum() for c in sound):
            raise _bad(f"there is nothing to say for {written!r}; write it as {word}=how it is said")
        if max(len(word), len(sound)) > LONGEST:
            raise _bad(
                f"the reading of {word[:20]!r}... is too long; at most {LONGEST} characters are allowed"
            )
        checked[word] = _characters_for(word, sound)
    return Readings(checked)


def _characters_for(word: str, sound: str) -> str:
    """What is said for `word`: of pinyin characters, one for each of a Chinese word."""
    said = Readings.pinyin(sound)
    if said is None and _is_meant_as_pinyin(word, sound):
        raise _bad(
            f"{sound!r} for {word!r} is no pinyin; write each syllable with its tone, 1 to 5: chong2 qing4"
        )
    if said and re.fullmatch(f"{_HAN}+", word) and len(said) != len(word):
        raise _bad(
            f"{word!r} has {len(word)} characters and {sound!r} {len(said)} syllables; write one for each"
        )
    return said or sound


def _is_meant_as_pinyin(word: str, sound: str) -> bool:
    """chong9 qing4, chong2 qing, but neither mi 14 nor MP3; MI6 only for a Chinese word."""
    pieces = re.findall(r"([a-zü]+:?)(\d*)", sound.lower())
    toned = sum(len(tone) == 1 and _plain(syllable) in _sounds() for syllable, tone in pieces)
    return toned >= (1 if re.search(_HAN, word) else 2) and not re.search(r"[^a-zü:\d\s]", sound.lower())


def parsed(text: str, name: str = "readings", first: int = 1) -> dict[str, str]:
    """The entries of a dictionary file. name: of the file, and first: number of its first line, for messages.

    Raises BadInput `bad_reading`.
    """
    words: dict[str, str] = {}
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), first):
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        written, equals, said = entry.partition("=")
        if not equals or not written.strip() or not said.strip():
            raise _bad(
                f"{name}, line {number}: {entry[:60]!r} is no reading; write it as word=how it is said"
            )
        word, sound = written.strip(), said.strip()
        if words.get(word, sound) != sound:
            raise _bad(
                f"{name}, line {number}: {word!r} is said as {words[word]!r} "
                f"on a line before; keep one of the two"
            )
        words[word] = sound
    return words


def load(path: Path | None, words: Mapping[str, str] | None = None) -> Readings | None:
    """The dictionary of a file, if one is named, and `words`, which count more.

    Raises BadInput `bad_reading`, naming the file, if it cannot be used.
    """
    if path is None:
        return readings(words) if words else None
    try:
        text = decoded(path.read_bytes(), path.name)
    except (OSError, BadInput) as error:
        raise _bad(f"cannot read the readings in {path}: {error}") from error
    own = readings(parsed(text, path.name))
    return Readings({**own.words, **readings(words).words}) if words else own


def _bad(message: str) -> BadInput:
    return BadInput("bad_reading", message, "readings")
