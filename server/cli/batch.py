"""`lipstream batch`: a running server makes a video of every row of a file.

Stopped anywhere, it goes on when it is run again: every row is sent with an Idempotency-Key made of the row
itself, so the server makes it once, whoever dies in between.
"""

import argparse
import asyncio
import csv
import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO, get_args

import aiohttp
from pydantic import ValidationError

from core.errors import BadInput, Error
from core.types import VideoFormat
from server.cli.cluster import asked_server
from server.schemas.requests import TERMINAL
from server.schemas.responses import ErrorBody, Job

RESULTS = "results.jsonl"
"""In the output folder: a line for each row that ended, the newest last."""

POLL_S, GIVE_UP_S, LONGEST_PAUSE_S = 1.0, 60.0, 300.0
"""Between two looks at a job; how long a server may be away; the longest pause it may ask for."""

_PATIENCE = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=300)
"""A request may wait for what the server fetches for it; a video may take long to arrive."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


Fields = dict[str, object]
"""What is asked for, by name."""


class RowFailed(Exception):
    """This row is not made; the others are."""


@dataclass(frozen=True, slots=True)
class Row:
    """A request for POST /v1/videos, as JSON, or what is wrong with it. id: what its video is called, and
    format: what kind of file it is."""

    id: str
    request: str
    problem: str | None = None
    format: VideoFormat = "mp4"

    @property
    def video(self) -> str:
        """Name of its file."""
        return f"{self.id}.{self.format}"

    @property
    def key(self) -> str:
        """The same for the same row alone."""
        return "batch-" + hashlib.sha256(f"{self.id}\n{self.request}".encode()).hexdigest()[:40]


def batch_command(options: argparse.Namespace) -> int:
    """Make what is not made yet; 1 if a row failed."""
    if not 1 <= options.at_once <= 64:
        raise BadInput("bad_number", f"--at-once {options.at_once}: it is 1 to 64", "at_once")
    rows, out = read_rows(Path(options.file), options.webhook), Path(options.output)
    server, headers = asked_server(options)
    try:
        failed = asyncio.run(make_all(rows, out, server, headers, options.at_once))
    except KeyboardInterrupt:
        raise Error("stopped; what is made is kept, run it again to go on") from None
    print(f"{len(rows) - failed} of {len(rows)} videos are in {out}; {out / RESULTS} has a line for each row")
    return 1 if failed else 0


def read_rows(file: Path, webhook: str | None = None) -> list[Row]:
    """The rows of a .csv with a line of names, or of JSON objects, one a line. Raises BadInput.

    webhook: of rows that name none.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            table = file.suffix.lower() == ".csv"
            found: Iterator[Fields | str | None] = _csv(text) if table else map(_json, text)
            usual: Fields = {} if webhook is None else {"webhook_url": webhook}
            numbered = ((number, fields) for number, fields in enumerate(found, 1) if fields is not None)
            rows = [_row(number, fields, usual) for number, fields in numbered]
    except UnicodeDecodeError:
        raise BadInput("unreadable_batch", f"{file} is not text in UTF-8; save it as UTF-8", "file") from None
    except csv.Error as error:
        raise BadInput("unreadable_batch", f"{file} is not a table: {error}", "file") from None
    if not rows:
        raise BadInput("bad_batch", f"{file}: there is no row in it", "file")
    return list(_once_each(rows))


def _once_each(rows: list[Row]) -> Iterator[Row]:
    """The rows; one with an id that an earlier one has is not made."""
    taken: set[str] = set()
    for row in rows:
        if row.problem is None and row.id in taken:
            yield replace(row, problem=f"an earlier row has the id {row.id} too")
        else:
            yield row
        if row.problem is None:
            taken.add(row.id)


def _csv(text: TextIO) -> Iterator[Fields | str]:
    for cells in csv.DictReader(text):
        # Cells beyond the names come as a list, under None.
        yield "more cells than names" if None in cells else {k: v for k, v in cells.items() if v}


def _json(line: str) -> Fields | str | None:
    if not line.strip():
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        return f"no JSON: {error}"
    return found if isinstance(found, dict) else "not an object"


def _row(number: int, fields: Fields | str, usual: Fields) -> Row:
    name = f"{number:05d}"
    if isinstance(fields, str):
        return Row(name, "", fields)
    fields = {**usual, **fields}
    if (named := fields.pop("id", None)) is not None:
        if not _ID.fullmatch(str(named)):
            message = (
                f"id is letters, digits, and after the first - and _, 64 at most; not {str(named)[:80]!r}"
            )
            return Row(name, "", message)
        name = str(named)
    if fields.get("stream"):
        return Row(name, "", "stream does not go with a batch; leave it out")
    options = fields.get("options")
    asked = options.get("format") if isinstance(options, dict) else None
    # Any other is for the server to refuse.
    formats: tuple[VideoFormat, ...] = get_args(VideoFormat)
    format = next((one for one in formats if one == asked), formats[0])
    return Row(name, json.dumps(fields, sort_keys=True), format=format)


