"""Templates and texts that the benches share."""

import asyncio
import resource
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np

from core.config import Settings
from core.engines.builtin import presenter
from core.media.clip import write_clip
from core.progress import Progress
from core.render import Item, Request, render
from core.serving.engine_pool import EnginePool
from core.templates.library import Templates
from core.types import Fragment, Image

SENTENCE = "The first picture is on screen in a jiff"
"""40 characters."""

PARAGRAPH = (
    "Good evening, and welcome to the programme. Tonight we look at how a voice becomes a moving face. "
    "Every picture is drawn while the next words are still being spoken, and nothing waits for the end. "
    "The weather stays mild, with some rain in the north and a light wind from the sea. "
)
"""About 17 seconds of English speech."""

WIDE = {"720p": (1280, 720), "1080p": (1920, 1080)}


def speech_text(seconds: float) -> str:
    """Text of about `seconds` of speech."""
    return PARAGRAPH * max(1, round(seconds / 17))


@asynccontextmanager
async def scene(*names: str) -> AsyncIterator[tuple[EnginePool, Templates]]:
    """A fresh library with the drawn presenter as `sample` and, if asked for, in "720p" and "1080p"."""
    with tempfile.TemporaryDirectory(prefix="lipstream-bench-") as folder:
        async with EnginePool() as pool:
            templates = Templates(Settings(data_dir=Path(folder)), pool)
            await templates.open("sample")
            for name in names:
                clip = Path(folder) / f"{name}.mp4"
                await asyncio.to_thread(write_clip, clip, _wide(*WIDE[name]), 25)
                await templates.add(clip, name)
            yield pool, templates


def _wide(width: int, height: int) -> Iterator[Image]:
    """The presenter in the middle of a wide picture, two seconds."""
    side = (width - height) // 2
    for image in presenter.frames(50, 25, height):
        yield np.pad(image, ((0, 0), (side, width - height - side), (0, 0)), mode="edge")


async def rendered(
    request: Request, pool: EnginePool, templates: Templates, note: Callable[[Fragment], None] | None = None
) -> Progress:
    """Render to nowhere."""

    async def sink(item: Item) -> None:
        if note is not None and isinstance(item, Fragment):
            note(item)

    return await render(request, pool, templates, sink)


def peak_mb() -> float:
    """The most memory this process has had so far, in megabytes."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (1024 if sys.platform != "darwin" else 2**20)
