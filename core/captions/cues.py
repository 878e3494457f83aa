"""Captions from the sample clock of the speech itself: cues while it is spoken, and when each word is heard.

The text is shown as the user wrote it, not as it is read. Lines are at most 42 columns wide and two to a
cue, a Chinese, Japanese or Korean character taking two columns: the field's usual 42 Latin or 20 CJK
characters.
"""

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from core.captions.timing import Timing
from core.captions.words import columns, split, torn
from core.types import AudioChunk, Cue, Sentence, Word

COLUMNS, LINES = 42, 2

_SIGN = re.compile(r"&(?:#\w{1,8}|\w{1,32});|.", re.DOTALL)
"""A character, or what stands for one in HTML."""
_UNSEEN = ("Cc", "Cs")
_CLAUSE_END = ",;:，；：、。！？.!?"


def main_language(cues: Iterable[Cue]) -> str:
    """The language that most of the text is in; "" where there is none."""
    counts = Counter[str]()
    for cue in cues:
        counts[cue.language] += len(cue.text)
    return max(counts, key=lambda language: counts[language], default="")


def spans(cue: Cue) -> Iterator[tuple[Word, int]]:
    """Each word of the cue, and where it stops being heard."""
    stops = [*(word.first for word in cue.words[1:]), cue.stop]
    yield from zip(cue.words, stops, strict=False)


@dataclass(slots=True)
class _Part:
    """What one cue shows: words, each with the place in the job's text where it begins."""

    words: list[str]
    places: list[int]


class Captions:
    """Collects the cues of one job, chunk by chunk.

    A cue is known when what comes after it begins: the first word of the next cue, or the next sentence.
    """

    def __init__(self) -> None:
        self._sentence: Sentence | None = None
        self._parts: list[_Part] = []  # of the sentence, those not yet told
        self._timing: Timing | None = None
        self._start = self._stop = self._count = self._rate = 0

    def add(self, chunk: AudioChunk) -> list[Cue]:
        """Take the next chunk; returns the cues that are now complete."""
        done: list[Cue] = []
        if chunk.sentence is not self._sentence:
            done = self.finish()
            self._sentence, self._start = chunk.sentence, chunk.first
            if chunk.sentence is not None:
                self._parts = _shown(chunk.sentence)
                self._timing = Timing(chunk.sentence, chunk.first)
        self._stop, self._rate = chunk.first + len(chunk.samples), chunk.rate
        for word in chunk.words:
            if self._timing is not None:
                self._timing.mark(word)
            while len(self._parts) > 1 and word.start >= self._parts[1].places[0]:
                done += self._tell(max(word.first, self._start))
        return done

    def finish(self) -> list[Cue]:
        """The cues of what has been heard last."""
        done: list[Cue] = []
        if self._timing is not None and self._sentence is not None:
            self._timing.end(self._stop - round(self._sentence.pause * self._rate))
            while len(self._parts) > 1:
                begun = self._timing.when(self._parts[1].places[0])
                done += self._tell(min(max(begun, self._start), self._stop))
        if self._parts and self._stop > self._start:
            done += self._tell(self._stop)
        self._sentence, self._parts, self._timing = None, [], None
        return done

    def _tell(self, stop: int) -> list[Cue]:
        """The cue of the first part, now that its end is known; none if it has no time of its own."""
        part = self._parts.pop(0)
        text = "\n".join(_lines(part.words))
        if stop <= self._start or not text:
            if self._parts:  # it is shown with what follows
                self._parts[0].words[:0] = part.words
                self._parts[0].places[:0] = part.places
            return []
        language = self._sentence.language if self._sentence else ""
        cue = Cue(self._count, self._start, stop, text, self._words(part, text, stop), language)
        self._count += 1
        self._start = stop
        return [cue]

    def _words(self, part: _Part, text: str, stop: int) -> tuple[Word, ...]:
        """The words of a part that is shown as `text`; those without a sound of their own are with others."""
        assert self._timing is not None  # noqa: S101  # there is a sentence
        seen = [k for k, character in enumerate(text) if not character.isspace()]
        words: list[Word] = []
        done = 0
        for word, place in zip(part.words, part.places, strict=True):
            visible = sum(not character.isspace() for character in _clean(word))
            if not visible:
                continue
            first = self._timing.when(place) if words else self._start
            begin, done = done, done + visible
            if words and not words[-1].first < first < stop:
                words[-1] = Word(words[-1].first, words[-1].start, seen[done - 1] + 1)
            else:
                words.append(Word(first, seen[begin], seen[done - 1] + 1))
        return tuple(words)


