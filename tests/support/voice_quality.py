"""What a voice is measured by: words a recogniser mistakes, level, clicks."""

from collections.abc import Sequence

import numpy as np
import soxr
from pocketsphinx import Decoder

from core.types import Samples

HARVARD = (
    "The birch canoe slid on the smooth planks.",
    "Glue the sheet to the dark blue background.",
    "It is easy to tell the depth of a well.",
    "Rice is often served in round bowls.",
    "The juice of lemons makes fine punch.",
    "The box was thrown beside the parked truck.",
    "Four hours of steady work faced us.",
    "A large size in stockings is hard to sell.",
    "The boy was there when the sun rose.",
    "A rod is used to catch pink salmon.",
    "The source of the huge river is the clear spring.",
    "Help the woman get back to her feet.",
)
_HEARD_AT = 16_000
"""Samples a second that the recogniser wants."""


def word_errors(said: str, heard: str) -> tuple[int, int]:
    """Words inserted, deleted or mistaken, the least there can be; and words that were said."""
    wanted, got = (
        "".join(c for c in text.lower() if c.isalpha() or c in " '").split() for text in (said, heard)
    )
    costs = list(range(len(got) + 1))
    for row, word in enumerate(wanted, 1):
        before, costs[0] = costs[0], row
        for column, other in enumerate(got, 1):
            best = min(costs[column] + 1, costs[column - 1] + 1, before + (word != other))
            before, costs[column] = costs[column], best
    return costs[-1], len(wanted)


def word_error_rate(lines: Sequence[str], sounds: Sequence[Samples], rate: int) -> float:
    """Share of words that pocketsphinx mistakes, 0 to 1 and more."""
    decoder = Decoder(samprate=_HEARD_AT, loglevel="FATAL")
    wrong = words = 0
    for line, sound in zip(lines, sounds, strict=True):
        heard = soxr.resample(sound, rate, _HEARD_AT)
        silence = np.zeros(_HEARD_AT // 5)
        heard = np.concatenate([silence, heard / np.abs(heard).max() * 12_000, silence])
        decoder.start_utt()
        decoder.process_raw(heard.astype("<i2").tobytes(), False, True)
        decoder.end_utt()
        found = decoder.hyp()
        more = word_errors(line, found.hypstr if found else "")
        wrong, words = wrong + more[0], words + more[1]
    return wrong / words


def level(sound: Samples) -> float:
    """dB of full scale, RMS, while something is to be heard."""
    return float(10 * np.log10(np.square(sound[np.abs(sound) > 0.01]).mean()))


def worst_step(sound: Samples, window: int = 240) -> float:
    """The largest step from a sample to the next, by the mean of those 5 ms around it.

    Pulses of a voice reach 12; a click of a tenth of full scale in a quiet place 100.
    """
    steps = np.abs(np.diff(sound))
    around = (np.convolve(steps, np.ones(window), "same") - steps) / (window - 1)
    return float((steps / np.maximum(around, 1e-3)).max())
