"""The lip-sync service of old: `POST /process_sync/` answers when the video is done."""

import asyncio

from aiohttp import web

from server.accepting import (
    FILE,
    STREAM,
    TEMPLATE,
    UPLOAD,
    accept,
    asked_to_stream,
    fetched_id,
    short,
    stream_new,
)
from server.house import House
from server.named import named
from server.problems import Refused
from server.route import Route, respond
from server.routes_jobs import house_of
from server.uploads import Form, is_json, read_form, read_json
from server.waiting import finished, video_url
from server.wire import LipsyncRequest, Order
from server.wire_old import MadeVideo, ProcessSync

_PARTS = {"video": 1, "audio": 1, "video_file": 1, "audio_file": 1}


async def process_sync(request: web.Request) -> web.StreamResponse:
    """Have the person in a video speak a recording; answer when that is done, or stream it."""
    house = house_of(request)
    to_be_streamed = asked_to_stream(request)
    house.take_jobs()
    form = Form()
    try:
        if is_json(request):
            await _fetch(house, await read_json(request, ProcessSync), form)
        else:
            limit = house.settings.upload_mb << 20
            form = await read_form(request, house.folder, texts=frozenset(), files=_PARTS, limit=limit)
        audio, video = (form.file(name) or form.file(f"{name}_file") for name in ("audio", "video"))
        if audio is None or video is None:
            missing = "audio" if audio is None else "video"
            raise Refused(422, "invalid_request", f"send a video and an audio; {missing} is missing", missing)
        await house.catalog.check_look(None, LipsyncRequest().options)
        order = Order(
            title=short(audio.name),
            # Kept, unlike in /v1/lipsync: these clients send the same few videos again and again.
            template=fetched_id(video),
            template_file=TEMPLATE,
            template_name=video.name or "video",
            template_sha256=video.sha256,
            video=LipsyncRequest(),
            upload=UPLOAD,
            service=True,
        )
        files = {UPLOAD: audio, TEMPLATE: video}
        accepted = await asyncio.shield(accept(house, "video", order, files, None))
    finally:
        form.discard()
    if to_be_streamed:
        return await stream_new(request, house, accepted)
    job = await finished(request, house, accepted)
    return respond(MadeVideo(video_url=video_url(job), job_id=job.id))


async def _fetch(house: House, wanted: ProcessSync, form: Form) -> None:
    """Get what the request names, into `form`."""
    audio, video = wanted.audio_url or wanted.audio_path, wanted.video_url or wanted.video_path
    if audio is not None:
        form.files["audio"] = [await named(house, audio, "audio", param="audio_url")]
    if video is not None:
        form.files["video"] = [await named(house, video, "video", "image", param="video_url")]


ROUTES = [
    Route(
        "POST",
        "/process_sync/",
        process_sync,
        "Make a video speak a recording, and answer when it is done (older clients)",
        {200: (MadeVideo, "video/mp4")},
        body=ProcessSync,
        form={"video": FILE, "audio": FILE},
        query={"stream": STREAM},
        refuses=(409, 413, 415, 429, 500, 502, 503, 507),
    ),
]
