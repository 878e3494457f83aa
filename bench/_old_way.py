"""The plain way that services are chained: the whole speech, then all lips, then all faces, then the file."""

import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from pathlib import Path
from typing import TypeVar

from bench._scene import scene
from core.encode_stream import encode_stream
from core.enhance_stream import enhance_stream
from core.lipsync_stream import lipsync_stream
from core.media.recording import Recording
from core.protocols import Style
from core.runtime.worker import Worker
from core.text import sentences
from core.tts_stream import tts_stream

T = TypeVar("T")


async def file_first_ms(text: str) -> float:
    """Milliseconds until the file is there: the same engines, one after another, on a warm template."""
    async with scene() as (pool, templates):
        speech, lips, clarity = await pool.speech(), await pool.lipsync(), await pool.enhancer()
        template = await templates.open("sample")
        encoder = Worker("encode")
        began = time.perf_counter()
        audio = await _all(tts_stream(sentences(text), speech, None, Style()))
        faces = await _all(lipsync_stream(_each(audio), lips, template, template.prepared[lips.key], batch=8))
        clear = await _all(enhance_stream(_each(faces), clarity, template, template.prepared[clarity.key]))
        with tempfile.TemporaryDirectory() as folder:
            async with Recording(Path(folder) / "whole.mp4") as recording:
                async for fragment in encode_stream(_each(clear), template, encoder, rate=speech.engine.rate):
                    await recording.write(fragment)
                await recording.finish()
        took = time.perf_counter() - began
        encoder.close()
        return 1000 * took


async def _all(items: AsyncGenerator[T, None]) -> list[T]:
    return [item async for item in items]


async def _each(items: Iterable[T]) -> AsyncIterator[T]:
    for item in items:
        yield item
