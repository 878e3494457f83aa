"""What MuseTalk hears of a frame: a fixed stretch of sound around it, as a spectrogram of Whisper's kind.

Whisper's encoder looks half a minute both ways, and MuseTalk's inference shows it the whole recording. Here a
frame hears 0.4 s before and 0.2 s after it begins, and silence beyond, much as in LiveTalking's streams: what
is drawn depends on that stretch alone, however the sound comes.
"""

import functools

import numpy as np
from numpy.typing import NDArray

from core.nets.musetalk import BANDS, BEFORE, COLUMNS
from core.types import Samples

RATE = 16_000
"""Samples a second that Whisper hears."""
_TOKEN = RATE // 50  # samples that one of Whisper's tokens stands for
_AHEAD = 10  # tokens heard from the frame's own on: 0.2 s
_BEHIND = BEFORE + 4  # and before it, of which the last 4 are drawn from, too
_HOP, _WINDOW = 160, 400

Heard = NDArray[np.float32]
"""float32 (80, 62), of which the last two columns hear the end and the silence behind it."""


def stretch(frame: int, fps: int) -> tuple[int, int]:
    """Samples `[start, stop)` at 16 kHz that a frame hears: 9600, from a whole token on."""
    token = 50 * frame // fps
    return (token - _BEHIND) * _TOKEN, (token + _AHEAD) * _TOKEN


def spectrogram(samples: Samples) -> Heard:
    """The spectrogram of a `stretch`, silence behind it, as transformers' WhisperFeatureExtractor has it."""
    half = _WINDOW // 2
    whole = np.pad(np.pad(samples.astype(np.float64), (half, 0), mode="reflect"), (0, _WINDOW))
    windows = np.lib.stride_tricks.sliding_window_view(whole, _WINDOW)[::_HOP][:COLUMNS]
    spectrum = np.fft.rfft(windows * np.hanning(_WINDOW + 1)[:-1], axis=1)
    power = _filters() @ (spectrum.real**2 + spectrum.imag**2).T
    loud = np.log10(np.maximum(1e-10, power))
    return np.asarray((np.maximum(loud, loud.max() - 8) + 4) / 4, np.float32)


@functools.cache
def _filters() -> NDArray[np.float64]:
    """Slaney's mel filters of equal area up to 8 kHz: float64 (80, 201)."""
    from transformers.audio_utils import mel_filter_bank  # only where a network hears: it takes a second

    bank = mel_filter_bank(_WINDOW // 2 + 1, BANDS, 0.0, 8000.0, RATE, norm="slaney", mel_scale="slaney")
    return np.ascontiguousarray(bank.T, np.float64)
