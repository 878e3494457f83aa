"""Clips of our own making: how a template's pictures lie on disk, written and read here.

H.264 in MP4, I420, BT.709 limited, constant frame rate, no sound, no B-frames, and a key frame every
`GOP` frames exactly; so frame k is found without an index, and going backwards costs what going
forwards does.
"""

import uuid
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from threading import Lock

import av
import numpy as np
from av.video.frame import PictureType, VideoFrame

from core.errors import BadInput
from core.media.planes import Planes, split, to_i420, wrapped
from core.types import Image

GOP = 12
"""Frames between key frames: what has to be decoded, at most, to reach any frame."""

_LOSS = 8
"""x264's crf of what is encoded again on its way out, once or twice."""

_BT709 = 1  # primaries, transfer and matrix alike (ITU-T H.273)
_LIMITED = 1


class ClipWriter:
    """Writes a clip, frame by frame. The file is a clip only after `close`."""

    def __init__(self, path: Path, width: int, height: int, fps: int, *, loss: int = 16) -> None:
        """width, height: even. loss: x264's crf; 16 is hard to tell from the source."""
        self.count = 0
        self._time_base = Fraction(1, fps)
        self._file = av.open(f"file:{path}", "w", format="mp4")
        # A template is encoded a second time on its way out, hence little loss here.
        # fastdecode makes it a tenth larger and takes two fifths off every reading of it. superfast with
        # crf 16 is as near to the source as veryfast with 14, in 0.6 of the time, and half as large again.
        options = {"preset": "superfast", "tune": "fastdecode", "crf": str(loss), "sc_threshold": "0"}
        self._stream = self._file.add_stream("libx264", rate=fps, options=options)
        context = self._stream.codec_context
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base = self._time_base
        context.gop_size, context.max_b_frames, context.thread_count = GOP, 0, 2
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        context.color_range = _LIMITED

    def add(self, frame: VideoFrame) -> None:
        """Append a frame, yuv420p of the clip's size; its own time does not matter."""
        frame.pts, frame.time_base = self.count, self._time_base
        frame.pict_type = PictureType.NONE  # else x264 makes key frames where the source had them
        self.count += 1
        self._file.mux(self._stream.encode(frame))

    def add_planes(self, planes: Planes) -> None:
        """Append a frame given as planes of the clip's size (`core.media.planes`)."""
        self.add(wrapped(planes))

    def close(self, *, finish: bool = True) -> None:
        """Make the file whole; with `finish` False, only let go of it."""
        try:
            if finish:
                self._file.mux(self._stream.encode(None))
        finally:
            self._file.close()


@contextmanager
def new_clip(path: Path, width: int, height: int, fps: int) -> Iterator[ClipWriter]:
    """A writer of the clip `path`, which is there once the block ends, and not if it raises. Blocking.

    Something else is made of it, so it is of less loss: the edge of a matte is off by a level or two.
    """
    draft = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}.mp4")
    writer = ClipWriter(draft, width, height, fps, loss=_LOSS)
    try:
        yield writer
    except BaseException:
        writer.close(finish=False)
        draft.unlink(missing_ok=True)
        raise
    writer.close()
    draft.replace(path)


def write_clip(path: Path, frames: Iterable[Image], fps: int) -> None:
    """Write `frames`, uint8 (h, w, 3) BGR with even sides, all of one size, as a clip. Blocking."""
    writer: ClipWriter | None = None
    try:
        for frame in frames:
            if writer is None:
                writer = ClipWriter(path, frame.shape[1], frame.shape[0], fps)
            writer.add_planes(to_i420(frame))
    except BaseException:
        if writer is not None:
            writer.close(finish=False)
        path.unlink(missing_ok=True)
        raise
    if writer is None:
        raise ValueError("a clip needs at least one frame")
    writer.close()


class Frames:
    """The frames of a clip, in any order, from any thread.

    Decodes a whole GOP at a time and keeps the last used ones, up to `cache_bytes` (two at least): a
    short clip is soon decoded for good, a long one costs one decoding a frame either way it is played.
    path: of the file.
    """

    def __init__(self, path: Path, cache_bytes: int) -> None:
        """Raises BadInput if `path` is not a clip."""
        try:
            self._file = av.open(f"file:{path}", options={"protocol_whitelist": "file"})
            self._stream = self._file.streams.video[0]
            context = self._stream.codec_context
            context.thread_count = 1  # many clips are read at once; more threads cost more than they bring
            self.count, self.width, self.height = self._stream.frames, context.width, context.height
            rate = self._stream.average_rate
            assert rate is not None and self.count > 0  # noqa: S101, PT018  # else it is none of ours
        except (OSError, ValueError, IndexError, AssertionError) as error:
            raise BadInput(
                "malformed_media", f"{path.name} is not a clip of ours, or cut off; prepare it anew"
            ) from error
        self.fps = round(rate)
        self.path, self._cache_bytes = path, cache_bytes
        self._lock = Lock()
        self._gops: OrderedDict[int, list[Planes]] = OrderedDict()
        self._room = max(2, cache_bytes // (GOP * self.width * self.height * 3 // 2))

    def planes(self, number: int) -> Planes:
        """Frame `number`: uint8 (height * 3 // 2, width), I420; read-only.

        Raises BadInput if the file has been damaged since it was written.
        """
        if not 0 <= number < self.count:
            raise IndexError(f"frame {number} of {self.count}")
        group, place = divmod(number, GOP)
        with self._lock:
            if group in self._gops:
                self._gops.move_to_end(group)
            else:
                self._gops[group] = self._decode(group)
                while len(self._gops) > self._room:
                    self._gops.popitem(last=False)
            return self._gops[group][place]

    def __reduce__(self) -> tuple[object, ...]:
        """In another process it opens the file again."""
        return Frames, (self.path, self._cache_bytes)

    def close(self) -> None:
        """Let go of the decoder and the cache. Frames handed out stay good."""
        with self._lock:
            self._gops.clear()
            self._file.close()

    def _decode(self, group: int) -> list[Planes]:
        first = group * GOP
        wanted = min(GOP, self.count - first)
        ticks = Fraction(1, self.fps) / (self._stream.time_base or 1)
        found: list[Planes] = []
        try:
            self._file.seek(int(first * ticks), stream=self._stream)
            for frame in self._file.decode(self._stream):
                if frame.pts != (first + len(found)) * ticks:
                    break
                found.append(packed(frame))
                if len(found) == wanted:
                    return found
        except av.FFmpegError as error:
            raise self._damaged(first + len(found)) from error
        raise self._damaged(first + len(found))

    def _damaged(self, number: int) -> BadInput:
        return BadInput(
            "malformed_media", f"{self.path.name}: frame {number} cannot be decoded; prepare the clip anew"
        )


def packed(frame: VideoFrame) -> Planes:
    """The planes of a yuv420p frame without the decoder's padding."""
    out = np.empty((frame.height * 3 // 2, frame.width), np.uint8)
    for plane, target in zip(frame.planes, split(out), strict=True):
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        target[:] = rows[:, : plane.width]
    out.flags.writeable = False
    return out
