"""Wav2Lip in whole renders: how much faster than real time, the first fragment, what two jobs at once gain.
Weights are random; that changes no time. LIPSTREAM_COMPILE=1 measures compiled.
"""

import asyncio
import math
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import numpy as np

from bench import Figure
from bench._random_lips import random_weights
from bench._scene import SENTENCE, rendered, scene, speech_text
from core.engines.neural import NeuralSettings
from core.lipsync_stream import lipsync_stream
from core.render import BATCH, Request
from core.types import AudioChunk

_NOISE_S = 3.2


def figures() -> Iterator[Figure]:
    """See the module."""
    with random_weights():
        yield from asyncio.run(_render())
        yield from asyncio.run(_two_jobs())


async def _render() -> list[Figure]:
    """Built-in voice, 512x512: half a minute of speech, and the first fragment of a short one."""
    compiled = NeuralSettings().compile
    async with scene() as (pool, templates):
        request = Request(text=speech_text(34), lipsync="wav2lip", enhance=False)
        short = replace(request, text=SENTENCE)
        await rendered(short, pool, templates)  # warm
        firsts = [(await rendered(short, pool, templates)).first_frame_s or 0 for _ in range(9)]
        runs = sorted(
            [await rendered(request, pool, templates) for _ in range(3)], key=lambda run: run.elapsed_s
        )
    run, how = runs[1], ", compiled" if compiled else ""
    speed = run.frames / run.fps / run.elapsed_s
    made = [
        Figure(f"wav2lip 512x512 end to end{how}", speed, "x real time", 3 if compiled else 2),
        Figure(f"wav2lip first fragment{how}", 1000 * statistics.median(firsts), "ms", 350, higher=False),
    ]
    busy = [
        Figure(f"wav2lip {stage} busy", 1000 * meter.busy_s / run.frames, "ms/frame", higher=False)
        for stage, meter in run.meters.items()
        if stage != "prepare"
    ]
    return made + busy


async def _two_jobs() -> list[Figure]:
    """Frames a second of one job at one picture a call, and of two at once: at one picture a call each, and
    at as many as in a render. In turn, so that a busy machine slows all."""
    async with scene() as (pool, templates):
        lips = await pool.lipsync("wav2lip")
        template = await templates.open("sample", lipsync=lips)

        async def job(first: int, batch: int) -> None:
            stream = lipsync_stream(
                _noise(first),
                lips,
                template,
                template.prepared[lips.key],
                batch=batch,
            )
            async for _batch in stream:
                pass

        async def timed(*seeds: int, batch: int = 1) -> float:
            started = time.perf_counter()
            await asyncio.gather(*(job(seed, batch) for seed in seeds))
            return time.perf_counter() - started

        await timed(0)
        rounds = [
            (await timed(k), await timed(k, 100 + k), await timed(k, 100 + k, batch=BATCH))
            for k in range(1, 8)
        ]
    frames = math.ceil(25 * _NOISE_S)
    one, two, usual = (statistics.median(times) for times in zip(*rounds, strict=True))
    gains = [statistics.median(2 * run[0] / run[k] for run in rounds) for k in (1, 2)]
    return [
        Figure("wav2lip, one job at batch 1", frames / one, "frames/s"),
        Figure("wav2lip, two jobs at batch 1", 2 * frames / two, "frames/s"),
        Figure(f"wav2lip, two jobs at batch {BATCH}, as in a render", 2 * frames / usual, "frames/s"),
        Figure("wav2lip, two jobs' throughput to one's, all at batch 1", gains[0], "x"),
        Figure("wav2lip, two jobs as in a render to one at batch 1", gains[1], "x", 1.6),
    ]


async def _noise(seed: int) -> AsyncIterator[AudioChunk]:
    """Speech for a job of about three seconds, all there at once."""
    samples = np.random.default_rng(seed).normal(0, 0.1, round(_NOISE_S * 16_000)).astype(np.float32)
    yield AudioChunk(samples, 16_000, 0)
