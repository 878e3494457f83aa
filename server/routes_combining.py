"""The combining service of old: `POST /create-video/` answers when the video is done.

What it asks for is a job like any other: it can be watched, and it ends if the client leaves.
"""

import asyncio
from contextlib import aclosing

from aiohttp import web

from core.templates import SAMPLE
from server.accepting import accept, asked_to_stream, short, stream_new
from server.house import House
from server.numbered import numbered, numbered_id
from server.problems import Refused
from server.route import Route, respond
from server.routes_jobs import house_of
from server.store import Accepted
from server.uploads import read_json
from server.viewing import published
from server.wire import Job, Order, VideoOptions, VideoRequest
from server.wire_old import CreatedVideo, CreateVideo


async def create_talking_video(request: web.Request) -> web.StreamResponse:
    """Make a video and answer when it is done; with the video itself, as it is made, if that is asked for."""
    house = house_of(request)
    to_be_streamed = asked_to_stream(request)
    house.take_jobs()
    wanted = await read_json(request, CreateVideo)
    if (wanted.video_number is None) == (wanted.video_url is None):
        message = "send either video_number or video_url, not both and not neither"
        raise Refused(422, "number_or_url", message, "video_number")
    order = await _order(house, wanted)
    accepted = await asyncio.shield(accept(house, "video", order, {}, None))
    if to_be_streamed:
        return await stream_new(request, house, accepted)
    return respond(_created(await finished(request, house, accepted), wanted))


async def _order(house: House, wanted: CreateVideo) -> Order:
    """What is to be made. Raises BadInput for what cannot be."""
    number = wanted.video_number or ""
    source = numbered(house.settings.video_base_path, number)
    video = VideoRequest(
        text=wanted.text,
        template=numbered_id(number),
        options=VideoOptions(subtitle_track=wanted.is_srt),
    )
    # Its template may be yet to come; of the rest there is as much to check as ever.
    await house.catalog.check(video.model_copy(update={"template": SAMPLE}))
    return Order(
        title=short(wanted.text),
        template=video.template,
        video=video,
        template_file=str(source),
        template_name=source.name,
        service=True,
    )


async def finished(request: web.Request, house: House, accepted: Accepted) -> Job:
    """The job, once it is completed. It is this request's: if the client leaves, nobody wants it.

    Raises Refused, with the job's own error, if it ends otherwise, or goes on only after a restart.
    """
    job_id, over = accepted.job.id, False
    if house.lines.full:
        house.send(house.runner.cancel(job_id))
        raise Refused(503, "too_many_sockets", "too many clients wait; try later", None, {"Retry-After": "5"})
    try:
        async with house.lines.response(request), aclosing(house.hub.watch(house.store, job_id)) as events:
            async for _ in events:
                if house.stopping:
                    break
        over = True
    finally:
        if accepted.new and not over and not house.stopping:
            house.send(house.runner.cancel(job_id))
    return await published(house, job_id, str(request.url.origin()))


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
        "Make a video of a text with a numbered template, and answer when it is done (older clients)",
        {200: (CreatedVideo, "video/mp4")},
        body=CreateVideo,
        query={"stream": {"type": "boolean", "default": False, "description": "answer with the MP4 itself"}},
        refuses=(409, 413, 415, 429, 500, 503, 507),
    ),
]
