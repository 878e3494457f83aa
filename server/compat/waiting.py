"""Wait for a job on behalf of a client that asked for its result, not for a job."""

from contextlib import aclosing

from aiohttp import web

from server.api.viewing import published
from server.schemas.responses import Job
from server.state import AppState
from server.store.store import Accepted


async def finished(request: web.Request, state: AppState, accepted: Accepted) -> Job:
    """The job, once it is completed. It is this request's: if the client leaves, nobody wants it.

    Raises Refused, with the job's own error, if it ends otherwise, or goes on only after a restart.
    """
    job_id, over = accepted.job.id, False
    try:
        async with (
            state.connections.response(request),
            aclosing(state.hub.watch(state.store, job_id)) as events,
        ):
            async for _ in events:
                if state.stopping:
                    break
        over = True
    finally:
        if accepted.new and not over and not state.stopping:
            state.send(state.runner.cancel(job_id))
    return await published(state, job_id, str(request.url.origin()))


def video_url(job: Job) -> str:
    """Where a completed job's video is."""
    return next(output.url for output in job.outputs if output.kind == "video")
