"""What a mesh of landmarks sees of a mouth that speaks: how far it opens, rounds, shuts, how steady it is.

`python -m bench faces_seen VIDEO ...` measures videos, one's own or made; without a video the drawn presenter
is made to speak three sentences with eSpeak NG, whose sounds are known. Lengths are in half mouth widths.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bench import Figure
from core.engines.builtin import presenter
from core.engines.builtin.face import BuiltinFinder
from core.engines.builtin.mesh import (
    CHIN,
    CORNERS,
    LOWER_LIP,
    SURE,
    UPPER_LIP,
    Mesh,
    Points,
    Region,
    region_of,
    spread,
)
from core.engines.builtin.mouth import WarpedMouth
from core.engines.builtin.voice import EspeakVoice
from core.protocols import Drawing, Style
from core.text import sentences
from core.tracking.tracker import crop_track, track_faces
from core.types import Image, Phoneme, Speech

_TEXT = (
    "Hello, my name is Emma. Most people never notice how much a mouth moves. "
    "Please put the big map by the lamp."
)
_FPS = 25
_NOSE_FOOT = 2
_EYE_ENDS = (33, 263)
_SHUT, _REST = 0.06, 25


def figures(files: Sequence[str] = ()) -> Iterator[Figure]:
    """What is seen in each video; of the presenter who speaks, without one."""
    for file in files:
        seen = _read(_frames(Path(file)))
        yield from _shape(Path(file).name, seen)
    if not files:
        yield from _presenter()


def _frames(path: Path) -> Iterator[Image]:
    capture = cv2.VideoCapture(str(path))
    while True:
        good, frame = capture.read()
        if not good:
            return
        yield np.asarray(frame, np.uint8)


def _read(frames: Iterable[Image]) -> Points:
    """Landmarks of each frame with a face, (n, 468, 3)."""
    mesh, finder = Mesh(), BuiltinFinder()
    region: Region | None = None
    read = []
    for frame in frames:
        if region is None:
            faces = finder.find(frame)
            if not faces:
                continue
            x, y, width, height = (float(v) for v in faces[0].box)
            points, _ = mesh.read(frame, Region(x + width / 2, y + 0.55 * height, 1.55 * width, 0.0))
            region = region_of(points)
        points, score = mesh.read(frame, region)
        region = region_of(points) if score >= SURE else None
        if score >= SURE:
            read.append(points)
    if not read:
        raise SystemExit("bench: faces_seen: no face was found in any frame")
    return np.array(read)


def _measures(seen: Points) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Opening and width of each frame, and half a mouth in the unit of `seen`."""
    half = float(np.median(spread(seen, CORNERS))) / 2
    gap = spread(seen, (UPPER_LIP, LOWER_LIP)) / half
    width = spread(seen, CORNERS) / spread(seen, _EYE_ENDS)
    return gap, width / np.median(width) - 1, half


def _shape(name: str, seen: Points) -> Iterator[Figure]:
    gap, width, half = _measures(seen)
    for share in (5, 50, 95):
        yield Figure(f"{name}: opening seen, p{share}", float(np.percentile(gap, share)), "half widths")
    yield Figure(
        f"{name}: largest change of opening a frame", float(np.abs(np.diff(gap)).max()), "half widths"
    )
    for share in (5, 95):
        yield Figure(f"{name}: width against its median, p{share}", float(np.percentile(width, share)), "")
    chin = spread(seen, (CHIN, _NOSE_FOOT)) / half
    yield Figure(f"{name}: chin comes down, per opening", float(np.polyfit(gap, chin, 1)[0]), "")
    corners = (seen[:, CORNERS, 1].mean(axis=1) - seen[:, _NOSE_FOOT, 1]) / half
    yield Figure(f"{name}: corners come down, per opening", float(np.polyfit(gap, corners, 1)[0]), "")
    trembling = _trembling(seen)
    if trembling is not None:
        yield Figure(f"{name}: trembling while it rests, at 35 px", trembling, "px")


