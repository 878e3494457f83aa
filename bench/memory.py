"""Peak memory of a process that renders 1, 3 and 10 minutes of speech."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator

from bench import Figure
from bench._scene import peak_mb, rendered, scene, speech_text
from core.render import Request


def figures() -> Iterator[Figure]:
    """Each length in a process of its own; the last must not need much more than the first."""
    peaks = {minutes: _measured(minutes) for minutes in (1, 3, 10)}
    for minutes, peak in peaks.items():
        yield Figure(f"peak memory, {minutes} min of speech", peak, "MB", 400, higher=False)
    yield Figure("peak memory, 10 min over 1 min", peaks[10] / peaks[1], "x", 1.15, higher=False)


def _measured(minutes: int) -> float:
    done = subprocess.run(
        [sys.executable, "-m", "bench.memory", str(minutes)], check=True, capture_output=True, text=True
    )
    return float(json.loads(done.stdout.splitlines()[-1]))


async def _render(minutes: int) -> None:
    async with scene() as (pool, templates):
        await rendered(Request(text=speech_text(60 * minutes)), pool, templates)


if __name__ == "__main__":
    asyncio.run(_render(int(sys.argv[1])))
    print(json.dumps(peak_mb()))
