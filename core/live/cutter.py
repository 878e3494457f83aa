"""Cut text into sentences while it is still being written, word by word.

A sentence is cut off once what follows can no longer change where it ends. The first one of a text is cut
after its first clause already, so that there is something to hear soon; `core.text` does the same.
"""

import re
from dataclasses import replace

from core.errors import BadInput
from core.text import sentences
from core.text.borders import sentence_ends
from core.text.dictionary import Readings
from core.text.folded import fold
from core.text.markup import strip
from core.types import Sentence

LONGEST = 400
"""Characters without the end of a sentence after which they are cut regardless."""

_MAY_END = re.compile(r"[。！？!?.…\n]")
_CLAUSE = re.compile(r"(?<=[^\W\d_])(?:[,;](?!\S)|:(?=\s)|[，；：、…])")
_LEAST, _LEAST_WIDE = 12, 4  # characters before a first clause's end; those of Chinese take longer
_WIDE = re.compile(r"[⺀-￿]")


class Cutter:
    """The text of one utterance. text: all of it so far; `take` gives what is certain of the rest.

    behind: actions asked for in what was taken last, without a word after them.
    """

    def __init__(self, language: str = "auto", readings: Readings | None = None) -> None:
        """As in `core.text.sentences`."""
        self.text = ""
        self._language, self._readings = language, readings
        self._at = 0  # where the text begins that has not been taken
        self._context = 0  # where the sentence before begins, which tells the language of bare numbers
        self._count = 0
        self.behind: tuple[str, ...] = ()

    @property
    def left(self) -> int:
        """Characters that have not been taken."""
        return len(self.text) - self._at

    def add(self, delta: str) -> None:
        """More text."""
        self.text += delta

    def take(self, *, whole: bool) -> list[Sentence]:
        """The sentences that have become certain; offsets count from the utterance's beginning.

        whole: nothing more comes for now, take everything.
        Raises BadInput for text that cannot be read, which is then left out.
        """
        pending = self.text[self._at :]
        stop, at_end = (len(pending), True) if whole else self._certain(pending)
        if not pending[:stop].strip():
            return []
        context = self.text[self._context : self._at]
        base = self._context
        self._context, self._at = self._at if at_end else self._at + stop, self._at + stop
        try:
            found = sentences(context + pending[:stop], self._language, readings=self._readings)
        except BadInput as error:
            if error.code == "empty_text":  # marks without words
                self.behind = tuple(name for _, name in strip(pending[:stop]).actions)
                return []
            raise
        fresh = [sentence for sentence in found if sentence.start >= len(context)]
        self.behind = () if fresh else tuple(name for _, name in strip(pending[:stop]).actions)
        shifted = [
            replace(
                sentence,
                index=self._count + k,
                start=base + sentence.start,
                offsets=tuple(base + offset for offset in sentence.offsets),
                hidden=tuple((base + a, base + b) for a, b in sentence.hidden),
                actions=tuple((base + place, name) for place, name in sentence.actions),
            )
            for k, sentence in enumerate(fresh)
        ]
        self._count += len(shifted)
        return shifted

    def _certain(self, pending: str) -> tuple[int, bool]:
        """How much of `pending` no further text can change, and whether a sentence ends there."""
        folded = fold(pending)
        if _MAY_END.search(pending):
            ends = [end for end in sentence_ends(folded.text) if folded.text[end:].strip()]
            if ends:
                return folded.origin[ends[-1]], True
        if self._at == 0 and (clause := _first_clause(pending)):
            return clause, False
        if len(pending) <= LONGEST:
            return 0, False
        try:
            found = sentences(pending, self._language, readings=self._readings)
        except BadInput:
            return len(pending), False
        return found[-1].start or len(pending), False


def _first_clause(text: str) -> int:
    for match in _CLAUSE.finditer(text):
        wide = _WIDE.search(text, 0, match.start())
        if match.end() >= (_LEAST_WIDE if wide else _LEAST):
            return match.end()
    return 0