async def make_all(rows: list[Row], out: Path, server: str, headers: dict[str, str], at_once: int) -> int:
    """Have the rows made, `at_once` at a time, into `out`; how many failed. Raises Error, BadInput."""
    out.mkdir(parents=True, exist_ok=True)
    made, failed, left = _made(out), 0, iter(rows)

    async def work() -> None:
        nonlocal failed
        for row in left:
            if row.problem is None and made.get(row.id) == row.key and (out / row.video).exists():
                continue
            result = {"id": row.id, "key": row.key}
            try:
                if row.problem is not None:
                    raise RowFailed(row.problem)
                result["job"] = await _make(http, row, out)
                result["status"] = "completed"
            except RowFailed as error:
                failed += 1
                result |= {"status": "failed", "error": str(error)}
                print(f"{row.id}: {error}")
            results.write(json.dumps(result, ensure_ascii=False) + "\n")
            results.flush()

    with (out / RESULTS).open("a", encoding="utf-8", errors="replace") as results:
        async with aiohttp.ClientSession(f"{server}/", headers=headers, timeout=_PATIENCE) as http:
            try:
                async with asyncio.TaskGroup() as tasks:
                    for _ in range(at_once):
                        tasks.create_task(work())
            except* (Error, OSError) as errors:
                raise errors.exceptions[0] from None
    return failed


def _made(out: Path) -> dict[str, str]:
    """By id the key of the row whose video is there; a line that broke off is none."""
    made = {}
    if (out / RESULTS).exists():
        for line in (out / RESULTS).read_text(encoding="utf-8", errors="replace").splitlines():
            result = _json(line)
            if isinstance(result, dict) and result.get("status") == "completed":
                made[str(result.get("id"))] = str(result.get("key"))
    return made


async def _make(http: aiohttp.ClientSession, row: Row, out: Path) -> str:
    """The id of the row's job, once its video is in `out`. Raises RowFailed, Error."""
    head = {"Content-Type": "application/json", "Idempotency-Key": row.key}
    job = _job(await _ask(http, "POST", "v1/videos", head, row.request))
    while job.status not in TERMINAL:
        await asyncio.sleep(POLL_S)
        job = _job(await _ask(http, "GET", f"v1/jobs/{job.id}"))
    if job.status != "completed":
        raise RowFailed(f"job {job.id} is {job.status}: {job.error.message if job.error else 'by somebody'}")
    part = out / f"{row.video}.part"
    await _ask(http, "GET", f"v1/jobs/{job.id}/outputs/video.{row.format}", into=part)
    os.replace(part, out / row.video)
    return job.id


def _job(answer: bytes) -> Job:
    try:
        return Job.model_validate_json(answer, extra="ignore")
    except ValidationError:
        raise Error("what answers there is no Lipstream server; say where one is with --server") from None


async def _ask(
    http: aiohttp.ClientSession,
    method: str,
    path: str,
    headers: dict[str, str] | None = None,
    body: str | None = None,
    into: Path | None = None,
) -> bytes:
    """What is answered, or nothing if it goes `into` a file; asked again of a server that is away or full.

    Raises RowFailed for what is refused; Error if that holds for every row.
    """
    away = 0.0
    while True:
        try:
            async with http.request(method, path, headers=headers, data=body) as answer:
                if answer.status < 300:
                    return await answer.read() if into is None else await _save(answer, into)
                why = _message(await answer.read(), answer.status)
                if answer.status in (401, 403):
                    raise Error(f"the server says: {why}")
                if answer.status not in (429, 503):
                    raise RowFailed(why)
                asked = answer.headers.get("Retry-After", "")
                pause, away = float(asked) if asked.isdigit() else POLL_S, away + (answer.status == 503)
        except (aiohttp.ClientError, TimeoutError) as error:
            why, pause, away = str(error) or "it does not answer", POLL_S, away + POLL_S
        if pause > LONGEST_PAUSE_S or away > GIVE_UP_S:
            raise Error(f"{why}; what is made is kept, run it again later to go on")
        await asyncio.sleep(max(pause, POLL_S))


async def _save(answer: aiohttp.ClientResponse, file: Path) -> bytes:
    with file.open("wb") as saved:
        async for piece in answer.content.iter_chunked(1 << 20):
            await asyncio.to_thread(saved.write, piece)
    return b""


def _message(body: bytes, status: int) -> str:
    try:
        error = ErrorBody.model_validate_json(body, extra="ignore").error
    except ValidationError:
        return f"HTTP {status}"
    if error.param is None or error.message.startswith(f"{error.param}: "):
        return error.message
    return f"{error.param}: {error.message}"
