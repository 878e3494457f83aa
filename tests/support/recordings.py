"""Sound to test with that is made, not recorded."""

import numpy as np

from core.types import Samples


def recording(seconds: float = 4.0, rate: int = 22_050) -> tuple[Samples, int]:
    """Something with the shape of speech, and its rate: a voice of 130 Hz, swelling three times a second and
    bright and dark by turns as with vowels, over noise."""
    time = np.arange(int(seconds * rate)) / rate
    tone, bright = np.sin(2 * np.pi * 130 * time), 0.5 + 0.5 * np.sin(2 * np.pi * 2 * time)
    buzz = (bright * np.sign(tone) + (1 - bright) * tone) * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * time))
    noise = np.random.default_rng(1).standard_normal(len(time))
    return (0.2 * buzz + 0.02 * noise).astype(np.float32), rate
