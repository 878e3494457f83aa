"""What is done to the sound of every voice that runs here: silence trimmed, pauses of our own, pieces.

Pauses are our own making, so that seams between sentences are silent and exact.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from core.types import Phoneme, Samples, Spoken, Word

PIECE_MS = 100
"""Longest piece that `pieces` hands on."""

PEAK = 0.95
"""Loudest sample of a voice."""

_KNEE = 0.7
_SILENCE, _SOFT = 0.002, 0.01
_PAUSE_S: Final = {
    **dict.fromkeys("。！？.!?…", 0.30),
    **dict.fromkeys("；：;:", 0.20),
    **dict.fromkeys("，、,", 0.12),
}
_PAUSE_ELSE_S = 0.05


def pause_after(spoken: str) -> float:
    """Seconds of silence that the end of a sentence asks for."""
    return _PAUSE_S.get(spoken[-1:], _PAUSE_ELSE_S)


def trimmed(sound: Samples, rate: int) -> tuple[Samples, int]:
    """`sound` faded in and out over 4 ms, without the silence around it; and how much went before it."""
    loud = np.flatnonzero(np.abs(sound) > _SILENCE)
    if not len(loud):
        return np.zeros(0, np.float32), 0
    margin = rate // 100
    start, stop = max(0, int(loud[0]) - margin), min(len(sound), int(loud[-1]) + 2 * margin)
    spoken = sound[start:stop] * np.float32(min(1.0, PEAK / float(np.abs(sound).max())))
    fade = min(rate // 250, len(spoken) // 2)
    ramp = np.linspace(0, 1, fade, endpoint=False, dtype=np.float32)
    spoken[:fade] *= ramp
    spoken[len(spoken) - fade :] *= ramp[::-1]
    return spoken, start


def with_pause(sound: Samples, pause: int) -> Samples:
    """`sound` and `pause` samples of silence, from where it is nearly silent (some have an echo)."""
    loud = np.flatnonzero(np.abs(sound) > _SOFT)
    dying = len(sound) - int(loud[-1]) if len(loud) else 0
    return np.concatenate([sound, np.zeros(max(0, pause - dying), np.float32)])


def limited(sound: Samples) -> Samples:
    """`sound` with what is louder than -3 dB of full scale bent below `PEAK`; the rest as it is."""
    over = np.maximum(np.abs(sound) - _KNEE, 0) / (PEAK - _KNEE)
    bent = np.sign(sound) * (_KNEE + (PEAK - _KNEE) * np.tanh(over))
    return np.where(over > 0, bent, sound).astype(np.float32)


def pieces(
    samples: Samples, phonemes: Sequence[Phoneme], words: Sequence[Word], rate: int, begin: int = 0
) -> Iterator[Spoken]:
    """`samples` in pieces of 100 ms, each with the marks that begin in it.

    begin: what of the sentence went before; marks count from there.
    """
    size = rate * PIECE_MS // 1000
    for at in range(0, len(samples), size):
        stop = at + size
        yield Spoken(
            samples[at:stop],
            tuple(Phoneme(p.name, begin + p.first) for p in phonemes if at <= p.first < stop),
            tuple(Word(begin + w.first, w.start, w.stop) for w in words if at <= w.first < stop),
        )
