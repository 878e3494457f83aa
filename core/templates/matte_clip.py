"""The mattes of a prepared template, read from the clip in grey that `core.templates.mattes` wrote."""

from pathlib import Path

import cv2
import numpy as np

from core.media.clip import Frames
from core.media.planes import split
from core.protocols import Matte

_LEVELS = np.arange(256)
_MENDED = np.where(_LEVELS < 4, 0, np.where(_LEVELS > 251, 255, _LEVELS)).astype(np.uint8)


class Mattes:
    """The mattes in a clip, read when asked for."""

    def __init__(self, path: Path, cache_bytes: int) -> None:
        """Raises BadInput if `path` is not a clip of ours."""
        self._frames = Frames(path, cache_bytes)

    def of(self, number: int) -> Matte:
        """The matte of template frame `number`; what the codec did to pure black and white is mended."""
        matte = split(self._frames.planes(number))[0]
        return np.asarray(cv2.LUT(matte, _MENDED), np.uint8)

    def close(self) -> None:
        """Let go of the decoder."""
        self._frames.close()
