"""Raw sound that comes in pieces, cut anywhere, at a rate of its own."""

import numpy as np

from core.errors import BadInput
from core.media.resample import Resampler
from core.types import Samples

RATES = range(8_000, 192_001)
"""Samples a second that sound may have."""

CHANNELS = range(1, 9)

_PIECE_S = 0.01


class Pcm:
    """s16le at `rate`, `channels` interleaved, becomes one channel at `new_rate`, however it was cut."""

    def __init__(self, rate: int, channels: int, new_rate: int) -> None:
        """Raises BadInput `audio_format` for what no sound has."""
        for name, value, known in (("rate", rate, RATES), ("channels", channels, CHANNELS)):
            if value not in known:
                message = f"{name} {value} is not within {known.start} to {known[-1]}"
                raise BadInput("audio_format", message, name)
        self._resampler = Resampler(rate, new_rate)
        self._sample = 2 * channels
        self._piece = self._sample * round(rate * _PIECE_S)  # less is not worth a call
        self._left = bytearray()

    def push(self, data: bytes) -> Samples:
        """More of it; the samples that are ready, perhaps none."""
        self._left += data
        if len(self._left) < self._piece:
            return np.zeros(0, np.float32)
        return self._resampler.push(self._whole())

    def finish(self) -> Samples:
        """The rest. Bytes that are not a whole sample are left in `cut`. Nothing may be pushed after it."""
        return np.concatenate([self._resampler.push(self._whole()), self._resampler.finish()])

    @property
    def cut(self) -> int:
        """Bytes of a sample that has not come whole."""
        return len(self._left) % self._sample

    def _whole(self) -> Samples:
        stop = len(self._left) // self._sample * self._sample
        values = np.frombuffer(bytes(self._left[:stop]), "<i2").reshape(-1, self._sample // 2)
        del self._left[:stop]
        return np.asarray(values.mean(axis=1, dtype=np.float32) / np.float32(32768), np.float32)
