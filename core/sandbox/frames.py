"""Decode a foreign video to planes, each frame with its own time. Runs in the child process only.

Other than a clip (`core.sandbox.normalise`), nothing is brought to a constant rate: frames come as the file
times them, in ticks of CLOCK from the moment at which the file begins. Pieces that do not decode are left
out, and the frame before them lasts until the next one.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from av.container import InputContainer
from av.video.frame import VideoFrame

from core.errors import BadInput
from core.media.clip import packed
from core.media.info import CLOCK, Limits, VideoHead, check_frame
from core.media.planes import Planes
from core.sandbox.fit import Colours, Fit, progressive, shown_size
from core.sandbox.reader import (
    Faults,
    check_duration,
    check_faults,
    decode,
    duration,
    frame_rate,
    malformed,
    open_container,
    signature,
    video_stream,
)

Timed = tuple[int, int, Planes]
"""When a frame is shown, from tick to tick, and the frame."""


def read_frames(path: Path, scale: int, limits: Limits) -> tuple[VideoHead, Iterator[Timed]]:
    """What the video is, and its frames, `scale` times as large.

    Raises BadInput for what cannot be used; iterating raises it for what turns out to be damaged.
    """
    if signature(path) == "picture":
        raise BadInput("still_picture", f"{path.name} is a picture; give a video", "file")
    container = open_container(path)
    stream = video_stream(container, path, limits)
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = 2
    said, faults = Colours.of(stream), Faults()
    decoded = (frame for frame in decode(container, stream, faults) if isinstance(frame, VideoFrame))
    frames = progressive(decoded)
    first = next(frames, None)
    if first is None:
        raise malformed(path, "not one frame can be decoded")
    width, height = (side * scale // 2 * 2 for side in shown_size(stream, first))
    check_frame(path.name, width, height, limits, enlarged=scale > 1)
    rate, seconds = frame_rate(stream), duration(container, stream)
    sound = container.streams.audio
    head = VideoHead(
        width,
        height,
        float(rate),
        stream.frames or (round(seconds * rate) if seconds else None),
        tuple(track.codec_context.name for track in sound if track.codec_context is not None),
        _ticks(sound[0].start_time, sound[0].time_base, container) or 0 if sound else 0,
    )
    fit = Fit(path.name, stream, first, (width, height), said)

    def timed() -> Iterator[Timed]:
        until = 0
        for frame, start, stop in _shown(first, frames, rate, container):
            check_duration(path, stop / CLOCK - 1, limits)
            until = stop
            yield start, stop, packed(fit(frame))
        check_faults(path, faults, until / CLOCK)

    return head, timed()


def origin(container: InputContainer) -> Fraction:
    """Seconds at which the file begins; broadcasts begin at any."""
    return max(Fraction(0), Fraction(container.start_time or 0, 1_000_000))


def _ticks(pts: int | None, base: Fraction | None, container: InputContainer) -> int | None:
    return None if pts is None or base is None else round((pts * base - origin(container)) * CLOCK)


def _shown(
    first: VideoFrame, rest: Iterator[VideoFrame], rate: Fraction, container: InputContainer
) -> Iterator[tuple[VideoFrame, int, int]]:
    """Frames from tick to tick, without a gap; times always move on, whatever the file says.

    The first begins at 0: a player that waits for a later one shows nothing. Where times jump back, as where
    recordings were joined, they go on from there.
    """
    usual = max(1, round(CLOCK / rate))
    held, start, shift = first, 0, 0
    for frame in rest:
        told = _ticks(frame.pts, frame.time_base, container)
        stop = start + usual
        if told is not None and told + shift > start:
            stop = told + shift
        elif told is not None and told + shift > start - CLOCK:
            stop = start + max(1, usual // 2)  # one too many, from a damaged piece: catch up with the next
        elif told is not None:
            shift = stop - told
        yield held, start, stop
        held, start = frame, stop
    lasting = round(held.duration * held.time_base * CLOCK) if held.duration and held.time_base else usual
    yield held, start, start + (lasting if 0 < lasting <= CLOCK else usual)
