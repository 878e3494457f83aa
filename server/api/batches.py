"""Batches: a file of requests for videos, a job for each, done while nobody waits for anything else.

JSON Lines in and out, as the batches of OpenAI and Anthropic have it: https://jsonlines.org. What is wrong
with a row is that row's own end. All rows are put on record together, or none is.
"""

import asyncio
import hashlib
import secrets
from collections import Counter
from collections.abc import Iterator, Sequence

from aiohttp import web
from pydantic import ValidationError

from server.access.caller import caller
from server.api import jobs
from server.api.accept import ENGINES, KEY, TEMPLATE, UPLOAD, idempotency_key, short, titled
from server.api.route import BATCH, Route, respond
from server.errors import Refused, invalid, refusal
from server.schemas.describe import describe_batch, describe_row
from server.schemas.events import Cancelled
from server.schemas.requests import BatchedVideo
from server.schemas.responses import Batch, BatchList, JobError
from server.schemas.specs import VideoSpec
from server.state import AppState, state_of
from server.store.batches import NewBatch, NewRow
from server.store.hooks import Hook
from server.store.new_jobs import NewJob
from server.stream.sockets import ClientGone, send
from server.uploads import read_body

JSONL = "application/jsonl"
_ALSO = ("application/x-ndjson", "application/x-jsonlines")
"""What the format is called elsewhere."""

LIMIT = 16 << 20
"""Bytes of a batch."""

_PAGE = 50
"""Rows told at a time."""


async def create_batch(request: web.Request) -> web.Response:
    """Accept a batch; answer with how it stands."""
    state, key = state_of(request), idempotency_key(request)
    if request.content_type not in (JSONL, *_ALSO):
        message = f"send {JSONL}, not {request.content_type[:100]}"
        raise Refused(415, "unsupported_media_type", message, "Content-Type")
    async with state.looking.turn():
        body = await read_body(request, LIMIT)
        rows = await asyncio.to_thread(_read, body)
        if len(rows) > state.settings.backlog:
            message = f"a batch has {state.settings.backlog} rows at most, this one {len(rows)}: send several"
            raise Refused(422, "batch_too_large", message)
        new = [row if isinstance(row, NewRow) else await _checked(state, *row) for row in rows]
    if all(row.job is None for row in new):
        raise Refused(422, "bad_batch", f"no row of it can be made; {_first_fault(new)}")
    asking = caller.get()
    digest = hashlib.sha256(body).hexdigest()
    batch = NewBatch(f"batch_{secrets.token_hex(12)}", new, digest, key, asking.owner, asking.quota)
    # Shielded: a client that leaves now has a batch that runs.
    row, is_new = await asyncio.shield(state.store.batches.accept(batch))
    if is_new:
        state.runner.nudge()
        for job in (one.job for one in new):
            if job is not None and job.webhook is not None:
                state.webhooks.tell(Hook(job.id, job.webhook, 0))
    location = {"Location": f"/v1/batches/{row.id}"}
    return respond(describe_batch(row, state.settings.prefix), 202 if is_new else 200, location)


def _read(body: bytes) -> list[NewRow | tuple[int, str, BatchedVideo]]:
    """The rows: number, id and request, or what is wrong. Raises Refused for what is no such file."""
    try:
        lines = body.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        number = body.count(b"\n", 0, error.start) + 1
        raise Refused(400, "malformed_body", f"line {number} is not UTF-8; send the file as UTF-8") from error
    rows = list(_rows(lines))
    if not rows:
        raise Refused(422, "bad_batch", "there is no row in it: send a request for a video on each line")
    times: Counter[str] = Counter()
    for place, row in enumerate(rows):
        number, name = (row.number, row.name) if isinstance(row, NewRow) else row[:2]
        times[name] += 1
        if times[name] > 1:
            why = JobError(code="duplicate_id", message=f"an earlier row has the id {name} too", param="id")
            rows[place] = _wrong(number, name, why)
    return rows


