"""Encode frames and sound as a fragmented MP4 without holding anything back.

FFmpeg's own MP4 writer delays each frame until it knows the next one, and until the other track has
caught up. Here every H.264 or AAC packet leaves at once as a fragment of its own (moof + mdat, one
track); only the head of the file comes from FFmpeg. The same bytes serve Media Source Extensions, a
plain HTTP download while it grows, and the file on disk. Knows no threads and no queues.

ISO/IEC 14496-12 (boxes), 14496-15 (H.264 in MP4), RFC 6381 (codec names).
"""

import re
import struct
from collections.abc import Mapping
from fractions import Fraction

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.packet import Packet

from core.media.planes import Planes, wrapped
from core.types import Fragment, Samples

VIDEO_TRACK, AUDIO_TRACK = 1, 2

_LARGE = 1280 * 1080
"""Pixels of a frame beyond which two cores encode it."""
_BT709, _LIMITED = 1, 1  # ITU-T H.273
_SYNC, _DEPENDS = 0x0200_0000, 0x0101_0000  # sample flags: can be begun at, or not
_START_CODE = re.compile(b"\x00\x00\x00\x01|\x00\x00\x01")
_SEI, _SPS, _PPS, _DELIMITER = 6, 7, 8, 9


def box(kind: bytes, *parts: bytes) -> bytes:
    """An ISO box of `kind` around `parts`."""
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def fragment(sequence: int, track: int, start: int, duration: int, sync: bool, data: bytes) -> bytes:
    """moof and mdat for one sample; `start` and `duration` in the track's ticks."""
    header = box(b"mfhd", struct.pack(">II", 0, sequence))
    track_header = box(b"tfhd", struct.pack(">II", 0x02_0000, track))  # offsets count from the moof
    begin = box(b"tfdt", struct.pack(">IQ", 0x0100_0000, start))
    run_length = 8 + 4 + 4 + 4 + 12
    track_length = 8 + len(track_header) + len(begin) + run_length
    offset = 8 + len(header) + track_length + 8
    # Says: data offset, then for each sample its duration, size and flags.
    sample = struct.pack(">III", duration, len(data), _SYNC if sync else _DEPENDS)
    run = box(b"trun", struct.pack(">IIi", 0x0701, 1, offset), sample)
    return box(b"moof", header, box(b"traf", track_header, begin, run)) + box(b"mdat", data)


def with_lengths(annexb: bytes) -> bytes:
    """H.264 as MP4 has it: each unit after its length. Parameter sets are in the file's head, not here."""
    units = [unit.rstrip(b"\0") for unit in _START_CODE.split(annexb)]
    kept = [unit for unit in units if unit and unit[0] & 31 not in (_SEI, _SPS, _PPS, _DELIMITER)]
    return b"".join(struct.pack(">I", len(unit)) + unit for unit in kept)


def codec_names(init: bytes) -> str:
    """The codecs of a head that `LiveEncoder` wrote, as players want them.

    >>> codec_names(b"...avcC" + bytes.fromhex("01 64001e ff") + b"mp4a")
    'avc1.64001E,mp4a.40.2'
    """
    profile_and_level = init.index(b"avcC") + 5
    video = f"avc1.{init[profile_and_level : profile_and_level + 3].hex().upper()}"
    return f"{video},mp4a.40.2" if b"mp4a" in init else video


