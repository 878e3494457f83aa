"""Accept work: put a job on record with its files, and answer with the job, or with its video itself."""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from core.text.markup import strip
from server.access.caller import caller
from server.api.route import respond
from server.api.viewing import opened_clip, stream
from server.errors import Refused, reading
from server.jobs.by_url import BY_URL
from server.schemas.requests import Engines
from server.schemas.specs import (
    BackgroundSpec,
    JobSpec,
    TemplateSpec,
    VideoSpec,
    body_of,
    not_before_of,
    webhook_of,
)
from server.state import AppState, state_of
from server.store.hooks import Hook
from server.store.new_jobs import NewJob
from server.store.store import Accepted
from server.uploads import Form, ModelT, Upload, is_json, read_form, read_json

TITLE = 80
"""Characters of a job's title."""

LONGEST_WAIT_S = 7 * 86_400
"""How far from now a job may begin: until then its files, and a place in the line, are held."""

UPLOAD, SCENE, TEMPLATE = "file", "video", "template"
"""What a job's uploaded file is called in its folder, a video used once in place of a template, and one that
is to become a template first."""

KEY: Mapping[str, Any] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "description": "the same key and body: the same job",
}
"""Schema of the header Idempotency-Key."""

FILE: Mapping[str, Any] = {"type": "string", "format": "binary"}
STREAM: Mapping[str, Any] = {"type": "boolean", "default": False, "description": "the same as in the body"}
"""Schemas of a form's file, and of the query's `stream`."""


ENGINES = {kind: f"options.engines.{kind}" for kind in Engines.model_fields}
"""How requests with options call their engines."""


@asynccontextmanager
async def asked_for(
    request: web.Request, state: AppState, model: type[ModelT], *files: str
) -> AsyncGenerator[tuple[ModelT, Form], None]:
    """What the body asks for, as JSON, or as a form with that JSON as its part `request`, and with `files`.

    Files that are not taken by the end of the block are removed. Raises what `read_json` and `read_form` do.
    """
    form = Form()
    try:
        if is_json(request):
            wanted = await read_json(request, model)
        else:
            limit, parts = state.settings.upload_mb << 20, dict.fromkeys(files, 1)
            form = await read_form(request, state.folder, texts={"request"}, files=parts, limit=limit)
            with reading(model):
                wanted = model.model_validate_json(form.text("request") or "{}")
        yield wanted, form
    finally:
        form.discard()


async def accept(
    state: AppState, spec: JobSpec, uploads: Mapping[str, Upload], key: str | None, *, streamed: bool = False
) -> Accepted:
    """Put a job on record, its files first; what is refused leaves nothing.

    uploads: by what they shall be called in the job's folder. streamed: the video is to be the answer.
    Raises what `Store.accept` does; Refused for a time to begin that cannot be kept.
    """
    not_before = _beginning(spec, streamed)
    kind, asking = spec.kind, caller.get()
    job_id = f"{kind}_{secrets.token_hex(12)}"
    webhook = webhook_of(spec)
    if webhook is not None:
        state.webhooks.check(webhook)
    body = body_of(spec, {name: upload.sha256 for name, upload in uploads.items()})
    try:
        if uploads:
            await asyncio.to_thread(_move_in, state, job_id, uploads)
        made = spec.template if asking.adds_for is not None and makes_template(spec) else None
        request = spec.model_dump_json()
        accepted = await state.store.accept(
            NewJob(
                job_id,
                kind,
                request,
                body,
                key,
                asking.owner,
                asking.quota,
                made,
                webhook,
                not_before,
                patient=not_before > time.time(),
            )
        )
    except BaseException:
        await asyncio.to_thread(state.folder.clear, job_id)
        raise
    if accepted.new:
        state.runner.nudge()
        if webhook is not None:
            state.webhooks.tell(Hook(job_id, webhook, 0))
    elif uploads:
        await asyncio.to_thread(state.folder.clear, job_id)
    return accepted


def _beginning(spec: JobSpec, streamed: bool) -> float:
    """Before when the job is not to be started, in Unix seconds; 0: at once. Raises Refused."""
    wanted = not_before_of(spec)
    if wanted is None:
        return 0.0
    if streamed:
        message = "an answer that is the video itself begins at once; leave out stream, or not_before"
        raise Refused(422, "streamed_later", message, "not_before")
    if wanted > time.time() + LONGEST_WAIT_S:
        message = f"not_before is in Unix seconds, at most {LONGEST_WAIT_S // 86_400} days from now"
        raise Refused(422, "too_far_ahead", message, "not_before")
    return wanted


def makes_template(spec: JobSpec) -> bool:
    """Whether the job adds a template, rather than use one that is there."""
    match spec:
        case VideoSpec():
            return spec.template_file is not None and (spec.template or "").startswith(BY_URL)
        case TemplateSpec():
            return spec.prepare is None
        case BackgroundSpec():
            return True
    return False


def _move_in(state: AppState, job_id: str, uploads: Mapping[str, Upload]) -> None:
    place = state.folder.job(job_id)
    place.mkdir(parents=True)
    for name, upload in uploads.items():
        upload.path.rename(place / name)


async def answered(
    request: web.Request, state: AppState, accepted: Accepted, *, streamed: bool
) -> web.StreamResponse:
    """Answer with the video itself, if it is to be `streamed`; else with the job."""
    return await stream_new(request, state, accepted) if streamed else accepted_job(state, accepted)


async def stream_new(request: web.Request, state: AppState, accepted: Accepted) -> web.StreamResponse:
    """Answer with the video. The job is this request's: if the client leaves, nobody wants it."""
    job_id = accepted.job.id
    over = False
    try:
        async with opened_clip(state, job_id) as clip:
            response = await stream(request, state, job_id, clip)
            over = clip.ended is not None
        return response
    except Refused:
        over = True
        raise
    finally:
        if accepted.new and not over and not state.stopping:
            state.send(state.runner.cancel(job_id))


def accepted_job(state: AppState, accepted: Accepted) -> web.Response:
    """Answer with the job: 202, or 200 if it was there before."""
    location = {"Location": f"/v1/jobs/{accepted.job.id}"}
    return respond(state.files.describe(accepted.job), 202 if accepted.new else 200, location)


def idempotency_key(request: web.Request) -> str | None:
    """The request's Idempotency-Key. Raises Refused for one that cannot be kept."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key) <= 255 and key.isascii() and key.isprintable()):
        message = "Idempotency-Key is 1 to 255 printable ASCII characters"
        raise Refused(422, "invalid_request", message, "Idempotency-Key")
    return key


def asked_beside(request: web.Request) -> tuple[AppState, str | None, bool]:
    """The server, and what is said beside a body: an Idempotency-Key, and whether the video is the answer."""
    return state_of(request), idempotency_key(request), asked_to_stream(request)


def asked_to_stream(request: web.Request) -> bool:
    """Whether the address itself asks for the video: `?stream=true`, the same as in the body."""
    value = request.query.get("stream", "false")
    if value not in ("true", "false"):
        raise Refused(422, "invalid_request", f"stream is true or false, not {value[:80]!r}", "stream")
    return value == "true"


def short(text: str) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= TITLE else line[: TITLE - 1] + "…"


def titled(text: str) -> str:
    """The beginning of a text that is spoken, without its markup, on one line."""
    return short(strip(text[: 10 * TITLE]).text)
