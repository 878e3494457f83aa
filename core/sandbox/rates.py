"""The rate of a clip, and its frames at that rate. Runs in the child process only."""

import itertools
import math
from collections.abc import Iterable, Iterator
from fractions import Fraction

from av.video.frame import VideoFrame

_LEAST, _FILM, _MOST = 25, 24, 30
_NEAR = 0.005
"""By how much a rate may be off a whole one and be taken for it: 29.97 for 30, 23.976 for 24."""
_STEP_S = 1e-4
_GAP_S = 2.0
"""What lasts longer without a picture was a pause of the recorder, or a mistake in the file."""


def usual_rate(times: Iterable[float]) -> float | None:
    """Frames a second by the times, in seconds, of a file's first ones, None if they do not tell.

    Frames that are left out, and pauses, do not count: a recorder of 30 a second that skips some has 30.
    """
    kept = sorted(times)
    steps = sorted(b - a for a, b in itertools.pairwise(kept) if b - a > _STEP_S)
    if not steps:
        return None
    middle = steps[len(steps) // 2]
    usual = [step for step in steps if abs(step / middle - 1) < 0.25]
    return len(usual) / sum(usual)


def clip_rate(rate: float) -> int:
    """The rate that a video of `rate` frames a second is kept at: its own, or one that is seen to move alike.

    Every second or third frame of fast ones, each several times of slow ones: not two of one and three of the
    next. At least 25, as lips need it; 24 is left to films.
    """
    whole = round(rate)
    if _FILM <= whole <= _MOST:
        return whole
    if rate > _MOST:
        shares = (rate / part for part in range(2, 1 + math.ceil(rate / _FILM)))
    else:
        shares = (rate * times for times in range(2, 1 + math.ceil(_MOST / max(rate, 1))))
    least = _FILM if rate > _MOST else _LEAST
    fit = (share for share in shares if least - 0.1 <= share <= _MOST + 0.1)
    even = [round(share) for share in fit if abs(share / round(share) - 1) < _NEAR]
    return even[0] if even else _LEAST if rate < _FILM else _MOST


def timed(
    first: VideoFrame, rest: Iterator[VideoFrame], rate: Fraction, fps: int
) -> Iterator[tuple[float, VideoFrame]]:
    """Frames with their time in frames of the new rate; it always moves on, whatever the file says.

    A rate a hair off a multiple of the new one (29.97 for 30, 23.976 for 24) is taken for that multiple:
    the clip lasts 0.1 % less and no frame is shown twice. Where times jump, on or back, they go on as usual.
    """
    whole = max(1, round(rate / fps)) * fps
    pace = fps * (rate / whole if abs(rate / whole - 1) < Fraction(1, 200) else 1)
    usual = float(pace / rate)
    longest = max(_GAP_S * fps, 5 * usual)
    now, shift = 0.0, -(_time(first) or 0.0) * float(pace)
    yield now, first
    for frame in rest:
        seconds = _time(frame)
        told = None if seconds is None else seconds * float(pace) + shift
        if told is not None and not now - fps < told < now + longest:
            shift += now + usual - told
            told = now + usual
        now = told if told is not None and told > now else now + usual
        yield now, frame


def _time(frame: VideoFrame) -> float | None:
    return None if frame.pts is None or frame.time_base is None else float(frame.pts * frame.time_base)


def steady(frames: Iterator[tuple[float, VideoFrame]], fps: int) -> Iterator[VideoFrame]:
    """One frame for each tick: the last one that has begun, so frames are repeated or left out.

    frames: each with its time in ticks, rising.
    """
    held: VideoFrame | None = None
    ticks = 0
    now = 0.0
    usual = 1.0
    for time_, frame in frames:
        # A quarter's grace: times rounded to milliseconds, or half a tick apart, must not flutter.
        due = math.floor(time_ + 0.25)
        while held is not None and ticks < due:
            yield held
            ticks += 1
        usual, now = max(time_ - now, 1e-3) if held else 1.0, time_
        held = frame
    if held is not None:
        for _ in range(ticks, max(ticks or 1, math.floor(now + min(usual, fps) + 0.25))):
            yield held
