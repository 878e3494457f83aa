"""Drive the mouth from sound alone, where no phonemes are known.

Measured against the mouths of five speakers: loudness says nothing (correlation -0.02), the tilt of the
spectrum, 1.2-3 kHz over 0.1-0.6 kHz, most (0.36; a regression on 7 mel frames got 0.41). So the tilt
opens the mouth, loudness only gates it, and hiss (s, sh) all but closes it. What vowels sound by breaks off
at p, b and m, and at some t, d, k and n, which cannot be told from them: there the lips shut.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.types import Samples

HISTORY_S = 2.4
"""How far back the voice's level and mean tilt are taken from."""
_SMOOTH_S, _WINDOW_S, _HOP_S = 0.11, 0.025, 0.02
REACH_S = _SMOOTH_S + _WINDOW_S / 2 + 0.001
"""How far beyond the moment it is asked about the driver listens; a millisecond for rounding."""
_WIDEST = 0.85
_QUIET_DB = -46.0
"""What is not louder than this is no voice: a pause with a hum in it must not be scaled up to speech."""
_TILT_PRIOR = (-14.0, 8.0, 12.0)
"""Mean and deviation (dB) of the tilt of a voice not heard yet, and how many rows that guess weighs."""
_ROUND_PRIOR = (9.0, 7.0, 12.0)

_BREAK_DB = (14.0, 19.0)
"""How much less there is of what vowels sound by, 0.5-3 kHz, than just before and just after, up to which
lips stay open, and from which on they shut."""
_BEFORE_S, _AFTER_S = 0.14, 0.10
_STAYS_S, _SHUTS_S = 0.02, 0.08
"""How near to a break lips are shut, and from where on they are as open as ever."""
_PRESSED = 0.03


def audio_track(
    samples: Samples, rate: int, first: int, spans: Sequence[tuple[int, int]], moments: Sequence[float]
) -> NDArray[np.float32]:
    """Gap and width (see `visemes`) at `moments`, float32 (n, 2), each from its own span alone.

    samples: from absolute index `first` on; anything not finite counts as silence. spans, moments: absolute,
        in samples.
    """
    if not spans:
        return np.zeros((0, 2), np.float32)
    length = int(_WINDOW_S * rate)
    # Rows lie on an absolute grid: which ones a frame hears does not depend on where `samples` begins.
    low = -(-spans[0][0] * 50 // rate)
    high = (max(stop for _, stop in spans) - length) * 50 // rate
    numbers = np.arange(low, high + 1)
    starts = numbers * rate // 50
    levels = _levels(samples, rate, starts - first, length)
    rows = []
    for (start, stop), moment in zip(spans, moments, strict=True):
        own = (starts >= start) & (starts + length <= stop)
        rows.append(_shape(levels[own], (starts[own] + length / 2 - moment) / rate))
    return np.array(rows, np.float32)


def _levels(samples: Samples, rate: int, starts: NDArray[np.int64], length: int) -> NDArray[np.float64]:
    """Loudness in five bands of the windows that begin at `starts`: (n, 5) in dB of full scale."""
    heard = np.zeros((len(starts), length))
    inside = np.flatnonzero((starts > -length) & (starts < len(samples)))
    for k in inside.tolist():
        a, b = max(0, starts[k]), min(len(samples), starts[k] + length)
        heard[k, a - starts[k] : b - starts[k]] = samples[a:b]
    heard = np.clip(np.nan_to_num(heard, nan=0.0, posinf=0.0, neginf=0.0), -4, 4) * np.hanning(length)
    size = 1 << (length - 1).bit_length()
    # np.fft works row by row, so a row's values do not depend on its neighbours; scipy's may.
    spectrum = np.fft.rfft(heard, size)
    power = np.ascontiguousarray(spectrum.real**2 + spectrum.imag**2) * (16 / 3 / length / size)
    hertz = np.fft.rfftfreq(size, 1 / rate)
    bands = ((100, 4000), (100, 600), (1200, 3000), (500, 1100), (4000, 8000))
    edges = [np.searchsorted(hertz, band) for band in bands]
    return 10 * np.log10(np.stack([power[:, a:b].sum(axis=1) for a, b in edges], axis=1) + 1e-7)


def _shape(levels: NDArray[np.float64], offsets: NDArray[np.float64]) -> tuple[float, float]:
    """Gap and width from one frame's rows; offsets: where their middles lie, in seconds from the moment."""
    voice, low, mid, first_formant, hiss = levels.T
    peak = max(float(np.percentile(voice, 95)), _QUIET_DB)
    floor = min(max(float(np.percentile(voice, 5)), peak - 45), peak - 6)
    begin = max(floor + 0.3 * (peak - floor), _QUIET_DB - 6)
    gate = np.clip((voice - begin) / (0.3 * (peak - floor)), 0, 1)
    near = np.abs(offsets) < _SMOOTH_S
    weights = 1 + np.cos(np.pi * offsets[near] / _SMOOTH_S)
    weights *= gate[near] / weights.sum()
    if not weights.any():
        return 0.0, 0.0
    active = gate > 0.3
    bright = _standard(0.6 * (mid - low) + 0.4 * (first_formant - low), active, _TILT_PRIOR)[near]
    rounded = _standard(0.5 * (first_formant + low) - mid, active, _ROUND_PRIOR)[near]
    hissing = np.clip((hiss - voice + 8) / 10, 0, 1)[near]
    opening = (0.10 + (_WIDEST - 0.10) / (1 + np.exp(-1.4 * bright - 0.1))) * (1 - 0.65 * hissing)
    gap = float((weights * opening).sum())
    shut = _shut(levels, offsets)
    return gap - shut * (gap + _PRESSED), float((weights * np.clip(-0.13 * rounded, -0.31, 0.16)).sum())


def _shut(levels: NDArray[np.float64], offsets: NDArray[np.float64]) -> float:
    """How far the lips are shut for a break in the sound, 0 ... 1; of hiss it is none."""
    near = (offsets > -_BEFORE_S - _SHUTS_S) & (offsets < _AFTER_S + _SHUTS_S)
    at = offsets[near]
    voice, _, mid, first_formant, hiss = levels[near].T
    vowel = 10 * np.log10(10 ** (mid / 10) + 10 ** (first_formant / 10))
    shut = 0.0
    for k in np.flatnonzero(np.abs(at) < _SHUTS_S).tolist():
        before = vowel[(at < at[k]) & (at > at[k] - _BEFORE_S)]
        after = vowel[(at > at[k]) & (at < at[k] + _AFTER_S)]
        if not len(before) or not len(after):
            continue
        broken = min(before.max(), after.max()) - vowel[k]
        depth = float(np.clip((broken - _BREAK_DB[0]) / (_BREAK_DB[1] - _BREAK_DB[0]), 0, 1))
        depth *= float(np.clip(-(hiss[k] - voice[k]) / 6, 0, 1))
        off = max(abs(float(at[k])) - _STAYS_S, 0.0) / (_SHUTS_S - _STAYS_S)
        shut = max(shut, depth * (1 - off * off) ** 2)
    return shut


def _standard(
    values: NDArray[np.float64], active: NDArray[np.bool_], prior: tuple[float, float, float]
) -> NDArray[np.float64]:
    """Values less their mean over their deviation where the voice is active, begun from a guess."""
    mean, deviation, weight = prior
    heard = values[active]
    total = len(heard) + weight
    centre = (heard.sum() + weight * mean) / total
    spread = np.sqrt((((heard - centre) ** 2).sum() + weight * deviation**2) / total)
    return np.asarray((values - centre) / spread, np.float64)
