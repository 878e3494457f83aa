"""The last stage: paste patches into template frames and encode them, with their sound, as a growing file.

The only place where whole frames exist, one at a time.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from functools import partial

import numpy as np

from core.captions.burn_in import Burner
from core.errors import BadInput
from core.media.fmp4 import LiveEncoder
from core.media.paste import paste
from core.media.planes import Planes
from core.media.webm import AlphaEncoder
from core.runtime.worker import Worker
from core.templates.template import Template
from core.types import Fragment, FrameBatch, frame_start


async def encode_stream(
    batches: AsyncIterator[FrameBatch],
    template: Template,
    worker: Worker,
    *,
    rate: int,
    burner: Burner | None = None,
    mark: Burner | None = None,
    tags: Mapping[str, str] | None = None,
) -> AsyncGenerator[Fragment, None]:
    """Yield the video as fragments: its head before the first batch comes, then each as soon as it is made.

    A template with mattes becomes a WebM with alpha (`core.media.webm`), any other an MP4.
    worker: the thread that encodes; it does one frame at a time, so a cancel waits for no more.
    rate: of the batches' audio. burner: draws captions onto the frames. mark: draws
    what all of them say. tags: the file's metadata.
    Raises BadInput if there is not one frame: an empty video is no result.
    """
    shape = template.width, template.height, template.fps, rate
    encoder: LiveEncoder | AlphaEncoder
    if template.mattes is None:
        encoder = await worker.call(partial(LiveEncoder, *shape, tags=tags))
    else:
        encoder = await worker.call(partial(AlphaEncoder, *shape, tags=tags))
    try:
        yield encoder.init
        canvas = np.empty((template.height * 3 // 2, template.width), np.uint8)
        frames = 0
        async for batch in batches:
            if (batch.first, batch.rate) != (frames, rate):
                raise ValueError(f"frame {batch.first} at {batch.rate} Hz where {frames} at {rate} was due")
            frames += len(batch)
            async with aclosing(
                worker.steps(_encode(batch, template, encoder, canvas, burner, mark))
            ) as steps:
                async for fragments in steps:
                    for fragment in fragments:
                        yield fragment
        if not frames:
            raise BadInput("no_speech", "the speech is empty; give a text or a recording with words in it")
        for fragment in await worker.call(encoder.finish):
            yield fragment
    finally:
        await worker.call(encoder.close)


def _encode(
    batch: FrameBatch,
    template: Template,
    encoder: LiveEncoder | AlphaEncoder,
    canvas: Planes,
    burner: Burner | None,
    mark: Burner | None,
) -> Iterator[list[Fragment]]:
    """Encode a batch, one frame and its sound at a step. canvas: scratch room for a frame."""
    start = frame_start(batch.first, batch.rate, template.fps)
    for index, number in enumerate(batch.numbers.tolist()):
        frame = batch.first + index
        heard, until = (frame_start(k, batch.rate, template.fps) - start for k in (frame, frame + 1))
        planes = template.planes(number)
        alpha = None if template.mattes is None else template.mattes.of(number)
        cue = burner.text_at(frame) if burner else None
        if batch.drawn[index] or cue or mark:
            np.copyto(canvas, planes)  # the template's own frame is shared, and stays as it is
            planes = canvas
        if batch.drawn[index]:
            x, y = template.track.corners[number].tolist()
            paste(canvas, batch.patches[index], x, y)
        if burner and cue:
            burner.draw(canvas, cue, burner.word_at(cue, frame), alpha)
        if mark:
            mark.draw(canvas, mark.cues[0], alpha=alpha)
        sound = encoder.audio(batch.audio[heard:until])
        if isinstance(encoder, AlphaEncoder):
            assert alpha is not None  # noqa: S101  # as `encode_stream` chose it
            yield [*sound, encoder.video(planes, alpha)]
        else:
            yield [*sound, encoder.video(planes)]
