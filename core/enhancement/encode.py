"""The last stage where a video is made from a video: encode frames with times of their own as MP4 fragments.

The growing video carries its first sound track, mixed down to mono, so that it can be heard while it is made;
the whole one gets all tracks as they were (`core.media.foreign.splice`).
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, suppress

import numpy as np

from core.errors import BadInput
from core.media.fmp4 import LiveEncoder
from core.media.foreign import AudioSource, Frame
from core.media.info import CLOCK, VideoHead
from core.runtime.worker import Worker
from core.types import Fragment, Samples

_CRF = 18
"""Quality of the picture: what was encoded twice should not show it."""


async def encode_video(
    batches: AsyncIterator[Sequence[Frame]], head: VideoHead, sound: AudioSource | None, worker: Worker
) -> AsyncGenerator[Fragment, None]:
    """Yield the video as fragments, each as soon as it is made. worker: the thread that encodes."""
    rate = sound.rate if sound is not None else None
    fps = min(240, max(1, round(head.fps)))
    encoder = await worker.call(_encoder, head, fps, rate)
    heard = _Heard(sound, head.sound_start)
    try:
        yield encoder.init
        async for frames in batches:
            pieces = [await heard.until(frame.stop) for frame in frames]
            async with aclosing(worker.steps(_encode(frames, pieces, encoder))) as steps:
                async for fragments in steps:
                    for fragment in fragments:
                        yield fragment
        if sound is not None:
            for fragment in await worker.call(encoder.finish):
                yield fragment
    finally:
        await heard.close()
        await worker.call(encoder.close)


def _encoder(head: VideoHead, fps: int, rate: int | None) -> LiveEncoder:
    return LiveEncoder(head.width, head.height, fps, rate, clock=CLOCK, crf=_CRF)


def _encode(
    frames: Sequence[Frame], pieces: Sequence[Samples], encoder: LiveEncoder
) -> Iterator[list[Fragment]]:
    for frame, samples in zip(frames, pieces, strict=True):
        sounds = encoder.audio(samples) if len(samples) else []
        yield [*sounds, encoder.video(frame.planes, frame.stop - frame.start)]


class _Heard:
    """The sound of a video, cut along its frames; nothing once it has ended or turned out to be damaged."""

    def __init__(self, sound: AudioSource | None, start: int) -> None:
        """start: when the sound begins, in ticks; what would be heard before the picture is dropped."""
        self._rate = sound.rate if sound is not None else 0
        self._chunks = sound.chunks() if sound is not None else None
        offset = start * self._rate // CLOCK
        self._waiting: Samples = np.zeros(0, np.float32)
        self._silence, self._skip = max(0, offset), max(0, -offset)
        self._given = 0

    async def until(self, tick: int) -> Samples:
        """What is heard up to `tick` and was not given yet."""
        wanted = tick * self._rate // CLOCK - self._given
        silence = min(self._silence, wanted)
        self._silence -= silence
        pieces: list[Samples] = [np.zeros(silence, np.float32), self._waiting]
        have = silence + len(self._waiting)
        while have < wanted and self._chunks is not None:
            chunk = await self._next()
            if chunk is None:
                break
            drop = min(self._skip, len(chunk))
            self._skip -= drop
            pieces.append(chunk[drop:])
            have += len(chunk) - drop
        samples = np.concatenate(pieces)
        self._waiting = samples[wanted:]
        self._given += min(wanted, len(samples))
        return samples[:wanted]

    async def _next(self) -> Samples | None:
        assert self._chunks is not None  # noqa: S101  # asked before
        # Only what is heard meanwhile: the file's own sound is copied, damaged or not.
        with suppress(BadInput, StopAsyncIteration):
            return await anext(self._chunks)
        await self.close()
        return None

    async def close(self) -> None:
        """Let go of the sound."""
        chunks, self._chunks = self._chunks, None
        if chunks is not None:
            await chunks.aclose()
