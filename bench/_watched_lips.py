"""Lips that tell of every picture whether it sounds, and whether the mouth is at rest."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from core.protocols import Drawing, LipsyncEngine
from core.types import Arrays, FaceTrack, Image, frame_start


class WatchedLips:
    """A `LipsyncEngine` that is another one. looking: whether rest is looked for, by a second drawing.

    sounds, rests: the numbers of pictures drawn so far.
    """

    def __init__(self, lips: LipsyncEngine) -> None:
        self.version = lips.version
        self.sounds: set[int] = set()
        self.rests: set[int] = set()
        self.looking = False
        self._lips = lips

    def prepare(self, track: FaceTrack, crops: Sequence[Image], report: Callable[[int], None]) -> Arrays:
        """As the other's."""
        return self._lips.prepare(track, crops, report)

    def span(self, frame: int, rate: int, fps: int) -> tuple[int, int]:
        """As the other's."""
        return self._lips.span(frame, rate, fps)

    def draw(self, drawing: Drawing) -> Image:
        """As the other's, looked at."""
        made = self._lips.draw(drawing)
        speech, fps = drawing.speech, drawing.fps
        silence = made
        if self.looking:
            nothing = replace(speech, samples=np.zeros_like(speech.samples), phonemes=())
            silence = self._lips.draw(replace(drawing, speech=nothing))
        for k, frame in enumerate(drawing.frames):
            first, stop = (frame_start(n, speech.rate, fps) - speech.first for n in (frame, frame + 1))
            if speech.samples[first:stop].any():
                self.sounds.add(frame)
            elif self.looking and np.array_equal(made[k], silence[k]):
                self.rests.add(frame)
        return made
