"""Voices whose pace and sound tests can tell. It imports little, as servers that tests start import it."""

import time
from collections.abc import Iterator, Sequence

import numpy as np

from core.protocols import Style
from core.types import Phoneme, Sentence, Spoken, Voice


class Choir:
    """A voice for each tone: "f440" says 40 ms of 440 Hz a letter; 80 ms a character of other scripts.

    It tells a sound for each: to find them by ear costs more than all the rest of a small video.
    """

    rate = 16_000
    version = "1"
    pace = 0.0

    def voices(self) -> Sequence[Voice]:
        """Five tones."""
        return [Voice(f"f{hertz}", ("zh", "en"), "a tone") for hertz in (440, 620, 850, 1150, 1500)]

    def speak(self, sentence: Sentence, voice: str, style: Style) -> Iterator[Spoken]:
        """The tone, a character at a time."""
        length = round(self.rate / (25 if sentence.language == "en" else 12.5) / style.speed)
        phase = 2 * np.pi * float(voice[1:]) / self.rate
        for k in range(len(sentence.spoken)):
            time.sleep(self.pace)
            samples = 0.3 * np.sin(phase * np.arange(k * length, (k + 1) * length))
            yield Spoken(samples.astype(np.float32), (Phoneme("aɪ"[k % 2], k * length),))

    def close(self) -> None:
        """Nothing to let go of."""


class SlowChoir(Choir):
    """Takes half as long as what it says lasts."""

    pace = 0.02


class StuckChoir(Choir):
    """Never comes to an end."""

    def speak(self, sentence: Sentence, voice: str, style: Style) -> Iterator[Spoken]:
        """Nothing, for ever."""
        while True:
            time.sleep(1)
        yield  # a generator