def _shown(sentence: Sentence) -> list[_Part]:
    """The parts of what is shown of `sentence`; markup is not shown."""
    text = ""
    places: list[int] = []
    done, end = sentence.start, sentence.start + len(sentence.text)
    for start, stop in (*sentence.hidden, (end, end)):
        written = sentence.text[done - sentence.start : max(start, done) - sentence.start]
        for match in _SIGN.finditer(written):
            sign = html.unescape(match[0])
            text += sign
            places += [done + match.start()] * len(sign)
        done = max(stop, done)
    parts: list[_Part] = []
    at = 0
    for words in _evened(list(_parts(list(pieces(text))))):
        begins = list(accumulate(map(len, words), initial=at))
        at = begins.pop()
        parts.append(_Part(words, [places[k] for k in begins]))
    return parts


def _clean(text: str) -> str:
    """`text` without control characters and halves of characters, which no player shows."""
    return "".join(
        " " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c) not in _UNSEEN
    )


def _parts(words: list[str]) -> Iterator[list[str]]:
    """Cut where a cue is full; after a clause mark if the cue is half full by then."""
    limit = COLUMNS * LINES
    left = sum(map(columns, words))  # from the beginning of the part on
    taken: list[str] = []
    for word in words:
        text = "".join(taken)
        full = columns((text + word).strip()) > limit or not _fits([*taken, word])
        ended = text.rstrip()[-1:] in _CLAUSE_END and columns(text) > limit // 2
        if text.strip() and (full or (ended and left > limit)):
            yield taken
            left -= columns(text)
            taken = []
        taken = [*taken, word]
    if "".join(taken).strip():
        yield taken


def _evened(parts: list[list[str]]) -> list[list[str]]:
    """`parts` with the last two of nearly the same length, so that none is too short to be read."""
    if len(parts) < 2:
        return parts
    left, right = parts[-2:]
    whole = [*left, *right]
    best, fewest = parts, _width(left) - _width(right)
    for k in range(1, len(whole)):
        one, two = whole[:k], whole[k:]
        ended = "".join(one).rstrip()[-1:] in _CLAUSE_END
        uneven = abs(_width(one) - _width(two)) - (COLUMNS // 2 if ended else 0)
        if uneven < fewest and _fits(one) and _fits(two):
            best, fewest = [*parts[:-2], one, two], uneven
    return best


def _width(words: list[str]) -> int:
    return sum(map(columns, words))


def _fits(words: list[str]) -> bool:
    return len(list(_lines(words))) <= LINES


def _lines(words: Sequence[str]) -> Iterator[str]:
    """Lines of at most COLUMNS; two of nearly the same length."""
    words = [re.sub(r"\s+", " ", _clean(word)) for word in words]
    length = columns("".join(words).strip())
    count = -(-length // COLUMNS)
    width = COLUMNS if count != LINES else min(COLUMNS, length // count + 6)
    line = ""
    for word in words:
        if line and columns((line + word).strip()) > width:
            yield line.strip()
            line = ""
        line += word
    if line.strip():
        yield line.strip()


def pieces(text: str) -> Iterator[str]:
    """The words of `text`; one that is wider than a line is torn."""
    for word in split(text):
        rest = word
        while not _on_a_line(rest):
            piece, rest = torn(rest, _on_a_line)
            yield piece
        yield rest


def _on_a_line(text: str) -> bool:
    return columns(text.strip()) <= COLUMNS
