"""How far the mouth is open, and how wide, in every frame: from phonemes where the voice tells them, else
from the sound (`tilt`).

Everything is a sum over what lies in a frame's own span, smoothed by kernels that end, so a track comes out
the same to the bit however speech and frames are cut. Opening (gap) and width are in half mouth widths:
gap is the distance of the lips beyond closed, width is how much wider (spread) or narrower (round) the mouth
gets. The figures follow openings measured on people who speak (median 0.2-0.4, 95th percentile 0.34-0.69).
"""

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.engines.builtin.mouth import tilt
from core.types import Phoneme, Speech, frame_start

LEAD_S = 0.04
"""The mouth runs ahead of the sound by this much; real ones do, by one or two frames."""
_HEARD_LEAD_S = 0.015
"""The same where the mouth follows the sound: its windows reach ahead, so it is early without being asked."""
_GAP_REACH_S, _WIDTH_REACH_S = 0.11, 0.13
"""Half length of the Hann kernels that smooth gap and width: standard deviations 40 and 47 ms."""
_GLIDE_S = 0.08
"""How long the first vowel of a diphthong lasts. Fixed, for its end may lie beyond the frame's span."""
_SHUT_LEAST_S, _RELEASE_S = 0.06, 0.04
"""The lips stay shut at p, b, m for at least a frame at 25 fps, and begin to open so long before its end:
that is when it is heard."""
_SHUT_REACH_S, _SHUT_MOST_S, _SHUT_SPEED = 0.08, 0.17, 0.19
"""How long they take to shut and to open, at least, at most, and in seconds for a gap of 1: lips go no faster
than a third of half a mouth in a frame at 25 fps."""
_ROUND, _ROUND_AHEAD_S = -0.08, 0.06
"""Lips that shall be narrower than this begin to be so earlier by this much: people round them ahead."""
_FREE = 0.35
"""Dominance of a sound that does not care how the mouth stands: its neighbours shape it (Cohen and Massaro,
1993). That of a vowel, and of a pause, is 1."""
PRESSED = -0.03
"""The gap of lips that are pressed together, as at p, b and m."""
_LONGEST_S = 0.6
"""No sound lasts longer: a last one without a pause after it would hold the mouth open for ever."""

