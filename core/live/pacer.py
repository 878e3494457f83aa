"""The head of a session's pipeline: sound is let go one frame time at a time, when its time has come.

So nothing that is not about to be heard is ever inside the pipeline, and an interrupt, which drops what waits
before it, has nothing to hunt for. The clock of samples never stops: where nothing waits, silence is let go.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace

import numpy as np

from core.live.script import Script, Utterance
from core.live.sound import Taken
from core.types import AudioChunk, Phoneme, frame_start

HOLD_S = 0.5
"""Seconds that the clock waits for a voice that is late in the middle of a sentence, before it is silent."""

BEHIND_S = 0.5
"""Seconds by which the clock may slip before it is told."""

_STEP_S = 0.01

Heard = Callable[[int, Utterance | None, Taken | None], None]
"""Called with every frame's number as its sound is let go, and what sounds: an utterance, or its fading rest,
or nothing."""


async def paced(
    script: Script,
    fps: int,
    heard: Heard,
    now: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    behind: Callable[[float], None] = lambda _seconds: None,
) -> AsyncGenerator[AudioChunk, None]:
    """Yield the sound of one frame after the other, each at its time; never ends.

    Where the pipeline or the voice is too slow the clock slips: no sample within a sentence is lost or made
    up. What has slipped is let go of in the next silence, that of a sound which does not end included.

    behind: called with the seconds by which the clock has slipped, when they have become `BEHIND_S` more than
    last time, and with 0 when it is in time again.
    """
    told = 0.0
    frame, began, silent, held = 0, now(), False, 0.0
    while True:
        first, stop = (frame_start(k, script.rate, fps) for k in (frame, frame + 1))
        late = now() - (began + first / script.rate)
        if late < 0:
            await sleep(-late)
        while late > 1 / fps and script.skip_silence(stop - first):
            began += 1 / fps
            late -= 1 / fps
        taken = script.take(stop - first)
        while taken is None and script.torn and held < HOLD_S:
            await sleep(_STEP_S)
            held += _STEP_S
            taken = script.take(stop - first)
        if taken is not None:
            held = 0.0
        if taken is None and late > 1 / fps:
            began += late
            late = 0.0
        if late >= told + BEHIND_S or (late < 1 / fps and told):
            told = late if late >= 1 / fps else 0.0
            behind(told)
        utterance, sound = taken or (None, None)
        heard(frame, utterance, sound)
        begins = silent != (sound is None) or frame == 0
        yield replace(
            _chunk(sound, first, stop, script.rate, begins=begins),
            ahead=() if sound is None else _ahead(script, stop),
        )
        silent = sound is None
        frame += 1


def _ahead(script: Script, first: int) -> tuple[AudioChunk, ...]:
    """What is meant to be heard from sample `first` on."""
    chunks = []
    for sound in script.upcoming():
        told = sound.phonemes
        marks = None if told is None else tuple(Phoneme(p.name, first + p.first) for p in told)
        chunks.append(AudioChunk(sound.samples, script.rate, first, phonemes=marks))
        first += len(sound.samples)
    # Silence follows; what sounds last must not go on into it.
    return (*chunks, AudioChunk(np.zeros(0, np.float32), script.rate, first, phonemes=(Phoneme("", first),)))


def _chunk(sound: Taken | None, first: int, stop: int, rate: int, *, begins: bool) -> AudioChunk:
    """begins: a voice begins or ends here, so what sounded before must not go on."""
    samples = np.zeros(stop - first, np.float32)
    if sound is None:
        return AudioChunk(samples, rate, first, phonemes=(Phoneme("", first),) if begins else ())
    count = len(sound.samples)
    samples[:count] = sound.samples
    if sound.phonemes is None:
        return AudioChunk(samples, rate, first)
    marks = [Phoneme(p.name, first + p.first) for p in sound.phonemes]
    if begins and not (marks and marks[0].first == first):
        marks.insert(0, Phoneme("", first))
    if count < len(samples):
        marks.append(Phoneme("", first + count))
    return AudioChunk(samples, rate, first, phonemes=tuple(marks))
