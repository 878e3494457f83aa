"""Ask for a video's faces to be made clearer."""

import asyncio

from aiohttp import web

from core.enhance_background import UPSCALER
from server.accepting import (
    FILE,
    KEY,
    STREAM,
    UPLOAD,
    accept,
    accepted_job,
    asked_to_stream,
    idempotency_key,
    short,
    stream_new,
)
from server.problems import Refused
from server.route import Route
from server.routes_jobs import house_of
from server.uploads import Form, is_json, read_form, read_json
from server.wire import EnhancementRequest, Order
from server.wire_answers import Job


async def create_enhancement(request: web.Request) -> web.StreamResponse:
    """Accept a video; answer with the job, or with the video itself if that was asked for."""
    house, key = house_of(request), idempotency_key(request)
    to_be_streamed = asked_to_stream(request)
    house.take_jobs()
    form = Form()
    try:
        if is_json(request):
            wanted = await read_json(request, EnhancementRequest)
        else:
            limit = house.settings.upload_mb << 20
            form = await read_form(request, house.folder, texts={"request"}, files={"file": 1}, limit=limit)
            wanted = EnhancementRequest.model_validate_json(form.text("request") or "{}")
        if (form.file("file") is None) == (wanted.video_url is None):
            message = "send the video as the part `file` of a form, or its video_url"
            raise Refused(422, "invalid_request", message, "file")
        house.studio.choose("enhance", wanted.engine)
        if wanted.background:
            house.studio.choose("upscale", UPSCALER)
        if wanted.video_url is not None:
            form.files["file"] = [await house.fetch(wanted.video_url, "video", param="video_url")]
        video = form.files["file"][0]
        order = Order(title=short(video.name), template=None, enhancement=wanted, upload=UPLOAD)
        # Shielded: a client that leaves now may find half a job otherwise.
        accepted = await asyncio.shield(accept(house, "enhancement", order, {UPLOAD: video}, key))
    finally:
        form.discard()
    if wanted.stream or to_be_streamed:
        return await stream_new(request, house, accepted)
    return accepted_job(accepted)


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
    ),
]
