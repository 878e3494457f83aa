"""The last stage alone: processor time and quality, against x264 and AAC set plainly, on the same frames."""

import asyncio
import io
import os
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import cv2
import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from bench import Figure
from bench._scene import PARAGRAPH, scene
from core.lipsync_stream import lipsync_stream
from core.media.fmp4 import LiveEncoder
from core.media.paste import paste
from core.media.planes import Planes, split, wrapped
from core.protocols import Style
from core.text import sentences
from core.tts_stream import tts_stream
from core.types import Samples, frame_start

_TURNS = 5
_CRF, _FINER = 21, 19
"""Quality of what is compared; and one of ours to measure by how much a larger file would be better."""


@dataclass(frozen=True, slots=True)
class _Made:
    """Frames and their sound as the stage gets them. mouths: where in each frame the mouth is."""

    frames: list[Planes]
    mouths: list[tuple[slice, slice]]
    audio: Samples
    rate: int
    fps: int


def figures() -> Iterator[Figure]:
    """See the module."""
    made = asyncio.run(_made())
    count = len(made.frames)
    ways: tuple[Callable[[_Made], object], ...] = (_ours_picture, _plain_picture, _ours_sound, _plain_sound)
    turns = [[1000 * _processor_s(way, made) / count for way in ways] for _ in range(_TURNS)]
    picture, plain_picture, sound, plain_sound = (
        statistics.median(times) for times in zip(*turns, strict=True)
    )
    yield Figure(
        "512x512: picture, processor time", picture, "ms/frame", higher=False, baseline=plain_picture
    )
    yield Figure("512x512: sound, processor time", sound, "ms/frame", higher=False, baseline=plain_sound)

    plain = _plain_picture(made)
    coarse, fine = (_ours_picture(made, crf) for crf in (_CRF, _FINER))
    kilobytes, plain_kilobytes = len(coarse) / 1000, len(plain) / 1000
    yield Figure("512x512: its size", kilobytes, "kB", higher=False, baseline=plain_kilobytes)
    share = np.log(len(plain) / len(coarse)) / np.log(len(fine) / len(coarse))
    qualities = [_qualities(file, made) for file in (coarse, fine, plain)]
    for name, ours, finer, theirs in zip(("whole", "mouth"), *qualities, strict=True):
        for measure, unit in (("PSNR", "dB"), ("SSIM", "of 1")):
            a, b, c = (quality[measure] for quality in (ours, finer, theirs))
            label = f"{name}: {measure} in a file of the plain size"
            yield Figure(label, a + share * (b - a), unit, baseline=c)


async def _made() -> _Made:
    async with scene() as (pool, templates):
        speech, lips = await pool.speech("builtin"), await pool.lipsync("builtin")
        template = await templates.open("sample", lipsync=lips)
        audio = tts_stream(sentences(PARAGRAPH), speech, None, Style())
        batches = lipsync_stream(audio, lips, template, template.prepared[lips.key], batch=8)
        frames: list[Planes] = []
        mouths: list[tuple[slice, slice]] = []
        heard: list[Samples] = []
        async for batch in batches:
            heard.append(batch.audio)
            for patch, number in zip(batch.patches, batch.numbers.tolist(), strict=True):
                x, y = template.track.corners[number].tolist()
                frame = template.planes(number).copy()
                paste(frame, patch, x, y)
                frames.append(frame)
                across, down = template.track.poses[number] @ (0.5, 0.79, 1)
                reach = round(0.25 * template.track.side)
                left, top = x + round(across) - reach // 2, y + round(down) - reach // 2
                mouths.append((slice(top, top + reach), slice(left, left + reach)))
        return _Made(frames, mouths, np.concatenate(heard), speech.engine.rate, template.fps)


def _processor_s(way: Callable[[_Made], object], made: _Made) -> float:
    before = os.times()
    way(made)
    after = os.times()
    return after.user + after.system - before.user - before.system


def _size(made: _Made) -> tuple[int, int]:
    rows, width = made.frames[0].shape
    return width, rows * 2 // 3


def _ours_picture(made: _Made, crf: int = _CRF) -> bytes:
    encoder = LiveEncoder(*_size(made), made.fps, None, crf=crf)
    file = b"".join([encoder.init.data, *(encoder.video(frame).data for frame in made.frames)])
    encoder.close()
    return file


def _plain_picture(made: _Made) -> bytes:
    """x264's veryfast without delay, in libavformat's fragments."""
    file = io.BytesIO()
    options = {"preset": "veryfast", "tune": "zerolatency", "crf": str(_CRF)}
    with av.open(file, "w", format="mp4", options={"movflags": "frag_every_frame+empty_moov"}) as out:
        stream = out.add_stream("libx264", rate=made.fps, options=options)
        context = stream.codec_context
        (context.width, context.height), context.pix_fmt = _size(made), "yuv420p"
        context.gop_size, context.thread_count = made.fps, 1
        for k, frame in enumerate(made.frames):
            picture = wrapped(frame)
            picture.pts = k
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return file.getvalue()


def _ours_sound(made: _Made) -> None:
    encoder = LiveEncoder(64, 64, made.fps, made.rate)
    for k in range(len(made.frames)):
        start, stop = (frame_start(n, made.rate, made.fps) for n in (k, k + 1))
        encoder.audio(made.audio[start:stop])
    encoder.finish()
    encoder.close()


def _plain_sound(made: _Made) -> None:
    """FFmpeg's AAC encoder as it comes, at the same rate."""
    with av.open(io.BytesIO(), "w", format="mp4", options={"movflags": "empty_moov"}) as out:
        stream = out.add_stream("aac", rate=made.rate, layout="mono")
        stream.codec_context.bit_rate = min(96_000, 4 * made.rate)
        for start in range(0, len(made.audio), made.rate // made.fps):
            piece = made.audio[start : start + made.rate // made.fps]
            frame = AudioFrame.from_ndarray(piece[None], format="fltp", layout="mono")
            frame.sample_rate, frame.time_base, frame.pts = made.rate, Fraction(1, made.rate), start
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def _qualities(file: bytes, made: _Made) -> tuple[dict[str, float], dict[str, float]]:
    """PSNR and SSIM (Wang et al., 2004) of the brightness: of whole frames, and of the mouth."""
    errors, likenesses = [], []
    with av.open(io.BytesIO(file), "r") as shown:
        for frame, wanted, mouth in zip(shown.decode(video=0), made.frames, made.mouths, strict=True):
            theirs = frame.to_ndarray()[: frame.height].astype(np.float32)
            ours = split(wanted)[0].astype(np.float32)
            off, like = (theirs - ours) ** 2, _likeness(theirs, ours)
            errors.append((off.mean(), off[mouth].mean()))
            likenesses.append((like.mean(), like[mouth].mean()))
    psnr = 10 * np.log10(255**2 / np.mean(errors, axis=0))
    ssim = np.mean(likenesses, axis=0)
    whole, mouths = ({"PSNR": float(psnr[k]), "SSIM": float(ssim[k])} for k in (0, 1))
    return whole, mouths


def _likeness(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    def mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5), np.float32)

    at, bt = mean(a), mean(b)
    spread = mean(a * a) - at * at + mean(b * b) - bt * bt
    shared = mean(a * b) - at * bt
    light, form = np.float32((0.01 * 255) ** 2), np.float32((0.03 * 255) ** 2)
    above, below = at * at + bt * bt + light, spread + form
    like: NDArray[np.float32] = (2 * at * bt + light) * (2 * shared + form) / (above * below)
    return like
