"""The spectrogram Wav2Lip listens to, and which part of it each frame sees.

Sound at 16 kHz, emphasised, windows of 800 samples (Hann, centred on every 200th), magnitudes in 80 mel
bands, in decibels, squeezed into -4..4: as github.com/Rudrabha/Wav2Lip trained it (audio.py, hparams.py).
Every column is computed by itself, so a signal cut anywhere gives the same columns bit for bit.
"""

import functools
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.engines.redrawing.sound import RATE
from core.types import Samples

HOP, WINDOW, BANDS = 200, 800, 80
COLUMNS = 16
"""Columns a frame sees: a fifth of a second."""
PER_SECOND = RATE // HOP
REACH = WINDOW // 2
"""Samples a column sees on each side of its centre, `HOP` times its number."""

Mel = NDArray[np.float32]
"""float32 (80, columns), in -4..4; digital silence is -4."""
Padding = Literal["reflect", "zeros"]
"""What lies beyond the ends: the signal mirrored (librosa up to 0.8, which the reference pins), or silence
(librosa since 0.9). It shows in the first two and last two columns only."""

_EMPHASIS = 0.97


def mel(samples: Samples, padding: Padding = "reflect") -> Mel:
    """The columns of a whole signal at 16 kHz: 1 + n // 200 of them, none for an empty one."""
    stream = MelStream(padding)
    return np.concatenate([stream.push(samples), stream.finish()], axis=1)


class MelStream:
    """Columns of a signal that comes in pieces; together they are `mel` of the whole, bit for bit."""

    def __init__(self, padding: Padding = "reflect") -> None:
        self._padding = padding
        self._last = 0.0
        # From the start of the next column's window on; before the first column, the signal alone.
        self._waiting: NDArray[np.float64] = np.zeros(0)
        self._begun = False

    def push(self, samples: Samples) -> Mel:
        """The columns that `samples` complete."""
        if len(samples):
            self._waiting = np.concatenate([self._waiting, _emphasised(samples, self._last)])
            self._last = float(samples[-1])
        if not self._begun and len(self._waiting) > REACH:  # enough to mirror
            self._waiting = self._padded(before=True)
            self._begun = True
        return self._columns() if self._begun else np.zeros((BANDS, 0), np.float32)

    def finish(self) -> Mel:
        """The columns that are left; the signal ends here."""
        if not self._begun and not len(self._waiting):
            return np.zeros((BANDS, 0), np.float32)
        self._waiting = self._padded(before=not self._begun, after=True)
        self._begun = True
        return self._columns()

    def _padded(self, *, before: bool = False, after: bool = False) -> NDArray[np.float64]:
        width = (REACH * before, REACH * after)
        if self._padding == "reflect":
            return np.pad(self._waiting, width, mode="reflect")
        return np.pad(self._waiting, width)

    def _columns(self) -> Mel:
        count = max(0, (len(self._waiting) - WINDOW) // HOP + 1)
        columns = _mel_columns(self._waiting, count)
        self._waiting = self._waiting[count * HOP :]
        return columns


def mel_between(samples: Samples, start: int, stop: int) -> Mel:
    """Columns `[start, stop)` of a signal that is silent wherever it is not given, without looking elsewhere.

    samples: from `first_sample(start)` up to `last_sample(stop)` of the signal at 16 kHz.
    """
    return _mel_columns(_emphasised(samples, 0.0)[1:], stop - start)


def first_sample(column: int) -> int:
    """Index of the first sample that column `column` hears."""
    return column * HOP - REACH - 1  # one more, for the emphasis


def last_sample(stop: int) -> int:
    """One past the last sample that columns up to `stop`, not included, hear."""
    return (stop - 1) * HOP + REACH


def window_starts(columns: int, fps: float) -> list[int]:
    """First column of every frame's window, as the reference cuts a whole signal of 16 or more columns.

    Frame by frame while a window fits, then once more with the last window there is: the video is 1 to 3
    frames shorter than the sound.
    """
    starts: list[int] = []
    while not starts or starts[-1] + COLUMNS <= columns:
        starts.append(int(len(starts) * (80.0 / fps)))
    return [*starts[:-1], columns - COLUMNS]


def window_start(frame: int, fps: int, offset: int) -> int:
    """First column of the window of `frame` in a video without end; `offset` frames later than its sound."""
    return (frame + offset) * PER_SECOND // fps


def _emphasised(samples: Samples, before: float) -> NDArray[np.float64]:
    wave = samples.astype(np.float64)
    return wave - _EMPHASIS * np.concatenate([[before], wave[:-1]])


def _mel_columns(wave: NDArray[np.float64], count: int) -> Mel:
    """`count` columns of an emphasised wave, the first window at its start."""
    columns = np.empty((BANDS, count), np.float32)
    if not count:
        return columns
    windows = np.lib.stride_tricks.sliding_window_view(wave, WINDOW)[::HOP][:count]
    spectrum = np.fft.rfft(windows * _hann(), axis=1)
    magnitude = np.sqrt(spectrum.real**2 + spectrum.imag**2)
    bank = mel_filters()
    for k, column in enumerate(magnitude):  # by itself: a matrix product rounds by its shape
        columns[:, k] = _squeezed(bank @ column)
    return columns


def _squeezed(magnitude: NDArray[np.float64]) -> NDArray[np.float64]:
    # 20 log10 less the 20 dB reference, of a range of 100 dB, symmetric about 0 and as wide as 8.
    return (1.6 * np.log10(np.maximum(1e-5, magnitude)) + 2.4).clip(-4, 4)


@functools.cache
def _hann() -> NDArray[np.float64]:
    return np.hanning(WINDOW + 1)[:-1]


@functools.cache
def mel_filters() -> NDArray[np.float64]:
    """Slaney's mel filters of equal area, 55 to 7600 Hz: float64 (80, 401)."""
    from transformers.audio_utils import mel_filter_bank  # only where a network hears: it takes a second

    bank = mel_filter_bank(WINDOW // 2 + 1, BANDS, 55.0, 7600.0, RATE, norm="slaney", mel_scale="slaney")
    return np.ascontiguousarray(bank.T, np.float64)
