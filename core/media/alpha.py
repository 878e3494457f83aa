"""Clips with transparency, for editors and web pages: VP9 in WebM, ProRes 4444 in QuickTime.

Colours are straight, not multiplied with alpha; BT.709.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace
from numpy.typing import NDArray

from core.labels import label_of

_BT709 = 1  # primaries, transfer and matrix alike (ITU-T H.273)
_LIMITED = 1

OURS: Mapping[str, str] = {"protocol_whitelist": "file", "format_whitelist": "mov,matroska"}
"""FFmpeg's options for files that we wrote: it opens nothing else."""

MOVFLAGS = "faststart+use_metadata_tags"
"""Of whole files: the index in front, and metadata of any key."""


class AlphaWriter:
    """Writes a clip with alpha, frame by frame: WebM or QuickTime by the file's name. Whole after `close`.

    file: what it is written to; other tracks may be added before the first frame.
    """

    def __init__(self, path: Path, width: int, height: int, fps: int) -> None:
        """width, height: even. path: ends in .webm or .mov."""
        webm = path.suffix == ".webm"
        self._count = 0
        self._time_base = Fraction(1, fps)
        self._pixels = "yuva420p" if webm else "yuva444p10le"
        options = {} if webm else {"movflags": MOVFLAGS}
        self.file = av.open(f"file:{path}", "w", format="webm" if webm else "mov", options=options)
        options = {"crf": "20", "b": "0", "deadline": "good", "cpu-used": "5", "row-mt": "1"}
        if webm:
            self._stream = self.file.add_stream("libvpx-vp9", rate=fps, options=options)
        else:
            self._stream = self.file.add_stream("prores_ks", rate=fps, options={"profile": "4444"})
        context = self._stream.codec_context
        context.width, context.height, context.pix_fmt = width, height, self._pixels
        context.time_base = self._time_base
        context.thread_count = 2
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        context.color_range = _LIMITED

    def add(self, picture: NDArray[np.uint8]) -> None:
        """Append `picture`, uint8 (h, w, 4) BGRA."""
        self.add_frame(VideoFrame.from_ndarray(picture, format="bgra"))

    def add_frame(self, frame: VideoFrame) -> None:
        """Append a picture with alpha of any kind; its own time does not matter."""
        frame = frame.reformat(format=self._pixels, dst_colorspace=Colorspace.ITU709)
        frame.pts, frame.time_base = self._count, self._time_base
        self._count += 1
        self.file.mux(self._stream.encode(frame))

    def close(self, *, finish: bool = True) -> None:
        """Make the file whole; with `finish` False, only let go of it."""
        try:
            if finish:
                self.file.mux(self._stream.encode(None))
        finally:
            self.file.close()


def write_prores(part: Path, whole: Path, stopped: Callable[[], bool]) -> None:
    """Write a growing WebM of ours, perhaps cut off, as ProRes 4444 with its sound as PCM. Blocking.

    Raises InterruptedError if it was `stopped`, OSError if `whole` cannot be written.
    """
    with av.open(f"file:{part}", options=dict(OURS)) as source:
        seen, heard = source.streams.video[0], source.streams.audio[0]
        fps = round(seen.average_rate or 0)
        writer = AlphaWriter(whole, seen.codec_context.width, seen.codec_context.height, fps)
        writer.file.metadata.update(label_of(source.metadata))
        sound = writer.file.add_stream("pcm_s16le", rate=heard.rate, layout="mono")
        # FFmpeg's own decoder of VP9 leaves alpha out.
        decoder = VideoCodecContext.create("libvpx-vp9", "r")
        assert isinstance(decoder, VideoCodecContext)  # noqa: S101  # it is one of pictures
        try:
            for packet in source.demux(seen, heard):
                if stopped():
                    raise InterruptedError("the copy is not wanted any more")
                if packet.dts is None or packet.is_corrupt:
                    continue
                for frame in decoder.decode(packet) if packet.stream is seen else packet.decode():
                    if isinstance(frame, VideoFrame):
                        writer.add_frame(frame)
                    elif isinstance(frame, AudioFrame):
                        writer.file.mux(sound.encode(frame))
            writer.file.mux(sound.encode(None))
        except BaseException:
            writer.close(finish=False)
            raise
        writer.close()
