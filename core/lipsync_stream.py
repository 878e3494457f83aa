"""Turn speech into face crops that speak it.

The engine says which samples a frame listens to; the windowing is here. What is drawn depends on the
audio alone, not on how it was cut into chunks or frames into batches.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence

import numpy as np

from core.protocols import Drawing, LipsyncEngine
from core.serving.loaded import LoadedEngine, draw
from core.templates.template import Template
from core.templates.walk import Walk
from core.types import (
    Arrays,
    AudioChunk,
    FrameBatch,
    Image,
    Phoneme,
    Samples,
    Sentence,
    Speech,
    frame_count,
    frame_start,
)


class _Heard:
    """The stretch of speech still needed: samples from absolute index `start` on, and what sounds in it."""

    def __init__(self) -> None:
        self.samples: Samples = np.zeros(0, np.float32)
        self.start = 0
        self.rate = 0
        self._phonemes: list[Phoneme] = []
        self._untold: list[range] = []  # where a voice sounds that tells no phonemes
        self._ahead: tuple[AudioChunk, ...] | None = None
        self._sentence: Sentence | None = None
        self._wanted: list[tuple[int, str]] = []  # actions of the sentence, by their places in the text
        self._actions: deque[tuple[int, str]] = deque()  # by the sample from which on they are wanted

    @property
    def end(self) -> int:
        return self.start + len(self.samples)

    def add(self, chunk: AudioChunk) -> None:
        self.rate = chunk.rate
        self.samples = np.concatenate([self.samples, chunk.samples])
        _note(chunk, self._phonemes, self._untold)
        self._ahead = chunk.ahead
        self._note_actions(chunk)

    def _note_actions(self, chunk: AudioChunk) -> None:
        if chunk.sentence is not self._sentence:
            self._sentence = chunk.sentence
            self._wanted += chunk.sentence.actions if chunk.sentence else ()
            if not chunk.words:  # a voice that marks none, as far as is known
                self._actions += ((chunk.first, name) for _, name in self._wanted)
                self._wanted.clear()
        for word in chunk.words:
            while self._wanted and self._wanted[0][0] < word.stop:
                self._actions.append((word.first, self._wanted.pop(0)[1]))

    def wanted(self, before: int) -> Iterator[str]:
        """The actions that are wanted before a sample, each once."""
        while self._actions and self._actions[0][0] < before:
            yield self._actions.popleft()[1]

    def enough(self, frame: int, until: int, fps: int) -> bool:
        """Whether `frame`, which listens `until` there, can be drawn."""
        return (until if self._ahead is None else frame_start(frame + 1, self.rate, fps)) <= self.end

    def cut(self, low: int, high: int) -> Samples:
        """Samples `[low, high)`, silence where there is nothing."""
        out = np.zeros(high - low, np.float32)
        for first, samples in (
            (self.start, self.samples),
            *((c.first, c.samples) for c in self._ahead or ()),
        ):
            a, b = max(low, first), min(high, first + len(samples))
            if a < b:
                out[a - low : b - low] = samples[a - first : b - first]
        return out

    def speech(self, spans: Sequence[tuple[int, int]], reaches: Sequence[range]) -> tuple[Speech, int]:
        """What frames listen to, and for how many of them: the first ones of which phonemes are told, or not.

        spans: what each listens to. reaches: where each must know the phonemes.
        """
        phonemes, untold = list(self._phonemes), list(self._untold)
        for chunk in self._ahead or ():
            _note(chunk, phonemes, untold)
        told = [not any(_meet(reach, stretch) for stretch in untold) for reach in reaches]
        count = (*told, not told[0]).index(not told[0])
        low, high = spans[0][0], spans[count - 1][1]
        before = [p for p in phonemes if p.first <= low][-1:]
        sounding = (*before, *(p for p in phonemes if low < p.first < high))
        return Speech(self.cut(low, high), self.rate, low, sounding if told[0] else None), count

    def forget(self, before: int) -> None:
        """Drop what no frame will listen to any more."""
        keep = max(self.start, min(before, self.end))
        self.samples, self.start = self.samples[keep - self.start :], keep
        sounding = sum(p.first <= keep for p in self._phonemes) - 1
        del self._phonemes[: max(sounding, 0)]
        self._untold = [stretch for stretch in self._untold if stretch.stop > keep]


def _note(chunk: AudioChunk, phonemes: list[Phoneme], untold: list[range]) -> None:
    """Add what a chunk tells of what sounds in it."""
    if chunk.phonemes is not None:
        phonemes.extend(chunk.phonemes)
        return
    end = chunk.first + len(chunk.samples)
    if untold and untold[-1].stop == chunk.first:
        untold[-1] = range(untold[-1].start, end)
    else:
        untold.append(range(chunk.first, end))
        phonemes.append(Phoneme("", chunk.first))  # what was told before does not go on


def _meet(one: range, other: range) -> bool:
    return one.start < other.stop and other.start < one.stop


async def lipsync_stream(
    audio: AsyncIterator[AudioChunk],
    lipsync: LoadedEngine[LipsyncEngine],
    template: Template,
    prepared: Arrays,
    *,
    batch: int,
    own: bool = False,
    life: int | None = 0,
    walk: Walk | None = None,
) -> AsyncGenerator[FrameBatch, None]:
    """Yield batches of 1, 2, 4, ... up to `batch` frames, as soon as enough speech has been heard.

    prepared: what the engine learnt of the template. The first batches are small so that the first frame is
    out early. own: frames that the engine leaves as they are count as not drawn: they are the template's own.
    life: see `Drawing`. walk: through the template's frames, which others may tell of actions; None: its own.
    It begins in `TALK` where sound is in what the first frame listens to.
    The tail is padded with silence: the video is never shorter than the speech.
    """
    heard = _Heard()
    engine, fps = lipsync.engine, template.fps
    frame, size = 0, 1
    walk = walk or template.walk()

    def shown(frame: int) -> int:
        start, stop = (frame_start(k, heard.rate, fps) for k in (frame, frame + 1))
        for name in heard.wanted(stop):
            walk.want(name)
        if frame == 0 and heard.cut(0, listens(0)[0][1]).any():
            walk.begin_talking()
        return walk.step(heard=bool(heard.cut(start, stop).any()))

    def listens(frame: int) -> tuple[tuple[int, int], range]:
        """The samples it listens to; and those nearby, as far back as ahead, whose phonemes move its lips."""
        low, high = engine.span(frame, heard.rate, fps)
        return (low, high), range(2 * frame_start(frame, heard.rate, fps) - high, high)

    async def next_batch(count: int) -> FrameBatch:
        spans, reaches = zip(*map(listens, range(frame, frame + count)), strict=True)
        speech, count = heard.speech(spans, reaches)
        frames = range(frame, frame + count)
        low, high = (frame_start(k, heard.rate, fps) for k in (frame, frame + count))
        numbers = [shown(k) for k in frames]
        # Not on the engine's thread: meanwhile it draws for other jobs.
        patches = crops = await asyncio.to_thread(_crops, template, numbers)
        drawn = template.track.found[numbers]
        if drawn.any():
            drawing = Drawing(frames, fps, speech, crops, numbers, template.track, prepared, life)
            patches = await joined.call(draw, drawing)
        if own:
            drawn = drawn & (patches != crops).any(axis=(1, 2, 3))
        return FrameBatch(
            first=frame,
            patches=patches,
            numbers=np.array(numbers, np.int32),
            drawn=drawn,
            audio=heard.cut(low, high),
            rate=heard.rate,
        )

    with lipsync.joined() as joined:
        async for chunk in audio:
            heard.add(chunk)
            while heard.enough(frame + size - 1, listens(frame + size - 1)[0][1], fps):
                made = await next_batch(size)
                yield made
                frame, size = frame + len(made), min(2 * size, batch)
                (low, _), near = listens(frame)
                heard.forget(min(low, near.start))

        total = frame_count(heard.end, heard.rate, fps) if heard.rate else 0
        while frame < total:
            made = await next_batch(min(size, total - frame))
            yield made
            frame, size = frame + len(made), min(2 * size, batch)


def _crops(template: Template, numbers: list[int]) -> Image:
    return np.stack([template.crop(number) for number in numbers])
