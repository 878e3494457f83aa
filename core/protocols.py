"""What an engine is: something that does one stage's work, blocking, and remembers no job.

An engine is loaded once and entered by one thread at a time (`core.runtime.worker.Worker`); calls of
different jobs follow one another on it, so everything a call needs is in its arguments. Engines know nothing
of asyncio, queues, files of templates, or each other.

Seams, in the order a job meets them: `FaceFinder` (while a template is prepared), `SpeechEngine`,
`LipsyncEngine`, `FaceEnhancer`. `Matting` and `Painter` work when a template gets a new background.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput
from core.types import Arrays, Face, FaceTrack, Image, Sentence, Speech, Spoken, Voice

Heard = Callable[[int], None]
"""Called now and then with how many frames have been looked at."""

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

    def check(self) -> None:
        """Raises BadInput `out_of_range` for a speed, pitch or seed that no voice has."""
        if not 0.5 <= self.speed <= 2:  # NaN is neither
            raise BadInput("out_of_range", f"speed {self.speed:g} is outside 0.5 to 2", "speed")
        if not -12 <= self.pitch <= 12:
            raise BadInput("out_of_range", f"pitch {self.pitch:g} is outside -12 to 12 semitones", "pitch")
        if not 0 <= self.seed < 2**31:
            raise BadInput("out_of_range", f"seed {self.seed} is outside 0 to {2**31 - 1}", "seed")


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


@runtime_checkable
class Proofreads(Protocol):
    """What a `SpeechEngine` can do besides, if it can tell what it cannot read without speaking."""

    def proofread(self, sentence: Sentence) -> None:
        """Raises BadInput for text that none of its voices can read. Takes no time; on any thread."""
        ...


@runtime_checkable
class Measured(Protocol):
    """What a `SpeechEngine` can do besides, if it measured how fast it is on this machine."""

    real_time_factor: float
    """Seconds of work a second of speech."""

    def too_slow(self) -> str:
        """Why "auto" should not take it here, for people; empty if it may."""
        ...


class FaceFinder(Protocol):
    """Finds faces in one picture."""

    version: str
    """Part of the key under which prepared templates are cached: another version, another preparation."""

    def find(self, image: Image) -> Sequence[Face]:
        """Faces in `image`, the one most likely meant first; empty if there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Drawing:
    """Frames that shall speak.

    frames: their numbers in the job's video. speech: covers their spans; no more is promised.
    crops: uint8 (n, side, side, 3), not to be written. numbers: the template frames they are.
    prepared: what `LipsyncEngine.prepare` returned. life: a seed of how a single picture lives, if the engine
    makes it live; None: but for its mouth it keeps still.
    """

    frames: range
    fps: int
    speech: Speech
    crops: Image
    numbers: Sequence[int]
    track: FaceTrack
    prepared: Arrays
    life: int | None = 0


class LipsyncEngine(Protocol):
    """Redraws face crops so that they speak."""

    version: str
    """Part of the key under which what `prepare` returned is cached."""

    def prepare(self, track: FaceTrack, crops: Sequence[Image], report: Heard) -> Arrays:
        """Learn what `draw` needs of a template, once.

        crops: `crops[k]` is the crop of frame k, uint8 (side, side, 3); decoded on access, cheapest in order.
        """
        ...

    def span(self, frame: int, rate: int, fps: int) -> tuple[int, int]:
        """Samples `[start, stop)` that `frame` listens to; may begin before zero. Length and offset from
        `frame_start` do not depend on the frame, but for rounding."""
        ...

    def draw(self, drawing: Drawing) -> Image:
        """The drawing's crops with the mouth redrawn, uint8 (n, side, side, 3), a new array.

        What is drawn for a frame depends on its own span alone, however frames are grouped.
        """
        ...


@runtime_checkable
class DrawsTogether(Protocol):
    """What a `LipsyncEngine` can do besides, if several calls in one go are faster than one by one."""

    together: int
    """Most frames worth drawing in one go."""

    def draw_together(self, drawings: Sequence[Drawing]) -> Sequence[Image]:
        """What `draw` gives for each of them; they may be of different jobs."""
        ...


