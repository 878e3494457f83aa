"""What our fragments carry, as real-time carriers take it: H.264 with start codes, sound as Opus.

The pictures are passed on as they are, so all viewers share one encoding of them; the sound is encoded a
second time, because WebRTC knows no AAC.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.resampler import AudioResampler
from av.packet import Packet

from core.media.fmp4 import AUDIO_TRACK, VIDEO_TRACK

OPUS_RATE = 48_000
_OPUS_BITS = 64_000
_PIECE_S = Fraction(20, 1000)

_START = b"\0\0\0\1"
_MDHD = struct.Struct(">4x4x4x4xI")  # its type, version and flags, two times, then the ticks a second
_AAC_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000)


@dataclass(frozen=True, slots=True)
class Carried:
    """A packet of one track. kind: "video" or "audio". key: a decoder can begin here."""

    kind: str
    packet: "Packet[Any]"
    key: bool


class Repacker:
    """Fragments in, packets out, as they come. Blocking, some 0.3 ms a packet of sound."""

    def __init__(self, init: bytes) -> None:
        """init: the head of a file that `LiveEncoder` wrote, with sound."""
        at, clocks = 0, []
        while (at := init.find(b"mdhd", at)) >= 0:
            clocks.append(int(_MDHD.unpack_from(init, at)[0]))
            at += 4
        self._ticks, self._rate = clocks
        self._sets = b"".join(_START + one for one in _parameter_sets(init))
        self._decoder = _decoder(self._rate)
        self._encoder = _encoder()
        self._resampler = AudioResampler(
            format="s16", layout="mono", rate=OPUS_RATE, frame_size=round(OPUS_RATE * _PIECE_S)
        )

    def push(self, data: bytes) -> list[Carried]:
        """What becomes whole with these fragments, in their order."""
        found: list[Carried] = []
        for track, start, key, body in _samples(data):
            found += [self._picture(start, key, body)] if track == VIDEO_TRACK else self._sound(start, body)
        return found

    def _picture(self, start: int, key: bool, body: bytes) -> Carried:
        units = b"".join(_START + unit for unit in _units(body))
        return Carried("video", _packet(self._sets + units if key else units, start, self._ticks), key)

    def _sound(self, start: int, body: bytes) -> list[Carried]:
        made = []
        for frame in self._decoder.decode(_packet(body, start, self._rate)):
            frame.pts, frame.time_base = start, Fraction(1, self._rate)
            for piece in self._resampler.resample(frame):
                made += self._encoder.encode(piece)
        return [
            Carried("audio", packet, True) for packet in made if packet.pts is not None and packet.pts >= 0
        ]


def _packet(data: bytes, start: int, ticks: int) -> "Packet[Any]":
    packet: Packet[Any] = Packet(data)
    packet.pts = packet.dts = start
    packet.time_base = Fraction(1, ticks)
    return packet


def _decoder(rate: int) -> AudioCodecContext:
    decoder = av.CodecContext.create("aac", "r")
    assert isinstance(decoder, AudioCodecContext)  # noqa: S101  # what it is for
    # AAC-LC, one channel: ISO/IEC 14496-3, AudioSpecificConfig.
    decoder.extradata = struct.pack(">H", 2 << 11 | _AAC_RATES.index(rate) << 7 | 1 << 3)
    return decoder


def _encoder() -> AudioCodecContext:
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, AudioCodecContext)  # noqa: S101
    encoder.format, encoder.layout, encoder.sample_rate = "s16", "mono", OPUS_RATE
    encoder.bit_rate, encoder.time_base = _OPUS_BITS, Fraction(1, OPUS_RATE)
    encoder.options = {"application": "voip"}
    return encoder


def _parameter_sets(init: bytes) -> Iterator[bytes]:
    """Those of the head's avcC: ISO/IEC 14496-15, 5.3.3.1; one of each kind."""
    at = init.index(b"avcC") + 4 + 5
    for _ in range(2):
        (length,) = struct.unpack_from(">H", init, at + 1)
        yield init[at + 3 : at + 3 + length]
        at += 3 + length


def _units(body: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(body):
        (length,) = struct.unpack_from(">I", body, at)
        yield body[at + 4 : at + 4 + length]
        at += 4 + length


def _samples(data: bytes) -> Iterator[tuple[int, int, bool, bytes]]:
    """Track, start in its ticks, whether one can begin there, and the sample: as `fmp4.fragment` wrote it."""
    at = 0
    while at < len(data):
        (moof,) = struct.unpack_from(">I", data, at)
        (track,) = struct.unpack_from(">I", data, at + 44)
        (start,) = struct.unpack_from(">Q", data, at + 60)
        (flags,) = struct.unpack_from(">I", data, at + 96)
        (mdat,) = struct.unpack_from(">I", data, at + moof)
        if track in (VIDEO_TRACK, AUDIO_TRACK):
            yield track, start, flags == 0x0200_0000, data[at + moof + 8 : at + moof + mdat]
        at += moof + mdat
