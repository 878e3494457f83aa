"""The enhancement service of old: `POST /process_video/` answers when the video's faces are clearer."""

import asyncio

from aiohttp import web

from server.api.accept import FILE, STREAM, UPLOAD, accept, asked_to_stream, short, stream_new
from server.api.route import Route, respond
from server.compat.named_files import named
from server.compat.schemas import MadeVideo, ProcessVideo
from server.compat.waiting import finished, video_url
from server.errors import Refused
from server.schemas.requests import EnhancementRequest
from server.schemas.specs import EnhancementSpec
from server.state import state_of
from server.uploads import Form, is_json, read_form, read_json


async def process_video(request: web.Request) -> web.StreamResponse:
    """Make the faces of a video clearer; answer when that is done, or stream it."""
    state = state_of(request)
    to_be_streamed = asked_to_stream(request)
    form, wanted = Form(), EnhancementRequest()
    try:
        if is_json(request):
            asked = await read_json(request, ProcessVideo)
            name = asked.video_url or asked.video_path
            if name is not None:
                form.files["video"] = [await named(state, name, "video", param="video_url")]
        else:
            limit, parts = state.settings.upload_mb << 20, {"video": 1, "file": 1}
            form = await read_form(request, state.folder, texts=frozenset(), files=parts, limit=limit)
        video = form.file("video") or form.file("file")
        if video is None:
            raise Refused(422, "invalid_request", "send a video_url, or the video as a form", "video_url")
        state.pool.choose("enhance", wanted.engine)
        spec = EnhancementSpec(title=short(video.name), enhancement=wanted, upload=UPLOAD, service=True)
        accepted = await asyncio.shield(accept(state, spec, {UPLOAD: video}, None))
    finally:
        form.discard()
    if to_be_streamed:
        return await stream_new(request, state, accepted)
    job = await finished(request, state, accepted)
    return respond(MadeVideo(video_url=video_url(job), job_id=job.id))


ROUTES = [
    Route(
        "POST",
        "/process_video/",
        process_video,
        "Make the faces of a video clearer, and answer when it is done (older clients)",
        {200: (MadeVideo, "video/mp4")},
        body=ProcessVideo,
        form={"video": FILE},
        query={"stream": STREAM},
        refuses=(409, 413, 415, 429, 500, 502, 503, 507),
        starts="job",
    ),
]
