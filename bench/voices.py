"""The voices that run here: what a recogniser understands, level, clicks, first sound, speed, memory.

English is judged by pocketsphinx, with the model in its own wheel, on Harvard sentences (IEEE 1969): a
recogniser of 2016 hears worse than people do, so its word error rate tells voices apart and no more. Speed is
in CPU seconds a second of speech.
"""

import resource
import time
from collections.abc import Iterator
from functools import partial

import numpy as np

from bench import Figure
from core.engines import ENGINES, load
from core.engines.kokoro.styles import STYLES
from core.protocols import Measured, SpeechEngine, Style
from core.text import sentences
from core.types import Samples
from tests.support.voice_quality import HARVARD, level, word_error_rate, worst_step
from tests.support.voice_tones import tones_right

FORTY = "Hello there, this is what forty sound as."
"""Forty characters."""

_HOURS, _LINE = 0.5, "Rice is often served in round bowls, and the juice of lemons makes fine punch."


def spoken(engine: SpeechEngine, voice: str, text: str) -> Samples:
    """`text` in a voice."""
    said = sentences(text)
    return np.concatenate([p.samples for s in said for p in engine.speak(s, voice, Style())])


def figures() -> Iterator[Figure]:
    """See the module."""
    for name, voice, target in (
        ("hibari", "heart", 25),
        ("kokoro", "xiaoxiao", None),
        ("builtin", "female", None),
    ):
        if ENGINES["speech"][name].missing():
            continue
        engine: SpeechEngine = load("speech", name)
        try:
            yield from _figures(engine, name, voice, target)
            if isinstance(engine, Measured):
                factor = engine.real_time_factor
                yield Figure(f"{name}: seconds a second of speech, at load", factor, "s", higher=False)
                yield from _mandarin(engine, name)
        finally:
            engine.close()


def _figures(engine: SpeechEngine, name: str, voice: str, target: float | None) -> Iterator[Figure]:
    speak = partial(spoken, engine, voice)
    speak(FORTY)
    started = time.process_time()
    sounds = [speak(line) for line in HARVARD]
    seconds = sum(map(len, sounds)) / engine.rate
    each = (time.process_time() - started) / seconds  # eSpeak's own process apart
    yield Figure(f"{name}: CPU seconds a second of speech", each, "s", higher=False)
    errors = 100 * word_error_rate(HARVARD, sounds, engine.rate)
    yield Figure(f"{name}: words mistaken by pocketsphinx", errors, "%", higher=False, target=target)
    whole = np.concatenate(sounds)
    yield Figure(f"{name}: level", level(whole), "dBFS")
    yield Figure(
        f"{name}: worst step of a sample", worst_step(whole), "x", higher=False, target=target and 12
    )
    first = _first_sound(engine, voice)
    yield Figure(f"{name}: first sound of 40 characters", first, "ms", higher=False, target=target and 120)
    if target:
        grown = _growth(engine, voice)
        yield Figure(f"{name}: memory grown by {_HOURS:g} h of speech", grown, "MB", higher=False, target=20)


def _mandarin(engine: SpeechEngine, name: str) -> Iterator[Figure]:
    for style in STYLES:
        right = tones_right(engine, style.name)
        for tone, target in (("1", 85), ("2", 80), ("4", 90)):
            stated = target if style is STYLES[0] else None
            yield Figure(f"{name}: {style.name}, tone {tone} right", 100 * right[tone], "%", target=stated)


def _first_sound(engine: SpeechEngine, voice: str) -> float:
    """Milliseconds, the median of nine."""
    taken = []
    for _ in range(9):
        started = time.perf_counter()
        pieces = iter(engine.speak(sentences(FORTY)[0], voice, Style()))
        next(pieces)
        taken.append(1000 * (time.perf_counter() - started))
        for _rest in pieces:
            pass
    return sorted(taken)[4]


def _growth(engine: SpeechEngine, voice: str) -> float:
    """MB that the most memory in use grows by, after the first twentieth of the speech."""
    heard, before = 0.0, 0
    while heard < _HOURS * 3600:
        heard += len(spoken(engine, voice, _LINE)) / engine.rate
        if not before and heard > _HOURS * 180:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