_VOWELS: dict[str, tuple[float, float]] = {
    "a": (0.86, 0.00), "ɑ": (0.86, -0.04), "ä": (0.86, 0.00), "æ": (0.83, 0.08), "ɐ": (0.79, 0.00),
    "ʌ": (0.75, 0.00), "ɒ": (0.79, -0.13), "ɔ": (0.72, -0.18), "o": (0.58, -0.26), "ɤ": (0.55, -0.05),
    "ə": (0.46, 0.00), "ɚ": (0.46, -0.07), "ɜ": (0.55, -0.05), "ɝ": (0.51, -0.08), "ɛ": (0.68, 0.08),
    "e": (0.57, 0.10), "ɪ": (0.41, 0.08), "i": (0.31, 0.13), "ɨ": (0.34, 0.04), "ᵻ": (0.34, 0.04),
    "ʊ": (0.37, -0.23), "u": (0.26, -0.34), "ɯ": (0.28, -0.04), "y": (0.24, -0.31), "ø": (0.45, -0.23),
    "œ": (0.58, -0.20), "ɵ": (0.45, -0.18), "ɘ": (0.45, 0.03), "ʉ": (0.28, -0.26),
}  # fmt: skip
"""IPA vowel -> gap, width."""
_CONSONANTS: dict[str, tuple[float, float, float]] = {
    "p": (0.00, -0.03, 1.0), "b": (0.00, -0.03, 1.0), "m": (0.00, 0.00, 1.0),
    "f": (0.08, 0.03, 0.8), "v": (0.10, 0.03, 0.8), "w": (0.16, -0.34, 0.7), "ʍ": (0.16, -0.34, 0.7),
    "ɸ": (0.10, -0.13, 0.7), "β": (0.10, -0.08, 0.7), "s": (0.21, 0.07, 0.6), "z": (0.21, 0.07, 0.6),
    "ʃ": (0.25, -0.21, 0.6), "ʒ": (0.25, -0.21, 0.6), "ɕ": (0.25, -0.03, 0.6), "ʑ": (0.25, -0.03, 0.6),
    "ʂ": (0.25, -0.16, 0.6), "ʐ": (0.25, -0.16, 0.6), "t": (0.26, 0.03, 0.5), "d": (0.26, 0.03, 0.5),
    "n": (0.29, 0.03, 0.5), "ɲ": (0.29, 0.07, 0.5), "l": (0.38, 0.03, 0.5), "ɫ": (0.38, 0.00, 0.5),
    "θ": (0.26, 0.03, 0.5), "ð": (0.26, 0.03, 0.5), "ɹ": (0.33, -0.16, 0.5), "ɻ": (0.33, -0.13, 0.5),
    "j": (0.33, 0.09, 0.5), "ɥ": (0.26, -0.29, 0.5), "ɾ": (0.34, 0.00, 0.4), "r": (0.33, -0.10, 0.4),
    "ɽ": (0.34, 0.00, 0.4), "c": (0.34, 0.00, 0.4), "ç": (0.34, 0.07, 0.4), "k": (0.38, 0.00, 0.3),
    "ɡ": (0.38, 0.00, 0.3), "g": (0.38, 0.00, 0.3), "ŋ": (0.38, 0.00, 0.3), "x": (0.38, 0.00, 0.3),
    "ɣ": (0.38, 0.00, 0.3), "χ": (0.40, 0.00, 0.3), "h": (0.41, 0.00, 0.2), "ɦ": (0.41, 0.00, 0.2),
    "ʔ": (0.38, 0.00, 0.1),
}  # fmt: skip
"""IPA consonant -> gap, width, and which of several in one phoneme is seen: the one with most to say."""
_SHUT = frozenset("pbm")


def span(frame: int, rate: int, fps: int) -> tuple[int, int]:
    """Samples `[start, stop)` that `frame` listens to: 2.4 s back to know how loud the voice is, and as far
    ahead as the kernels reach, less than 260 ms from 25 fps on."""
    first = frame_start(frame, rate, fps)
    ahead = 0.5 / fps + LEAD_S + max(_GAP_REACH_S, _WIDTH_REACH_S + _ROUND_AHEAD_S, tilt.REACH_S)
    return first - math.ceil(tilt.HISTORY_S * rate), first + math.ceil(ahead * rate)


def mouth_track(frames: range, fps: int, speech: Speech) -> NDArray[np.float32]:
    """Gap and width of each frame: float32 (n, 2), gap -0.03 ... 1, width -0.4 ... 0.2.

    speech: covers the frames' spans.
    """
    firsts = [frame_start(frame, speech.rate, fps) for frame in frames]
    if speech.phonemes is None:
        spans = [span(frame, speech.rate, fps) for frame in frames]
        moments = [first + (0.5 / fps + _HEARD_LEAD_S) * speech.rate for first in firsts]
        return tilt.audio_track(speech.samples, speech.rate, speech.first, spans, moments)
    centre = 0.5 / fps + LEAD_S
    rows = [_spoken(speech.phonemes, first, centre, speech.rate) for first in firsts]
    return np.array(rows, np.float32).reshape(len(rows), 2)


