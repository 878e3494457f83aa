"""What is known of a foreign file before it is decoded, and how much of it we are willing to decode."""

from dataclasses import dataclass
from typing import Literal

from core.errors import BadInput

CLOCK = 90_000
"""Ticks a second in which frames of a video with times of its own are timed: what MPEG counts in; every
usual rate is whole in it, and the times of any other file are right to 11 microseconds."""


SMALLEST_SIDE = 16
"""Pixels of the least that is taken for a picture."""

LONGEST_SIDE = 1920
"""What is larger is scaled down to this, if no size is asked for."""


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What a file is.

    width, height: as shown, rotation and pixel shape applied; 0 for sound. fps: average; 0 for a picture
    or sound. duration_s: 0 for a picture. frames: None where counting them would need decoding.
    audio_rate: in Hz, None without sound.
    """

    kind: Literal["video", "image", "audio"]
    width: int
    height: int
    fps: float
    duration_s: float
    frames: int | None
    audio_rate: int | None


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a foreign file may be.

    side, pixels: of a picture. frame_pixels: of a video's frame; the default lets 4K pass.
    memory_bytes, cpu_s: of the process that decodes it.
    """

    duration_s: float = 1800
    side: int = 8192
    pixels: int = 40_000_000
    frame_pixels: int = 4096 * 2304
    memory_bytes: int = 2 << 30
    cpu_s: int = 3600


def check_large_enough(name: str, width: int, height: int) -> None:
    """Raise BadInput `unsupported` for the picture of a file in which nobody could be seen."""
    least = f"{SMALLEST_SIDE}x{SMALLEST_SIDE}"
    if min(width, height) < SMALLEST_SIDE:
        raise BadInput("unsupported", f"{name} is too small, {width}x{height}; use one of {least} or more")
    if min(width, height) * LONGEST_SIDE < SMALLEST_SIDE * max(width, height):
        message = f"{name} is too narrow, {width}x{height}; use one whose sides are less unlike"
        raise BadInput("unsupported", message)


def check_frame(name: str, width: int, height: int, limits: Limits, *, enlarged: bool) -> None:
    """Raises BadInput `too_large_frames` if frames of that size are more than we are willing to take."""
    if width * height > limits.frame_pixels:
        raise BadInput(
            "too_large_frames",
            f"{name} would be {width}x{height}; frames may have {limits.frame_pixels / 1e6:.1f} million "
            "pixels (4K)" + ("; do not enlarge it" if enlarged else "; scale it down"),
        )


@dataclass(frozen=True, slots=True)
class VideoHead:
    """What is known of a foreign video before its first frame comes.

    width, height: of the frames as they come, upright, square pixels, even. fps: average. frames: how many
    there will be, about; None if the file does not say. sound: codecs of its sound tracks, in order.
    sound_start: when the first of them begins, in ticks of CLOCK; negative if before the picture.
    """

    width: int
    height: int
    fps: float
    frames: int | None
    sound: tuple[str, ...]
    sound_start: int
