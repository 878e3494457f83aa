"""Small media files, written for tests as the tests ask for them."""

import struct
import wave
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def corners(width: int, height: int, number: int) -> Picture:
    """RGB: corners red, blue, grey and green (clockwise from top left); a bar walks with `number`."""
    picture = np.full((height, width, 3), 128, np.uint8)
    high, wide = height // 4, width // 4
    picture[:high, :wide] = 255, 0, 0
    picture[:high, -wide:] = 0, 0, 255
    picture[-high:, :wide] = 0, 255, 0
    left = number * 4 % width
    picture[height // 2 - 8 : height // 2 + 8, left : left + 16] = 255
    return picture


def write_video(
    path: Path,
    *,
    frames: int = 25,
    size: tuple[int, int] = (160, 120),
    fps: Fraction | int = 25,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    draw: Callable[[int, int, int], Picture] = corners,
    times_ms: Sequence[int] | None = None,
    sound: bool = False,
    context: dict[str, Any] | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Write a video of what `draw(width, height, number)` draws, RGB or RGBA; returns `path`."""
    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream(codec, rate=fps, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        for name, value in (context or {}).items():
            setattr(stream.codec_context, name, value)
        if times_ms is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        voice: Any = file.add_stream("aac", rate=44_100, layout="stereo") if sound else None
        for number in range(frames):
            picture = draw(*size, number)
            frame = av.VideoFrame.from_ndarray(picture, format="rgba" if picture.shape[2] == 4 else "rgb24")
            if times_ms is not None:
                frame.pts, frame.time_base = times_ms[number], Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
        if sound:
            tone = np.sin(np.arange(44_100 * frames // int(fps)) * (2 * np.pi * 440 / 44_100))
            planes = np.stack([0.4 * tone, 0.2 * tone]).astype(np.float32)
            for first in range(0, planes.shape[1], 1024):
                piece = np.ascontiguousarray(planes[:, first : first + 1024])
                heard = av.AudioFrame.from_ndarray(piece, format="fltp", layout="stereo")
                heard.sample_rate, heard.pts, heard.time_base = 44_100, first, Fraction(1, 44_100)
                file.mux(voice.encode(heard))
            file.mux(voice.encode(None))
    return path


def damaged(path: Path, first: float, last: float) -> Path:
    """The MP4 itself, with that share of its packets, counted from the beginning, overwritten with zeros."""
    data = bytearray(path.read_bytes())
    begin = data.index(b"mdat") + 4
    size = int.from_bytes(data[begin - 8 : begin - 4], "big") - 8
    low, high = begin + int(size * first), begin + int(size * last)
    data[low:high] = bytes(high - low)
    path.write_bytes(data)
    return path


def turned(path: Path, degrees: int) -> Path:
    """A copy of an MP4 that asks to be shown turned clockwise, as telephones write it."""
    data = bytearray(path.read_bytes())
    header = data.index(b"tkhd") + 4
    # After version and flags: times, track, duration; then reserved, layer, group, volume; then the matrix.
    matrix = header + 4 + (32 if data[header] else 20) + 16
    one = 1 << 16
    a, b, c, d = {90: (0, one, -one, 0), 180: (-one, 0, 0, -one), 270: (0, -one, one, 0)}[degrees]
    struct.pack_into(">9i", data, matrix, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    copy = path.with_name(f"turned{degrees}.mp4")
    copy.write_bytes(data)
    return copy


def write_sound(path: Path, samples: NDArray[np.float32], rate: int) -> Path:
    """Write a 16-bit WAV; `samples` (n,) or (n, channels); returns `path`."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def tone(seconds: float, rate: int, pitch: float = 440.0) -> NDArray[np.float32]:
    """A sine at half volume."""
    angles = np.arange(round(seconds * rate)) * (2 * np.pi * pitch / rate)
    return np.asarray(0.5 * np.sin(angles), np.float32)
