"""Captions from the sample clock of the speech itself: cues while it is spoken, SRT and WebVTT at the end.

The text is shown as the user wrote it, not as it is read. Lines are at most 42 columns wide and two to a
cue, a Chinese, Japanese or Korean character taking two columns: the field's usual 42 Latin or 20 CJK
characters.
"""

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator

from core.types import AudioChunk, Cue, Sentence, Word

COLUMNS, LINES = 42, 2

_SHORTEST_MS = 800
"""A cue shown for less cannot be read; the last part of a sentence is joined to the one before it."""

_PIECE = re.compile(r"\s*(?:[ -~À-ɏ]+?(?=\s|$|[^ -~À-ɏ])|.)[^\w\s(\[{<«‘“「『（【《$€£¥#@]*", re.DOTALL)
"""What must stay together: a run of Latin characters, or one other, with the punctuation that follows."""


class Captions:
    """Collects the cues of one job, chunk by chunk."""

    def __init__(self) -> None:
        self._sentence: Sentence | None = None
        self._words: list[Word] = []
        self._start = self._stop = self._count = self._rate = 0

    def add(self, chunk: AudioChunk) -> list[Cue]:
        """Take the next chunk; returns the cues that are now complete."""
        done: list[Cue] = []
        if chunk.sentence is not self._sentence:
            done = self.finish()
            self._sentence, self._start = chunk.sentence, chunk.first
        self._words.extend(chunk.words)
        self._stop = chunk.first + len(chunk.samples)
        self._rate = chunk.rate
        return done

    def finish(self) -> list[Cue]:
        """The cues of what has been heard last."""
        sentence, words = self._sentence, self._words
        self._sentence, self._words = None, []
        if sentence is None or self._stop <= self._start:
            return []
        parts = list(_parts(sentence.text))
        starts = [self._sample(sentence, words, at) for at, _ in parts]
        shortest = self._rate * _SHORTEST_MS // 1000
        if len(parts) > 1 and self._stop - starts[-1] < shortest:
            starts[-1] = max(starts[-2] + 1, self._stop - shortest)
        stops = [*starts[1:], self._stop]
        cues = []
        for (_, text), start, stop in zip(parts, starts, stops, strict=True):
            if stop > start:
                cues.append(Cue(self._count, start, stop, "\n".join(_lines(text))))
                self._count += 1
        return cues

    def _sample(self, sentence: Sentence, words: list[Word], at: int) -> int:
        """When the character `at` of the sentence is heard: by its word, or by its share of the sentence."""
        if at == 0:
            return self._start
        heard = [word.first for word in words if word.start >= sentence.start + at]
        if heard:
            return min(max(min(heard), self._start), self._stop)
        return self._start + (self._stop - self._start) * at // len(sentence.text)


def srt(cues: Iterable[Cue], rate: int) -> str:
    """`cues` as SubRip (.srt). rate: samples a second of their times."""
    blocks = (
        f"{number}\n{_clock(cue.start, rate, ',')} --> {_clock(cue.stop, rate, ',')}\n{cue.text}\n"
        for number, cue in enumerate(cues, 1)
    )
    return "\n".join(blocks)


def vtt(cues: Iterable[Cue], rate: int) -> str:
    """`cues` as WebVTT (.vtt); what would be markup is escaped."""
    blocks = (
        f"{_clock(cue.start, rate, '.')} --> {_clock(cue.stop, rate, '.')}\n"
        f"{html.escape(cue.text, quote=False)}\n"
        for cue in cues
    )
    return "\n".join(["WEBVTT\n", *blocks])


def _clock(samples: int, rate: int, point: str) -> str:
    """A time as hours:minutes:seconds and milliseconds.

    >>> _clock(22_050 * 3_661 + 11_025, 22_050, ",")
    '01:01:01,500'
    """
    seconds, thousandths = divmod(samples * 1000 // rate, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{thousandths:03}"


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """`text` cut where a cue is full: (offset, part), after a clause mark if the cue is half full by then."""
    limit = COLUMNS * LINES
    start, taken = 0, ""
    for piece in _pieces(text):
        full = _columns((taken + piece).strip()) > limit or len(list(_lines(taken + piece))) > LINES
        ended = taken.rstrip()[-1:] in ",;:，；：、。！？.!?" and _columns(taken) > limit // 2
        if taken.strip() and (full or (ended and _columns(text[start:]) > limit)):
            yield start, taken.strip()
            start, taken = start + len(taken), ""
        taken += piece
    if taken.strip():
        yield start, taken.strip()


def _lines(text: str) -> Iterator[str]:
    """`text` in lines of at most COLUMNS; two lines of nearly the same length."""
    text = " ".join(text.split())
    count = -(-_columns(text) // COLUMNS)
    width = COLUMNS if count != LINES else min(COLUMNS, _columns(text) // count + 6)
    line = ""
    for piece in _pieces(text):
        if line and _columns((line + piece).strip()) > width:
            yield line.strip()
            line = ""
        line += piece
    if line.strip():
        yield line.strip()


def _pieces(text: str) -> Iterator[str]:
    """What must stay together on a line; what is wider than a line is cut."""
    for match in _PIECE.finditer(text):
        piece = match.group()
        while _columns(piece.strip()) > COLUMNS:
            cut = next(k for k in range(len(piece), 0, -1) if _columns(piece[:k].strip()) <= COLUMNS)
            yield piece[:cut]
            piece = piece[cut:]
        yield piece
