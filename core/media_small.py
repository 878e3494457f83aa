"""Show the frames of a clip, small, to whoever had it written, while it is written. Runs in the child only.

Into the pipe go width and height (uint32), then the pixels of every frame.
"""

import struct
from io import RawIOBase

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter


def pour(pipe: RawIOBase, data: bytes) -> None:
    """Write all of `data`."""
    view = memoryview(data)
    while view:
        view = view[pipe.write(view) :]


class Small:
    """Makes small pictures and writes them into a pipe."""

    def __init__(self, longest: int, pipe: RawIOBase) -> None:
        """longest: pixels of the longer side, at most."""
        self._longest, self._pipe = longest, pipe
        self._scaler = VideoReformatter()
        self._size: tuple[int, int] | None = None
        self._last: tuple[VideoFrame, bytes] | None = None

    def show(self, frame: VideoFrame) -> None:
        """The clip's next frame, yuv420p, BT.709 limited. Waits while the reader is behind."""
        if self._size is None:
            scale = min(1.0, self._longest / max(frame.width, frame.height))
            self._size = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
            pour(self._pipe, struct.pack("<II", *self._size))
        if self._last is None or self._last[0] is not frame:
            self._last = frame, self._pixels(frame, *self._size)
        pour(self._pipe, self._last[1])

    def _pixels(self, frame: VideoFrame, width: int, height: int) -> bytes:
        small = self._scaler.reformat(
            frame,
            width,
            height,
            "bgr24",
            src_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.MPEG,
            interpolation=Interpolation.AREA,
        )
        return np.ascontiguousarray(small.to_ndarray()).tobytes()
