"""Clips with transparency, for editors and web pages: VP9 in WebM, ProRes 4444 in QuickTime.

Colours are straight, not multiplied with alpha; BT.709.
"""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace
from numpy.typing import NDArray

_BT709 = 1  # primaries, transfer and matrix alike (ITU-T H.273)
_LIMITED = 1


class AlphaWriter:
    """Writes a clip with alpha, frame by frame: WebM or QuickTime by the file's name. Whole after `close`."""

    def __init__(self, path: Path, width: int, height: int, fps: int) -> None:
        """width, height: even. path: ends in .webm or .mov."""
        webm = path.suffix == ".webm"
        self._count = 0
        self._time_base = Fraction(1, fps)
        self._pixels = "yuva420p" if webm else "yuva444p10le"
        self._file = av.open(f"file:{path}", "w", format="webm" if webm else "mov")
        options = {"crf": "20", "b": "0", "deadline": "good", "cpu-used": "5", "row-mt": "1"}
        if webm:
            self._stream = self._file.add_stream("libvpx-vp9", rate=fps, options=options)
        else:
            self._stream = self._file.add_stream("prores_ks", rate=fps, options={"profile": "4444"})
        context = self._stream.codec_context
        context.width, context.height, context.pix_fmt = width, height, self._pixels
        context.time_base = self._time_base
        context.thread_count = 2
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        context.color_range = _LIMITED

    def add(self, picture: NDArray[np.uint8]) -> None:
        """Append `picture`, uint8 (h, w, 4) BGRA."""
        frame = VideoFrame.from_ndarray(picture, format="bgra")
        frame = frame.reformat(format=self._pixels, dst_colorspace=Colorspace.ITU709)
        frame.pts, frame.time_base = self._count, self._time_base
        self._count += 1
        self._file.mux(self._stream.encode(frame))

    def close(self, *, finish: bool = True) -> None:
        """Make the file whole; with `finish` False, only let go of it."""
        try:
            if finish:
                self._file.mux(self._stream.encode(None))
        finally:
            self._file.close()
