"""Speech from a file in place of a voice: decoded in a child process, handed on as it comes."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

from core.errors import BadInput, blaming
from core.media.foreign import open_audio
from core.types import AudioChunk, Samples

SHORTEST_S = 0.04
"""Seconds a recording has at least, about a picture; what is shorter is no speech, but a slip."""


async def recorded_speech(path: Path, ends: AsyncExitStack) -> tuple[int, AsyncGenerator[AudioChunk, None]]:
    """Sample rate and chunks of the recording; what must be closed afterwards goes on `ends`.

    Raises BadInput for what is no recording, or `audio_too_short`; its `param` is "audio".
    """
    with blaming("audio"):
        source = await open_audio(path)
        ends.push_async_callback(source.close)
        samples = await ends.enter_async_context(aclosing(source.chunks()))
        return source.rate, _read(source.rate, await _beginning(source.rate, samples), samples)


async def _beginning(rate: int, chunks: AsyncGenerator[Samples, None]) -> list[Samples]:
    """As much of a recording as tells that it is one. Raises BadInput `audio_too_short`."""
    begun: list[Samples] = []
    heard = 0
    async for samples in chunks:
        begun.append(samples)
        heard += len(samples)
        if heard >= SHORTEST_S * rate:
            return begun
    message = f"the recording lasts {heard / rate:.3f} s; speech is at least {SHORTEST_S:g} s long"
    raise BadInput("audio_too_short", message)


async def _read(
    rate: int, begun: list[Samples], chunks: AsyncGenerator[Samples, None]
) -> AsyncGenerator[AudioChunk, None]:
    """`begun`, then `chunks`."""
    first = 0
    with blaming("audio"):
        for samples in begun:
            yield AudioChunk(samples, rate, first)
            first += len(samples)
        async for samples in chunks:
            yield AudioChunk(samples, rate, first)
            first += len(samples)
