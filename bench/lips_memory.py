"""Peak memory of a process that renders with Wav2Lip: ten minutes of speech against one, and of template,
prepared and rendered. At 10 frames a second, to be done in a few minutes.
"""

import asyncio
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import Figure
from bench._random_lips import random_weights
from bench._scene import peak_mb, rendered, speech_text
from core.config import Settings
from core.engines.builtin import presenter
from core.media.clip import write_clip
from core.render import Request
from core.serving.engine_pool import EnginePool
from core.templates.library import Templates
from core.types import Image

_FPS = 10
_LENGTHS = (1, 10)
"""Minutes."""


def figures() -> Iterator[Figure]:
    """Each in a process of its own; the last must not need much more than the first."""
    for what in "speech", "template":
        peaks = [_measured(what, minutes) for minutes in _LENGTHS]
        for minutes, peak in zip(_LENGTHS, peaks, strict=True):
            yield Figure(f"wav2lip peak memory, {minutes} min of {what}", peak, "MB", higher=False)
        yield Figure(
            f"wav2lip peak memory, {what}: 10 min over 1", peaks[1] / peaks[0], "x", 1.15, higher=False
        )


def _measured(what: str, minutes: int) -> float:
    command = [sys.executable, "-m", "bench.lips_memory", what, str(minutes)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


async def render(what: str, minutes: int, lipsync: str) -> None:
    """Prepare a template for the engine and render; `what` of speech and template is `minutes` long."""
    with tempfile.TemporaryDirectory(prefix="lipstream-bench-") as folder:
        clip = Path(folder) / "person.mp4"
        seconds = 60 * minutes if what == "template" else 10
        write_clip(clip, _person(seconds * _FPS), _FPS)
        text = speech_text(60 * minutes if what == "speech" else 30)
        async with EnginePool() as pool:
            templates = Templates(Settings(data_dir=Path(folder), lipsync=lipsync), pool)
            await templates.add(clip, "person")
            request = Request(template="person", text=text, lipsync=lipsync, enhance=False)
            await rendered(request, pool, templates)


def _person(count: int) -> Iterator[Image]:
    """The drawn presenter, over and over."""
    once = list(presenter.frames(5 * _FPS, _FPS, 512))
    return itertools.islice(itertools.cycle([*once, *once[-2:0:-1]]), count)


if __name__ == "__main__":
    with random_weights():
        asyncio.run(render(sys.argv[1], int(sys.argv[2]), "wav2lip"))
    print(json.dumps(peak_mb()))
