"""The alphabet of Kokoro's family of voices: one character a sound, and what each is in IPA.

Learnt from misaki (https://github.com/hexgrad/misaki, Apache-2.0), whose phonemes these are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

STRESSES: Final = "ˈˌ"
"""Before the vowel that is stressed."""

MODIFIERS: Final = "ːʰʲ\u0303ᵝ"
"""After the sound that they change."""

TONES: Final = "→↗↓↘"
"""High, rising, low, falling: at the end of a Mandarin syllable."""

MARKS: Final = ';:,.!?—…"()“”'
"""Punctuation: a pause, sometimes."""

_IPA: Final = {
    "A": "eɪ", "I": "aɪ", "O": "oʊ", "Q": "əʊ", "W": "aʊ", "Y": "ɔɪ", "T": "ɾ", "S": "ʃ", "ᵊ": "ə",
    "ʤ": "dʒ", "ʧ": "tʃ", "ʣ": "dz", "ʦ": "ts", "ʥ": "dʑ", "ʨ": "tɕ", "ꭧ": "tʂ", "ɰ": "ɣ",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reading:
    """How a text sounds.

    symbols: of the alphabet, all known to the network. owners: for each of them the number of the word that
    it belongs to; -1 for marks and spaces. words: the part `[start, stop)` of the text that each word is.
    """

    symbols: str
    owners: tuple[int, ...]
    words: tuple[tuple[int, int], ...]

    def parts(self, longest: int, first: int | None = None) -> Sequence["Reading"]:
        """It in parts of at most `longest` symbols (the first one of `first`), cut after a mark if there is
        one in the second half, else after a word, else anywhere."""
        parts, start = [], 0
        while start < len(self.symbols):
            limit = longest if start or first is None else first
            stop = len(self.symbols) if len(self.symbols) - start <= limit else self._cut(start, limit)
            parts.append(Reading(self.symbols[start:stop], self.owners[start:stop], self.words))
            start = stop
        return [part for part in parts if any(owner >= 0 for owner in part.owners)]

    def _cut(self, start: int, limit: int) -> int:
        window = range(start + limit, start + limit // 2, -1)
        after_mark = (k for k in window if self.symbols[k - 1] in MARKS and self.symbols[k] not in MARKS)
        after_word = (k for k in window if self.owners[k - 1] != self.owners[k])
        return next(after_mark, next(after_word, start + limit))


class ReadingDraft:
    """A `Reading` in the making: words, marks and spaces in the order of the text."""

    def __init__(self, known: frozenset[str]) -> None:
        """known: the symbols that the network knows; others are left out."""
        self._known = known
        self._symbols: list[str] = []
        self._owners: list[int] = []
        self._words: list[tuple[int, int]] = []

    def word(self, sounds: str, start: int, stop: int) -> None:
        """The word `[start, stop)` of the text; marks and spaces in it belong to nobody."""
        kept = [c for c in sounds if c in self._known]
        if kept:
            self._owners += [-1 if c in MARKS or c == " " else len(self._words) for c in kept]
            self._symbols += kept
            self._words.append((start, stop))

    def marks(self, marks: str) -> None:
        """Punctuation, and spaces, of which one is kept of several."""
        for mark in marks:
            if mark in MARKS and self._symbols[-1:] == [" "]:
                self._symbols.pop()
                self._owners.pop()
            if mark in self._known and (mark != " " or self._symbols[-1:] not in ([], [" "])):
                self._symbols.append(mark)
                self._owners.append(-1)

    def add(self, reading: Reading, offset: int) -> None:
        """What is read of another part of the text, which begins at `offset`."""
        before = len(self._words)
        self._symbols += reading.symbols
        self._owners += [owner + before if owner >= 0 else -1 for owner in reading.owners]
        self._words += [(start + offset, stop + offset) for start, stop in reading.words]

    def finished(self) -> Reading:
        """It, without spaces at its end."""
        while self._symbols and self._symbols[-1] == " ":
            self._symbols.pop()
            self._owners.pop()
        return Reading("".join(self._symbols), tuple(self._owners), tuple(self._words))


def ipa(symbol: str) -> str:
    """The name that `core.types.Phoneme` has for a sound.

    >>> ipa("ʧ"), ipa("m")
    ('tʃ', 'm')
    """
    return _IPA.get(symbol, symbol)