def _trembling(seen: Points, rests: NDArray[np.bool_] | None = None) -> float | None:
    """How much the mouth leaves its way from frame to frame where it rests, in pixels at 35 to half a mouth;
    None where it never does. The mesh's own jitter is in it.

    rests: bool (n,), in which frames nobody speaks; None: where the mouth does not open or shut.
    """
    gap, _, half = _measures(seen)
    mouth = seen[:, (*CORNERS, UPPER_LIP, LOWER_LIP), :2] - seen[:, None, _NOSE_FOOT, :2]
    shake = np.abs(np.diff(mouth, 2, axis=0)).mean(axis=(1, 2)) * (35 / half)
    calm = np.abs(np.diff(gap))[1:] < 0.01 if rests is None else rests[:-2] & rests[1:-1] & rests[2:]
    return float(np.median(shake[calm])) if calm.any() else None


def _presenter() -> Iterator[Figure]:
    frames, phonemes, rate = _spoken()
    seen = _read(frames)
    yield from _shape("presenter", seen)
    gap, width, _ = _measures(seen)
    sounding = [
        [p.name for p in phonemes if p.first <= (k + 0.5) * rate / _FPS][-1:] for k in range(len(gap))
    ]
    speaks = np.array([bool(names and names[0]) for names in sounding])
    yield Figure("presenter: opening seen while it speaks, p50", float(np.median(gap[speaks])), "half widths")
    for what, trembling in (
        ("in pauses", _trembling(seen, ~speaks & ~np.roll(speaks, 1) & ~np.roll(speaks, -1))),
        ("of the template, read alike", _trembling(_read(presenter.frames(_REST, _FPS, 512)))),
    ):
        if trembling is not None:
            yield Figure(f"presenter: trembling {what}, at 35 px", trembling, "px")
    base = float(np.percentile(gap, 5))
    ends = [*(one.first for one in phonemes[1:]), len(frames) * rate // _FPS]
    met, sharp, broad = [], [], []
    for one, end in zip(phonemes, ends, strict=True):
        at = min(len(gap) - 1, int((one.first / rate + 0.05) * _FPS))
        if set(one.name) & set("pbm"):
            first, last = (
                int(one.first / rate * _FPS) - 1,
                int(min(end / rate, one.first / rate + 0.14) * _FPS) + 2,
            )
            met.append(gap[max(0, first) : last].min() - base < _SHUT)
        sharp += [width[at]] if set(one.name) & set("uoʊw") else []
        broad += [width[at]] if set(one.name) & set("iɪe") else []
    yield Figure("presenter: p, b and m that are shut", float(np.mean(met)), "of 1", 1.0)
    yield Figure(
        "presenter: width at oo and w less that at ee",
        float(np.mean(sharp) - np.mean(broad)),
        "",
        -0.10,
        False,
    )


def _spoken() -> tuple[list[Image], list[Phoneme], int]:
    """The presenter who says `_TEXT`, frame by frame, and what sounds when."""
    voice = EspeakVoice()
    phonemes: list[Phoneme] = []
    pieces, at = [], 0
    try:
        for sentence in sentences(_TEXT):
            start = at
            for piece in voice.speak(sentence, voice.voices()[0].name, Style()):
                phonemes += [Phoneme(one.name, start + one.first) for one in piece.phonemes or ()]
                at += len(piece.samples)
                pieces.append(piece.samples)
    finally:
        voice.close()
    pad = np.zeros(3 * voice.rate, np.float32)
    samples = np.concatenate([pad, *pieces, pad])
    pictures = list(presenter.frames(_REST, _FPS, 512))
    track = crop_track(track_faces(pictures, BuiltinFinder(), report=lambda _: None), 512, 512)
    corners = track.corners.tolist()
    side = track.side
    crops = [p[y : y + side, x : x + side] for p, (x, y) in zip(pictures, corners, strict=True)]
    engine = WarpedMouth()
    learnt = engine.prepare(track, crops, lambda _: None)
    count = at * _FPS // voice.rate
    numbers = [abs(k % (2 * _REST - 2) - (_REST - 1)) for k in range(count)]
    frames = []
    speech = Speech(samples, voice.rate, -len(pad), tuple(phonemes))
    for begin, end in pairwise([*range(0, count, 16), count]):
        some = numbers[begin:end]
        drawing = Drawing(
            range(begin, end), _FPS, speech, np.array([crops[n] for n in some]), some, track, learnt
        )
        for number, drawn in zip(some, engine.draw(drawing), strict=True):
            x, y = corners[number]
            frame = pictures[number].copy()
            frame[y : y + side, x : x + side] = drawn
            frames.append(frame)
    return frames, phonemes, voice.rate
