"""Find the clip of a job, whatever the job is doing just now, and show it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import get_args

from aiohttp import web

from core.errors import UnreadableRecord
from core.media.growing import media_type
from server.api.ranges import part_so_far
from server.errors import Refused
from server.schemas.describe import describe
from server.schemas.requests import TERMINAL, Status
from server.schemas.responses import Job
from server.state import AppState
from server.store.rows import JobRow
from server.stream.media import Clip
from server.stream.viewers import first_media, view_on_http


@asynccontextmanager
async def opened_clip(state: AppState, job_id: str) -> AsyncGenerator[Clip, None]:
    """The clip of a job: growing, finished, or still to come.

    Raises UnknownJob; Refused, with the job's own error, if there will be none.
    """
    job = await state.store.get(job_id)
    if job.object not in ("video", "enhancement"):
        raise Refused(404, "no_video", f"job {job_id} makes no video")
    if job.status not in get_args(Status):  # of a later version: nobody here will ever end it
        raise UnreadableRecord(f"job {job_id} is {job.status[:80]!r}, which is not known here")
    if job.status not in TERMINAL:
        clip = state.clips.coming(job_id)
        async with state.clips.viewing(clip):
            job = await state.store.get(job_id)
            if job.status in TERMINAL:  # it ended before we asked for its clip, which then would never end
                await state.clips.end(job_id, job.status)
            if job.status not in TERMINAL or clip.size:
                yield clip
                return
    if job.status != "completed":
        raise no_video(job)
    clip = await state.clips.finished(job_id)
    async with state.clips.viewing(clip):
        yield clip


async def stream(request: web.Request, state: AppState, job_id: str, clip: Clip) -> web.StreamResponse:
    """The clip as one long answer. Raises Refused, with the job's own error, if nothing comes of it."""
    async with state.connections.response(request):
        if not await first_media(clip):
            raise no_video(await state.store.get(job_id))
        told = {"X-Job-Id": job_id, "Content-Type": media_type(await clip.read(0) or b"")}
        return await part_so_far(request, clip, told) or await view_on_http(request, clip, told)


async def published(state: AppState, job_id: str, origin: str) -> Job:
    """A completed job, once its files are where others get them: each output's `url` is one for anybody.

    That is in the object storage, if there is one, which this waits for; else here, signed for a while.
    origin: what goes before addresses of this server, like http://127.0.0.1:8010. Raises UnknownJob;
    Refused, with the job's own error or the upload's.
    """
    job = await state.store.get(job_id)
    if not job.closed:
        async with aclosing(state.hub.watch(state.store, job_id, job.last_seq)) as events:
            async for _ in events:
                if state.stopping:
                    break
        job = await state.store.get(job_id)
    if job.status != "completed":
        raise no_video(job)
    shown = state.files.describe(job)
    if shown.publication is not None and shown.publication.error is not None:
        raise Refused(502, shown.publication.error.code, shown.publication.error.message)
    if not job.closed:
        raise Refused(
            503, "stopping", "the server stops; the upload goes on later", None, {"Retry-After": "5"}
        )
    outputs = []
    for row, output in zip(job.outputs, shown.outputs, strict=True):
        url = state.files.link(job, row).url
        outputs.append(output.model_copy(update={"url": url if "://" in url else origin + url}))
    return shown.model_copy(update={"outputs": outputs})


def no_video(job: JobRow) -> Refused:
    """Why there is no video of this job."""
    if job.status not in TERMINAL:
        return Refused(503, "stopping", "the server stops; the job goes on later", None, {"Retry-After": "5"})
    error = describe(job, full=False).error
    if error is None:
        return Refused(409, f"job_{job.status}", f"job {job.id} is {job.status}: it has no video")
    if error.code == "storage_full":
        return Refused(507, error.code, error.message)
    return Refused(500 if error.retryable else 422, error.code, error.message, error.param)