@runtime_checkable
class Remarks(Protocol):
    """What a `LipsyncEngine` can do besides, if it can tell how well a template suits it."""

    def remarks(self, track: FaceTrack, prepared: Arrays) -> Sequence[str]:
        """Sentences for people, what is wrong and what to do; none if all is well."""
        ...


@runtime_checkable
class ByPhonemes(Protocol):
    """What a `LipsyncEngine` can say besides, if its lips follow phonemes where the voice tells them."""

    by_phonemes: bool


class FaceEnhancer(Protocol):
    """Makes redrawn face crops clearer."""

    version: str
    """Part of the key under which what `prepare` returned is cached."""

    batch: int
    """Patches worth giving it in one call, at least 1: what a cancel waits for."""

    def prepare(self, track: FaceTrack, crops: Sequence[Image], report: Heard) -> Arrays:
        """Learn what `enhance` needs of a template, once. Like `LipsyncEngine.prepare`."""
        ...

    def enhance(
        self,
        patches: Image,
        numbers: Sequence[int],
        track: FaceTrack,
        prepared: Arrays,
        fidelity: float = FIDELITY,
        onto: Image | None = None,
    ) -> Image:
        """Clearer patches, uint8 (n, side, side, 3), a new array; `patches` is not to be written.

        numbers: the template frames they belong to. Each comes out the same however patches are grouped.
        fidelity: 0 is the clearest face the engine can make, 1 the one that differs least from the given;
            engines that know no such choice ignore it.
        onto: the same patches, all but the faces made clearer already, not to be written either: what the
            faces are laid into. None: `patches` themselves.
        """
        ...


Matte = NDArray[np.uint8]
"""uint8 (height, width): how much of a pixel is the person, 0 none, 255 all."""


class Matting(Protocol):
    """Tells a person from the background."""

    version: str
    """Part of the name under which a template's mattes are kept."""

    def mattes(self, pictures: Iterable[Image], faces: Sequence[NDArray[np.float32]]) -> Iterator[Matte]:
        """Yield the matte of each picture of a clip, in order, looking at one after another.

        faces: for each picture where the person's face is or would be: float32 (4,), x, y, width, height.
        What is remembered from one picture to the next lives in the generator. Raises BadInput for a clip
        that this way of telling them apart cannot do.
        """
        ...


@dataclass(frozen=True, slots=True)
class PaintOrder:
    """A picture to be painted: what of, what not, its size in pixels.

    steps, guidance: for engines that approach a picture by steps and weigh the prompt; None: as they like.
    """

    prompt: str
    width: int
    height: int
    negative: str = ""
    seed: int = 0
    steps: int | None = None
    guidance: float | None = None


@dataclass(frozen=True, slots=True)
class Painting:
    """picture: uint8 (h, w, 3), in about the proportions asked for. about: what it shows, for people."""

    picture: Image
    about: str


class Painter(Protocol):
    """Paints a picture of what is told in words."""

    version: str

    def paint(
        self, order: PaintOrder, report: Callable[[int, int], None], stopped: Callable[[], bool]
    ) -> Painting:
        """The same picture for the same order.

        report: called with steps done and all steps. stopped: asked between steps; once it says yes, this
        raises Stopped. Raises BadInput for an order that cannot be met.
        """
        ...


class Upscaler(Protocol):
    """Makes pictures twice as large, piece by piece (`core.enhancement.tiles`)."""

    version: str
    """Part of what a template made with it is known by."""

    tile: int
    """Pixels along a side of the piece that it makes at once, even."""

    margin: int
    """How many pixels around a piece it sees, on every side, even: 16 or more. What is further away makes no
    difference that could be seen."""

    def enlarge(self, image: Image) -> Image:
        """uint8 (h, w, 3), sides even -> (2 h, 2 w, 3), a new array; best are `tile + 2 * margin`."""
        ...
