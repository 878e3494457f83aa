"""Faces and speech to test the built-in engines on: the drawn presenter, and a sentence by espeak-ng."""

from functools import cache

import cv2
import numpy as np

from core.engines.builtin import presenter
from core.engines.builtin.face import HaarFinder
from core.engines.builtin.mouth.visemes import span
from core.tracking.tracker import crop_track, track_faces
from core.types import FaceTrack, Image, Phoneme, Samples, Speech, frame_count
from tests.support import FIXTURES


@cache
def drawn(count: int, size: int) -> tuple[Image, ...]:
    """The first frames of a presenter clip of `count` frames, not to be written."""
    pictures = tuple(presenter.frames(count, 25, size))
    for picture in pictures:
        picture.flags.writeable = False
    return pictures


@cache
def scene(width: int, height: int, x: int, y: int, size: int) -> Image:
    """The presenter's head, `size` pixels wide, with its top left corner at x, y on a quiet wall."""
    head = drawn(12, 256)[0][:184]
    shape = (size, size * 184 // 256)
    head = np.asarray(cv2.resize(head, shape, interpolation=cv2.INTER_AREA), np.uint8)
    noise = np.random.default_rng(1).normal(120, 4, (height, width, 3))
    picture = cv2.GaussianBlur(noise, (0, 0), 2).astype(np.uint8)
    x0, y0 = max(0, x), max(0, y)
    x1, y1 = min(width, x + head.shape[1]), min(height, y + head.shape[0])
    picture[y0:y1, x0:x1] = head[y0 - y : y1 - y, x0 - x : x1 - x]
    picture.flags.writeable = False
    return picture


@cache
def tracked(count: int = 12, size: int = 256) -> tuple[FaceTrack, tuple[Image, ...]]:
    """Track and crops of a presenter clip."""
    pictures = drawn(count, size)
    track = crop_track(track_faces(pictures, HaarFinder(), report=lambda _: None), size, size)
    corners = track.corners.tolist()
    return track, tuple(
        p[y : y + track.side, x : x + track.side] for p, (x, y) in zip(pictures, corners, strict=True)
    )


@cache
def sentence() -> tuple[Samples, int, tuple[Phoneme, ...]]:
    """ "Hello, please bring a map. Amber is happy to speak." by espeak-ng: samples, rate, phonemes; 3.6 s."""
    with np.load(FIXTURES / "spoken_en.npz") as file:
        samples = file["pcm"].astype(np.float32) / np.float32(32768)
        pairs = zip(file["names"].tolist(), file["firsts"].tolist(), strict=True)
        return samples, int(file["rate"]), tuple(Phoneme(name, first) for name, first in pairs)


def heard(
    samples: Samples, rate: int, frames: range, fps: int, phonemes: tuple[Phoneme, ...] | None
) -> Speech:
    """What `frames` listen to, and no more: silence where there are no samples."""
    start, stop = span(frames[0], rate, fps)[0], span(frames[-1], rate, fps)[1]
    window = np.zeros(stop - start, np.float32)
    low, high = max(0, start), min(len(samples), stop)
    if high > low:
        window[low - start : high - start] = samples[low:high]
    if phonemes is None:
        return Speech(window, rate, start)
    ends = [*(p.first for p in phonemes[1:]), 1 << 60]
    return Speech(
        window,
        rate,
        start,
        tuple(p for p, end in zip(phonemes, ends, strict=True) if p.first < stop and end > start),
    )


def frames_of(samples: Samples, rate: int, fps: int) -> range:
    """All frames of some speech."""
    return range(frame_count(len(samples), rate, fps))
