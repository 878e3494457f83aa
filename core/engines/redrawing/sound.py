"""Any sound as networks hear it, at 16 kHz: a signal cut anywhere gives the same samples bit for bit."""

import functools
from math import gcd

import numpy as np
from numpy.typing import NDArray
from scipy.signal import firwin, upfirdn

from core.types import Samples

RATE = 16_000
"""Samples a second that the networks were trained at."""
_ZEROS = 16
"""Zero crossings of the resampling filter on each side: 80 dB down beyond the pass band of 0.9 Nyquist."""


def to_16k(samples: Samples, first: int, rate: int, start: int, stop: int) -> Samples:
    """Samples `[start, stop)` at 16 kHz of a signal given at `rate`, `samples[0]` being its number `first`.

    A sample depends on the signal within `resample_reach` alone, not on where the stretch given begins; what
    lies beyond it counts as silence. Not-a-number counts as silence too.
    """
    samples = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0).clip(-1, 1)
    if rate == RATE:
        low = start - first
        padded = np.pad(samples, (max(0, -low), max(0, stop - first - len(samples))))
        return padded[max(0, low) : max(0, low) + stop - start]
    up, down = RATE // gcd(rate, RATE), rate // gcd(rate, RATE)
    taps = _resampling_filter(up, down)
    # Begin at a multiple of `down`, so that the phase of every output is that of its absolute number.
    reach = resample_reach(rate)
    begin = (start * down // up - reach) // down * down
    end = stop * down // up + reach + 1
    block = np.zeros(end - begin, np.float32)
    low, high = max(begin, first), min(end, first + len(samples))
    if low < high:
        block[low - begin : high - begin] = samples[low - first : high - first]
    made = upfirdn(taps, block, up, down)
    # Output m of upfirdn is centred len(taps) // 2 upsampled steps early; taps has 2 * k * down + 1 of them.
    skip = start - begin // down * up + len(taps) // 2 // down
    return np.asarray(made[skip : skip + stop - start], np.float32)


def resample_reach(rate: int) -> int:
    """Samples at `rate` that a sample at 16 kHz depends on, on each side."""
    return 0 if rate == RATE else -(-_ZEROS * max(rate, RATE) // RATE) + 1


@functools.lru_cache(maxsize=8)
def _resampling_filter(up: int, down: int) -> NDArray[np.float32]:
    # Half a length that is a multiple of `down` puts the middle tap on an output sample.
    half = -(-_ZEROS * max(up, down) // down) * down
    taps = firwin(2 * half + 1, 0.9 / max(up, down), window=("kaiser", 8.0)) * up
    return np.asarray(taps, np.float32)
