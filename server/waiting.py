"""Wait for a job on behalf of a client that asked for its result, not for a job."""

from contextlib import aclosing

from aiohttp import web

from server.house import House
from server.problems import Refused
from server.store import Accepted
from server.viewing import published
from server.wire_answers import Job


async def finished(request: web.Request, house: House, accepted: Accepted) -> Job:
    """The job, once it is completed. It is this request's: if the client leaves, nobody wants it.

    Raises Refused, with the job's own error, if it ends otherwise, or goes on only after a restart.
    """
    job_id, over = accepted.job.id, False
    try:
        if house.lines.full:
            message = "too many clients wait; try later"
            raise Refused(503, "too_many_sockets", message, None, {"Retry-After": "5"})
        async with house.lines.response(request), aclosing(house.hub.watch(house.store, job_id)) as events:
            async for _ in events:
                if house.stopping:
                    break
        over = True
    finally:
        if accepted.new and not over and not house.stopping:
            house.send(house.runner.cancel(job_id))
    return await published(house, job_id, str(request.url.origin()))


def video_url(job: Job) -> str:
    """Where a completed job's video is."""
    return next(output.url for output in job.outputs if output.kind == "video")
