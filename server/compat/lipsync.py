"""The lip-sync service of old: `POST /process_sync/` answers when the video is done."""

import asyncio

from aiohttp import web

from server.api.accept import (
    FILE,
    STREAM,
    TEMPLATE,
    UPLOAD,
    accept,
    asked_to_stream,
    short,
    stream_new,
)
from server.api.route import Route, respond
from server.compat.named_files import named
from server.compat.schemas import MadeVideo, ProcessSync
from server.compat.waiting import finished, video_url
from server.errors import Refused
from server.jobs.by_url import fetched_id
from server.schemas.requests import LipsyncRequest
from server.schemas.specs import VideoSpec
from server.state import AppState, state_of
from server.uploads import Form, is_json, read_form, read_json

_PARTS = {"video": 1, "audio": 1, "video_file": 1, "audio_file": 1}


async def process_sync(request: web.Request) -> web.StreamResponse:
    """Have the person in a video speak a recording; answer when that is done, or stream it."""
    state = state_of(request)
    to_be_streamed = asked_to_stream(request)
    form = Form()
    try:
        if is_json(request):
            await _fetch(state, await read_json(request, ProcessSync), form)
        else:
            limit = state.settings.upload_mb << 20
            form = await read_form(request, state.folder, texts=frozenset(), files=_PARTS, limit=limit)
        audio, video = (form.file(name) or form.file(f"{name}_file") for name in ("audio", "video"))
        if audio is None or video is None:
            missing = "audio" if audio is None else "video"
            raise Refused(422, "invalid_request", f"send a video and an audio; {missing} is missing", missing)
        await state.catalog.check_look(None, LipsyncRequest().options)
        spec = VideoSpec(
            title=short(audio.name),
            # Kept, unlike in /v1/lipsync: these clients send the same few videos again and again.
            template=fetched_id(video.sha256),
            template_file=TEMPLATE,
            template_name=video.name or "video",
            template_sha256=video.sha256,
            video=LipsyncRequest(),
            upload=UPLOAD,
            service=True,
        )
        files = {UPLOAD: audio, TEMPLATE: video}
        accepted = await asyncio.shield(accept(state, spec, files, None))
    finally:
        form.discard()
    if to_be_streamed:
        return await stream_new(request, state, accepted)
    job = await finished(request, state, accepted)
    return respond(MadeVideo(video_url=video_url(job), job_id=job.id))


async def _fetch(state: AppState, wanted: ProcessSync, form: Form) -> None:
    """Get what the request names, into `form`."""
    audio, video = wanted.audio_url or wanted.audio_path, wanted.video_url or wanted.video_path
    if audio is not None:
        form.files["audio"] = [await named(state, audio, "audio", param="audio_url")]
    if video is not None:
        form.files["video"] = [await named(state, video, "video", "image", param="video_url")]


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
        starts="job",
    ),
]
