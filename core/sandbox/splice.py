"""Put a picture of our own making and the sound of a foreign file together. Runs in the child process.

Sound is copied packet by packet, every track of it, with its language; nothing is decoded. Only what few
players know in MP4 (PCM, Vorbis, Windows Media, AMR ...) is encoded anew, as AAC. Subtitles and data
are left behind.
"""

import heapq
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from core.labels import label_of
from core.media.alpha import MOVFLAGS
from core.sandbox.audio import RATES
from core.sandbox.frames import origin
from core.sandbox.reader import open_container

_LANGUAGE = "language"
_PLAYED = ("aac", "mp3", "mp3float", "ac3", "eac3", "alac", "flac", "opus")
"""What players of MP4 know; others (PCM, Vorbis, DTS ...) few play, though MP4 can hold them."""


def splice(picture: Path, source: Path, whole: Path) -> None:
    """Write `whole`, an MP4 with its index in front: the video of `picture`, a file of ours, and the sound of
    `source`, and the label of generated media that `source` has.

    Raises OSError if it cannot be written.
    """
    options = {"protocol_whitelist": "file", "format_whitelist": "mov"}
    with (
        av.open(f"file:{picture}", options=options) as ours,
        open_container(source) as foreign,
        av.open(f"file:{whole}", "w", format="mp4", options={"movflags": MOVFLAGS}) as target,
    ):
        target.metadata.update(label_of(foreign.metadata))
        video = ours.streams.video[0]
        tracks: dict[Any, _Copied | _Encoded] = {video: _Copied(target, video)}
        for sound in foreign.streams.audio:
            if sound.codec_context is not None and sound.rate:
                fits = sound.codec_context.name in _PLAYED
                tracks[sound] = _Copied(target, sound) if fits else _Encoded(target, sound)
        heard = [track for track in tracks if track is not video]
        begin = origin(foreign)
        streams = [_packets(ours, [video], 0), _packets(foreign, heard, begin) if heard else iter(())]
        for _, packet in heapq.merge(*streams, key=lambda timed: timed[0]):
            tracks[packet.stream].add(packet)
        for track in tracks.values():
            track.finish()


def _packets(
    container: InputContainer, streams: list[Any], begin: Any
) -> "Iterator[tuple[float, Packet[Any]]]":
    """Packets with their time in seconds, which counts from `begin`."""
    with suppress(av.EOFError):
        for packet in container.demux(streams):
            # Without a time it only says that the stream ends; what is corrupt was cut off.
            if packet.dts is None or packet.pts is None or packet.is_corrupt:
                continue
            if begin:
                shift = round(begin / packet.time_base)
                packet.pts -= shift
                packet.dts -= shift
            yield float(packet.dts * packet.time_base), packet


class _Copied:
    """A track whose packets stay as they are."""

    def __init__(self, target: OutputContainer, stream: Any) -> None:
        self._target = target
        self._stream: Any = target.add_stream_from_template(stream, opaque=True)
        self._last: int | None = None
        if language := stream.metadata.get(_LANGUAGE):
            self._stream.metadata[_LANGUAGE] = language

    def add(self, packet: "Packet[Any]") -> None:
        """Append a packet; one that goes back in time, as in damaged files, is dropped."""
        now = packet.dts or 0
        if self._last is not None and now <= self._last:
            return
        self._last = now
        packet.stream = self._stream
        self._target.mux(packet)

    def finish(self) -> None:
        """Nothing is held back."""


class _Encoded:
    """A track that becomes AAC."""

    def __init__(self, target: OutputContainer, stream: AudioStream) -> None:
        self._target = target
        layout = "mono" if stream.codec_context.layout.nb_channels == 1 else "stereo"
        rate = max((rate for rate in RATES if rate <= stream.rate), default=RATES[0])
        self._stream: Any = target.add_stream("aac", rate=rate, layout=layout)
        if language := stream.metadata.get(_LANGUAGE):
            self._stream.metadata[_LANGUAGE] = language

    def add(self, packet: "Packet[AudioStream]") -> None:
        """Decode and encode; what does not decode is left out."""
        with suppress(av.InvalidDataError):
            for frame in packet.decode():
                self._target.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """What the encoder still holds."""
        self._target.mux(self._stream.encode(None))
