"""Ask for something to be made: a video, speech, a template."""

import asyncio
import json
import secrets
from contextlib import aclosing
from pathlib import PurePath

from aiohttp import web

from core.engines.base import Style
from core.media_speech import TYPES, SpeechEncoder
from core.templates import template_id
from core.text import sentences
from core.tts_stream import tts_stream
from server.describe import describe
from server.house import House
from server.problems import Refused
from server.route import TEMPLATE, Route, respond
from server.routes_jobs import house_of
from server.store import Accepted, NewJob
from server.stream.sockets import Gone, send
from server.uploads import Form, Upload, read_form, read_json
from server.viewing import opened_clip, stream
from server.wire import (
    Deleted,
    EngineList,
    Job,
    Order,
    SpeechRequest,
    TemplateInfo,
    TemplateList,
    TemplateRequest,
    VideoRequest,
)

TITLE = 80
"""Characters of a job's title."""

UPLOAD = "upload"
"""What an uploaded file is called in its job's folder."""

_KEY = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "description": "the same key and body: the same job",
}


async def create_video(request: web.Request) -> web.StreamResponse:
    """Accept a video; answer with the job, or with the video itself if that was asked for."""
    house, key = house_of(request), _idempotency_key(request)
    to_be_streamed = asked_to_stream(request)
    house.take_jobs()
    form = Form()
    try:
        if request.content_type == "application/json":
            video = await read_json(request, VideoRequest)
        else:
            limit = house.settings.upload_mb << 20
            form = await read_form(request, house.folder, texts={"request"}, files={"audio": 1}, limit=limit)
            video = VideoRequest.model_validate_json(form.text("request") or "{}")
        if [video.text, video.audio_url, form.file("audio")].count(None) != 2:
            message = "send either a text, an audio_url, or an audio file (as a form)"
            raise Refused(422, "text_or_audio", message, "text")
        await house.catalog.check(video)
        if video.audio_url is not None:
            form.files["audio"] = [await house.fetch(video.audio_url, "audio", param="audio_url")]
        audio = form.file("audio")
        title = (video.text or (audio.name if audio else "")).strip()
        upload = UPLOAD if audio else None
        order = Order(title=short(title), template=video.template, video=video, upload=upload)
        # Shielded: a client that leaves now may find half a job otherwise.
        accepted = await asyncio.shield(accept(house, "video", order, audio, key))
    finally:
        form.discard()
    if video.stream or to_be_streamed:
        return await stream_new(request, house, accepted)
    return _accepted(accepted)


async def create_template(request: web.Request) -> web.StreamResponse:
    """Accept a template; its preparation is a job."""
    house, key = house_of(request), _idempotency_key(request)
    house.take_jobs()
    form = Form()
    try:
        if request.content_type == "application/json":
            wanted = await read_json(request, TemplateRequest)
            form.texts["name"] = wanted.name
            form.files["file"] = [await house.fetch(wanted.url, "video", "image", param="url")]
        else:
            limit = house.settings.upload_mb << 20
            form = await read_form(request, house.folder, texts={"name"}, files={"file": 1}, limit=limit)
        upload = form.file("file")
        if upload is None:
            raise Refused(422, "invalid_request", "send the video or picture as the part `file`", "file")
        name = _template_name(form.text("name") or "", upload)
        identity = template_id(name)
        await house.catalog.check_new_template(identity, upload.sha256)
        order = Order(title=name, template=identity, upload=UPLOAD)
        accepted = await asyncio.shield(accept(house, "template", order, upload, key))
    finally:
        form.discard()
    return _accepted(accepted)


async def create_speech(request: web.Request) -> web.StreamResponse:
    """Speak a text; the sound leaves as it is made."""
    house = house_of(request)
    house.take_jobs()
    wanted = await read_json(request, SpeechRequest)
    speech = await house.catalog.speech(wanted.model, wanted.voice)
    limit = house.settings.text_limit
    spoken = await asyncio.to_thread(sentences, wanted.input, wanted.language, limit=limit)
    encoder = SpeechEncoder(wanted.response_format, speech.engine.rate)
    response = web.StreamResponse(headers={"Cache-Control": "no-store"})
    response.content_type = TYPES[wanted.response_format]
    chunks = tts_stream(spoken, speech.engine, speech.worker, wanted.voice, Style(speed=wanted.speed))
    async with aclosing(chunks), house.lines.response(request):
        try:
            async for chunk in chunks:
                data = await asyncio.to_thread(encoder.add, chunk.samples)
                if not response.prepared:  # not before there is sound: until then an error can be told
                    await response.prepare(request)
                await send(request, response.write(data))
            await send(request, response.write(await asyncio.to_thread(encoder.finish)))
        except Gone:
            pass
    return response


async def list_templates(request: web.Request) -> web.Response:
    """Every template."""
    return respond(TemplateList(data=await house_of(request).catalog.templates()))


async def get_template(request: web.Request) -> web.Response:
    """One template."""
    await _known(request)
    return respond(await house_of(request).catalog.template(request.match_info["template"]))


async def delete_template(request: web.Request) -> web.Response:
    """Delete a template and what was prepared of it."""
    template = await _known(request)
    await house_of(request).catalog.remove(template)
    return respond(Deleted(id=template))


async def template_thumbnail(request: web.Request) -> web.StreamResponse:
    """The template's first frame, small."""
    template = await _known(request)
    path = await house_of(request).catalog.thumbnail(template)
    return web.FileResponse(
        path, headers={"Content-Type": "image/jpeg", "Cache-Control": "private, no-cache"}
    )


