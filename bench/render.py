"""Text to fragments on the built-in engines: the first fragment, frames a second, and where the time goes."""

import asyncio
import os
import statistics
import time
from collections.abc import Iterator

from bench import Figure
from bench._scene import SENTENCE, WIDE, rendered, scene, speech_text
from core.progress import Progress
from core.render import Request
from core.serving.engine_pool import EnginePool
from core.templates.library import Templates
from core.types import Fragment

_REPEATS = 5


def figures() -> Iterator[Figure]:
    """See the module."""
    yield from asyncio.run(_all())


async def _all() -> list[Figure]:
    async with scene(*WIDE) as (pool, templates):
        made = await _first(pool, templates)
        for name, clarity, target in (
            ("sample", False, 200),
            ("sample", True, 130),
            ("720p", True, 80),
            ("1080p", True, 40),
        ):
            made += await _throughput(pool, templates, name, clarity, target)
        return made


async def _first(pool: EnginePool, templates: Templates) -> list[Figure]:
    """Milliseconds from the call to the first fragment of picture and of sound; beside it, when a service
    that makes the whole file first could show its first frame."""
    firsts: dict[str, list[float]] = {"video": [], "audio": [], "whole": []}
    for _ in range(2 * _REPEATS + 1):
        seen: dict[str, float] = {}
        started = time.perf_counter()

        def note(fragment: Fragment, seen: dict[str, float] = seen, started: float = started) -> None:
            seen.setdefault(fragment.kind, 1000 * (time.perf_counter() - started))

        await rendered(Request(text=SENTENCE), pool, templates, note)
        seen["whole"] = 1000 * (time.perf_counter() - started)
        for kind, times in firsts.items():
            times.append(seen[kind])
    video, audio, whole = (statistics.median(times[1:]) for times in firsts.values())
    return [
        Figure("first video fragment", video, "ms", 100, higher=False, baseline=whole),
        Figure("first audio fragment", audio, "ms", 100, higher=False, baseline=whole),
    ]


async def _throughput(
    pool: EnginePool, templates: Templates, name: str, clarity: bool, target: float
) -> list[Figure]:
    """Frames a second end to end on a 60-second text, against the same stages one after another."""
    request = Request(template=name, text=speech_text(60), enhance=clarity)
    await rendered(Request(template=name, text=SENTENCE, enhance=clarity), pool, templates)
    runs, processor_s = [], []
    for _ in range(3):
        before = os.times()
        runs.append(await rendered(request, pool, templates))
        after = os.times()
        processor_s.append(after.user + after.system - before.user - before.system)
    label = f"{'512x512' if name == 'sample' else name}{' with clarity' if clarity else ''}"
    middle = sorted(runs, key=_rate)[1]
    in_turn = middle.frames / sum(m.busy_s for n, m in middle.meters.items() if n != "prepare")
    made = [Figure(f"{label}: end to end", _rate(middle), "frames/s", target, baseline=in_turn)]
    processor = 1000 * statistics.median(processor_s) / middle.frames
    wanted = 9 if name == "sample" and not clarity else None
    made.append(Figure(f"{label}: processor time", processor, "ms/frame", wanted, higher=False))
    if name == "sample":
        efficiency = statistics.median(run.efficiency for run in runs)
        made.append(Figure(f"{label}: pipeline efficiency", efficiency, "of 1", 0.90))
    for stage, meter in middle.meters.items():
        if stage != "prepare":
            made.append(
                Figure(
                    f"{label}: {stage} busy", 1000 * meter.busy_s / middle.frames, "ms/frame", higher=False
                )
            )
    return made


def _rate(progress: Progress) -> float:
    return progress.frames / progress.elapsed_s
