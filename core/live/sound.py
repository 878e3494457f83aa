"""Sound that waits to be heard: put in as it is made, taken out one frame time at a time."""

from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np

from core.types import AudioChunk, Phoneme, Samples, Sentence, Word


@dataclass(frozen=True, slots=True)
class Taken:
    """A stretch of an utterance; marks count from the stretch's own first sample.

    words: those that begin here, each with the position after its last sample, from the utterance's start.
    """

    samples: Samples
    phonemes: tuple[Phoneme, ...] | None
    words: tuple[tuple[Word, int], ...] = ()


@dataclass(slots=True)
class _Part:
    """A sentence and where it lies in the utterance's samples; stop: None while it is being spoken."""

    sentence: Sentence
    start: int
    stop: int | None = None
    words: list[Word] = field(default_factory=list)


class Sound:
    """The sound of one utterance. taken: samples taken so far. waiting: samples that wait."""

    def __init__(self) -> None:
        self.taken = 0
        self.waiting = 0
        self._chunks: deque[AudioChunk] = deque()
        self._parts: list[_Part] = []
        self._rests: deque[int] = deque([0])

    @property
    def made(self) -> int:
        """Samples that were ever put in."""
        return self.taken + self.waiting

    @property
    def between(self) -> bool:
        """Whether a pause may be made here without tearing a sentence."""
        return self.taken in self._rests

    @property
    def whole(self) -> bool:
        """Whether what waits ends with the end of a sentence."""
        return self._rests[-1] == self.made

    def begin(self, sentence: Sentence) -> None:
        """What is added from here on speaks this."""
        self._parts.append(_Part(sentence, self.made))

    def add(self, chunk: AudioChunk) -> None:
        """Append; its marks count from the utterance's first sample, its words' offsets from its text's."""
        if len(chunk.samples):
            self._chunks.append(chunk)
        self.waiting += len(chunk.samples)
        if self._parts:
            self._parts[-1].words.extend(chunk.words)

    def rest(self) -> None:
        """A sentence ends here: a pause may follow."""
        self._rests.append(self.made)
        if self._parts:
            self._parts[-1].stop = self.made

    def take(self, count: int) -> Taken:
        """Up to `count` samples, as many as there are."""
        begin = self.taken
        taken = self.peek(count)
        self.taken += len(taken.samples)
        self.waiting -= len(taken.samples)
        while self._chunks and self._chunks[0].first + len(self._chunks[0].samples) <= self.taken:
            self._chunks.popleft()
        while len(self._rests) > 1 and self._rests[1] <= self.taken:
            self._rests.popleft()
        return replace(taken, words=tuple(self._words(begin, self.taken)))

    def peek(self, count: int) -> Taken:
        """The same without words, and it goes on waiting."""
        pieces: list[Samples] = []
        phonemes: list[Phoneme] | None = []
        begin, stop = self.taken, self.taken + min(count, self.waiting)
        for chunk in self._chunks:
            if chunk.first >= stop:
                break
            low, high = max(begin - chunk.first, 0), min(stop - chunk.first, len(chunk.samples))
            pieces.append(chunk.samples[low:high])
            if chunk.phonemes is None:
                phonemes = None
            elif phonemes is not None:
                last = chunk.first + high if high < len(chunk.samples) else 1 << 62
                first = begin if low else -1  # marks of silence cut away at a seam go with what is next
                phonemes += [
                    Phoneme(p.name, max(0, p.first - begin))
                    for p in chunk.phonemes
                    if first <= p.first < last
                ]
        samples = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
        return Taken(samples, None if phonemes is None else tuple(phonemes))

    def _words(self, begin: int, stop: int) -> list[tuple[Word, int]]:
        found = []
        for part in self._parts:
            if part.start >= stop or (part.stop is not None and part.stop <= begin):
                continue
            for k, word in enumerate(part.words):
                if begin <= word.first < stop:
                    after = part.words[k + 1].first if k + 1 < len(part.words) else part.stop or self.made
                    found.append((word, after))
        return found

    def spoken(self, position: int) -> int:
        """How many characters of the utterance's text have been said in full by `position`.

        By the voice's own marks of words; where it gives none, shared out by characters.
        """
        said = 0
        for part in self._parts:
            if part.stop is not None and part.stop <= position:
                said = part.sentence.start + len(part.sentence.text)
                continue
            if part.start < position:
                said = max(said, _within(part, position))
            break
        return said


def _within(part: _Part, position: int) -> int:
    """Where in the utterance's text the sentence has got to."""
    ends = [word.first for word in part.words[1:]]
    for word, after in zip(reversed(part.words[: len(ends)]), reversed(ends), strict=True):
        if after <= position:
            return word.stop
    if part.words or part.stop is None:
        return 0
    text = part.sentence.text
    share = len(text) * (position - part.start) // (part.stop - part.start)
    whole = len(text[:share].rpartition(" ")[0]) if " " in text else share
    return part.sentence.start + whole
