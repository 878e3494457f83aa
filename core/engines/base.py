"""What an engine is: something that does one stage's work, blocking, and remembers no job.

An engine is loaded once and entered by one thread at a time (`core.worker.Worker`); calls of different
jobs follow one another on it, so everything a call needs is in its arguments. Engines know nothing of
asyncio, queues, files of templates, or each other.

Seams, in the order a job meets them: `FaceFinder` (while a template is prepared), `SpeechEngine`,
`LipsyncEngine`, `FaceEnhancer`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from core.types import Arrays, Face, FaceTrack, Image, Sentence, Speech, Spoken, Voice

FIDELITY = 0.7
"""Default of `FaceEnhancer.enhance`: higher is steadier from frame to frame, lower clearer."""


@dataclass(frozen=True, slots=True)
class Style:
    """How to speak.

    speed: 1 is the voice's own, 0.5 to 2. pitch: in semitones, -12 to 12. seed: for engines that sample.
    """

    speed: float = 1.0
    pitch: float = 0.0
    seed: int = 0


class SpeechEngine(Protocol):
    """Speaks sentences.

    rate: samples a second of what it yields; one AAC knows (8000 ... 48000).
    """

    rate: int

    def voices(self) -> Sequence[Voice]:
        """Every voice that can be asked for; the first is the default."""
        ...

    def speak(self, sentence: Sentence, voice: str, style: Style) -> Iterator[Spoken]:
        """Yield the sentence's sound piece by piece, each piece as soon as it is made.

        Raises BadInput for an unknown voice, or for text this voice cannot read.
        """
        ...

    def close(self) -> None:
        """Let go of child processes, memory and files."""
        ...


class FaceFinder(Protocol):
    """Finds faces in one picture."""

    version: str
    """Part of the key under which prepared templates are cached: another version, another preparation."""

    def find(self, image: Image) -> Sequence[Face]:
        """Faces in `image`, the one most likely meant first; empty if there is none."""
        ...


class LipsyncEngine(Protocol):
    """Redraws face crops so that they speak."""

    version: str
    """Part of the key under which what `prepare` returned is cached."""

    def prepare(self, track: FaceTrack, crops: Sequence[Image], report: Callable[[int], None]) -> Arrays:
        """Learn what `draw` needs of a template, once.

        crops: `crops[k]` is the crop of frame k, uint8 (side, side, 3); decoded on access, cheapest in order.
        report: call it now and then with the number of frames looked at.
        """
        ...

    def span(self, frame: int, rate: int, fps: int) -> tuple[int, int]:
        """Samples `[start, stop)` that `frame` listens to; may begin before zero. Length and offset from
        `frame_start` do not depend on the frame, but for rounding."""
        ...

    def draw(
        self,
        frames: range,
        fps: int,
        speech: Speech,
        crops: Image,
        numbers: Sequence[int],
        track: FaceTrack,
        prepared: Arrays,
    ) -> Image:
        """Crops with the mouth redrawn, uint8 (n, side, side, 3), a new array.

        frames: numbers of the frames in the job's video. speech: covers their spans, no more is promised;
            what is drawn for a frame depends on its own span alone, however frames are grouped.
        crops: uint8 (n, side, side, 3), not to be written. numbers: their template frames.
        prepared: what `prepare` returned.
        """
        ...


@dataclass(frozen=True, slots=True)
class Drawing:
    """One call of `LipsyncEngine.draw`; fields are its arguments."""

    frames: range
    fps: int
    speech: Speech
    crops: Image
    numbers: Sequence[int]
    track: FaceTrack
    prepared: Arrays


@runtime_checkable
class DrawsTogether(Protocol):
    """What a `LipsyncEngine` can do besides, if several calls in one go are faster than one by one."""

    together: int
    """Most frames worth drawing in one go."""

    def draw_together(self, drawings: Sequence[Drawing]) -> Sequence[Image]:
        """What `draw` gives for each of them; they may be of different jobs."""
        ...


class FaceEnhancer(Protocol):
    """Makes redrawn face crops clearer."""

    version: str
    """Part of the key under which what `prepare` returned is cached."""

    def prepare(self, track: FaceTrack, crops: Sequence[Image], report: Callable[[int], None]) -> Arrays:
        """Learn what `enhance` needs of a template, once. Like `LipsyncEngine.prepare`."""
        ...

    def enhance(
        self,
        patches: Image,
        numbers: Sequence[int],
        track: FaceTrack,
        prepared: Arrays,
        fidelity: float = FIDELITY,
    ) -> Image:
        """Clearer patches, uint8 (n, side, side, 3), a new array; `patches` is not to be written.

        numbers: the template frames they belong to. Each comes out the same however patches are grouped.
        fidelity: 0 is the clearest face the engine can make, 1 the one that differs least from the given;
            engines that know no such choice ignore it.
        """
        ...
