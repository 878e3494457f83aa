"""Sound that waits to be heard: put in as it is made, taken out one frame time at a time."""

from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np

from core.captions.words import split
from core.types import AudioChunk, Phoneme, Samples, Sentence, Word


@dataclass(frozen=True, slots=True)
class Taken:
    """A stretch of an utterance; marks count from the stretch's own first sample.

    words: those that have begun by its end and were not told before, each with the position after its last
        sample, from the utterance's start. actions: what the person shall do from now on.
    """

    samples: Samples
    phonemes: tuple[Phoneme, ...] | None
    words: tuple[tuple[Word, int], ...] = ()
    actions: tuple[str, ...] = ()


@dataclass(slots=True)
class _Part:
    """A sentence and where it lies in the utterance's samples; stop: None while it is being spoken.

    told: how many of its words have been told. wanted: its actions that were not, by place in the text.
    """

    sentence: Sentence
    start: int
    stop: int | None = None
    words: list[Word] = field(default_factory=list)
    told: int = 0
    wanted: list[tuple[int, str]] = field(default_factory=list)


class Sound:
    """The sound of one utterance. taken: samples taken so far. waiting: samples that wait."""

    def __init__(self) -> None:
        self.taken = 0
        self.waiting = 0
        self._chunks: deque[AudioChunk] = deque()
        self._parts: deque[_Part] = deque()  # those that have not been heard whole
        self._said = 0  # characters of those before
        self._rests: deque[int] = deque([0])
        self._asked: list[str] = []  # actions whose time has come

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
        self._parts.append(_Part(sentence, self.made, wanted=list(sentence.actions)))

    def ask(self, name: str) -> None:
        """An action is wanted behind all that was added."""
        if self._parts:
            self._parts[-1].wanted.append((1 << 62, name))
        else:
            self._asked.append(name)

    def asked(self) -> tuple[str, ...]:
        """The actions whose time has come, each once."""
        found, self._asked = tuple(self._asked), []
        return found

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
        if self._parts and self._parts[-1].stop is None:
            part = self._parts[-1]
            part.stop = self.made
            part.words = part.words or _shared_out(part.sentence, part.start, self.made)

    def take(self, count: int) -> Taken:
        """Up to `count` samples, as many as there are."""
        taken = self.peek(count)
        self.taken += len(taken.samples)
        self.waiting -= len(taken.samples)
        while self._chunks and self._chunks[0].first + len(self._chunks[0].samples) <= self.taken:
            self._chunks.popleft()
        while len(self._rests) > 1 and self._rests[1] <= self.taken:
            self._rests.popleft()
        return replace(taken, words=tuple(self._words()), actions=self.asked())

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

    def _words(self) -> list[tuple[Word, int]]:
        """Those that have begun and were not told."""
        found = []
        for part in self._parts:
            while part.told < len(part.words) and part.words[part.told].first < self.taken:
                word, part.told = part.words[part.told], part.told + 1
                later = part.words[part.told].first if part.told < len(part.words) else part.stop
                found.append((word, self.made if later is None else later))
                while part.wanted and part.wanted[0][0] < word.stop:
                    self._asked.append(part.wanted.pop(0)[1])
        while self._parts and self._parts[0].stop is not None and self._parts[0].stop <= self.taken:
            part = self._parts.popleft()
            self._asked += (name for _, name in part.wanted)
            self._said = part.sentence.start + len(part.sentence.text)
        return found

    @property
    def spoken(self) -> int:
        """How many characters of the utterance's text have been said in full."""
        said = self._said
        for part in self._parts:
            if part.stop is not None and part.stop <= self.taken:  # its end was found out afterwards
                said = part.sentence.start + len(part.sentence.text)
                continue
            over = [k for k, word in enumerate(part.words) if k and word.first <= self.taken]
            return part.words[over[-1] - 1].stop if over else said
        return said


def _shared_out(sentence: Sentence, start: int, stop: int) -> list[Word]:
    """The words of a sentence that is heard from `start` to `stop`, where the voice does not mark them: each
    for as long as it has characters."""
    shown = "".join(
        " " if any(low <= k < high for low, high in sentence.hidden) else letter
        for k, letter in enumerate(sentence.text, sentence.start)
    )
    found, at = [], sentence.start
    for token in split(shown):
        letters = [k for k, letter in enumerate(token, at) if letter.isalnum()]
        if letters:
            found.append((letters[0], letters[-1] + 1))
        at += len(token)
    whole = sum(b - a for a, b in found)
    words, before = [], 0
    for a, b in found:
        words.append(Word(start + (stop - start) * before // whole, a, b))
        before += b - a
    return words
