"""Write sound to a WAV file that appears when it is whole."""

import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from core.types import Samples


@contextmanager
def wav_file(path: Path, rate: int) -> Iterator[Callable[[Samples], None]]:
    """What writes samples to `path`, 16 bits, mono; nothing is left there if the block raises."""
    draft = path.with_name(f".{path.name}.part")

    def write(samples: Samples) -> None:
        file.writeframes(np.round(np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())

    try:
        with wave.open(str(draft), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            yield write
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
