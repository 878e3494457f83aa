"""Ask for something to be made: a video, speech, a template."""

import asyncio
import base64
import json
from contextlib import aclosing

from aiohttp import web

from core.engines import openai_http
from core.faces.choice import AUTO
from core.media.speech_encoder import TYPES, SpeechEncoder
from core.protocols import Style
from core.templates.library import SAMPLE
from core.tts_stream import tts_stream
from server.api.accept import (
    ENGINES,
    FILE,
    KEY,
    SCENE,
    STREAM,
    TEMPLATE,
    UPLOAD,
    accept,
    answered,
    asked_beside,
    asked_for,
    short,
    titled,
)
from server.api.route import MODEL, Route, respond
from server.errors import Refused
from server.jobs.by_url import fetched_id
from server.schemas.requests import LipsyncRequest, PreviewRequest, SpeechRequest, VideoRequest
from server.schemas.responses import EngineList, Job, ModelInfo, ModelList, ReadSentence, ReadText
from server.schemas.specs import VideoSpec
from server.state import AppState, state_of
from server.stream.sockets import ClientGone, send
from server.uploads import Form, Upload, read_json


async def create_video(request: web.Request) -> web.StreamResponse:
    """Accept a video; answer with the job, or with the video itself if that was asked for."""
    state, key, to_be_streamed = asked_beside(request)
    async with asked_for(request, state, VideoRequest, "audio") as (video, form):
        if [video.text, video.audio_url, form.file("audio")].count(None) != 2:
            message = "send either a text, an audio_url, or an audio file (as a form)"
            raise Refused(422, "text_or_audio", message, "text")
        if video.template_url is not None and "template" in video.model_fields_set:
            message = "send either a template's id or a template_url, not both"
            raise Refused(422, "template_or_url", message, "template_url")
        await state.catalog.check(video)
        if video.audio_url is not None:
            form.files["audio"] = [await state.fetch(video.audio_url, "audio", param="audio_url")]
        if video.template_url is not None:
            fetched = await state.fetch(video.template_url, "video", "image", param="template_url")
            form.files["template"] = [fetched]
        spec, files = _video_spec(video, form)
        streamed = video.stream or to_be_streamed
        # Shielded: a client that leaves now may find half a job otherwise.
        accepted = await asyncio.shield(accept(state, spec, files, key, streamed=streamed))
    return await answered(request, state, accepted, streamed=streamed)


def _video_spec(video: VideoRequest, form: Form) -> tuple[VideoSpec, dict[str, Upload]]:
    """What the job's record keeps, and its files by what they are called there."""
    audio, template = form.file("audio"), form.file("template")
    spec = VideoSpec(
        title=titled(video.text) if video.text else short(audio.name if audio else ""),
        template=fetched_id(template.sha256) if template else video.template,
        template_file=TEMPLATE if template else None,
        template_name=template.name if template else None,
        template_sha256=template.sha256 if template else None,
        video=video,
        upload=UPLOAD if audio else None,
    )
    return spec, {name: file for name, file in ((UPLOAD, audio), (TEMPLATE, template)) if file is not None}


async def create_lipsync(request: web.Request) -> web.StreamResponse:
    """Accept a recording and whose lips shall speak it; answer like `create_video`."""
    state, key, to_be_streamed = asked_beside(request)
    async with asked_for(request, state, LipsyncRequest, "audio", "video") as (wanted, form):
        _check_lipsync(wanted, form)
        await state.catalog.check_look(wanted.template, wanted.options)
        if wanted.audio_url is not None:
            form.files["audio"] = [await state.fetch(wanted.audio_url, "audio", param="audio_url")]
        if wanted.video_url is not None:
            form.files["video"] = [await state.fetch(wanted.video_url, "video", "image", param="video_url")]
        audio, scene = form.files["audio"][0], form.file("video")
        spec = VideoSpec(
            title=short(audio.name),
            template=None if scene else wanted.template or SAMPLE,
            video=wanted,
            upload=UPLOAD,
            scene=SCENE if scene else None,
        )
        files = {UPLOAD: audio} | ({SCENE: scene} if scene else {})
        streamed = wanted.stream or to_be_streamed
        accepted = await asyncio.shield(accept(state, spec, files, key, streamed=streamed))
    return await answered(request, state, accepted, streamed=streamed)


def _check_lipsync(wanted: LipsyncRequest, form: Form) -> None:
    """Raises Refused unless there is one recording, and at most one to speak it."""
    if (form.file("audio") is None) == (wanted.audio_url is None):
        message = "send the recording as the part `audio` of a form, or its audio_url"
        raise Refused(422, "invalid_request", message, "audio")
    if [form.file("video"), wanted.video_url, wanted.template].count(None) < 2:
        message = "send one of: a template's id, a video, a video_url"
        raise Refused(422, "template_or_video", message, "template")
    if wanted.face != AUTO and form.file("video") is None and wanted.video_url is None:
        message = "face goes with a video; that of a template was chosen when the template was added"
        raise Refused(422, "face_of_template", message, "face")


async def create_speech(request: web.Request) -> web.StreamResponse:
    """Speak a text; the sound leaves as it is made."""
    state = state_of(request)
    async with state.speaking.turn(), state.connections.response(request):
        return await _speech(request, state)


