"""Open a foreign file and say what it is. Runs in the child process (`core.sandbox`) only.

Pictures go through Pillow (`core.sandbox.picture`), which knows their size before it decodes anything; FFmpeg
decodes a picture merely to look at it, however large. Everything else goes through FFmpeg, told to recognise
nothing but the containers below and to open nothing but files: a playlist, whatever its name, is refused.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from core.errors import BadInput
from core.media.info import Limits, MediaInfo
from core.sandbox.fit import check_colours, shown_size
from core.sandbox.rates import usual_rate

CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,wav,w64,aiff,caf,mp3,aac,flac,amr"
)
EXPECTED = (
    "a video (MP4, MOV, WebM, MKV, AVI), a picture (JPEG, PNG, HEIC, AVIF, WebP, TIFF, BMP, GIF) or sound "
    "(WAV, MP3, M4A, FLAC)"
)


_PICTURE_HEADS = (
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"GIF8", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    *(b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
)


@dataclass(slots=True)
class Faults:
    """Pieces of a file that decoded and pieces that did not."""

    good: int = 0
    bad: int = 0


def signature(path: Path) -> str | None:
    """ "picture", "container" or None, by the file's first bytes."""
    with path.open("rb") as file:
        head = file.read(16)
    if head.startswith(_PICTURE_HEADS):
        return "picture"
    if head[:4] == b"RIFF":
        return "picture" if head[8:12] == b"WEBP" else "container"
    if head[4:8] == b"ftyp":
        heif = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis")
        return "picture" if head[8:12] in heif else "container"
    known = (
        b"\x1aE\xdf\xa3",
        b"OggS",
        b"fLaC",
        b"ID3",
        b"FLV",
        b"FORM",
        b"caff",
        b"\x30\x26\xb2\x75",
        b"#!AMR",
    )
    if head.startswith(known) or head[4:8] in (b"moov", b"mdat", b"wide", b"free", b"skip"):
        return "container"
    return None


def open_container(path: Path) -> InputContainer:
    """The file, open for decoding. Raises BadInput if it is not one of `CONTAINERS`."""
    av.logging.set_level(None)
    kind = signature(path)
    try:
        return av.open(
            f"file:{path}",  # the name is a file's, even if it looks like an address
            options={"format_whitelist": CONTAINERS, "protocol_whitelist": "file"},
            metadata_errors="replace",
        )
    except MemoryError:
        raise
    except Exception as error:
        if kind == "container":
            raise malformed(path, error) from error
        raise BadInput(
            "not_media", f"{path.name} is not a media file that is known here; expected {EXPECTED}"
        ) from error


def malformed(path: Path, why: object) -> BadInput:
    """What to raise for a file that claims to be media and cannot be decoded."""
    if isinstance(why, OSError | av.FFmpegError):
        why = why.strerror or type(why).__name__  # the whole text would tell where on this machine it lies
    return BadInput(
        "malformed_media",
        f"{path.name} is damaged or incomplete ({why}); export it again, or convert it to MP4 (H.264, AAC)",
    )


def video_stream(container: InputContainer, path: Path, limits: Limits) -> VideoStream:
    """The moving picture that players show. Raises BadInput if there is none, or none that may be decoded."""
    streams = moving(container)
    if not streams:
        if container.streams.audio:
            raise BadInput("audio_only", f"{path.name} has sound but no picture; give a video or a picture")
        raise BadInput("not_media", f"{path.name} holds neither picture nor sound; expected {EXPECTED}")
    stream = max(streams, key=_rank)
    context = stream.codec_context
    if context is None or not context.width:
        raise BadInput("unsupported", f"{path.name}: its video codec is not known; convert it to MP4 (H.264)")
    if context.width * context.height > limits.frame_pixels:
        raise BadInput(
            "too_large_frames",
            f"{path.name} is {context.width}x{context.height}; frames may have "
            f"{limits.frame_pixels / 1e6:.1f} million pixels (4K); scale it down",
        )
    check_duration(path, duration(container, stream), limits)
    return stream


def moving(container: InputContainer) -> list[VideoStream]:
    """Its pictures that move: covers of albums and thumbnails do not."""
    still = Disposition.attached_pic | Disposition.timed_thumbnails
    return [stream for stream in container.streams.video if not stream.disposition & still]


def _rank(stream: VideoStream) -> tuple[bool, bool, bool, int]:
    """By which one is taken: no single picture, the one that players show, no likely cover, the largest."""
    context = stream.codec_context
    pixels, codec = (0, "") if context is None else (context.width * context.height, context.name)
    return stream.frames != 1, bool(stream.disposition & Disposition.default), codec not in _COVERS, pixels


_COVERS = ("mjpeg", "png", "bmp", "gif", "webp")
"""How covers are coded, marked as such or not; Matroska does not tell how many pictures a stream has."""


