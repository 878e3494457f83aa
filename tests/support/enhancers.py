"""Enhancers with a script, for tests of the stages in front of them."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from core.engines.builtin.clarity import Clarity
from core.protocols import FIDELITY
from core.types import Arrays, FaceTrack, Image


class Recorded:
    """Adds one to every value; notes template frames and fidelity of each call."""

    version = "1"
    batch = 8

    def __init__(self) -> None:
        self.calls: list[tuple[list[int], float]] = []

    def prepare(self, track: FaceTrack, crops: Sequence[Image], report: Callable[[int], None]) -> Arrays:
        """Learn nothing."""
        report(len(crops))
        return {"nothing": np.zeros(0)}

    def enhance(
        self,
        patches: Image,
        numbers: Sequence[int],
        track: FaceTrack,
        prepared: Arrays,
        fidelity: float = FIDELITY,
        onto: Image | None = None,
    ) -> Image:
        """Patches, one brighter."""
        self.calls.append((list(numbers), fidelity))
        return np.asarray(patches + np.uint8(1), np.uint8)


class Held(Clarity):
    """The built-in engine, which waits at a stretch's seventeenth frame until it is told to go on."""

    go_on = threading.Event()

    def enhance(
        self,
        patches: Image,
        numbers: Sequence[int],
        track: FaceTrack,
        prepared: Arrays,
        fidelity: float = FIDELITY,
        onto: Image | None = None,
    ) -> Image:
        """See `Clarity`."""
        if 16 in numbers:
            assert self.go_on.wait(30)
        return super().enhance(patches, numbers, track, prepared, fidelity)


class HeldByFile(Clarity):
    """The same, in another process: it waits until there is a file where the environment's `GO_ON` says."""

    def enhance(
        self,
        patches: Image,
        numbers: Sequence[int],
        track: FaceTrack,
        prepared: Arrays,
        fidelity: float = FIDELITY,
        onto: Image | None = None,
    ) -> Image:
        """See `Clarity`."""
        ends = time.monotonic() + 60
        while 16 in numbers and not Path(os.environ["GO_ON"]).exists():
            assert time.monotonic() < ends
            time.sleep(0.01)
        return super().enhance(patches, numbers, track, prepared, fidelity)


class Slow(Recorded):
    """One face a call; at the twelfth it waits until it is told to go on."""

    batch = 1

    def __init__(self) -> None:
        super().__init__()
        self.at_twelfth, self.go_on = threading.Event(), threading.Event()

    def enhance(
        self,
        patches: Image,
        numbers: Sequence[int],
        track: FaceTrack,
        prepared: Arrays,
        fidelity: float = FIDELITY,
        onto: Image | None = None,
    ) -> Image:
        """See `Recorded`."""
        made = super().enhance(patches, numbers, track, prepared, fidelity)
        if len(self.calls) == 12:
            self.at_twelfth.set()
            assert self.go_on.wait(30)
        return made