def _spoken(phonemes: Sequence[Phoneme], first: int, centre: float, rate: int) -> tuple[float, float]:
    """Gap and width at the moment `centre` seconds after sample `first`.

    Each is the mean of what the sounds near that moment aim for, weighed by how much of them lies near and by
    their dominance; where nothing sounds the lips aim to be shut, as wide as they are.
    """
    gap = width = 0.0
    gap_weight = width_weight = 0.0
    gap_quiet = width_quiet = 1.0
    shut: list[float] = []  # how far off each moment is at which the lips are shut
    for name, begin, end in _near(phonemes, first, centre, rate):
        for shape, start, stop in _targets(name, begin, end):
            near = _share(stop, _GAP_REACH_S) - _share(start, _GAP_REACH_S)
            gap += shape.opens * near * shape.gap
            gap_weight += shape.opens * near
            gap_quiet -= near
            ahead = _ROUND_AHEAD_S if shape.width < _ROUND else 0.0
            near = _share(stop, _WIDTH_REACH_S) - _share(start - ahead, _WIDTH_REACH_S)
            width += shape.widens * near * shape.width
            width_weight += shape.widens * near
            width_quiet -= near
        if not _SHUT.isdisjoint(name):
            shut.append(max(begin, -max(end - _RELEASE_S, begin + _SHUT_LEAST_S), 0.0))
    gap /= gap_weight + max(0.0, gap_quiet) + 1e-9
    reach = min(max(_SHUT_REACH_S, _SHUT_SPEED * gap), _SHUT_MOST_S)
    free = 1.0
    for off in shut:
        free *= 1 - max(0.0, 1 - (off / reach) ** 2) ** 2.5
    width /= width_weight + max(0.0, width_quiet) + 1e-9
    return gap * free + PRESSED * (1 - free), width


def _near(
    phonemes: Sequence[Phoneme], first: int, centre: float, rate: int
) -> Iterator[tuple[str, float, float]]:
    """Phonemes within reach of that moment: name, begin and end in seconds from it.

    Of one that ends out of reach the end may be unknown: that must make no difference.
    """
    for k, phoneme in enumerate(phonemes):
        begin = (phoneme.first - first) / rate - centre
        if begin >= _WIDTH_REACH_S + _ROUND_AHEAD_S:
            return
        later = phonemes[k + 1] if k + 1 < len(phonemes) else None
        end = begin + _LONGEST_S
        if later is not None:
            end = min(end, (later.first - first) / rate - centre)
        if end > -_SHUT_MOST_S:
            yield phoneme.name, begin, end


class _Shape(NamedTuple):
    """What the mouth aims for, and how dominant the aim is in opening and in width."""

    gap: float
    width: float
    opens: float
    widens: float


def _targets(name: str, begin: float, end: float) -> Iterator[tuple[_Shape, float, float]]:
    """What the mouth aims for during a phoneme: shape, from, until."""
    shapes = _shapes(name)
    for k, shape in enumerate(shapes):
        start = min(begin + k * _GLIDE_S, end)
        stop = end if k + 1 == len(shapes) else min(start + _GLIDE_S, end)
        yield shape, start, stop


@lru_cache(maxsize=512)
def _shapes(name: str) -> tuple[_Shape, ...]:
    """Mouth shapes of an IPA phoneme, one after the other; none for a pause.

    >>> [(shape.gap, shape.width) for shape in _shapes("aɪ")], _shapes("")
    ([(0.86, 0.0), (0.41, 0.08)], ())
    """
    if name.startswith("("):  # espeak: "(en)", the language changes
        return ()
    strength = (1.05 if "ː" in name else 1.0) * (1.08 if "ˈ" in name else 1.0)
    vowels = tuple(
        _Shape(_VOWELS[c][0] * strength, _VOWELS[c][1], 1.0, _dominance(_VOWELS[c][1]))
        for c in name
        if c in _VOWELS
    )
    consonants = [_CONSONANTS[c] for c in name if c in _CONSONANTS]
    if vowels or not consonants:
        return vowels
    gap, width, tells = max(consonants, key=lambda shape: shape[2])
    return (_Shape(gap, width, 0.15 + 0.7 * tells, _dominance(width)),)


def _dominance(width: float) -> float:
    """How dominant an aimed-for width is: round lips most, those that are as wide as ever least."""
    return _FREE + min(1.5, 5.0 * abs(width) if width < 0 else 6.0 * width)


def _share(edge: float, reach: float) -> float:
    """How much of a Hann kernel of half length `reach` lies before `edge`; exactly 0 and 1 outside of it."""
    x = edge / reach
    if x <= -1:
        return 0.0
    if x >= 1:
        return 1.0
    return 0.5 + 0.5 * x + math.sin(math.pi * x) / (2 * math.pi)
