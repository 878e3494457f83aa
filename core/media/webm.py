"""Encode a person without background, and sound, as a WebM that grows: VP9 with alpha, and Opus.

As in `core.media.fmp4` each packet leaves at once, here as a cluster of its own, and only the head of the
file comes from FFmpeg. Chromium and Firefox show the transparency, from Media Source Extensions too.

RFC 8794 (EBML), RFC 9559 (Matroska: clusters, blocks), the WebM guidelines on alpha (BlockAdditional 1).
"""

from collections.abc import Mapping
from fractions import Fraction

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from core.media.fmp4 import Head
from core.media.planes import Planes, split
from core.media.resample import Resampler
from core.types import Fragment, Samples

CLUSTER = b"\x1f\x43\xb6\x75"
_TIME, _SIMPLE_BLOCK, _GROUP, _BLOCK = b"\xe7", b"\xa3", b"\xa0", b"\xa1"
_REFERENCE, _ADDITIONS, _MORE = b"\xfb", b"\x75\xa1", b"\xa6"
_WHICH, _ADDITIONAL = b"\xee", b"\xa5"

_VIDEO, _AUDIO = 1, 2  # tracks
_KEY = 0x80
_NUMBERED = 8
"""Bytes before the alpha in FFmpeg's side data: which of the block's additions it is."""

_RATE = 48_000
"""Of Opus. Times in the file are in milliseconds."""

_CRF = "20"
"""libvpx's measure of quality, the lower the better; what comes of it may be encoded again."""

_BT709, _LIMITED = 1, 1  # ITU-T H.273
_LARGE = 1280 * 720
"""Pixels of a frame from which two cores encode it."""


def element(kind: bytes, *parts: bytes) -> bytes:
    """An EBML element of `kind` around `parts`."""
    body = b"".join(parts)
    return kind + (1 << 56 | len(body)).to_bytes(8, "big") + body


class AlphaEncoder:
    """Encodes one video with alpha. Owned by one thread.

    init: the head of the file, to be written first.
    """

    def __init__(
        self, width: int, height: int, fps: int, rate: int, *, tags: Mapping[str, str] | None = None
    ) -> None:
        """width, height: even. rate: of the sound in Hz. tags: metadata of the file."""
        self._fps, self._shown, self._heard, self._sent = fps, 0, 0, 0
        self._resampler, self._waiting = Resampler(rate, _RATE), np.zeros(0, np.float32)
        head = Head()
        self._file = av.open(head, "w", format="webm", options={"live": "1"})
        self._file.metadata.update(tags or {})
        self._add_video(width, height)
        self._audio = self._file.add_stream("libopus", rate=_RATE, layout="mono")
        self._audio.codec_context.bit_rate = 64_000
        self._file.start_encoding()
        self._frame = VideoFrame(width, height, "yuva420p")
        self.init = Fragment("init", bytes(head.data))

    def _add_video(self, width: int, height: int) -> None:
        options = {"crf": _CRF, "b": "0", "deadline": "realtime", "cpu-used": "7", "row-mt": "1"}
        options |= {"lag-in-frames": "0", "auto-alt-ref": "0"}  # each frame comes out at once, and is shown
        self._video = self._file.add_stream("libvpx-vp9", rate=self._fps, options=options)
        context = self._video.codec_context
        context.width, context.height, context.pix_fmt = width, height, "yuva420p"
        context.time_base = Fraction(1, self._fps)
        context.gop_size = self._fps
        context.thread_count = 2 if width * height >= _LARGE else 1
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        context.color_range = _LIMITED

    def video(self, planes: Planes, alpha: NDArray[np.uint8]) -> Fragment:
        """Encode the next frame: uint8 (height * 3 // 2, width), I420, BT.709 limited, straight colours.

        alpha: uint8 (height, width), 255 where nothing shines through.
        """
        frame = self._frame
        frame.make_writable()
        for plane, values in zip(frame.planes, (*split(planes), alpha), strict=True):
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
            rows[:, : plane.width] = values
        frame.pts, frame.time_base = self._shown, Fraction(1, self._fps)
        (packet,) = self._video.encode(frame)  # one in, one out: it looks at none ahead
        start, self._shown = self._shown, self._shown + 1
        shape = bytes(packet.get_sidedata("matroska_block_additional"))[_NUMBERED:]
        block = element(_BLOCK, bytes([0x80 | _VIDEO, 0, 0, 0]), bytes(packet))
        # Addition 1 is alpha. That is what it is without a number, too, but not to Chromium.
        added = element(_ADDITIONS, element(_MORE, element(_WHICH, b"\1"), element(_ADDITIONAL, shape)))
        back = round(1000 / self._fps)
        refers = b"" if packet.is_keyframe else element(_REFERENCE, (-back).to_bytes(2, "big", signed=True))
        data = _cluster(round(start * 1000 / self._fps), element(_GROUP, block, added, refers))
        return Fragment("video", data, start, 1, self._fps, packet.is_keyframe, frames=1)

    def audio(self, samples: Samples) -> list[Fragment]:
        """Encode the next samples; returns what has become whole."""
        return self._encode(self._resampler.push(samples))

    def finish(self) -> list[Fragment]:
        """What the encoders still hold."""
        rest = self._encode(self._resampler.finish())
        size = self._audio.codec_context.frame_size
        if len(self._waiting):
            rest += self._encode(np.zeros(size - len(self._waiting), np.float32))
        return rest + self._fragments(self._audio.encode(None))

    def close(self) -> None:
        """Let go of both encoders."""
        self._file.close()

    def _encode(self, samples: Samples) -> list[Fragment]:
        size = self._audio.codec_context.frame_size
        self._waiting = np.concatenate([self._waiting, samples])
        packets: list[Packet[AudioStream]] = []
        while len(self._waiting) >= size:
            piece, self._waiting = self._waiting[:size], self._waiting[size:]
            frame = AudioFrame.from_ndarray(np.ascontiguousarray(piece[None]), format="fltp", layout="mono")
            frame.sample_rate, frame.time_base, frame.pts = _RATE, Fraction(1, _RATE), self._heard
            self._heard += size
            packets += self._audio.encode(frame)
        return self._fragments(packets)

    def _fragments(self, packets: "list[Packet[AudioStream]]") -> list[Fragment]:
        fragments = []
        size = self._audio.codec_context.frame_size
        for packet in packets:
            # Its own times begin before 0, by what the head says is to be left out (CodecDelay).
            start, self._sent = self._sent, self._sent + size
            block = element(_SIMPLE_BLOCK, bytes([0x80 | _AUDIO, 0, 0, _KEY]), bytes(packet))
            data = _cluster(start * 1000 // _RATE, block)
            fragments.append(Fragment("audio", data, start, size, _RATE, key=True))
        return fragments


def _cluster(milliseconds: int, *parts: bytes) -> bytes:
    return element(CLUSTER, element(_TIME, milliseconds.to_bytes(4, "big")), *parts)
