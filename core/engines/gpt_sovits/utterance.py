"""Speak one sentence: tokens from the shared decoder, sound from a vocoder of its own, and a look at both.

What a network that samples gets wrong is mostly seen at the end: it stopped far too soon, or never. What was
heard by then stays; the rest is decoded again from there with another seed.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from core.engines.gpt_sovits.decoder import Decoder, Request, Row
from core.engines.gpt_sovits.vocoder import Vocoder
from core.errors import Error
from core.types import Samples

TRIES = 3
"""Seeds that a sentence is tried with before it is taken as it is."""

_TOKENS_PER_S = 25
_MOST_TOKENS = 1500  # of a sentence: a minute, as published
_SILENT = 1e-3  # peak of a first piece in which nobody speaks: -60 dB
_SEED_STEP = 7919  # between the seeds of tries; a prime, so that sentences' seeds do not meet


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a sentence may be for its sounds: seconds a phone, and what is added to the longest.

    People speak 8 to 20 phones a second.
    """

    least_s: float = 0.03
    most_s: float = 0.35
    grace_s: float = 2.0

    def fewest(self, phones: int) -> int:
        """Tokens that so many phones take at least."""
        return int(phones * self.least_s * _TOKENS_PER_S)

    def most(self, phones: int) -> int:
        """Tokens that so many phones take at most."""
        return min(_MOST_TOKENS, int((phones * self.most_s + self.grace_s) * _TOKENS_PER_S))


def utter(
    request: Request,
    decoder: Decoder,
    vocoder: Callable[[int], Vocoder],
    phones: int,
    pace: Pace,
    retries: Counter[str],
) -> Iterator[Samples]:
    """Yield the sentence's sound, and an empty piece after each decoded token.

    request: its limit is not looked at, `pace` says it. vocoder: makes one, of a seed. phones: how many the
    sentence alone has. retries: counts "too_short", "no_end" and "silent".
    Raises Error if a network gives NaN, or silence with every seed. Closing it frees its place at once.
    """
    limit = pace.most(phones)
    row = decoder.join(replace(request, limit=limit))
    voice = vocoder(request.seed)
    used = tries = heard = 0
    try:
        while True:
            while not row.done and len(row.tokens) - used < voice.wanted - len(voice.tokens):
                decoder.step()
                yield np.zeros(0, np.float32)
            if row.error is not None:
                raise row.error
            # As it is now: while a piece is out, other sentences' steps take this one further.
            fresh, done = row.tokens[used:], row.done
            fault = _fault(row, len(voice.tokens) + len(fresh), pace.fewest(phones))
            if not fault:
                samples = voice.push(fresh, done)
                used += len(fresh)
                silent = heard == 0 and len(samples) > 0 and float(np.abs(samples).max()) < _SILENT
                fault = "silent" if silent else ""
            elif tries == TRIES - 1:  # nothing better is to be had
                samples, fault = voice.push(fresh, done), ""
            if fault:
                retries[fault] += 1
                tries += 1
                if tries == TRIES:
                    raise Error("the voice stayed silent with every seed: unusable reference or models?")
                seed = request.seed + tries * _SEED_STEP
                if fault == "silent":
                    voice = vocoder(seed)
                decoder.leave(row)
                row = decoder.join(_again(request, voice.tokens, seed, limit))
                used = 0
                continue
            heard += len(samples)
            yield samples
            if done:
                return
    finally:
        decoder.leave(row)


def _fault(row: Row, tokens: int, fewest: int) -> str:
    """What is wrong with a sentence of so many tokens, if it is over; else ""."""
    if not row.done:
        return ""
    if not row.ended:
        return "no_end"
    return "too_short" if tokens < fewest else ""


def _again(request: Request, heard: tuple[int, ...], seed: int, limit: int) -> Request:
    """The rest of a sentence of which the tokens `heard` stay."""
    rest = max(_TOKENS_PER_S, limit - len(heard))
    return replace(request, prompt=request.prompt + heard, kept=len(heard), seed=seed, limit=rest)
