"""The voices of Kokoro-82M that come with Lipstream: a vector for each length of text, in `styles.npz`.

From the package kokoro-js 1.2.1 (hexgrad, Apache-2.0), rounded to float16, for texts of up to 255 symbols.
The sha256 of the file is checked; those of the originals are in NOTICE.
"""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.errors import DamagedFile

FILE: Final = Path(__file__).with_name("styles.npz")
SHA256: Final = "b791c80ea7a07053a7a15ab553d1f9d370575c78ee1d35c811996241f9cb9e59"


@dataclass(frozen=True, slots=True)
class Style:
    """How a voice is called here, what it is called by its makers, what brings it to -20 dBFS, for people."""

    name: str
    file: str
    gain: float
    about: str


STYLES: Final = (
    Style("xiaoxiao", "zf_xiaoxiao", 0.53, "a woman's voice, Mandarin, natural"),
    Style("xiaoyi", "zf_xiaoyi", 0.69, "a woman's voice, Mandarin, natural, brighter"),
    Style("yunxi", "zm_yunxi", 0.83, "a man's voice, Mandarin, natural"),
)
"""Those of the eight Mandarin ones whose tones are the truest."""


def vectors() -> dict[str, NDArray[np.float32]]:
    """By the makers' name: float32 (256, 256), a row for each number of symbols. Raises DamagedFile."""
    content = FILE.read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise DamagedFile(f"{FILE} is not the file expected; reinstall Lipstream")
    with np.load(io.BytesIO(content)) as found:
        return {style.file: found[style.file].astype(np.float32) for style in STYLES}
