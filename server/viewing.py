"""Find the clip of a job, whatever the job is doing just now, and show it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiohttp import web

from server.describe import describe
from server.house import House
from server.problems import Refused
from server.store_rows import JobRow
from server.stream.media import Clip
from server.stream.viewers import first_media, view_on_http
from server.wire import TERMINAL


@asynccontextmanager
async def opened_clip(house: House, job_id: str) -> AsyncGenerator[Clip, None]:
    """The clip of a job: growing, finished, or still to come.

    Raises UnknownJob; Refused, with the job's own error, if there will be none.
    """
    job = await house.store.get(job_id)
    if job.object != "video":
        raise Refused(404, "no_video", f"job {job_id} makes no video")
    if job.status not in TERMINAL:
        clip = house.clips.coming(job_id)
        async with house.clips.viewing(clip):
            job = await house.store.get(job_id)
            if job.status in TERMINAL:  # it ended before we asked for its clip, which then would never end
                await house.clips.end(job_id, job.status)
            if job.status not in TERMINAL or clip.size:
                yield clip
                return
    if job.status != "completed":
        raise no_video(job)
    clip = await house.clips.finished(job_id)
    async with house.clips.viewing(clip):
        yield clip


async def stream(request: web.Request, house: House, job_id: str, clip: Clip) -> web.StreamResponse:
    """The clip as one long answer. Raises Refused, with the job's own error, if nothing comes of it."""
    if house.lines.full:
        raise Refused(
            503, "too_many_sockets", "too many clients watch; try later", None, {"Retry-After": "5"}
        )
    if not await first_media(clip):
        raise no_video(await house.store.get(job_id))
    return await view_on_http(request, house.lines, clip, {"X-Job-Id": job_id})


def no_video(job: JobRow) -> Refused:
    """Why there is no video of this job."""
    if job.status not in TERMINAL:
        return Refused(503, "stopping", "the server stops; the job goes on later", None, {"Retry-After": "5"})
    error = describe(job, full=False).error
    if error is None:
        return Refused(409, f"job_{job.status}", f"job {job.id} is {job.status}: it has no video")
    if error.code == "storage_full":
        return Refused(507, error.code, error.message)
    return Refused(500 if error.retryable else 422, error.code, error.message)