async def list_engines(request: web.Request) -> web.Response:
    """Every engine, and what those lack that cannot run."""
    return respond(EngineList(data=house_of(request).catalog.engines()))


async def accept(house: House, kind: str, order: Order, upload: Upload | None, key: str | None) -> Accepted:
    """Put a job on record, its file first; what is refused leaves nothing."""
    job_id = f"{kind}_{secrets.token_hex(12)}"
    body = json.dumps([kind, order.model_dump(mode="json"), upload and upload.sha256])
    try:
        if upload is not None:
            await asyncio.to_thread(_move_in, house, job_id, upload)
        new = NewJob(job_id, kind, order.model_dump_json(), body, key)
        accepted = await house.store.accept(new)
    except BaseException:
        await asyncio.to_thread(house.folder.clear, job_id)
        raise
    if accepted.new:
        house.runner.nudge()
    elif upload is not None:
        await asyncio.to_thread(house.folder.clear, job_id)
    return accepted


def _move_in(house: House, job_id: str, upload: Upload) -> None:
    place = house.folder.job(job_id)
    place.mkdir(parents=True)
    upload.path.rename(place / UPLOAD)


async def stream_new(request: web.Request, house: House, accepted: Accepted) -> web.StreamResponse:
    """Answer with the video. The job is this request's: if the client leaves, nobody wants it."""
    job_id = accepted.job.id
    over = False
    try:
        async with opened_clip(house, job_id) as clip:
            response = await stream(request, house, job_id, clip)
            over = clip.ended is not None
        return response
    except Refused:
        over = True
        raise
    finally:
        if accepted.new and not over and not house.stopping:
            house.send(house.runner.cancel(job_id))


def _accepted(accepted: Accepted) -> web.Response:
    location = {"Location": f"/v1/jobs/{accepted.job.id}"}
    return respond(describe(accepted.job), 202 if accepted.new else 200, location)


def _idempotency_key(request: web.Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key) <= 255 and key.isascii() and key.isprintable()):
        message = "Idempotency-Key is 1 to 255 printable ASCII characters"
        raise Refused(422, "invalid_request", message, "Idempotency-Key")
    return key


def asked_to_stream(request: web.Request) -> bool:
    """Whether the address itself asks for the video: `?stream=true`, the same as in the body."""
    value = request.query.get("stream", "false")
    if value not in ("true", "false"):
        raise Refused(422, "invalid_request", f"stream is true or false, not {value[:80]!r}", "stream")
    return value == "true"


def _template_name(wanted: str, upload: Upload) -> str:
    name = " ".join((wanted or PurePath(upload.name).stem).split())
    if not name or len(name) > 100 or not name.isprintable():
        raise Refused(
            422, "invalid_request", "a template needs a name of 1 to 100 printable characters", "name"
        )
    return name


def short(text: str) -> str:
    """The beginning of a text, as a title."""
    line = " ".join(text.split())
    return line if len(line) <= TITLE else line[: TITLE - 1] + "…"


async def _known(request: web.Request) -> str:
    """The template of the path, which must exist. Raises Refused."""
    template = request.match_info["template"]
    if all(info.id != template for info in await house_of(request).catalog.templates()):
        raise Refused(404, "unknown_template", f"there is no template {template!r}", "template")
    return template


_FILE = {"type": "string", "format": "binary"}

ROUTES = [
    Route(
        "POST",
        "/v1/videos",
        create_video,
        "Make a video of a text or of an uploaded recording",
        {202: Job, 200: (Job, "video/mp4")},
        body=VideoRequest,
        form={"request": {"type": "string", "description": "VideoRequest as JSON"}, "audio": _FILE},
        query={"stream": {"type": "boolean", "default": False, "description": "the same as in the body"}},
        headers={"Idempotency-Key": _KEY},
        refuses=(409, 413, 415, 429, 500, 503, 507),
    ),
    Route(
        "POST",
        "/v1/audio/speech",
        create_speech,
        "Speak a text (OpenAI's shape); the sound is sent as it is made",
        {200: tuple(TYPES.values())},
        body=SpeechRequest,
        refuses=(413, 415, 503),
    ),
    Route("GET", "/v1/templates", list_templates, "Every template", {200: TemplateList}),
    Route(
        "POST",
        "/v1/templates",
        create_template,
        "Add a video or picture of a person; preparing it is a job",
        {202: Job, 200: Job},
        body=TemplateRequest,
        form={"file": _FILE, "name": {"type": "string", "maxLength": 100}},
        headers={"Idempotency-Key": _KEY},
        refuses=(413, 415, 429, 503, 507),
    ),
    Route(
        "GET", f"/v1/templates/{TEMPLATE}", get_template, "A template", {200: TemplateInfo}, refuses=(404,)
    ),
    Route(
        "DELETE",
        f"/v1/templates/{TEMPLATE}",
        delete_template,
        "Delete a template",
        {200: Deleted},
        refuses=(404,),
    ),
    Route(
        "GET",
        f"/v1/templates/{TEMPLATE}/thumbnail.jpg",
        template_thumbnail,
        "Its first frame, small",
        {200: "image/jpeg", 206: "image/jpeg", 304: None},
        refuses=(404, 416),
    ),
    Route("GET", "/v1/engines", list_engines, "Every engine, and what it lacks here", {200: EngineList}),
]
