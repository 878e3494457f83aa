"""Ask for a video's faces to be made clearer."""

import asyncio

from aiohttp import web

from core.enhancement.video import UPSCALER
from server.api.accept import (
    FILE,
    KEY,
    STREAM,
    UPLOAD,
    accept,
    answered,
    asked_beside,
    asked_for,
    short,
)
from server.api.route import Route
from server.errors import Refused
from server.schemas.requests import EnhancementRequest
from server.schemas.responses import Job
from server.schemas.specs import EnhancementSpec


async def create_enhancement(request: web.Request) -> web.StreamResponse:
    """Accept a video; answer with the job, or with the video itself if that was asked for."""
    state, key, to_be_streamed = asked_beside(request)
    async with asked_for(request, state, EnhancementRequest, "file") as (wanted, form):
        if (form.file("file") is None) == (wanted.video_url is None):
            message = "send the video as the part `file` of a form, or its video_url"
            raise Refused(422, "invalid_request", message, "file")
        state.pool.choose("enhance", wanted.engine)
        if wanted.background:
            state.pool.choose("upscale", UPSCALER)
        if wanted.video_url is not None:
            form.files["file"] = [await state.fetch(wanted.video_url, "video", param="video_url")]
        video = form.files["file"][0]
        spec = EnhancementSpec(title=short(video.name), enhancement=wanted, upload=UPLOAD)
        streamed = wanted.stream or to_be_streamed
        # Shielded: a client that leaves now may find half a job otherwise.
        accepted = await asyncio.shield(accept(state, spec, {UPLOAD: video}, key, streamed=streamed))
    return await answered(request, state, accepted, streamed=streamed)


ROUTES = [
    Route(
        "POST",
        "/v1/enhancements",
        create_enhancement,
        "Make the faces of any video clearer",
        {202: Job, 200: (Job, "video/mp4")},
        body=EnhancementRequest,
        form={"file": FILE, "request": {"type": "string", "description": "EnhancementRequest as JSON"}},
        query={"stream": STREAM},
        headers={"Idempotency-Key": KEY},
        refuses=(409, 413, 415, 429, 500, 502, 503, 507),
        fields={"enhance": "engine"},
        starts="job",
    ),
]
