"""Write a foreign video or picture anew as a clip (`core.media.clip`). Runs in the child process only.

What comes out is upright, with square pixels, at a constant rate, even-sided, 8-bit BT.709 and opaque,
whatever went in. Memory does not grow with length: one frame is in hand at a time.
"""

import math
import struct
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from io import RawIOBase
from pathlib import Path

import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream
from PIL import Image, ImageOps

from core.errors import BadInput
from core.media.clip import ClipWriter
from core.media.info import Limits, MediaInfo
from core.sandbox.reader import (
    Faults,
    check_duration,
    check_faults,
    decode,
    duration,
    frame_rate,
    malformed,
    open_container,
    open_picture,
    shown_size,
    signature,
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
Size = tuple[int, int]

PICTURE_FPS = 25
"""A picture becomes a clip of one second; at this rate if none is asked for."""

LONGEST_SIDE = 1920
"""What is larger is scaled down to this, if no size is asked for."""

SMALLEST_SIDE = 16

_GREY = 128  # what shines through transparent parts
_PQ, _HLG, _BT2020, _UNSPECIFIED = 16, 18, 9, 2  # as ITU-T H.273 numbers them
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
        rate = frame_rate(stream)
        fps = fps or min(30, max(10, math.floor(rate + Fraction(1, 2))))
        faults = Faults()
        frames = (f for f in decode(container, stream, faults) if isinstance(f, VideoFrame))
        first = next(frames, None)
        if first is None:
            raise malformed(source, "not one frame can be decoded")
        fit = Fit(stream, first, size)
        seconds = duration(container, stream)
        writer = ClipWriter(destination, fit.width, fit.height, fps)
        try:
            clock = _Clock(report, round(seconds * fps) if seconds else None)
            shown = fitted = None
            for frame in steady(_timed(first, frames, rate, fps), fps):
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
    picture = open_picture(source, limits)
    try:
        upright = ImageOps.exif_transpose(picture)
        if upright.has_transparency_data:
            ground = Image.new("RGBA", upright.size, (_GREY, _GREY, _GREY, 255))
            upright = Image.alpha_composite(ground, upright.convert("RGBA"))
        if upright.mode.startswith("I"):  # 16 bits of grey; Pillow would cut them off at 255
            upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
        frame = VideoFrame.from_ndarray(np.asarray(upright.convert("RGB")), format="rgb24")
    except (OSError, ValueError, SyntaxError) as error:  # what Pillow's decoders raise for broken files
        raise malformed(source, error) from error
    fit = Fit(None, frame, size)
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


def _timed(
    first: VideoFrame, rest: Iterator[VideoFrame], rate: Fraction, fps: int
) -> Iterator[tuple[float, VideoFrame]]:
    """Frames with their time in frames of the new rate; it always moves on, whatever the file says.

    A rate a hair off a multiple of the new one (29.97 for 30, 23.976 for 24) is taken for that multiple:
    the clip lasts 0.1 % less and no frame is shown twice.
    """
    whole = max(1, round(rate / fps)) * fps
    pace = fps * (rate / whole if abs(rate / whole - 1) < Fraction(1, 200) else 1)
    usual = float(pace / rate)
    start, now = first.pts or 0, 0.0
    yield now, first
    for frame in rest:
        told = None
        if frame.pts is not None and frame.time_base is not None:
            told = float((frame.pts - start) * frame.time_base * pace)
        now = told if told is not None and told > now else now + usual
        yield now, frame


def steady(frames: Iterator[tuple[float, VideoFrame]], fps: int) -> Iterator[VideoFrame]:
    """One frame for each tick: the last one that has begun, so frames are repeated or left out.

    frames: each with its time in ticks, rising.
    """
    held: VideoFrame | None = None
    ticks = 0
    now = 0.0
    usual = 1.0
    for time_, frame in frames:
        # A quarter's grace: times rounded to milliseconds, or half a tick apart, must not flutter.
        due = math.floor(time_ + 0.25)
        while held is not None and ticks < due:
            yield held
            ticks += 1
        usual, now = max(time_ - now, 1e-3) if held else 1.0, time_
        held = frame
    if held is not None:
        for _ in range(ticks, max(ticks + 1, math.floor(now + min(usual, fps) + 0.25))):
            yield held


class Fit:
    """Brings every frame of a video to one size and to I420, BT.709 limited.

    size: scaled to cover it, then cut to it around the centre; None is the video's own, even, within
    `LONGEST_SIDE`. Where a video changes size midway, its later frames are brought to the same size.
    """

    def __init__(self, stream: VideoStream | None, first: VideoFrame, size: Size | None) -> None:
        self._stream = stream
        shown = self._shown(first)
        if size is None:
            scale = min(1.0, LONGEST_SIDE / max(shown))
            size = (int(shown[0] * scale) // 2 * 2, int(shown[1] * scale) // 2 * 2)
        if min(size) < SMALLEST_SIDE:
            raise BadInput("unsupported", f"{shown[0]}x{shown[1]} is too small a picture; 16x16 is the least")
        self.width, self.height = size
        self._graphs: dict[tuple[object, ...], Graph] = {}

    def __call__(self, frame: VideoFrame) -> VideoFrame:
        """`frame` as it goes into the clip; a new frame."""
        turn = frame.rotation
        size = self._shown(frame)
        if any(component.is_alpha for component in frame.format.components):
            frame = _flattened(frame)
        key = (frame.width, frame.height, frame.format.name, turn, frame.colorspace, frame.color_trc)
        if key not in self._graphs:
            self._graphs = {key: self._graph(frame, size, turn)}  # the one before will hardly come again
        graph = self._graphs[key]
        frame.pts = None
        graph.vpush(frame)
        return graph.vpull()

    def _shown(self, frame: VideoFrame) -> Size:
        return (frame.width, frame.height) if self._stream is None else shown_size(self._stream, frame)

    def _graph(self, frame: VideoFrame, size: Size, turn: int) -> Graph:
        """FFmpeg filters that turn, scale and cut; their arguments are numbers, never a file's text."""
        graph = Graph()
        graph.threads = 1  # one a processor, as is usual, would not fit the limit on a large machine
        nodes = [
            graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1000)
            )
        ]
        for name, arguments in [*_turns(turn), *self._scaling(frame, size)]:
            nodes.append(graph.add(name, arguments))
        graph.link_nodes(*nodes, graph.add("buffersink")).configure()
        return graph

    def _scaling(self, frame: VideoFrame, shown: Size) -> list[tuple[str, str]]:
        factor = max(self.width / shown[0], self.height / shown[1])
        wide, high = max(self.width, round(shown[0] * factor)), max(self.height, round(shown[1] * factor))
        if 0 <= shown[0] - self.width <= 1 and 0 <= shown[1] - self.height <= 1:
            wide, high = shown  # merely odd: lose a line, stay sharp
        scale = f"w={wide}:h={high}:flags=bicubic+accurate_rnd+full_chroma_int"
        scale += ":out_color_matrix=bt709:out_range=limited"
        if frame.colorspace == _UNSPECIFIED and not frame.format.is_rgb:
            scale += f":in_color_matrix={'bt709' if frame.height >= 720 else 'bt601'}"  # the usual guess
        if frame.color_trc in (_PQ, _HLG) or frame.color_primaries == _BT2020:
            scale += ":out_primaries=bt709:out_transfer=bt709"  # tone-mapped by swscale
        # Even places: the colour planes are half as large and must be cut at the same spot.
        left, top = (wide - self.width) // 4 * 2, (high - self.height) // 4 * 2
        cut = f"w={self.width}:h={self.height}:x={left}:y={top}:exact=1"
        return [("scale", scale), ("format", "yuv420p"), ("crop", cut)]


def _turns(degrees: int) -> list[tuple[str, str]]:
    """Filters that undo a rotation by `degrees` (anticlockwise, as PyAV says it)."""
    return {
        90: [("transpose", "dir=cclock")],
        180: [("hflip", ""), ("vflip", "")],
        270: [("transpose", "dir=clock")],
    }.get(round(degrees / 90) * 90 % 360, [])


def _flattened(frame: VideoFrame) -> VideoFrame:
    """`frame` on grey, where it is transparent."""
    picture = frame.to_ndarray(format="rgba").astype(np.uint16)
    alpha = picture[..., 3:]
    flat = (picture[..., :3] * alpha + _GREY * (255 - alpha) + 127) // 255
    return VideoFrame.from_ndarray(flat.astype(np.uint8), format="rgb24")
