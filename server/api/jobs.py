"""Jobs: what they are, how they go, what they made."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import get_args

from aiohttp import web

from server.access.caller import caller
from server.api.ranges import file_or_part
from server.api.route import ID, NAME, Route, respond
from server.api.viewing import opened_clip, stream
from server.errors import Refused
from server.schemas.describe import describe_each
from server.schemas.requests import TERMINAL, Status
from server.schemas.responses import Deleted, Job, JobList
from server.state import AppState, state_of
from server.store.rows import JobRow, OutputRow
from server.stream.viewers import view_on_socket

_STATUSES = get_args(Status)
_BEYOND = 10**16
"""More events than any log has."""

_SEQ = {"type": "integer", "minimum": 0}
_SUBTITLES = ("application/x-subrip", "text/vtt", "text/x-ssa")
_OUTPUTS = ("video/mp4", "video/webm", "video/quicktime", "audio/mp4", *_SUBTITLES)


def is_socket(request: web.Request) -> bool:
    """Whether the client asks for a WebSocket."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


def number(text: str | None, param: str, default: int, most: int) -> int:
    """A query or header parameter as an integer in [0, most]. Raises Refused."""
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 17 and int(text) <= most):
        raise Refused(422, "invalid_request", f"{param} is a whole number, 0 to {most}", param)
    return int(text)


def known(text: str | None, param: str, default: int) -> int:
    """A query or header parameter as the number of the last event a client has; empty is the same as none.

    A number no log ever has is of another log, not of a wrong form. Raises Refused.
    """
    if not text:
        return default
    if text.isascii() and text.isdigit() and len(text) >= 17:
        return _BEYOND
    return number(text, param, default, _BEYOND)


async def list_jobs(request: web.Request) -> web.Response:
    """A page of jobs."""
    query = request.query
    status = query.get("status")
    if status is not None and status not in _STATUSES:
        message = f"status is one of {', '.join(_STATUSES)}, not {status[:80]!r}"
        raise Refused(422, "invalid_request", message, "status")
    limit = max(1, number(query.get("limit"), "limit", 20, 100))
    state = state_of(request)
    jobs: list[Job] = []
    owner = caller.get().only
    after, shown = query.get("after"), partial(state.files.describe, full=False)
    while len(jobs) <= limit:  # what cannot be read is no part of a page
        rows = await state.store.list(status=status, after=after, limit=limit + 1, owner=owner)
        jobs += describe_each(rows, shown)
        if len(rows) <= limit:
            break
        after = rows[-1].id
    return respond(JobList(data=jobs[:limit], has_more=len(jobs) > limit))


async def get_job(request: web.Request) -> web.Response:
    """One job, with the request it came from."""
    state = state_of(request)
    return respond(state.files.describe(await state.store.get(request.match_info["job_id"])))


async def cancel_job(request: web.Request) -> web.Response:
    """End a job; one that has ended stays as it is."""
    state = state_of(request)
    return respond(state.files.describe(await state.runner.cancel(request.match_info["job_id"])))


async def delete_job(request: web.Request) -> web.Response:
    """Forget a job that has ended, and its files, here and in the object storage."""
    state, job_id = state_of(request), request.match_info["job_id"]
    await state.runner.delete(job_id)
    if state.publisher is not None:
        state.publisher.tidy()
    return respond(Deleted(id=job_id))


async def publish_job(request: web.Request) -> web.Response:
    """Upload a completed job's files to the object storage; 200 if they are there, or on their way."""
    state, job_id = state_of(request), request.match_info["job_id"]
    job = await state.store.get(job_id)
    if state.publisher is None:
        message = "this server has no object storage; see the settings that begin with oss_"
        raise Refused(409, "no_storage", message)
    if job.status != "completed" or not job.outputs:
        message = (
            f"job {job_id} is {job.status}" if job.status != "completed" else f"job {job_id} made no files"
        )
        raise Refused(409, "nothing_to_publish", f"{message}: there is nothing to upload")
    begun = await state.store.publications.begin_again(job_id)
    if begun:
        state.publisher.publish(job_id)
    return respond(state.files.describe(await state.store.get(job_id)), 202 if begun else 200)


async def job_events(request: web.Request) -> web.StreamResponse:
    """The job's log and what is added to it: WebSocket if asked for, else server-sent events."""
    events, job_id = state_of(request).job_events, request.match_info["job_id"]
    after = known(request.query.get("after"), "after", 0)
    after = known(request.headers.get("Last-Event-ID"), "Last-Event-ID", after)
    if is_socket(request):
        return await events.one_job(request, job_id, after)
    return await events.server_sent(request, job_id, after)


async def many_jobs(request: web.Request) -> web.StreamResponse:
    """One socket for the events of many jobs."""
    if not is_socket(request):
        raise Refused(
            426,
            "upgrade_required",
            "this is a WebSocket",
            headers={"Upgrade": "websocket", "Connection": "Upgrade"},
        )
    return await state_of(request).job_events.many_jobs(request)


