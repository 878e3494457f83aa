"""What a server's process still holds after a thousand jobs of every kind: memory, files, threads.

`python -m bench.leaks JOBS` does as many, and shows each hundred.
"""

import asyncio
import json
import random
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from statistics import linear_regression

import aiohttp
import psutil

from bench import Figure
from bench.server import serving

JOBS, STEP = 1000, 100

_AT_ONCE = 3
"""Clients at a time."""

_TEXTS = ("Hi.", "Hello there.", "你好，世界。", "One. Two. Three.", "It was $3.50 on May 4th, 2024.")
_OPTIONS: tuple[dict[str, object], ...] = (
    {},
    {"burn_subtitles": True},
    {"size": "320x180"},
    {"fps": 10, "enhance": False},
    {"speed": 1.5, "subtitle_track": True},
)


@dataclass(frozen=True, slots=True)
class Held:
    """What the process holds: MB of memory, open files, threads."""

    memory: float
    files: int
    threads: int


def figures() -> Iterator[Figure]:
    """Growth from the first hundred jobs to the last."""
    held = asyncio.run(_measured(JOBS))
    first, last = held[0], held[-1]
    yield Figure("memory grown per 100 mixed jobs", _slope(held), "MB", 1, higher=False)
    yield Figure(f"files open more after {JOBS} jobs", last.files - first.files, "files", 3, higher=False)
    yield Figure(f"threads more after {JOBS} jobs", last.threads - first.threads, "threads", 2, higher=False)


def _slope(held: list[Held]) -> float:
    """MB a step of the straight line that fits best."""
    return linear_regression(range(len(held)), [one.memory for one in held]).slope


async def _measured(jobs: int) -> list[Held]:
    """What is held after each hundred."""
    async with serving(speech="builtin", keep_gb="1") as (http, process):
        mix = _Mix(http)
        await mix.prepare()
        return [held async for held in _steps(mix, process, jobs)]


async def _steps(mix: "_Mix", process: psutil.Process, jobs: int) -> AsyncGenerator[Held, None]:
    for _ in range(jobs // STEP):
        left = iter(range(STEP))

        async def work(left: Iterator[int] = left) -> None:
            for _ in left:
                await mix.one()

        await asyncio.gather(*(work() for _ in range(_AT_ONCE)))
        await asyncio.sleep(2)  # what is closed when nothing happens any more
        with process.oneshot():
            held = Held(process.memory_info().rss / 1e6, process.num_fds(), process.num_threads())
        print(held, file=sys.stderr, flush=True)
        yield held


class _Mix:
    """Jobs of every kind, by turns; what each client does to its end."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        self._dice = random.Random(1)  # noqa: S311  # dice
        self._number = 0
        self._video = b""
        self._sound = b""

    async def prepare(self) -> None:
        """Make what some jobs are given."""
        async with self._http.post("/v1/videos", json={"text": "Hello.", "stream": True}) as answer:
            self._video = await answer.read()
        said = {"input": "Hello.", "response_format": "wav"}
        async with self._http.post("/v1/audio/speech", json=said) as answer:
            self._sound = await answer.read()

    async def one(self) -> None:
        """The next."""
        self._number += 1
        kinds = (
            *(self._followed, self._streamed, self._spoken, self._followed, self._watched),
            *(self._enhanced, self._spoken, self._cancelled, self._template, self._refused),
            self._lipsynced,
        )
        await kinds[self._number % len(kinds)](self._number)

    def _request(self) -> dict[str, object]:
        text = self._dice.choice(_TEXTS)
        # Not every machine has a font that could draw it.
        return {"text": text, "options": self._dice.choice(_OPTIONS) if text.isascii() else {}}

    async def _followed(self, _number: int) -> None:
        """A video, followed over server-sent events; then its file."""
        await self._end_of("/v1/videos", json=self._request())

    async def _streamed(self, _number: int) -> None:
        async with self._http.post("/v1/videos?stream=true", json=self._request()) as answer:
            await answer.read()

    async def _spoken(self, number: int) -> None:
        format = ("mp3", "wav", "opus", "flac")[number % 4]
        said = {"input": self._dice.choice(_TEXTS), "response_format": format}
        async with self._http.post("/v1/audio/speech", json=said) as answer:
            await answer.read()

    async def _watched(self, _number: int) -> None:
        """Over a WebSocket, which is left in the middle; the job runs on."""
        job = await self._job("/v1/videos", json=self._request())
        async with self._http.ws_connect(f"/v1/jobs/{job}/stream") as socket:
            await socket.receive()
        await self._followed_to_end(job)

    async def _enhanced(self, _number: int) -> None:
        await self._end_of("/v1/enhancements", data=self._form(file=self._video))

    async def _lipsynced(self, _number: int) -> None:
        await self._end_of("/v1/lipsync", data=self._form(audio=self._sound))

    async def _cancelled(self, _number: int) -> None:
        job = await self._job("/v1/videos", json={"text": "This one is not finished. " * 20})
        await asyncio.sleep(self._dice.uniform(0, 1))
        async with self._http.post(f"/v1/jobs/{job}/cancel"):
            pass

    async def _template(self, number: int) -> None:
        """Added, used by nobody, deleted."""
        await self._end_of("/v1/templates", data=self._form(name=f"t{number}", file=self._video))
        async with self._http.delete(f"/v1/templates/t{number}"):
            pass

    async def _refused(self, _number: int) -> None:
        """What is no video, and what is no request."""
        await self._end_of("/v1/enhancements", data=self._form(file=b"no video"))
        async with self._http.post("/v1/videos", data=b"{") as answer:
            await answer.read()

    def _form(self, name: str | None = None, **files: bytes) -> aiohttp.FormData:
        form = aiohttp.FormData()
        for part, data in files.items():
            form.add_field(part, data, filename="sent.mp4")
        if name is not None:
            form.add_field("name", name)
        return form

    async def _job(self, path: str, **body: object) -> str:
        async with self._http.post(path, **body) as answer:  # type: ignore[arg-type]  # json or data
            told = await answer.json()
            assert answer.status == 202, told
        return str(told["id"])

    async def _end_of(self, path: str, **body: object) -> str:
        job = await self._job(path, **body)
        await self._followed_to_end(job)
        async with self._http.get(f"/v1/jobs/{job}/outputs/video.mp4") as answer:
            await answer.read()
        return job

    async def _followed_to_end(self, job: str) -> None:
        with suppress(aiohttp.ClientPayloadError):
            async with self._http.get(f"/v1/jobs/{job}/events") as answer:
                await answer.read()


if __name__ == "__main__":
    found = asyncio.run(_measured(int(sys.argv[1])))
    print(json.dumps({"jobs": len(found) * STEP, "slope": round(_slope(found), 2), "last": repr(found[-1])}))
