"""What is said for text in one language, and which character of it each spoken one stands for."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core.text.chinese import CANTONESE, MANDARIN
from core.text.english import ENGLISH
from core.text.japanese import JAPANESE
from core.text.korean import KOREAN
from core.text.rules import Output, Rules
from core.text.scripts import PLAIN

_RULES: Final[dict[str, Rules]] = {
    "zh": MANDARIN,
    "yue": CANTONESE,
    "en": ENGLISH,
    "ja": JAPANESE,
    "ko": KOREAN,
}
_SPACED = ("en", "ko")
# Of marks that meet, the strongest stays.
_STRENGTH: Final = {
    m: k for k, marks in enumerate(("，,、", "；;：:", "…", "。.", "！!", "？?")) for m in marks
}
_CLAUSE_MARKS: Final = "，；：、…,;:"
# What ends a clause where it is written; a slash or a hyphen does not, though it may be said as a pause.
_WRITTEN_CLAUSE: Final = frozenset("，；：、…,;:—\n()（）| 。.!?！？")


_MARKS: Final = ".,:;!?…"
_CURRENCY: Final = "€$£¥₽"
# Letters with their accents, digits, and the signs of numbers, dates, prices and clauses.
_WORD: Final = re.compile(rf"§|(?:[^\W_]|[.,:;!?…'’°%‰{_CURRENCY}+=/&@#№–—-])+")
_UNSAID: Final = {
    "fr": {"§": "paragraphe", "№": "numéro", "-": "moins"},
    "de": {"§": "Paragraf", "№": "Nummer"},
    "es": {"§": "párrafo", "№": "número", "-": "menos"},
    "it": {"§": "paragrafo", "№": "numero"},
    "pt": {"§": "parágrafo", "№": "número"},
    "ru": {"§": "параграф", "№": "номер", "-": "минус", "€": " евро"},
}
"""Signs that eSpeak passes over in these languages; a hyphen where it is a number's sign."""


@dataclass(frozen=True, slots=True)
class Reading:
    """spoken: letters, single spaces, and marks, no two in a row. places[k]: where `spoken[k]` comes from.

    tokens[k]: where what it was read with begins (a date, a telephone number): a token is never cut.
    clause[k]: is `spoken[k]` a mark that ends a clause of the text, not one that a reading made?
    """

    spoken: str
    places: list[int]
    tokens: list[int]
    clause: list[bool]

    def has_words(self) -> bool:
        """Is there anything to say?"""
        return any(c.isalnum() for c in self.spoken)

    def clause_ends(self) -> list[int]:
        """Offsets in `spoken` after its clause marks, where it can be cut."""
        return [k for k in range(1, len(self.spoken)) if self.clause[k - 1] and self.can_cut(k)]

    def can_cut(self, k: int) -> bool:
        """Does another word or sign of the text begin with `spoken[k]`?"""
        return self.tokens[k] > self.tokens[k - 1] and self.places[k] > self.places[k - 1]

    def part(self, start: int, stop: int) -> "Reading":
        """The reading of `spoken[start:stop]`."""
        return Reading(
            self.spoken[start:stop], self.places[start:stop], self.tokens[start:stop], self.clause[start:stop]
        )

    def at(self, origin: Sequence[int]) -> "Reading":
        """The same with places in another text: `origin[place]`."""
        return Reading(
            self.spoken, [origin[k] for k in self.places], [origin[k] for k in self.tokens], self.clause
        )


def read(text: str, language: str) -> Reading:
    """`text` (folded, in `language`) as it is said."""
    if language in PLAIN:
        return _as_written(text, language)
    return _tidy(_RULES[language].read(text), text, spaced=language in _SPACED)


def _as_written(text: str, language: str) -> Reading:
    """Words, numbers and signs as they are, with single spaces; without emoji, brackets and the like."""
    unsaid = _UNSAID[language]
    letters: list[str] = []
    places: list[int] = []
    tokens: list[int] = []
    for word in _WORD.finditer(text):
        if not letters and not any(c.isalnum() or c in _CURRENCY + "§№" for c in word[0]):
            continue
        if letters and word[0][0] not in _MARKS:
            letters.append(" ")
            places.append(word.start())
            tokens.append(word.start())
        for place, sign in enumerate(word[0], word.start()):
            said = sign
            if sign in unsaid and (
                sign != "-" or (place == word.start() and text[place + 1 : place + 2].isdigit())
            ):
                said = unsaid[sign] + " " * (sign in "-№" and text[place + 1 : place + 2].isdigit())
            letters += said
            places += [place] * len(said)
            tokens += [word.start()] * len(said)
    ends = [c in _CLAUSE_MARKS and letters[k + 1 : k + 2] in ([], [" "]) for k, c in enumerate(letters)]
    return Reading("".join(letters), places, tokens, ends)


def _tidy(out: Output, text: str, *, spaced: bool) -> Reading:
    """Single spaces, single marks, nothing but letters around them.

    spaced: words are written with spaces; else only Latin words are.
    """
    letters: list[str] = []
    kept: list[int] = []
    clause: list[bool] = []
    gap = False  # a space is owed
    for k, character in enumerate(out.text()):
        if character in _STRENGTH:
            source = text[out.places[k]]
            kept_mark = (out.copied[k] and source in _WRITTEN_CLAUSE) or source == " "
            written = kept_mark and character in _CLAUSE_MARKS
            if letters and letters[-1] in _STRENGTH:
                clause[-1] |= written
                if _STRENGTH[character] > _STRENGTH[letters[-1]]:
                    letters[-1] = character
            elif letters:
                letters.append(character)
                kept.append(k)
                clause.append(written)
            gap = spaced
        elif character.isalnum() or (character in "'-" and letters and not gap):
            if gap and letters and (spaced or (_is_latin(letters[-1]) and _is_latin(character))):
                letters.append(" ")
                kept.append(k)
                clause.append(False)
            letters.append(character)
            kept.append(k)
            clause.append(False)
            gap = False
        else:
            gap = True
    return Reading("".join(letters), [out.places[k] for k in kept], [out.tokens[k] for k in kept], clause)


def _is_latin(character: str) -> bool:
    return character.isalnum() and character < "\u2e80"
