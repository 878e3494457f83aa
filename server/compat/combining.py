"""The combining service of old: `POST /create-video/` answers when the video is done.

What it asks for is a job like any other: it can be watched, and it ends if the client leaves.
"""

import asyncio

from aiohttp import web

from server.api.accept import STREAM, TEMPLATE, accept, asked_to_stream, stream_new, titled
from server.api.route import Route, respond
from server.compat.numbered_templates import numbered, numbered_id
from server.compat.schemas import CreatedVideo, CreateVideo
from server.compat.waiting import finished
from server.errors import Refused, reading
from server.jobs.by_url import fetched_id
from server.schemas.requests import VideoOptions, VideoRequest
from server.schemas.responses import Job
from server.schemas.specs import VideoSpec
from server.state import AppState, state_of
from server.uploads import Form, read_json


async def create_talking_video(request: web.Request) -> web.StreamResponse:
    """Make a video and answer when it is done; with the video itself, as it is made, if that is asked for."""
    state = state_of(request)
    to_be_streamed = asked_to_stream(request)
    wanted = await read_json(request, CreateVideo)
    if (wanted.video_number is None) == (wanted.video_url is None):
        message = "send either video_number or video_url, not both and not neither"
        raise Refused(422, "number_or_url", message, "video_number")
    form = Form()
    try:
        spec = await _spec(state, wanted, form)
        files = {name: uploads[0] for name, uploads in form.files.items()}
        accepted = await asyncio.shield(accept(state, spec, files, None))
    finally:
        form.discard()
    if to_be_streamed:
        return await stream_new(request, state, accepted)
    job = await finished(request, state, accepted)
    return respond(_created(job, wanted))


async def _spec(state: AppState, wanted: CreateVideo, form: Form) -> VideoSpec:
    """What is to be made; the video of a URL goes into `form`. Raises BadInput for what cannot be."""
    options = VideoOptions(subtitle_track=wanted.is_srt, burn_subtitles=wanted.burn_subtitles)
    with reading():  # what clients of this service may send, a video may not have
        video = VideoRequest(text=wanted.text, options=options)
    # Its template may be yet to come; of the rest there is as much to check as ever.
    await state.catalog.check(video)
    if wanted.video_url is not None:
        upload = await state.fetch(wanted.video_url, "video", "image", param="video_url")
        form.files[TEMPLATE] = [upload]
        template, source, name, sha256 = fetched_id(upload.sha256), TEMPLATE, upload.name, upload.sha256
    else:
        path = numbered(state.settings.video_base_path, wanted.video_number or "")
        template, source, name, sha256 = numbered_id(path.stem), str(path), path.name, None
    return VideoSpec(
        title=titled(wanted.text),
        template=template,
        video=video.model_copy(update={"template": template}),
        template_file=source,
        template_name=name,
        template_sha256=sha256,
        service=True,
    )


def _created(job: Job, wanted: CreateVideo) -> CreatedVideo:
    urls = {output.name: output.url for output in job.outputs}
    return CreatedVideo(
        video_url=urls["video.mp4"],
        audio_url=urls.get("speech.m4a"),
        srt_url=urls.get("subtitles.srt") if wanted.is_srt else None,
        job_id=job.id,
    )


ROUTES = [
    Route(
        "POST",
        "/create-video/",
        create_talking_video,
        "Make a video of a text with a template by number or URL, and answer when it is done (older clients)",
        {200: (CreatedVideo, "video/mp4")},
        body=CreateVideo,
        query={"stream": STREAM},
        refuses=(409, 413, 415, 429, 500, 502, 503, 507),
        starts="job",
    ),
]
