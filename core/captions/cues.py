"""Captions from the sample clock of the speech itself: cues while it is spoken, SRT and WebVTT at the end.

The text is shown as the user wrote it, not as it is read. Lines are at most 42 columns wide and two to a
cue, a Chinese, Japanese or Korean character taking two columns: the field's usual 42 Latin or 20 CJK
characters.
"""

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator

from core.types import AudioChunk, Cue, Sentence

COLUMNS, LINES = 42, 2

_UNSEEN = ("Cc", "Cs")
_CLAUSE_END = ",;:，；：、。！？.!?"

_MARKUP = re.compile(r"<(?=[/A-Za-z!])|\{(?=[\\A-Za-z])")
_PIECE = re.compile(
    r"\s*[‘“「『（【《«]*(?:[ -~À-ɏ]+?(?=\s|$|[^ -~À-ɏ])(?:(?<=\d)[\u4e00-\u9fff]{1,2})?|.)"
    r"[^\w\s(\[{<«‘“「『（【《$€£¥#@]*",
    re.DOTALL,
)
"""What must stay together: a run of Latin characters, a number and its unit, or one other character, with the
marks around it."""


class Captions:
    """Collects the cues of one job, chunk by chunk.

    A cue is known when what comes after it begins: the first word of the next cue, or the next sentence.
    """

    def __init__(self) -> None:
        self._sentence: Sentence | None = None
        self._parts: list[tuple[int, str]] = []  # of the sentence, those not yet told
        self._start = self._stop = self._count = 0
        self._opened = 0  # where the sentence began

    def add(self, chunk: AudioChunk) -> list[Cue]:
        """Take the next chunk; returns the cues that are now complete."""
        done: list[Cue] = []
        if chunk.sentence is not self._sentence:
            done = self.finish()
            self._sentence, self._start, self._opened = chunk.sentence, chunk.first, chunk.first
            self._parts = _shown(chunk.sentence) if chunk.sentence else []
        self._stop = chunk.first + len(chunk.samples)
        for word in chunk.words:
            while (
                self._sentence
                and len(self._parts) > 1
                and word.start - self._sentence.start >= self._parts[1][0]
            ):
                done += self._tell(max(word.first, self._start))
        return done

    def finish(self) -> list[Cue]:
        """The cues of what has been heard last."""
        done: list[Cue] = []
        length = len(self._sentence.text) if self._sentence else 0
        # Without words, a part gets the time of its share of the text.
        while len(self._parts) > 1:
            share = self._opened + (self._stop - self._opened) * self._parts[1][0] // length
            done += self._tell(min(max(share, self._start), self._stop))
        if self._parts and self._stop > self._start:
            done += self._tell(self._stop)
        self._sentence, self._parts = None, []
        return done

    def _tell(self, stop: int) -> list[Cue]:
        """The cue of the first part, now that its end is known; none if it has no time of its own."""
        _, text = self._parts.pop(0)
        cue = Cue(self._count, self._start, stop, "\n".join(_lines(_clean(text))))
        if stop <= self._start or not cue.text:
            if self._parts:  # it is shown with what follows
                self._parts[0] = (self._parts[0][0], text + self._parts[0][1])
            return []
        self._count += 1
        self._start = stop
        return [cue]


def _shown(sentence: Sentence) -> list[tuple[int, str]]:
    """The parts of what is shown of `sentence`, each with its offset in it; markup is not shown."""
    text: list[str] = []
    places: list[int] = []
    done = sentence.start
    for start, stop in (*sentence.hidden, (sentence.start + len(sentence.text),) * 2):
        places += range(done - sentence.start, max(start, done) - sentence.start)
        text.append(sentence.text[done - sentence.start : max(start, done) - sentence.start])
        done = max(stop, done)
    return [(places[offset], part) for offset, part in _evened(list(_parts("".join(text))))]


def srt(cues: Iterable[Cue], rate: int) -> str:
    """`cues` as SubRip (.srt). rate: samples a second of their times.

    SubRip has no way to escape what players take for markup, `<b>` and `{...}`: a word joiner, which is not
    seen, stands behind such a bracket.
    """
    blocks = (
        f"{number}\n{_clock(cue.start, rate, ',')} --> {_clock(cue.stop, rate, ',')}\n{_harmless(cue.text)}\n"
        for number, cue in enumerate(cues, 1)
    )
    return "\n".join(blocks)


def _harmless(text: str) -> str:
    return _MARKUP.sub("\\g<0>\u2060", text).replace("-->", "--\u2060>")


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


def _clean(text: str) -> str:
    """`text` without control characters and halves of characters, which no player shows."""
    return "".join(
        " " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c) not in _UNSEEN
    )


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """`text` cut where a cue is full: (offset, part), after a clause mark if the cue is half full by then."""
    limit = COLUMNS * LINES
    start, taken = 0, ""
    for piece in pieces(text):
        full = _columns((taken + piece).strip()) > limit or len(list(_lines(taken + piece))) > LINES
        ended = taken.rstrip()[-1:] in _CLAUSE_END and _columns(taken) > limit // 2
        if taken.strip() and (full or (ended and _columns(text[start:]) > limit)):
            yield start, taken
            start, taken = start + len(taken), ""
        taken += piece
    if taken.strip():
        yield start, taken


def _evened(parts: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """`parts` with the last two of nearly the same length, so that none is too short to be read."""
    if len(parts) < 2:
        return parts
    (start, left), (_, right) = parts[-2:]
    whole = list(pieces(left + right))
    best, fewest = parts, _columns(left) - _columns(right)
    for k in range(1, len(whole)):
        one, two = "".join(whole[:k]), "".join(whole[k:])
        uneven = abs(_columns(one) - _columns(two)) - (
            COLUMNS // 2 if one.rstrip()[-1:] in _CLAUSE_END else 0
        )
        fits = all(len(list(_lines(half))) <= LINES for half in (one, two))
        if fits and uneven < fewest:
            best, fewest = [*parts[:-2], (start, one), (start + len(one), two)], uneven
    return best


def _lines(text: str) -> Iterator[str]:
    """`text` in lines of at most COLUMNS; two lines of nearly the same length."""
    text = " ".join(text.split())
    count = -(-_columns(text) // COLUMNS)
    width = COLUMNS if count != LINES else min(COLUMNS, _columns(text) // count + 6)
    line = ""
    for piece in pieces(text):
        if line and _columns((line + piece).strip()) > width:
            yield line.strip()
            line = ""
        line += piece
    if line.strip():
        yield line.strip()


def pieces(text: str) -> Iterator[str]:
    """What must stay together on a line; what is wider than a line is cut."""
    for match in _PIECE.finditer(text):
        piece = match.group()
        while _columns(piece.strip()) > COLUMNS:
            cut = next(k for k in range(len(piece), 0, -1) if _columns(piece[:k].strip()) <= COLUMNS)
            yield piece[:cut]
            piece = piece[cut:]
        yield piece