def _rows(lines: Sequence[str]) -> Iterator[NewRow | tuple[int, str, BatchedVideo]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        name = f"{number:05d}"
        try:
            video = BatchedVideo.model_validate_json(line)
        except ValidationError as error:
            why = invalid(error, BatchedVideo)
            what = why.message.replace("the body", "the line")
            yield _wrong(number, name, JobError(code=why.code, message=what, param=why.param))
        else:
            yield number, video.id or name, video


def _wrong(number: int, name: str, why: JobError) -> NewRow:
    return NewRow(number, name, None, why.model_dump_json())


async def _checked(state: AppState, number: int, name: str, video: BatchedVideo) -> NewRow:
    """The row with its job, or what is wrong with it. Raises Refused for what is wrong with the server."""
    asking, request = caller.get(), video.request()
    try:
        await state.catalog.check(request)
        if request.audio_url is not None:
            state.fetcher.check(request.audio_url, "audio_url")
        if request.template_url is not None:
            state.fetcher.check(request.template_url, "template_url")
        if request.webhook_url is not None:
            state.webhooks.check(request.webhook_url)
    except Exception as error:
        why = refusal(error)
        if why.status >= 500:
            raise
        param = ENGINES.get(why.param or "", why.param)
        return _wrong(number, name, JobError(code=why.code, message=why.message, param=param))
    by_url = request.template_url is not None
    spec = VideoSpec(
        title=titled(request.text) if request.text else short(_file_name(request.audio_url or "")),
        template=None if by_url else request.template,
        template_file=TEMPLATE if by_url else None,
        upload=UPLOAD if request.audio_url is not None else None,
        video=request,
    )
    job = NewJob(
        f"video_{secrets.token_hex(12)}",
        "video",
        spec.model_dump_json(),
        "",
        owner=asking.owner,
        webhook=request.webhook_url,
        not_before=request.not_before or 0.0,
        patient=True,
    )
    return NewRow(number, name, job)


def _file_name(url: str) -> str:
    """The last part of its path: what follows may be secret."""
    return url.partition("?")[0].rpartition("/")[2]


def _first_fault(rows: Sequence[NewRow]) -> str:
    row = rows[0]
    return f"line {row.number}: {JobError.model_validate_json(row.error or '').message}"


async def list_batches(request: web.Request) -> web.Response:
    """The newest batches."""
    state = state_of(request)
    limit = max(1, jobs.number(request.query.get("limit"), "limit", 20, 100))
    rows = await state.store.batches.newest(limit, caller.get().only)
    return respond(BatchList(data=[describe_batch(row, state.settings.prefix) for row in rows]))


async def get_batch(request: web.Request) -> web.Response:
    """How it stands."""
    state = state_of(request)
    row = await state.store.batches.get(request.match_info["batch_id"])
    return respond(describe_batch(row, state.settings.prefix))


async def cancel_batch(request: web.Request) -> web.Response:
    """End the jobs of its rows that have not ended."""
    state, batch_id = state_of(request), request.match_info["batch_id"]
    waited, running = await state.store.batches.cancel(batch_id, Cancelled().model_dump_json())
    for job_id in waited:
        await state.clips.end(job_id, "cancelled")
    await asyncio.gather(*(state.runner.cancel(job_id) for job_id in running))
    row = await state.store.batches.get(batch_id)
    return respond(describe_batch(row, state.settings.prefix))


async def batch_results(request: web.Request) -> web.StreamResponse:
    """A line for each row, in order, as it stands now."""
    state, batch_id = state_of(request), request.match_info["batch_id"]
    batch = await state.store.batches.get(batch_id)
    answer = web.StreamResponse(headers={"Cache-Control": "no-store"})
    answer.content_type = JSONL
    async with state.connections.response(request):
        await answer.prepare(request)
        after = 0
        while rows := await state.store.batches.rows(batch.id, after, _PAGE):
            told = (describe_row(row, state.files.describe).model_dump_json() for row in rows)
            try:
                await send(request, answer.write("".join(f"{line}\n" for line in told).encode()))
            except ClientGone:
                break
            after = rows[-1].number
    return answer


ROUTES = [
    Route(
        "POST",
        "/v1/batches",
        create_batch,
        "Make a video of every line: a BatchedVideo each, as JSON; bad ones stop no other",
        {202: Batch, 200: Batch},
        text=JSONL,
        headers={"Idempotency-Key": KEY},
        refuses=(408, 409, 413, 415, 507),
        starts="look",
    ),
    Route(
        "GET",
        "/v1/batches",
        list_batches,
        "Batches, newest first",
        {200: BatchList},
        query={"limit": {"type": "integer", "minimum": 0, "maximum": 100, "default": 20}},
    ),
    Route("GET", f"/v1/batches/{BATCH}", get_batch, "How a batch stands", {200: Batch}, refuses=(404,)),
    Route(
        "GET",
        f"/v1/batches/{BATCH}/results",
        batch_results,
        "A BatchResult for each row, a line of JSON each, in order, as it stands now",
        {200: JSONL},
        refuses=(404, 503),
        head=False,
    ),
    Route(
        "POST",
        f"/v1/batches/{BATCH}/cancel",
        cancel_batch,
        "Cancel what of a batch has not ended",
        {200: Batch},
        refuses=(404, 507),
    ),
]
