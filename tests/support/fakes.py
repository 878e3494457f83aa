"""Real, small implementations of the seams, with a script of what they do; for tests only."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from core.protocols import Drawing, Style
from core.runtime.worker import Worker
from core.serving.loaded import LoadedEngine, on_thread
from core.templates.template import Template
from core.types import Arrays, FaceTrack, Image, Phoneme, Sentence, Spoken, Voice, frame_start


def track(count: int = 5, side: int = 16) -> FaceTrack:
    """A face that stays where it is."""
    pose = np.array([[side / 2, 0, side / 4], [0, side / 2, side / 4]])
    return FaceTrack(
        side=side,
        corners=np.full((count, 2), 8, np.int32),
        poses=np.repeat(pose[None], count, 0),
        found=np.ones(count, bool),
    )


class GreyFrames:
    """Stands in for `core.media.foreign.Frames`: frame k is a flat picture of luma 16 + 4 k."""

    def __init__(self, count: int = 5, width: int = 64, height: int = 48, fps: int = 25) -> None:
        self.count, self.width, self.height, self.fps = count, width, height, fps

    def planes(self, number: int) -> Image:
        """See `Frames.planes`."""
        planes = np.full((self.height * 3 // 2, self.width), 128, np.uint8)
        planes[: self.height] = 16 + 4 * number
        planes.flags.writeable = False
        return planes

    def close(self) -> None:
        """Nothing to let go of."""


def template(count: int = 5, fps: int = 25, found: Sequence[bool] | None = None) -> Template:
    """A template of flat pictures with a face in each, or where `found` says."""
    face = track(count)
    if found is not None:
        face.found[:] = found
    return Template("fake", GreyFrames(count, fps=fps), face, {})  # type: ignore[arg-type]  # a stand-in


T = TypeVar("T")


def loaded(kind: str, engine: T, worker: Worker) -> LoadedEngine[T]:
    """An engine that a test made itself, ready to be called on `worker`."""
    return on_thread(kind, "fake", engine, worker)


class LoudMouth:
    """A lips engine that paints the mean loudness of what a frame listens to: 40 ms back to 200 ms ahead."""

    version = "1"

    def __init__(self, delay_s: float = 0.0, fail_at: int | None = None) -> None:
        self.delay_s = delay_s
        self.fail_at = fail_at
        self.threads: set[str] = set()

    def prepare(self, track: FaceTrack, crops: Sequence[Image], report: Callable[[int], None]) -> Arrays:
        """Learn the number of crops."""
        report(len(crops))
        return {"count": np.array(len(crops))}

    def span(self, frame: int, rate: int, fps: int) -> tuple[int, int]:
        """See `LipsyncEngine.span`."""
        at = frame_start(frame, rate, fps)
        return at - rate // 25, at + rate // 5

    def draw(self, drawing: Drawing) -> Image:
        """Paint each crop in the grey of its loudness."""
        self.threads.add(threading.current_thread().name)
        speech = drawing.speech
        out = np.empty_like(drawing.crops)
        for k, frame in enumerate(drawing.frames):
            if frame == self.fail_at:
                raise RuntimeError("the mouth fell off")
            time.sleep(self.delay_s)
            low, high = self.span(frame, speech.rate, drawing.fps)
            heard = speech.samples[low - speech.first : high - speech.first]
            sounds = sum(low < p.first < high for p in speech.phonemes or ())
            out[k] = int(np.abs(heard).mean() * 255) // 2 + sounds
        return out


class Beeps:
    """A voice that says one 440 Hz tone of 40 ms a character, with a phoneme and a word each."""

    rate = 16_000

    def __init__(self, delay_s: float = 0.0, fail_at: int | None = None) -> None:
        self.delay_s = delay_s
        self.fail_at = fail_at

    def voices(self) -> Sequence[Voice]:
        """One voice for every language."""
        return (Voice("beep", ("zh", "en", "yue", "ja", "ko")),)

    def speak(self, sentence: Sentence, voice: str, style: Style) -> Iterator[Spoken]:
        """A tone a character."""
        length = round(self.rate / 25 / style.speed)
        tone = 0.3 * np.sin(2 * np.pi * 440 / self.rate * np.arange(length)).astype(np.float32)
        if self.fail_at == sentence.index:
            raise RuntimeError("hoarse")
        for _ in sentence.spoken:
            time.sleep(self.delay_s)
            yield Spoken(tone.astype(np.float32), (Phoneme("a", 0),))

    def close(self) -> None:
        """Nothing to let go of."""
