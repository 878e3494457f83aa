"""Carry the phonemes of one reading over to another: when each sounds in a voice that does not tell.

Both readings are of one sentence, one by a voice that knows its phonemes. Their sounds are laid beside one
another (MFCC, dynamic time warping), as aeneas does (Pettarin, 2017), from left to right as the other comes.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from core.types import Phoneme, Samples

Rows = NDArray[np.float32]

HOP_S = 0.01
_WINDOW_S = 0.025
_BANDS, _TOP_HZ, _COEFFICIENTS = 26, 7000.0, 13
_QUIET = 1e-7
"""Power that is none, in full scale."""
_STEPS = (0.5, 0.0, 0.2, 0.5)
"""What it costs that 0, 1, 2, 3 rows of the reading pass in one of the heard's; that rows differ as those of
one sound do costs about 1."""
_WAITS = 0.4
"""The first of these in a pause: people make them as long as they like."""
_PAUSE_DB, _QUIET_DB = 35.0, 20.0
"""How much less loud than what is loud a pause is, and what is quiet: a pause or the closure of a stop."""
_UNLIKE = 1.0
"""What it costs that one of two rows is quiet and the other is not."""
_REST_S = 0.05
"""Silence that is thought before and after the reading, which may begin at once."""
_FINER = 1.3
"""How many more rows a second the reading has than what is heard: rows are passed over more surely than
waited at."""
_UNSURE = 5
"""Rows at the end of what was heard that change with what comes next."""
_BEHIND_S = 1.2
"""How much that was heard may be given another place by what follows; what is older is settled."""
_WORTH_S = 1.5
"""How much of its own sound a voice's mean must have to count as much as the reading's."""


class Alignment:
    """Says of the sound of a sentence, as it comes, which phonemes begin where in it."""

    def __init__(self, samples: Samples, rate: int, phonemes: Sequence[Phoneme]) -> None:
        """The reading that is known, and its phonemes."""
        self._phonemes = tuple(phonemes)
        begins = np.array([_REST_S + one.first / rate for one in phonemes], np.float64)
        self._begins = np.round(begins * _FINER / HOP_S).astype(int)
        self._told = 0
        rest = np.zeros(round(_REST_S * rate), np.float32)
        raw = _features(np.concatenate([rest, samples, rest]), rate)
        self._mean, self._spread = raw.mean(axis=0), raw.std(axis=0) + np.float32(1e-3)
        self._loudest = _loudest(raw)
        raw = _finer(raw)
        self._reading = _weighed(raw, self._mean, self._spread, self._loudest)
        self._quiet = _quieter(raw, self._loudest, _QUIET_DB)
        pause = _quieter(raw, self._loudest, _PAUSE_DB)
        self._waits = np.where(pause, _WAITS, _STEPS[0]).astype(np.float32)
        self._heard = raw[:0]
        self._places = np.zeros(0, np.intp)  # of each heard row, in the reading
        # What the cheapest way to each row of the reading costs after the first `_sure` rows heard, and by
        # which of the steps it came at each row heard.
        self._total = np.full(len(raw), np.inf, np.float32)
        self._total[:1] = 0
        self._sure = 0
        self._came: list[NDArray[np.int8]] = []

    def tell(self, samples: Samples, rate: int, until: int, *, whole: bool) -> tuple[Phoneme, ...]:
        """Phonemes that begin before sample `until`, those told before left out; all that are left once the
        sentence is `whole`.

        samples: all of the sentence heard so far, from its first sample.
        """
        if not len(self._reading) or not len(self._phonemes):
            return ()
        heard = np.concatenate([self._heard[: self._sure], _features(samples, rate, self._sure)])
        self._heard = heard
        if len(heard):
            self._lay(whole=whole)
        told = []
        # Where the reading gets to a phoneme: the first row heard that lies there or later.
        rows = np.searchsorted(self._places, self._begins)
        for k in range(self._told, len(self._phonemes)):
            first = min(int(rows[k] * HOP_S * rate), len(samples))
            if (rows[k] >= len(self._places) or first >= until) and not whole:
                break
            told.append(Phoneme(self._phonemes[k].name, first))
        self._told += len(told)
        return tuple(told)

    def _lay(self, *, whole: bool) -> None:
        """Find the place in the reading of the rows heard: the cheapest way by `_STEPS`."""
        heard = self._heard
        own = np.float32(min(1.0, len(heard) * HOP_S / _WORTH_S))
        mean = self._mean + own * (heard.mean(axis=0) - self._mean)
        spread = self._spread + own * (heard.std(axis=0) - self._spread)
        loudest = self._loudest + float(own) * (_loudest(heard) - self._loudest)
        now = heard[self._sure :]
        away = _distances(_weighed(now, mean, spread, loudest), self._reading)
        away += np.float32(_UNLIKE) * (_quieter(now, loudest, _QUIET_DB)[:, None] != self._quiet)
        sure = max(self._sure, len(heard) - _UNSURE)  # the last rows lack what comes after them
        del self._came[self._sure :]
        total = self._total
        ways = np.full((len(_STEPS), len(total)), np.inf, np.float32)
        for row in away:
            ways[0] = total + self._waits
            for step, cost in enumerate(_STEPS[1:], 1):
                ways[step, step:] = total[:-step] + np.float32(cost)
            self._came.append(ways.argmin(axis=0).astype(np.int8))
            total = ways.min(axis=0) + row
            if len(self._came) == sure:
                self._total, self._sure = total, sure
        at = len(total) - 1 if whole and bool(np.isfinite(total[-1])) else int(np.argmin(total))
        settled = max(0, len(self._places) - round(_BEHIND_S / HOP_S))
        places = np.zeros(len(heard), np.intp)
        places[:settled] = self._places[:settled]
        for k in range(len(heard) - 1, settled - 1, -1):
            places[k] = at
            at -= int(self._came[k][at])
        self._places = np.maximum.accumulate(places)


def _features(samples: Samples, rate: int, begin: int = 0) -> Rows:
    """MFCC of every 10 ms from row `begin` on, and how they change: float32 (n, 26), loudness first."""
    length = round(_WINDOW_S * rate)
    count = int(len(samples) / (HOP_S * rate))
    if begin >= count:
        return np.zeros((0, 2 * _COEFFICIENTS), np.float32)
    first = max(0, begin - 2)
    starts = np.round(np.arange(first, count) * HOP_S * rate).astype(int)
    low = int(starts[0]) - length // 2
    near = np.asarray(samples[max(0, low) :], np.float32)
    padded = np.pad(near, (max(0, -low), length))
    windows = padded[(starts - starts[0])[:, None] + np.arange(length)]
    windows = windows * np.hanning(length).astype(np.float32)
    size = 1 << (length - 1).bit_length()
    power = np.abs(np.fft.rfft(windows, size)).astype(np.float32) ** 2 / np.float32(length)
    mfcc = np.log(power @ _filters(size, rate) + np.float32(_QUIET)) @ _cosines()
    around = np.pad(mfcc, ((2, 2), (0, 0)), mode="edge")
    change = (around[4:] - around[:-4] + around[3:-1] - around[1:-3]) / 4
    return np.asarray(np.hstack([mfcc, change])[begin - first :], np.float32)


def _finer(rows: Rows) -> Rows:
    """`_FINER` times as many rows."""
    at = np.linspace(0, max(len(rows) - 1, 0), round(len(rows) * _FINER))
    below = at.astype(int)
    share = (at - below).astype(np.float32)[:, None]
    return np.asarray(rows[below] + share * (rows[np.minimum(below + 1, len(rows) - 1)] - rows[below]))


def _quieter(rows: Rows, loudest: float, decibels: float) -> NDArray[np.bool_]:
    """Which rows are so much less loud."""
    return np.asarray(rows[:, 0] < loudest - decibels * np.log(10) / 10 * _BANDS * np.sqrt(2 / _BANDS))


def _loudest(rows: Rows) -> float:
    return float(np.percentile(rows[:, 0], 95))


def _weighed(rows: Rows, mean: Rows, spread: Rows, loudest: float) -> Rows:
    """Features of two voices made comparable: less means, over deviations; loudness less what is loud."""
    weighed = (rows - mean) / spread
    weighed[:, 0] = (rows[:, 0] - np.float32(loudest)) / spread[0]
    return np.asarray(weighed, np.float32)


def _distances(heard: Rows, reading: Rows) -> Rows:
    """How much rows differ: (heard, reading), about 1 for two of one sound."""
    square = (heard**2).sum(axis=1)[:, None] + (reading**2).sum(axis=1)[None] - 2 * heard @ reading.T
    return np.asarray(np.maximum(square, 0) / np.float32(heard.shape[1]), np.float32)


@lru_cache(maxsize=8)
def _filters(size: int, rate: int) -> Rows:
    """Triangles on the mel scale: (bins, bands)."""
    hertz = np.linspace(0, rate / 2, size // 2 + 1)
    top = 2595 * np.log10(1 + min(_TOP_HZ, rate / 2) / 700)
    edges = 700 * (10 ** (np.linspace(0, top, _BANDS + 2) / 2595) - 1)
    up = (hertz[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    down = (edges[2:] - hertz[:, None]) / (edges[2:] - edges[1:-1])
    return np.asarray(np.clip(np.minimum(up, down), 0, None), np.float32)


@lru_cache(maxsize=1)
def _cosines() -> Rows:
    """The discrete cosine transform that makes coefficients of bands: (bands, coefficients)."""
    k = np.arange(_COEFFICIENTS)[None, :]
    bands = (np.arange(_BANDS)[:, None] + 0.5) / _BANDS
    return np.asarray(np.cos(np.pi * k * bands) * np.sqrt(2 / _BANDS), np.float32)
