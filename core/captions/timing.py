"""When each part of a sentence is heard: by the voice's own marks, and between them shared out by phones."""

import unicodedata
from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import Final

from core.types import Sentence, Word

_PHONES: Final = {"Lo": 2.0, "Lm": 1.0, "Lu": 1.0, "Ll": 0.85, "Mn": 0.0, "Zs": 0.1, "Nd": 3.0}
"""Phones a character by its category: a Chinese one is an initial and a final, five letters four phones."""
_PAUSE: Final = 4.0
"""What a mark takes, as so many phones."""


class Timing:
    """Of one sentence, as it is spoken. Times are samples, places offsets in the job's text."""

    def __init__(self, sentence: Sentence, start: int) -> None:
        """start: where its sound begins."""
        self._offsets = sentence.offsets
        self._done = list(accumulate(map(_phones, sentence.spoken), initial=0.0))
        self._known: list[tuple[float, int]] = [(0.0, start)]

    def mark(self, word: Word) -> None:
        """A word begins to be heard."""
        self._note(self._at(word.start), word.first)

    def end(self, sample: int) -> None:
        """The sentence has been heard by then."""
        self._note(self._done[-1] + 1e-6, sample)

    def when(self, place: int) -> int:
        """The sample at which what is written there begins to be heard, as far as that is known."""
        wanted = self._at(place)
        after = bisect_right(self._known, wanted, key=lambda mark: mark[0])
        phones, sample = self._known[after - 1]
        if after == len(self._known):
            return sample
        more, later = self._known[after]
        return sample + round((later - sample) * (wanted - phones) / (more - phones))

    def _at(self, place: int) -> float:
        """Phones before what is written there."""
        return self._done[min(bisect_left(self._offsets, place), len(self._done) - 1)]

    def _note(self, phones: float, sample: int) -> None:
        last = self._known[-1]
        if phones > last[0] and sample >= last[1]:
            self._known.append((phones, sample))
        elif phones == last[0] == 0.0:
            self._known[-1] = (0.0, sample)


def _phones(character: str) -> float:
    return _PHONES.get(unicodedata.category(character), _PAUSE)