def audio_stream(container: InputContainer, path: Path, limits: Limits) -> AudioStream:
    """The sound that players play. Raises BadInput if there is none, or none that may be decoded."""
    if not container.streams.audio:
        raise BadInput("no_audio", f"{path.name} has no sound; give a file with speech in it")
    stream = max(container.streams.audio, key=lambda s: bool(s.disposition & Disposition.default))
    if stream.codec_context is None or not stream.rate:
        raise BadInput("unsupported", f"{path.name}: its audio codec is not known; convert it to WAV or MP3")
    check_duration(path, duration(container, stream), limits)
    return stream


def check_duration(path: Path, seconds: float, limits: Limits) -> None:
    """Raises BadInput if it lasts longer than it may."""
    if seconds > limits.duration_s:
        raise BadInput(
            "media_too_long", f"{path.name} lasts longer than {limits.duration_s:.0f} s; cut it shorter"
        )


def duration(container: InputContainer, stream: VideoStream | AudioStream) -> float:
    """Seconds, as the file says; 0 if it does not."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    # Matroska tells when it ends; a recording of a long transmission may begin hours after 0.
    begins = max(container.start_time or 0, 0) if "matroska" in container.format.name else 0
    return max((container.duration or 0) - begins, 0) / av.time_base


def frame_rate(stream: VideoStream) -> Fraction:
    """Frames a second on average, as far as the file tells; 25 if it does not."""
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate and 1 <= rate <= 240:
            return rate
    return Fraction(25)


def decode(
    container: InputContainer, stream: VideoStream | AudioStream, faults: Faults
) -> Iterator[VideoFrame | AudioFrame]:
    """What decodes, in order. What does not is counted and passed over; so is a file that breaks off."""
    own = _with_alpha(stream)
    try:
        for packet in container.demux(stream):
            try:
                some = packet.decode() if own is None else own.decode(packet if packet.size else None)
                frames = [frame for frame in some if isinstance(frame, VideoFrame | AudioFrame)]
            except MemoryError:
                raise
            except (av.FFmpegError, ValueError):
                faults.bad += 1
                continue
            for frame in frames:
                if frame.is_corrupt:
                    faults.bad += 1
                else:
                    faults.good += 1
                    yield frame
    except av.EOFError:
        return
    except av.FFmpegError as error:
        if isinstance(error, MemoryError):
            raise
        faults.bad += 1


_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Decoders that give the alpha of WebM; FFmpeg's own ones leave it out."""


def _with_alpha(stream: VideoStream | AudioStream) -> VideoCodecContext | None:
    """A decoder of our own, where the stream's leaves something out."""
    context = stream.codec_context
    if context is None or stream.metadata.get("alpha_mode") != "1" or context.name not in _WITH_ALPHA:
        return None
    decoder = VideoCodecContext.create(_WITH_ALPHA[context.name], "r")
    assert isinstance(decoder, VideoCodecContext)  # noqa: S101  # it is one of pictures
    decoder.thread_count = 2
    return decoder


def usual_frame_rate(path: Path, stream: VideoStream) -> Fraction:
    """Frames a second while it moves, by its first pictures; its average if they do not tell."""
    times = []
    with suppress(av.FFmpegError), open_container(path) as container:
        for packet in container.demux(container.streams[stream.index]):
            if packet.pts is not None and packet.time_base is not None:
                times.append(float(packet.pts * packet.time_base))
            if len(times) >= _LOOKED_AT:
                break
    usual = usual_rate(times)
    average = frame_rate(stream)
    if usual is None or not _SLOWEST <= usual <= 240 or abs(usual / float(average) - 1) < 0.01:
        return average
    return Fraction(usual).limit_denominator(1001)


_LOOKED_AT = 300  # pictures
_SLOWEST = 1 / 60  # of slide shows


def check_faults(path: Path, faults: Faults, seconds: float) -> None:
    """Decide whether what decoded will do.

    A file may break off, and a damaged one may lose up to a tenth of its pieces; what is left must
    last a second. Raises BadInput otherwise.
    """
    if not faults.good or (faults.bad and (seconds < 1 or faults.bad * 9 > faults.good)):
        raise malformed(path, f"{faults.bad} of {faults.good + faults.bad} pieces cannot be decoded")


def media_info(path: Path, limits: Limits) -> MediaInfo:
    """What `path` is. Raises BadInput if it cannot be used."""
    with open_container(path) as container:
        if not moving(container):
            sound = audio_stream(container, path, limits)
            return MediaInfo("audio", 0, 0, 0.0, duration(container, sound), None, sound.rate)
        stream = video_stream(container, path, limits)
        faults = Faults()
        first = next(decode(container, stream, faults), None)
        if not isinstance(first, VideoFrame):
            raise malformed(path, "not one frame can be decoded")
        check_colours(path.name, stream, first)
        width, height = shown_size(stream, first)
        rate = frame_rate(stream)
        seconds, frames = duration(container, stream), stream.frames or None
        if not seconds:
            frames = 1 + sum(packet.size > 0 for packet in container.demux(stream))
            seconds = float(frames / rate)
            check_duration(path, seconds, limits)
        sound_rate = container.streams.audio[0].rate if container.streams.audio else None
        return MediaInfo("video", width, height, float(rate), seconds, frames, sound_rate or None)
