"""Kill a server in the middle of a batch of a thousand rows, and see that each row ends once.

    PYTHONPATH=. python scripts/batch_kills.py FOLDER [ROWS [KILLS]]

Ten rows are bad. The server is ended with SIGKILL at random moments while rows are made; single requests come
all the while, and how long each waits for its first byte of video is compared with the same without a batch.
At the end every good row must be completed with one end in its log, and every bad one failed without a job.
Exit status 1 if not.

FOLDER: a data folder to use up. By hand, not in the suite: a thousand rows take some minutes on two cores.
"""

import asyncio
import json
import random
import socket
import statistics
import sys
import time
from collections import Counter
from pathlib import Path

import aiohttp

BAD = [
    '{"text": "broken',
    '{"text": "Hi.", "template": "nobody"}',
    '{"text": ""}',
    "[]",
    '{"txt": "Hi."}',
] * 2


async def start(url: str, folder: Path, http: aiohttp.ClientSession) -> asyncio.subprocess.Process:
    """A server that takes requests."""
    with (folder / "server.log").open("ab") as log:
        server = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "server.cli", "serve", "--port", url.rpartition(":")[2]),
            env={"PATH": "/usr/bin:/bin", "LIPSTREAM_DATA_DIR": str(folder), "PYTHONPATH": "."},
            stdout=log,
            stderr=log,
        )
    while True:
        await asyncio.sleep(0.1)
        try:
            async with http.get(f"{url}/readyz") as answer:
                if answer.status == 200:
                    return server
        except aiohttp.ClientError:
            if server.returncode is not None:
                raise


async def first_byte_s(url: str, http: aiohttp.ClientSession) -> float:
    """Seconds until a single request has the first byte of a picture."""
    began = time.perf_counter()
    wanted = {"text": "Somebody waits for this.", "stream": True}
    async with http.post(f"{url}/v1/videos", json=wanted) as answer:
        seen = b""
        while b"moof" not in seen:
            seen += await answer.content.readany()
        took = time.perf_counter() - began
        await answer.read()
    return took


async def main(folder: Path, rows: int, kills: int) -> int:
    """Run it; the exit status."""
    dice = random.Random(1)  # noqa: S311  # dice
    folder.mkdir(parents=True, exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    lines = [
        json.dumps({"id": f"r{n}", "text": dice.choice(["Hi.", "No.", "Yes!"])}) for n in range(rows - 10)
    ]
    for line in BAD:
        lines.insert(dice.randrange(len(lines)), line)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http:
        server = await start(url, folder, http)
        alone = [await first_byte_s(url, http) for _ in range(10)]
        began = time.perf_counter()
        head = {"Content-Type": "application/jsonl", "Idempotency-Key": "thousand"}
        async with http.post(f"{url}/v1/batches", data="\n".join(lines), headers=head) as answer:
            batch = await answer.json()
        print(f"{rows} rows accepted after {time.perf_counter() - began:.1f} s: {batch['counts']}")
        beside: list[float] = []
        ends = sorted(dice.uniform(0.1, 0.7) * rows for _ in range(kills))
        while True:
            async with http.get(f"{url}/v1/batches/{batch['id']}") as answer:
                counts = (await answer.json())["counts"]
            if not counts["queued"] and not counts["in_progress"]:
                break
            if ends and counts["completed"] >= ends[0]:
                ends.pop(0)
                server.kill()
                await server.wait()
                server = await start(url, folder, http)
                print(f"killed with {counts}")
            elif len(beside) < 30:
                beside.append(await first_byte_s(url, http))
            await asyncio.sleep(dice.uniform(0, 1))
        took = time.perf_counter() - began
        async with http.get(f"{url}/v1/batches/{batch['id']}/results") as answer:
            told = [json.loads(line) for line in (await answer.text()).splitlines()]
        wrong = await check(url, http, told, rows)
        server.terminate()
        await server.wait()
    print(f"all ended after {took:.0f} s: {dict(Counter(row['status'] for row in told))}")
    print(f"attempts: {dict(Counter(row['job']['attempt'] for row in told if row['job']))}")
    print("first byte of video of a single request:")
    for name, waits in (("alone", alone), ("beside the batch", beside)):
        print(f"{name}: median {statistics.median(waits):.3f} s, max {max(waits):.3f} s")
    print("\n".join(wrong) or "nothing lost, nothing twice")
    return 1 if wrong else 0


async def check(url: str, http: aiohttp.ClientSession, told: list[dict[str, object]], rows: int) -> list[str]:
    """What is not as it must be."""
    wrong = [] if len(told) == rows else [f"{len(told)} rows are told"]
    jobs = [row["job"] for row in told if isinstance(row["job"], dict)]
    if len({job["id"] for job in jobs}) != rows - 10:
        wrong.append(f"{len(jobs)} jobs")
    for job in jobs:
        async with http.get(f"{url}/v1/jobs/{job['id']}/events") as answer:
            kinds = [line for line in (await answer.text()).splitlines() if line.startswith("event: job.")]
        ends = [kind for kind in kinds if kind.split(".")[1] in ("completed", "failed", "cancelled")]
        if ends != ["event: job.completed"] or job["status"] != "completed":
            wrong.append(f"{job['id']}: {job['status']}, {ends}")
    return wrong


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if not arguments:
        sys.exit(__doc__)
    options = [int(word) for word in arguments[1:]]
    sys.exit(asyncio.run(main(Path(arguments[0]), *(options + [1000, 2][len(options) :]))))
