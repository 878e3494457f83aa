"""Encode speech as it is made, into the formats people listen to; the file is never seen whole."""

import struct
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from core.media.resample import Resampler
from core.types import Samples

RATE = 24_000
"""Samples a second of what comes out: what OpenAI's clients expect of raw `pcm`."""

TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
"""Media type of each format."""

# Format: FFmpeg's muxer, encoder, sample format and bits a second.
_CODECS = {
    "mp3": ("mp3", "libmp3lame", "s16p", 64_000),
    "opus": ("ogg", "libopus", "s16", 32_000),
    "aac": ("adts", "aac", "fltp", 64_000),
    "flac": ("flac", "flac", "s16", 0),
}

# Ogg gathers a second of sound in a page, if it is not told otherwise (in microseconds).
_AT_ONCE = {"ogg": {"page_duration": "100000"}}


class _Sink:
    """Where FFmpeg writes. No `seek`: what has left cannot be changed."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: bytes) -> int:
        """Take what FFmpeg writes."""
        self._data += data
        return len(data)

    def take(self) -> bytes:
        """What was written since the last time."""
        data, self._data = bytes(self._data), bytearray()
        return data


class SpeechEncoder:
    """Mono samples in, bytes of a `format` of TYPES out. Owned by one thread at a time; blocking."""

    def __init__(self, format: str, rate: int, out: int = RATE) -> None:
        """rate: of the samples that will come, in Hz. out: of what comes out."""
        self._resampler = Resampler(rate, out)
        self._rate = out
        self._format = format
        self._sink = _Sink()
        self._heard = 0
        self._begun = False
        if format in _CODECS:
            muxer, codec, sample_format, bits = _CODECS[format]
            self._file = av.open(self._sink, "w", format=muxer, options=_AT_ONCE.get(muxer, {}))
            stream = self._file.add_stream(codec, rate=out, layout="mono", format=sample_format)
            self._stream = cast("AudioStream", stream)
            if bits:
                self._stream.bit_rate = bits

    def add(self, samples: Samples) -> bytes:
        """Encode more; returns what has become ready, which may be nothing."""
        return self._encode(self._resampler.push(samples))

    def finish(self) -> bytes:
        """The rest."""
        data = self._encode(self._resampler.finish())
        if self._format not in _CODECS:
            return data
        self._file.mux(self._stream.encode(None))
        self._file.close()
        return data + self._sink.take()

    def _encode(self, samples: Samples) -> bytes:
        pcm = np.round(np.clip(samples, -1, 1) * 32_767).astype("<i2")
        if self._format not in _CODECS:
            header = b"" if self._begun or self._format == "pcm" else _wav_header(self._rate)
            self._begun = True
            return header + pcm.tobytes()
        if len(pcm):
            frame = AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
            frame.sample_rate, frame.time_base, frame.pts = self._rate, Fraction(1, self._rate), self._heard
            self._heard += len(pcm)
            self._file.mux(self._stream.encode(frame))
        return self._sink.take()


def _wav_header(rate: int) -> bytes:
    """A WAV header whose lengths are "until it ends", as nobody knows them yet."""
    sound = struct.pack("<HHIIHH", 1, 1, rate, rate * 2, 2, 16)
    return b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<I", len(sound)) + sound + b"data\xff\xff\xff\xff"