class Head:
    """Where FFmpeg writes the head of the file, and, at the end, what nobody wants."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        """Take what FFmpeg writes."""
        self.data += data
        return len(data)


class LiveEncoder:
    """Encodes one video. Owned by one thread.

    init: the head of the file, to be written first.
    """

    def __init__(
        self,
        width: int,
        height: int,
        fps: int,
        rate: int | None,
        *,
        clock: int | None = None,
        crf: int = 21,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """width, height: even. rate: of the sound in Hz, one AAC knows; None for a video without sound.

        clock: ticks a second in which frames are given times of their own; None: each lasts 1 / fps.
        crf: x264's measure of quality; the lower the better. tags: metadata of the file.
        """
        self._fps, self._rate, self._clock = fps, rate or 1, clock or fps
        self._sequence = self._shown = self._heard = 0
        self._waiting = np.zeros(0, np.float32)
        head = Head()
        kept = "+use_metadata_tags" if tags else ""
        flags = {"movflags": f"empty_moov+default_base_moof{kept}", "use_editlist": "0"}
        self._file = av.open(head, "w", format="mp4", options=flags)
        self._file.metadata.update(tags or {})
        self._add_video(width, height, crf)
        if rate is not None:
            self._add_audio()
        self._file.start_encoding()
        self._ticks = (self._video.time_base or Fraction(0)).denominator  # a whole number a frame
        self.init = Fragment("init", bytes(head.data))

    def _add_video(self, width: int, height: int, crf: int) -> None:
        # veryfast's exactness with superfast's choice of block sizes is a quarter quicker. With bits spread
        # more evenly, the face is nearer to what was drawn than veryfast's in a file as large (bench encode).
        options = {
            "preset": "superfast",
            "tune": "zerolatency",
            "crf": str(crf),
            "sc_threshold": "0",
            "x264-params": "subme=2:aq-strength=0.8",
        }
        self._video = self._file.add_stream("libx264", rate=self._fps, options=options)
        context = self._video.codec_context
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base = Fraction(1, self._clock)
        context.gop_size = self._fps
        context.thread_count = 2 if width * height > _LARGE else 1  # two slices, as one core is too slow
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        context.color_range = _LIMITED

    def _add_audio(self) -> None:
        # FFmpeg's slower coder takes four times as long, and comes as near to speech at these rates.
        coder = {"aac_coder": "fast"}
        self._audio = self._file.add_stream("aac", rate=self._rate, layout="mono", options=coder)
        self._audio.codec_context.bit_rate = min(96_000, 4 * self._rate)

    def video(self, planes: Planes, lasting: int = 1) -> Fragment:
        """Encode the next frame: uint8 (height * 3 // 2, width), I420, BT.709 limited; not written to.

        lasting: ticks of the clock until the next one.
        """
        frame = wrapped(planes)
        frame.pts, frame.time_base = self._shown, Fraction(1, self._clock)
        (packet,) = self._video.encode(frame)  # one in, one out: that is what zerolatency means
        tick = self._ticks // self._clock
        start, step = self._shown * tick, lasting * tick
        self._shown += lasting
        data = with_lengths(bytes(packet))
        written = fragment(self._next(), VIDEO_TRACK, start, step, packet.is_keyframe, data)
        return Fragment("video", written, start, step, self._ticks, packet.is_keyframe, frames=1)

    def audio(self, samples: Samples) -> list[Fragment]:
        """Encode the next samples; returns what has become whole."""
        size = self._audio.codec_context.frame_size
        self._waiting = np.concatenate([self._waiting, samples])
        packets: list[Packet[AudioStream]] = []
        while len(self._waiting) >= size:
            packets += self._encode_audio(self._waiting[:size])
            self._waiting = self._waiting[size:]
        return self._audio_fragments(packets)

    def finish(self) -> list[Fragment]:
        """What the encoders still hold. The last piece of sound ends where the sound does."""
        total = self._heard + len(self._waiting)
        size = self._audio.codec_context.frame_size
        packets: list[Packet[AudioStream]] = []
        if len(self._waiting):
            packets += self._encode_audio(np.pad(self._waiting, (0, size - len(self._waiting))))
        packets += self._audio.encode(None)
        return self._audio_fragments(packets, total)

    def close(self) -> None:
        """Let go of both encoders."""
        self._file.close()

    def _encode_audio(self, samples: Samples) -> "list[Packet[AudioStream]]":
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="fltp", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = self._rate, Fraction(1, self._rate), self._heard
        self._heard += len(samples)
        return self._audio.encode(frame)

    def _audio_fragments(
        self, packets: "list[Packet[AudioStream]]", total: int | None = None
    ) -> list[Fragment]:
        """Fragments of what sounds within the job; `total` is its length, once it is known."""
        fragments = []
        for packet in packets:
            start, length = packet.pts or 0, self._audio.codec_context.frame_size
            if total is not None:
                length = min(length, total - start)
            # What comes before zero is the encoder warming up. Without it no edit list is needed, and
            # picture and sound begin at the same instant in every player.
            if start < 0 or length <= 0:
                continue
            data = fragment(self._next(), AUDIO_TRACK, start, length, True, bytes(packet))
            fragments.append(Fragment("audio", data, start, length, self._rate, key=True))
        return fragments

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence
