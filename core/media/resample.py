"""Change the rate of sound that arrives in pieces."""

import numpy as np
import soxr

from core.types import Samples


class Resampler:
    """Changes the rate of a stream; what comes out does not depend on how it was cut into pieces.

    Wraps libsoxr (LGPL, github.com/dofuuz/python-soxr) at high quality. It looks ahead, so the last few
    milliseconds come with `finish`.
    """

    def __init__(self, rate: int, new_rate: int) -> None:
        self._stream = soxr.ResampleStream(rate, new_rate, 1, dtype="float32", quality="HQ")
        self._through = rate == new_rate

    def push(self, samples: Samples) -> Samples:
        """The samples at the new rate that are ready; perhaps none."""
        return samples if self._through else self._run(samples, last=False)

    def finish(self) -> Samples:
        """The rest. Nothing may be pushed after it."""
        return np.zeros(0, np.float32) if self._through else self._run(np.zeros(0, np.float32), last=True)

    def _run(self, samples: Samples, *, last: bool) -> Samples:
        return np.asarray(self._stream.resample_chunk(samples, last=last), np.float32)
