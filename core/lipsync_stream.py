"""Turn speech into face crops that speak it.

The engine says which samples a frame listens to; the windowing is here. What is drawn depends on the
audio alone, not on how it was cut into chunks or frames into batches.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import numpy as np

from core.protocols import Drawing, LipsyncEngine
from core.serving.loaded import LoadedEngine, draw
from core.templates.template import Template
from core.types import (
    Arrays,
    AudioChunk,
    FrameBatch,
    Image,
    Phoneme,
    Samples,
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
        self.phonemes: list[Phoneme] | None = []

    @property
    def end(self) -> int:
        return self.start + len(self.samples)

    def add(self, chunk: AudioChunk) -> None:
        self.rate = chunk.rate
        self.samples = np.concatenate([self.samples, chunk.samples])
        if chunk.phonemes is None:
            self.phonemes = None
        elif self.phonemes is not None:
            self.phonemes.extend(chunk.phonemes)

    def cut(self, low: int, high: int) -> Samples:
        """Samples `[low, high)`, silence where there is nothing."""
        out = np.zeros(high - low, np.float32)
        a, b = max(low, self.start), min(high, self.end)
        if a < b:
            out[a - low : b - low] = self.samples[a - self.start : b - self.start]
        return out

    def speech(self, low: int, high: int) -> Speech:
        phonemes = None
        if self.phonemes is not None:
            before = [p for p in self.phonemes if p.first <= low][-1:]
            phonemes = (*before, *(p for p in self.phonemes if low < p.first < high))
        return Speech(self.cut(low, high), self.rate, low, phonemes)

    def forget(self, before: int) -> None:
        """Drop what no frame will listen to any more."""
        keep = max(self.start, min(before, self.end))
        self.samples, self.start = self.samples[keep - self.start :], keep
        if self.phonemes is not None:
            sounding = sum(p.first <= keep for p in self.phonemes) - 1
            del self.phonemes[: max(sounding, 0)]


async def lipsync_stream(
    audio: AsyncIterator[AudioChunk],
    lipsync: LoadedEngine[LipsyncEngine],
    template: Template,
    prepared: Arrays,
    *,
    batch: int,
) -> AsyncGenerator[FrameBatch, None]:
    """Yield batches of 1, 2, 4, ... up to `batch` frames, as soon as enough speech has been heard.

    prepared: what the engine learnt of the template. The first batches are small so that the first frame is
    out early. The tail is padded with silence: the video is never shorter than the speech.
    """
    heard = _Heard()
    engine, fps = lipsync.engine, template.fps
    frame, size = 0, 1

    async def next_batch(count: int) -> FrameBatch:
        frames = range(frame, frame + count)
        spans = [engine.span(k, heard.rate, fps) for k in (frames[0], frames[-1])]
        speech = heard.speech(spans[0][0], spans[1][1])
        low, high = (frame_start(k, heard.rate, fps) for k in (frame, frame + count))
        numbers = [template.number(k) for k in frames]
        # Not on the engine's thread: meanwhile it draws for other jobs.
        patches = await asyncio.to_thread(_crops, template, numbers)
        if template.track.found[numbers].any():
            drawing = Drawing(frames, fps, speech, patches, numbers, template.track, prepared)
            patches = await joined.call(draw, drawing)
        return FrameBatch(
            first=frame,
            patches=patches,
            numbers=np.array(numbers, np.int32),
            drawn=template.track.found[numbers],
            audio=heard.cut(low, high),
            rate=heard.rate,
        )

    with lipsync.joined() as joined:
        async for chunk in audio:
            heard.add(chunk)
            while engine.span(frame + size - 1, heard.rate, fps)[1] <= heard.end:
                yield await next_batch(size)
                frame, size = frame + size, min(2 * size, batch)
                heard.forget(min(engine.span(frame, heard.rate, fps)[0], frame_start(frame, heard.rate, fps)))

        total = frame_count(heard.end, heard.rate, fps) if heard.rate else 0
        while frame < total:
            count = min(size, total - frame)
            yield await next_batch(count)
            frame, size = frame + count, min(2 * size, batch)


def _crops(template: Template, numbers: list[int]) -> Image:
    return np.stack([template.crop(number) for number in numbers])