async def job_stream(request: web.Request) -> web.StreamResponse:
    """The video as it grows: WebSocket if asked for, else one long answer."""
    state, job_id = state_of(request), request.match_info["job_id"]
    start = request.query.get("from", "start")
    if start not in ("start", "live"):
        raise Refused(422, "invalid_request", "from is `start` or `live`", "from")
    async with opened_clip(state, job_id) as clip:
        if is_socket(request):
            return await view_on_socket(
                request, state.connections, clip, lambda: _introduction(state, job_id), live=start == "live"
            )
        return await stream(request, state, job_id, clip)


async def _introduction(state: AppState, job_id: str) -> str:
    event = await state.store.newest(job_id, "video.init")
    return event.data if event else "{}"


async def job_output(request: web.Request) -> web.StreamResponse:
    """A file that the job made; ranges and conditions are understood."""
    return await output_file(request, request.match_info["name"])


async def job_subtitles(request: web.Request) -> web.StreamResponse:
    """The captions as a file."""
    return await output_file(request, f"subtitles.{request.match_info['format']}")


async def output_of(request: web.Request, name: str) -> tuple[JobRow, OutputRow]:
    """The job of the path, and its file of this name. Raises UnknownJob, Refused."""
    job = await state_of(request).store.get(request.match_info["job_id"])
    output = next((output for output in job.outputs if output.name == name), None)
    if output is None:
        if job.status not in TERMINAL:
            raise Refused(
                409, "not_ready", f"job {job.id} is {job.status}; its files come when it is completed"
            )
        raise Refused(404, "unknown_output", f"job {job.id} has no {name!r}")
    return job, output


async def output_file(
    request: web.Request, name: str, extra: Mapping[str, str] | None = None
) -> web.StreamResponse:
    """A file of the path's job, or the part asked for. extra: headers besides. Raises like `output_of`."""
    job, output = await output_of(request, name)
    # From the record, not from the request: no client's words are part of a path.
    path = state_of(request).folder.root / Path(output.path)
    headers = {
        "Content-Type": output.type + ("; charset=utf-8" if output.kind == "subtitles" else ""),
        "Content-Disposition": f'attachment; filename="{job.id}-{output.name}"',
        "Cache-Control": "private, no-cache",
        **(extra or {}),
    }
    return await file_or_part(request, path, headers, name)


ROUTES = [
    Route(
        "GET",
        "/v1/jobs",
        list_jobs,
        "Jobs, newest first",
        {200: JobList},
        query={
            "status": {"type": "string", "enum": list(_STATUSES)},
            "after": {"type": "string", "description": "only jobs older than this one"},
            "limit": {"type": "integer", "minimum": 0, "maximum": 100, "default": 20},
        },
        refuses=(404,),
    ),
    Route("GET", f"/v1/jobs/{ID}", get_job, "A job", {200: Job}, refuses=(404, 410)),
    Route("POST", f"/v1/jobs/{ID}/cancel", cancel_job, "Cancel a job", {200: Job}, refuses=(404, 410)),
    Route(
        "POST",
        f"/v1/jobs/{ID}/publish",
        publish_job,
        "Upload a completed job's files to the object storage, if that has failed or was never tried",
        {202: Job, 200: Job},
        refuses=(404, 409, 410),
    ),
    Route(
        "DELETE",
        f"/v1/jobs/{ID}",
        delete_job,
        "Delete a job that has ended",
        {200: Deleted},
        refuses=(404, 409),
    ),
    Route(
        "GET",
        f"/v1/jobs/{ID}/events",
        job_events,
        "Follow a job: server-sent events, or a WebSocket",
        {200: "text/event-stream", 204: None},
        query={"after": _SEQ},
        headers={"Last-Event-ID": _SEQ},
        refuses=(404, 410, 503),
        head=False,
    ),
    Route(
        "GET",
        "/v1/ws",
        many_jobs,
        "Follow many jobs on one WebSocket",
        {101: None},
        refuses=(426,),
        head=False,
    ),
    Route(
        "GET",
        f"/v1/jobs/{ID}/stream",
        job_stream,
        "Watch the video while it is made: one long MP4, or a WebSocket of fragments",
        {200: ("video/mp4", "video/webm"), 206: ("video/mp4", "video/webm")},
        query={"from": {"type": "string", "enum": ["start", "live"]}},
        refuses=(404, 409, 410, 416, 500, 503, 507),
        head=False,
    ),
    Route(
        "GET",
        f"/v1/jobs/{ID}/outputs/{NAME}",
        job_output,
        "A file that the job made",
        {200: _OUTPUTS, 206: _OUTPUTS, 304: None},
        refuses=(404, 409, 416),
    ),
    Route(
        "GET",
        rf"/v1/jobs/{ID}/subtitles.{{format:srt|vtt|ass}}",
        job_subtitles,
        "The captions",
        {200: _SUBTITLES, 206: _SUBTITLES, 304: None},
        refuses=(404, 409, 416),
    ),
]
