"""When each sound and each word of a reading begins, from the durations that the network gave its symbols."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.engines.builtin.voice.sound import limited, trimmed, with_pause
from core.engines.hibari.alphabet import MARKS, MODIFIERS, STRESSES, TONES, Reading, ipa
from core.types import Phoneme, Samples, Word

UNIT = 600
"""Samples that durations count in, at 24 000 a second: 25 ms."""

_LATE_S, _LATE_AT_SPEED_S = 0.025, 0.040
"""The networks sound before their own durations say so, by the first and, at speed 1, the second. Measured on
12 English sentences of three voices: energy is least where closures of p, t, k, b, d, g are marked less 65 ms
(80 at speed 0.7, 50 at 1.5), and pocketsphinx finds words begin 70 ms before their mark."""

_PAUSE_S = 0.1
"""Marks and spaces that take less than this are no pause: the mouth goes on to the next word."""


def marks(
    reading: Reading, durations: NDArray[np.int64], rate: int, speed: float, unit: float = UNIT
) -> tuple[list[Phoneme], list[Word]]:
    """Sounds and words, by samples of what the network made; the first may begin before it.

    durations: int (n + 2,) in `unit`s, one for each symbol and for the silence at both ends.
    """
    begins = np.cumsum(durations)[:-1] * unit
    begins = begins - round((_LATE_S + _LATE_AT_SPEED_S / speed) * rate)
    firsts = [int(first) for first in begins]  # of every symbol, and of the silence at the end
    return _phonemes(reading.symbols, firsts, round(_PAUSE_S * rate)), _words(reading, firsts)


def placed(
    reading: Reading,
    sound: Samples,
    durations: NDArray[np.int64],
    rate: int,
    speed: float,
    pause: int,
    unit: float = UNIT,
) -> tuple[Samples, list[Phoneme], list[Word]]:
    """`sound` without the silence around it, `pause` samples of silence after it; its marks, within it."""
    phonemes, words = marks(reading, durations, rate, speed, unit)
    kept, skipped = trimmed(limited(sound), rate)
    samples = with_pause(kept, pause)
    last = max(0, len(samples) - 1)
    return (
        samples,
        [Phoneme(p.name, min(max(p.first - skipped, 0), last)) for p in phonemes],
        [Word(min(max(w.first - skipped, 0), last), w.start, w.stop) for w in words],
    )


def _phonemes(symbols: str, firsts: Sequence[int], pause: int) -> list[Phoneme]:
    found: list[Phoneme] = []
    k = 0
    while k < len(symbols):
        first, stress = firsts[k], ""
        if symbols[k] in MARKS or symbols[k] == " ":
            while k < len(symbols) and (symbols[k] in MARKS or symbols[k] == " "):
                k += 1
            if firsts[k] - first >= pause or k == len(symbols):
                found.append(Phoneme("", first))
            continue
        while k < len(symbols) - 1 and symbols[k] in STRESSES:
            stress = symbols[k]
            k += 1
        if symbols[k] not in STRESSES + TONES:
            name = stress + ipa(symbols[k])
            while k + 1 < len(symbols) and symbols[k + 1] in MODIFIERS:
                k += 1
                name += symbols[k]
            found.append(Phoneme(name, first))
        k += 1
    if found and found[-1].name:
        found.append(Phoneme("", firsts[-1]))
    return found


def _words(reading: Reading, firsts: Sequence[int]) -> list[Word]:
    found, seen = [], -1
    for owner, first in zip(reading.owners, firsts, strict=False):  # the silence at the end has no owner
        if owner > seen:
            found.append(Word(first, *reading.words[owner]))
            seen = owner
    return found
