"""Kill a server again and again while it works, and count what was lost.

    PYTHONPATH=. python scripts/kills.py FOLDER [KILLS [SEED]]

Jobs of every kind are kept in its line (videos of one to many sentences, with options, templates, faces made
clearer), and a client follows each over server-sent events and resumes by its number. SIGKILL comes at a
random moment, 0.2 to 8 s after the server is ready, every fifth time after it listens; every third time a
child process is killed first. At the end the server is left alone until every job has ended. Then each must
be completed, or failed as `out_of_memory`, retryable, for want of the child that was killed; its log dense,
and what its follower heard that log. Exit status 1 if not.

FOLDER: a data folder to use up. By hand, not in the suite: 50 kills take a quarter of an hour on two cores.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import aiohttp
import psutil

TEXTS = [
    "Hello there.",
    "This is one. And this is another one.",
    "One. Two. Three. " * 4,
    "A long sentence, said again. " * 8,
]
PENDING = 4


class Trial:
    """The jobs of one run, and what was heard of them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.dice = random.Random(seed)  # noqa: S311  # dice
        self.jobs: list[str] = []
        self.heard: dict[str, list[int]] = {}
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        self.log = (folder / "server.log").open("ab")
        self.ready_s: list[float] = []
        self.followers: set[asyncio.Task[None]] = set()
        self.video = b""

    async def start(self, http: aiohttp.ClientSession) -> asyncio.subprocess.Process:
        """A server that listens and takes requests."""
        began = time.monotonic()
        server = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "server.cli", "serve", "--port", self.url.rpartition(":")[2]),
            stdout=self.log,
            stderr=self.log,
            env=os.environ | {"LIPSTREAM_DATA_DIR": str(self.folder), "LIPSTREAM_SPEECH": "builtin"},
        )
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with http.get(f"{self.url}/healthz"):
                    break
            await asyncio.sleep(0.05)
        self.ready_s.append(time.monotonic() - began)
        return server

    async def ready(self, http: aiohttp.ClientSession) -> None:
        """Wait until its engines are loaded."""
        while True:
            async with http.get(f"{self.url}/readyz") as answer:
                if answer.status == 200:
                    return
            await asyncio.sleep(0.1)

    async def post(self, http: aiohttp.ClientSession) -> None:
        """One more job of some kind; one that is refused, as the server is just dying, is none."""
        kind = self.dice.choice(["video", "video", "options", "template", "enhancement"])
        number = len(self.jobs)
        form = aiohttp.FormData()
        form.add_field("file", self.video, filename="a.mp4")
        if kind == "template":
            form.add_field("name", f"t{number}")
            asked = http.post(f"{self.url}/v1/templates", data=form)
        elif kind == "enhancement" and self.video:
            asked = http.post(f"{self.url}/v1/enhancements", data=form)
        else:
            options = {"size": "320x180", "burn_subtitles": True} if kind == "options" else {}
            body = {"text": self.dice.choice(TEXTS), "options": options}
            asked = http.post(f"{self.url}/v1/videos", json=body)
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with asked as answer:
                told = await answer.json()
                if answer.status == 202:
                    self.jobs.append(told["id"])
                    self.heard[told["id"]] = []
                    task = asyncio.create_task(self.follow(http, told["id"]))
                    self.followers.add(task)
                elif answer.status >= 500 and answer.status != 503:
                    print("unexpected:", answer.status, told, flush=True)

    async def follow(self, http: aiohttp.ClientSession, job: str) -> None:
        """Hear every event of a job, through all deaths."""
        heard = self.heard[job]
        while True:
            last = {"Last-Event-ID": str(heard[-1])} if heard else {}
            try:
                async with http.get(f"{self.url}/v1/jobs/{job}/events", headers=last) as answer:
                    if answer.status == 204:
                        return
                    async for line in answer.content:
                        if line.startswith(b"id: "):
                            heard.append(int(line[4:]))
            except (aiohttp.ClientError, TimeoutError, ValueError):
                pass
            await asyncio.sleep(0.1)

    async def waiting(self, http: aiohttp.ClientSession) -> int:
        """Jobs that have not ended."""
        count = 0
        for status in ("queued", "in_progress"):
            async with http.get(f"{self.url}/v1/jobs?limit=100&status={status}") as answer:
                count += len((await answer.json())["data"])
        return count


def kill(server: asyncio.subprocess.Process, dice: random.Random, child_too: bool) -> None:
    """SIGKILL, as the kernel does it; of a child first, if there is one."""
    children = psutil.Process(server.pid).children(recursive=True)
    if child_too and children:
        with contextlib.suppress(psutil.NoSuchProcess):
            dice.choice(children).kill()
        time.sleep(0.3)
    server.kill()


async def main(folder: Path, kills: int, seed: int) -> int:
    """What was lost."""
    folder.mkdir(parents=True, exist_ok=True)
    trial = Trial(folder, seed)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(sock_read=40)) as http:
        server = await trial.start(http)
        await trial.ready(http)
        async with http.post(f"{trial.url}/v1/videos", json={"text": "Hello.", "stream": True}) as answer:
            trial.video = await answer.read()
        for number in range(kills):
            if number % 5:
                await trial.ready(http)
            until = time.monotonic() + trial.dice.uniform(0.2, 8)
            while time.monotonic() < until:
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    if await trial.waiting(http) < PENDING:
                        await trial.post(http)
                await asyncio.sleep(trial.dice.uniform(0, 0.3))
            kill(server, trial.dice, number % 3 == 2)
            await server.wait()
            server = await trial.start(http)
        while await trial.waiting(http):  # noqa: ASYNC110  # it is another process
            await asyncio.sleep(0.5)
        await asyncio.wait_for(asyncio.gather(*trial.followers), 60)
        bad = [fault async for fault in faults(trial, http)]
        server.send_signal(signal.SIGTERM)
        await server.wait()
    ready = sorted(trial.ready_s)
    told: dict[str, float] = {"kills": kills, "jobs": len(trial.jobs), "bad": len(bad)}
    told |= {"listens_s_median": round(ready[len(ready) // 2], 2), "listens_s_worst": round(ready[-1], 2)}
    print(json.dumps(told))
    for fault in bad:
        print(fault)
    return 1 if bad else 0


async def faults(trial: Trial, http: aiohttp.ClientSession) -> AsyncGenerator[str, None]:
    """What is wrong with any job."""
    for job in trial.jobs:
        async with http.get(f"{trial.url}/v1/jobs/{job}") as answer:
            told = await answer.json()
        error = told.get("error") or {}
        if error.get("code") == "out_of_memory" and error["retryable"]:
            print(f"{job}: its child was killed, and it says so")
        elif answer.status != 200 or told["status"] != "completed":
            yield f"{job}: {answer.status} {told}"
        elif trial.heard[job] != list(range(1, told["last_seq"] + 1)):
            yield f"{job}: heard {trial.heard[job]} of {told['last_seq']}"


if __name__ == "__main__":
    place, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 50
    sys.exit(asyncio.run(main(place, count, seed=int(sys.argv[3]) if len(sys.argv) > 3 else 1)))
