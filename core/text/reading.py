"""What is said for text in one language, and which character of it each spoken one stands for."""

from dataclasses import dataclass
from typing import Final

from core.text.chinese import CANTONESE, MANDARIN
from core.text.english import ENGLISH
from core.text.japanese_korean import JAPANESE, KOREAN
from core.text.rules import Rules

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


@dataclass(frozen=True, slots=True)
class Reading:
    """spoken: letters, single spaces, and marks, no two in a row. places[k]: where `spoken[k]` comes from."""

    spoken: str
    places: list[int]

    def has_words(self) -> bool:
        """Is there anything to say?"""
        return any(c.isalnum() for c in self.spoken)

    def clause_ends(self) -> list[int]:
        """Offsets in `spoken` after its clause marks, where it can be cut."""
        return [
            k for k in range(1, len(self.spoken)) if self.spoken[k - 1] in _CLAUSE_MARKS and self.can_cut(k)
        ]

    def can_cut(self, k: int) -> bool:
        """Does another written character begin with `spoken[k]`?"""
        return self.places[k] > self.places[k - 1]


def read(text: str, language: str) -> Reading:
    """`text` (folded, in `language`) as it is said."""
    spoken, places = _RULES[language].read(text)
    return _tidy(spoken, places, spaced=language in _SPACED)


def _tidy(spoken: str, places: list[int], *, spaced: bool) -> Reading:
    """Single spaces, single marks, nothing but letters around them.

    spaced: words are written with spaces; else only Latin words are.
    """
    out: list[str] = []
    kept: list[int] = []
    gap = False  # a space is owed
    for character, place in zip(spoken, places, strict=True):
        if character in _STRENGTH:
            if out and out[-1] in _STRENGTH:
                if _STRENGTH[character] > _STRENGTH[out[-1]]:
                    out[-1] = character
            elif out:
                out.append(character)
                kept.append(place)
            gap = spaced
        elif character.isalnum() or (character in "'-" and out and not gap):
            if gap and out and (spaced or (_is_latin(out[-1]) and _is_latin(character))):
                out.append(" ")
                kept.append(place)
            out.append(character)
            kept.append(place)
            gap = False
        else:
            gap = True
    return Reading("".join(out), kept)


def _is_latin(character: str) -> bool:
    return character.isalnum() and character < "\u2e80"
