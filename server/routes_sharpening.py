"""The enhancement service of old: `POST /process_video/` answers when the video's faces are clearer."""

import asyncio

from aiohttp import web

from server.accepting import FILE, STREAM, UPLOAD, accept, asked_to_stream, short, stream_new
from server.named import named
from server.problems import Refused
from server.route import Route, respond
from server.routes_jobs import house_of
from server.uploads import Form, is_json, read_form, read_json
from server.waiting import finished, video_url
from server.wire import EnhancementRequest, Order
from server.wire_old import MadeVideo, ProcessVideo


async def process_video(request: web.Request) -> web.StreamResponse:
    """Make the faces of a video clearer; answer when that is done, or stream it."""
    house = house_of(request)
    to_be_streamed = asked_to_stream(request)
    house.take_jobs()
    form, wanted = Form(), EnhancementRequest()
    try:
        if is_json(request):
            asked = await read_json(request, ProcessVideo)
            name = asked.video_url or asked.video_path
            if name is not None:
                form.files["video"] = [await named(house, name, "video", param="video_url")]
        else:
            limit, parts = house.settings.upload_mb << 20, {"video": 1, "file": 1}
            form = await read_form(request, house.folder, texts=frozenset(), files=parts, limit=limit)
        video = form.file("video") or form.file("file")
        if video is None:
            raise Refused(422, "invalid_request", "send a video_url, or the video as a form", "video_url")
        house.studio.choose("enhance", wanted.engine)
        order = Order(title=short(video.name), template=None, enhancement=wanted, upload=UPLOAD, service=True)
        accepted = await asyncio.shield(accept(house, "enhancement", order, {UPLOAD: video}, None))
    finally:
        form.discard()
    if to_be_streamed:
        return await stream_new(request, house, accepted)
    job = await finished(request, house, accepted)
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
    ),
]
