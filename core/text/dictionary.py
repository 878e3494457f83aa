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


@dataclass(frozen=True)
class Readings:
    """words: what is written -> what is said instead, with pinyin already in characters."""

    words: Mapping[str, str]
    _any: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        alternatives = (
            (rf"(?<!{_WORD})" if re.match(_WORD, word) else "")
            + re.escape(word)
            + (rf"(?!{_WORD})" if re.match(_WORD, word[-1]) else "")
            for word in sorted(self.words, key=len, reverse=True)
        )
        object.__setattr__(self, "_any", re.compile("|".join(alternatives) or r"(?!)"))

    def found(self, text: str) -> Iterator[tuple[re.Match[str], str]]:
        """The words of the dictionary in `text`, each with what is said instead."""
        for match in self._any.finditer(text):
            yield match, self.words[match[0]]

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
            syllable = sound.lower().replace("ü", "v").replace("u:", "v").rstrip(":") + tone
            if syllable not in _characters():
                raise BadInput(
                    "bad_reading",
                    f"{sound + tone!r} is no syllable of Mandarin; write pinyin with tone numbers, "
                    f"chong2 qing4",
                    "readings",
                )
            found.append(_characters()[syllable])
        return "".join(found)


@cache
def _characters() -> Mapping[str, str]:
    """A common character of one reading for each syllable of Mandarin, "qing4" -> "庆"."""
    return dict(rows("syllables.txt", " "))


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
        checked[word] = Readings.pinyin(sound) or sound
    return Readings(checked)


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
