"""Whether a recording can be cloned from: 3 to 10 s of somebody who speaks, as it was spoken.

What cannot be is refused in words that say what to do; nothing is guessed.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput
from core.types import Samples

SHORTEST_S, LONGEST_S = 3.0, 10.0
"""Length of a reference recording that the models were trained for."""

LEAST_HEARD_S: Final = 2.0
"""Seconds of a recording in which something has to be heard."""

_QUIETEST = 0.01  # peak of a usable recording: -40 dB
_CLIPPED_SHARE = 0.005  # of samples that stay at the peak, wherever that is
_WINDOW_S = 0.04
_BELOW_LOUD_DB = 30.0
_STEADY_DB = 1.5
"""How much the level of 40 ms varies, at least: of speech 5 dB and more, of a tone or a hiss less than 1."""
_SAME_DB = 0.7
"""How much each of twelve bands varies beside the others, at least: of speech 5 dB and more, of a tone that
swells, or some of them, less than 0.7."""
_BANDS: Final = np.geomspace(100, 4000, 13)
"""Hz, their edges."""


def check_reference(samples: Samples, rate: int, param: str = "audio") -> None:
    """Raise BadInput unless these (mono) are 3 to 10 s of audible, unclipped speech.

    Codes: `reference_too_short`, `reference_too_long`, `reference_silent`, `reference_clipped`,
    `reference_too_little_speech`, `reference_steady`.
    """
    seconds = len(samples) / rate
    span = f"{SHORTEST_S:g} to {LONGEST_S:g} s"
    if seconds < SHORTEST_S:
        lasts = f"{math.floor(seconds * 100) / 100:.2f} s"  # 2.999 s are not 3.00
        raise BadInput(
            "reference_too_short", f"the reference lasts {lasts}; give {span} of one speaker", param
        )
    if seconds > LONGEST_S:
        message = f"the reference lasts more than {LONGEST_S:g} s; cut out {span} of it"
        raise BadInput("reference_too_long", message, param)
    sound = samples - samples.mean()  # an offset is not heard
    size = np.abs(sound)
    loudest = float(size.max())
    if not loudest >= _QUIETEST:
        raise BadInput(
            "reference_silent",
            f"the reference is silent (its loudest sample is {loudest:.4f} of full scale); give a recording "
            "of someone speaking",
            param,
        )
    tops = (sound >= 0.999 * sound.max()) | (sound <= 0.999 * sound.min())
    tops &= size > 0.5 * loudest  # silence on the other side of a click is no top
    flat = tops[1:] & (np.abs(np.diff(sound)) < 1e-4 * loudest)  # of a tone the tops are round
    if float(flat.mean()) > _CLIPPED_SHARE:
        raise BadInput(
            "reference_clipped",
            "the reference is clipped: its loudest waves are cut flat; record it again, quieter",
            param,
        )
    windows = _windows(sound, rate)
    levels = _decibels(np.square(windows, dtype=np.float64).mean(axis=1))
    loud = levels > max(float(np.percentile(levels, 95)) - _BELOW_LOUD_DB, -60.0)
    heard_s = np.count_nonzero(loud) * _WINDOW_S
    if heard_s < LEAST_HEARD_S:
        raise BadInput(
            "reference_too_little_speech",
            f"the reference has {heard_s:.1f} s of sound; give {span} of one person who goes on speaking",
            param,
        )
    if float(levels[loud].std()) < _STEADY_DB or _change(windows[loud], rate) < _SAME_DB:
        raise BadInput(
            "reference_steady",
            "the reference is a steady sound, like a tone or a hiss; give a recording of one speaker",
            param,
        )


def _windows(sound: Samples, rate: int) -> Samples:
    """The sound in pieces of 40 ms: (n, samples)."""
    size = int(_WINDOW_S * rate)
    return sound[: len(sound) // size * size].reshape(-1, size)


def _change(windows: Samples, rate: int) -> float:
    """How much what share of the power is in each band varies, in dB."""
    power = np.abs(np.fft.rfft(windows * np.hanning(windows.shape[1]))) ** 2
    hertz = np.fft.rfftfreq(windows.shape[1], 1 / rate)
    edges = np.searchsorted(hertz, _BANDS)
    bands = np.add.reduceat(power, edges, axis=1)[:, :-1]
    return float(_decibels(bands / bands.sum(axis=1, keepdims=True) + 1e-3).std(axis=0).mean())


def _decibels(power: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(10 * np.log10(np.maximum(power, 1e-12)))