async def _speech(request: web.Request, state: AppState) -> web.StreamResponse:
    wanted = await read_json(request, SpeechRequest)
    spoken = await state.catalog.sentences(wanted.input, wanted.language, wanted.readings)
    speech, voice = await state.catalog.meant_speech(spoken, wanted.model, wanted.voice)
    if speech.name == openai_http.NAME and request.headers.get(openai_http.ASKED_BY) == openai_http.PROCESS:
        message = "the setting speech_url names this very server, which would ask itself for ever"
        raise Refused(409, "asks_itself", message, "model")
    encoder = SpeechEncoder(wanted.response_format, speech.engine.rate)
    speed, other = min(max(wanted.speed, 0.5), 2.0), _done_otherwise(wanted, voice)
    response = web.StreamResponse(headers={"Cache-Control": "no-store"} | other)
    sse = wanted.stream_format == "sse"
    response.content_type = "text/event-stream" if sse else TYPES[wanted.response_format]
    chunks = state.metered(tts_stream(spoken, speech, voice, Style(speed=speed)), speech.engine.rate)
    async with aclosing(chunks):
        try:
            async for chunk in chunks:
                data = await asyncio.to_thread(encoder.add, chunk.samples)
                if not response.prepared:  # not before there is sound: until then an error can be told
                    await response.prepare(request)
                await send(request, response.write(_delta(data) if sse else data))
            data = await asyncio.to_thread(encoder.finish)
            await send(request, response.write(_delta(data) + _DONE if sse else data))
        except ClientGone:
            pass
    return response


async def preview_speech(request: web.Request) -> web.Response:
    """How a text will be read."""
    state = state_of(request)
    wanted = await read_json(request, PreviewRequest)
    said = await state.catalog.sentences(wanted.text, wanted.language, wanted.readings)
    return respond(
        ReadText(
            data=[
                ReadSentence(
                    index=one.index,
                    start=one.start,
                    text=one.text,
                    spoken=one.spoken,
                    language=one.language,
                    pause_s=one.pause,
                    actions=[name for _, name in one.actions],
                )
                for one in said
            ]
        )
    )


_DONE = b'data: {"type": "speech.audio.done"}\n\n'


def _delta(data: bytes) -> bytes:
    """A piece of sound as OpenAI's event; nothing for none."""
    if not data:
        return b""
    event = {"type": "speech.audio.delta", "audio": base64.b64encode(data).decode()}
    return f"data: {json.dumps(event)}\n\n".encode()


def _done_otherwise(wanted: SpeechRequest, voice: str | None) -> dict[str, str]:
    """The header that names what is not done as it was asked."""
    told = []
    if voice != wanted.voice:
        told.append(f"voice {wanted.voice} is {voice} here" if voice else f"no voice {wanted.voice} here")
    if not 0.5 <= wanted.speed <= 2:
        told.append("speed is held within 0.5 to 2")
    if wanted.instructions:
        told.append("instructions are not followed")
    return {"Warning": f'299 lipstream "{"; ".join(told)}"'} if told else {}


async def list_models(request: web.Request) -> web.Response:
    """What `model` of /v1/audio/speech may be."""
    return respond(state_of(request).catalog.models())


async def get_model(request: web.Request) -> web.Response:
    """One of them."""
    name = request.match_info["model"]
    for model in state_of(request).catalog.models().data:
        if model.id == name:
            return respond(model)
    raise Refused(404, "unknown_model", f"there is no model {name!r}; see /v1/models", "model")


async def list_engines(request: web.Request) -> web.Response:
    """Every engine, and what those lack that cannot run."""
    return respond(EngineList(data=state_of(request).catalog.engines()))


ROUTES = [
    Route(
        "POST",
        "/v1/videos",
        create_video,
        "Make a video of a text or of an uploaded recording",
        {202: Job, 200: (Job, "video/mp4", "video/webm")},
        body=VideoRequest,
        form={"request": {"type": "string", "description": "VideoRequest as JSON"}, "audio": FILE},
        query={"stream": STREAM},
        headers={"Idempotency-Key": KEY},
        refuses=(409, 413, 415, 429, 500, 503, 507),
        fields=ENGINES,
        starts="job",
    ),
    Route(
        "POST",
        "/v1/lipsync",
        create_lipsync,
        "Make a template, or a video sent along, speak a recording",
        {202: Job, 200: (Job, "video/mp4", "video/webm")},
        body=LipsyncRequest,
        form={
            "audio": FILE,
            "video": FILE,
            "request": {"type": "string", "description": "LipsyncRequest as JSON"},
        },
        query={"stream": STREAM},
        headers={"Idempotency-Key": KEY},
        refuses=(409, 413, 415, 429, 500, 503, 507),
        fields=ENGINES,
        starts="job",
    ),
    Route(
        "POST",
        "/v1/audio/speech",
        create_speech,
        "Speak a text (OpenAI's shape); the sound is sent as it is made",
        {200: (*TYPES.values(), "text/event-stream")},
        body=SpeechRequest,
        refuses=(409, 413, 415, 502, 503, 504),
        fields={"speech": "model", "text": "input"},
        starts="speech",
    ),
    Route(
        "POST",
        "/v1/speech/preview",
        preview_speech,
        "How a text will be read, whatever the voice: sentences, numbers in words, pauses",
        {200: ReadText},
        body=PreviewRequest,
        refuses=(413, 415),
    ),
    Route(
        "GET", "/v1/models", list_models, "Speech engines, as OpenAI's clients list models", {200: ModelList}
    ),
    Route("GET", f"/v1/models/{MODEL}", get_model, "One of them", {200: ModelInfo}, refuses=(404,)),
    Route("GET", "/v1/engines", list_engines, "Every engine, and what it lacks here", {200: EngineList}),
]
