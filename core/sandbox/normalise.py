"""Write a foreign video or picture anew as a clip (`core.media.clip`). Runs in the child process only.

What comes out is upright, with square pixels, at a constant rate, even-sided, 8-bit BT.709 and opaque,
whatever went in. Memory does not grow with length: one frame is in hand at a time.
"""

import struct
import time
from collections.abc import Callable
from io import RawIOBase
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from core.media.clip import ClipWriter
from core.media.info import Limits, MediaInfo
from core.sandbox.fit import Colours, Fit, Size, progressive
from core.sandbox.picture import opaque, read_upright
from core.sandbox.rates import clip_rate, steady, timed
from core.sandbox.reader import (
    Faults,
    check_duration,
    check_faults,
    decode,
    duration,
    malformed,
    open_container,
    signature,
    usual_frame_rate,
    video_stream,
)


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


FrameReport = Callable[[int, int | None], None]

PICTURE_FPS = 25
"""A picture becomes a clip of one second; at this rate if none is asked for."""

_REPORT_EVERY_S = 0.2


def write_normal(
    source: Path,
    destination: Path,
    fps: int | None,
    size: Size | None,
    limits: Limits,
    report: FrameReport,
    until_s: float | None = None,
    small: Small | None = None,
) -> MediaInfo:
    """Write `source` to `destination` as a clip and say what that is; of a video no more than `until_s`.

    small: is shown every frame of the clip.

    Raises BadInput for what cannot be used, OSError if it cannot be written.
    """
    if signature(source) == "picture":
        return _write_picture(source, destination, fps or PICTURE_FPS, size, limits, small)
    with open_container(source) as container:
        stream = video_stream(container, source, limits)
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = 2
        rate = usual_frame_rate(source, stream)
        fps = fps or clip_rate(float(rate))
        said, faults = Colours.of(stream), Faults()
        decoded = (f for f in decode(container, stream, faults) if isinstance(f, VideoFrame))
        frames = progressive(decoded)
        first = next(frames, None)
        if first is None:
            raise malformed(source, "not one frame can be decoded")
        fit = Fit(source.name, stream, first, size, said)
        seconds = duration(container, stream)
        writer = ClipWriter(destination, fit.width, fit.height, fps)
        try:
            clock = _Clock(report, round(seconds * fps) if seconds else None)
            shown = fitted = None
            for frame in steady(timed(first, frames, rate, fps), fps):
                check_duration(source, writer.count / fps - 1, limits)  # a second's grace for a rough header
                if fitted is None or frame is not shown:
                    shown, fitted = frame, fit(frame)
                writer.add(fitted)
                if small is not None:
                    small.show(fitted)
                clock.tick(writer.count)
                if until_s is not None and writer.count >= until_s * fps:
                    break
            check_faults(source, faults, writer.count / fps)
        except BaseException:
            writer.close(finish=False)
            destination.unlink(missing_ok=True)  # whoever gave the order may be gone
            raise
        writer.close()
    return MediaInfo("video", fit.width, fit.height, fps, writer.count / fps, writer.count, None)


def _write_picture(
    source: Path, destination: Path, fps: int, size: Size | None, limits: Limits, small: Small | None
) -> MediaInfo:
    frame = VideoFrame.from_ndarray(opaque(read_upright(source, limits)), format="rgb24")
    fit = Fit(source.name, None, frame, size)
    fitted = fit(frame)
    writer = ClipWriter(destination, fit.width, fit.height, fps)
    for _ in range(fps):
        writer.add(fitted)
        if small is not None:
            small.show(fitted)
    writer.close()
    return MediaInfo("image", fit.width, fit.height, fps, 1.0, fps, None)


class _Clock:
    """Passes progress on, not too often."""

    def __init__(self, report: FrameReport, total: int | None) -> None:
        self._report = report
        self._total = total
        self._next = 0.0

    def tick(self, done: int) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _REPORT_EVERY_S
            self._report(done, None if self._total is None else max(self._total, done))
