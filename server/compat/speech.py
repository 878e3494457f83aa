"""The speech service of old: the addresses of GPT-SoVITS's api.py and api_v2.py.

Recordings are named by path, so they must lie in folders that the settings allow
(`server.compat.named_files`). What means nothing to the engine that speaks is named in the answer's header
`Warning`.
"""

import asyncio
import codecs
import json
import os
import signal
import struct
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing, suppress
from functools import wraps
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from aiohttp import web
from aiohttp.typedefs import Handler

from core.media.resample import Resampler
from core.media.speech_encoder import SpeechEncoder
from core.protocols import Style
from core.serving.voice_cloning import language_of
from core.tts_stream import tts_stream
from core.types import AudioChunk, Samples
from server.api.guard import is_own
from server.api.route import Route, respond
from server.catalog.speaker import Chosen, Reference
from server.compat.named_files import allowed_path
from server.compat.schemas import WITHOUT_MEANING, Code, Control, OldModel, OldSpeech, Refer, Success, Weights
from server.errors import Refused, answer, reading, refusal
from server.state import AppState, state_of
from server.stream.sockets import ClientGone, send
from server.uploads import read_body

RATE = 32_000
"""Samples a second of what is sent, as theirs have it: clients of `raw` know no other."""

OGG_S = 0.3
"""Seconds in each file of a streamed `ogg`, at least."""

_FORMATS = {"wav": "wav", "raw": "pcm", "ogg": "opus", "aac": "aac"}
WAV_HEADER = 44
"""Bytes before the sound."""

_PIECE = 256 << 10


def as_of_old(handler: Handler) -> Handler:
    """The handler with errors as those services tell them: 400 for what was asked, `message` in the body."""

    @wraps(handler)
    async def answered(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException:
            raise
        except Exception as error:
            refused = refusal(error)
            if refused.status >= 500 or request.writer.output_size:
                raise
            refused.status = 400 if refused.status == 422 else refused.status
            return answer(refused, code=refused.status, message=refused.message)

    return answered


async def speak(request: web.Request) -> web.StreamResponse:
    """Speak a text: when all of it is made, or as it is made if `streaming_mode` says so."""
    state = state_of(request)
    async with state.speaking.turn(), state.connections.response(request):
        return await _speak(request, state)


async def _speak(request: web.Request, state: AppState) -> web.StreamResponse:
    said = await _parameters(request)
    with reading():
        wanted = OldSpeech.model_validate(said)
    spoken = await state.catalog.sentences(wanted.text, wanted.text_lang or "auto")
    chosen = await state.speaker.choose(_reference(state, wanted), spoken)
    style = Style(speed=min(max(wanted.speed_factor, 0.5), 2.0), seed=max(0, wanted.seed))
    chunks = tts_stream(spoken, chosen.speech, chosen.voice, style)
    chunks = state.metered(chunks, chosen.speech.engine.rate)
    # Opus knows no 32 kHz.
    rate = 24_000 if wanted.media_type == "ogg" else RATE
    encoder = SpeechEncoder(_FORMATS[wanted.media_type], chosen.speech.engine.rate, rate)
    idle = _idle(said, chosen)
    if not 0.5 <= wanted.speed_factor <= 2:
        idle.append("speed_factor beyond 0.5 to 2")
    headers = {"Cache-Control": "no-store", **_warning(idle)}
    response = web.StreamResponse(headers=headers)
    response.content_type = f"audio/{wanted.media_type}"
    ogg = wanted.streaming_mode and wanted.media_type == "ogg"
    encoded = _ogg_files(chunks, chosen.speech.engine.rate, rate) if ogg else _encoded(chunks, encoder)
    async with aclosing(chunks), aclosing(encoded) as pieces:
        if wanted.streaming_mode:
            await _send(request, response, pieces)
        else:
            await _send_whole(request, response, pieces, state.folder.incoming())
    return response


root = as_of_old(speak)
"""What a GET of `/` with a text means."""


async def change_refer(request: web.Request) -> web.Response:
    """Speak like this recording from now on, where a request brings none."""
    state = state_of(request)
    _refuse_pages(request)
    said = await _parameters(request)
    with reading():
        wanted = Refer.model_validate(said)
    if wanted == Refer():
        raise Refused(400, "invalid_request", "send refer_wav_path, prompt_text or prompt_language")
    if not state.speaker.refers:  # so the recording is not looked at, as in `speak`
        return _done(request, ("reference",))
    audio = wanted.ref_audio_path and allowed_path(state.settings, wanted.ref_audio_path, "refer_wav_path")
    state.speaker.refer(audio or None, wanted.prompt_text, wanted.prompt_lang)
    return _done(request)


async def set_weights(request: web.Request) -> web.Response:
    """Speak with these models from now on: `/set_gpt_weights`, `/set_sovits_weights`, `/set_model`."""
    state = state_of(request)
    _refuse_pages(request)
    said = await _parameters(request)
    if request.path == "/set_sovits_weights" and "weights_path" in said:
        said["sovits_weights_path"] = said.pop("weights_path")
    with reading():
        wanted = Weights.model_validate(said)
    names = {part: name for part, name in (("t2s", wanted.gpt), ("sovits", wanted.sovits)) if name}
    if not names:
        raise Refused(400, "invalid_request", "send weights_path", "weights_path")
    if not state.speaker.refers:
        raise Refused(
            400,
            "no_cloned_voices",
            "no engine that speaks with GPT-SoVITS models can run here; lipstream engines says what it lacks",
            "weights_path",
        )
    for part, name in names.items():
        await state.speaker.use_model(PurePath(name.replace("\\", "/")).name, part)
    return _done(request)


async def control(request: web.Request) -> web.Response:
    """Stop the server, or start it anew. Only where the setting `control` allows it."""
    _refuse_pages(request)
    if not state_of(request).settings.control:
        raise Refused(
            403, "control_off", "this server is not stopped from outside; see the setting `control`"
        )
    said = await _parameters(request)
    with reading():
        wanted = Control.model_validate(said)
    state_of(request).restart = wanted.command == "restart"
    # Once this has been answered.
    asyncio.get_running_loop().call_later(0.1, os.kill, os.getpid(), signal.SIGTERM)
    return _done(request)


async def _parameters(request: web.Request) -> dict[str, Any]:
    """Those of the query, and of a JSON body. Raises Refused 400 for a body that is none."""
    said: dict[str, Any] = dict(request.query)
    if several := request.query.getall("aux_ref_audio_paths", request.query.getall("inp_refs", [])):
        said["aux_ref_audio_paths"] = several if len(several) > 1 else several[0]
    if request.method == "POST" and request.can_read_body:
        try:
            text = (await read_body(request)).removeprefix(codecs.BOM_UTF8)
            body = json.loads(text.decode(request.charset or "utf-8"))
        except (
            ValueError,
            LookupError,
            RecursionError,
        ) as error:  # a charset nobody knows, brackets without end
            raise Refused(400, "malformed_json", f"the body is not JSON: {error}") from error
        if not isinstance(body, dict):
            raise Refused(400, "malformed_json", "the body is not a JSON object")
        said |= body
    return said


def _reference(state: AppState, wanted: OldSpeech) -> Reference | None:
    """The recording that came with the request. Raises BadInput `unknown_file`."""
    if wanted.ref_audio_path is None or not state.speaker.refers:
        return None
    aux = (
        allowed_path(state.settings, path, "aux_ref_audio_paths") for path in wanted.aux_ref_audio_paths or ()
    )
    return Reference(
        allowed_path(state.settings, wanted.ref_audio_path, "ref_audio_path"),
        wanted.prompt_text or "",
        wanted.prompt_lang or language_of(wanted.prompt_text or ""),
        tuple(aux),
    )


_REFERENCE = (
    *("ref_audio_path", "refer_wav_path", "prompt_text", "prompt_lang", "prompt_language"),
    *("aux_ref_audio_paths", "inp_refs"),
)


def _idle(said: dict[str, Any], chosen: Chosen) -> list[str]:
    """What was said and changes nothing."""
    idle = [name for name in WITHOUT_MEANING if name in said]
    if chosen.voice is None:
        idle += [name for name in _REFERENCE if name in said]
    return idle or list(chosen.idle)


def _warning(idle: Iterable[str]) -> dict[str, str]:
    """The header that names what means nothing here (RFC 9111 has it no more; clients of old may)."""
    names = ", ".join(idle)
    return {"Warning": f'299 lipstream "no meaning here: {names}"'} if names else {}


def _done(request: web.Request, idle: Iterable[str] = ()) -> web.Response:
    done = Code() if request.path in ("/change_refer", "/set_model") else Success()
    return respond(done, headers=_warning(idle))


def _refuse_pages(request: web.Request) -> None:
    """What changes something here may be a GET, which pages of other sites can have browsers send."""
    if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise Refused(403, "foreign_origin", "a page of another site may not do this", "Sec-Fetch-Site")
    origin = request.headers.get("Origin")  # over plain http browsers may send this alone
    if origin is not None and not is_own(origin, request):
        raise Refused(403, "foreign_origin", f"a page of {origin[:100]!r} may not do this", "Origin")


async def _encoded(
    chunks: AsyncGenerator[AudioChunk, None], encoder: SpeechEncoder
) -> AsyncGenerator[bytes, None]:
    async for chunk in chunks:
        yield await asyncio.to_thread(encoder.add, chunk.samples)
    yield await asyncio.to_thread(encoder.finish)


async def _ogg_files(
    chunks: AsyncGenerator[AudioChunk, None], rate: int, out: int
) -> AsyncGenerator[bytes, None]:
    """Pieces that are whole Ogg files, as theirs send them: their clients decode each piece by itself.

    One after the other they are a chained Ogg file, which players take too. rate, out: Hz.
    """
    resampler = Resampler(rate, out)  # one for all: there is no seam in the sound itself
    held = np.empty(0, np.float32)
    async for chunk in chunks:
        held = np.concatenate([held, await asyncio.to_thread(resampler.push, chunk.samples)])
        if len(held) >= out * OGG_S:
            yield await asyncio.to_thread(_ogg_file, held, out)
            held = held[:0]
    held = np.concatenate([held, await asyncio.to_thread(resampler.finish)])
    if len(held):
        yield await asyncio.to_thread(_ogg_file, held, out)


def _ogg_file(samples: Samples, rate: int) -> bytes:
    encoder = SpeechEncoder("opus", rate, rate)
    return encoder.add(samples) + encoder.finish()


async def _send(
    request: web.Request, response: web.StreamResponse, pieces: AsyncGenerator[bytes, None]
) -> None:
    """Each piece as it comes."""
    with suppress(ClientGone):
        async for piece in pieces:
            if not response.prepared:  # not before there is sound: until then an error can be told
                await response.prepare(request)
                if response.content_type == "audio/wav":  # theirs send the header alone first
                    await send(request, response.write(piece[:WAV_HEADER]))
                    piece = piece[WAV_HEADER:]
            await send(request, response.write(piece))


async def _send_whole(
    request: web.Request, response: web.StreamResponse, pieces: AsyncGenerator[bytes, None], path: Path
) -> None:
    """All of it with its length, which a WAV's head says too; gathered on the disk, not in memory."""
    with path.open("w+b") as file:
        path.unlink()  # it lives as long as it is open, whatever happens
        async for piece in pieces:
            await asyncio.to_thread(file.write, piece)
        size = file.tell()
        if response.content_type == "audio/wav":
            for at, length in ((4, size - 8), (40, size - 44)):
                file.seek(at)
                file.write(struct.pack("<I", length))
        response.content_length = size
        await response.prepare(request)
        file.seek(0)
        with suppress(ClientGone):
            while data := await asyncio.to_thread(file.read, _PIECE):
                await send(request, response.write(data))


_SOUND = tuple(f"audio/{kind}" for kind in _FORMATS)
_SPOKEN: dict[str, Mapping[str, Any]] = {
    name: {"type": "string"} for name in ("text", "text_lang", "ref_audio_path", "prompt_text")
} | {
    "media_type": {"type": "string", "enum": list(_FORMATS)},
    "streaming_mode": {"type": "integer", "minimum": 0, "maximum": 3, "default": 0},
    "speed_factor": {"type": "number", "description": "spoken within 0.5 to 2"},
}


def _routes(
    path: str, handler: Handler, summary: str, body: type[OldModel], query: Iterable[str]
) -> list[Route]:
    """GET with a query and POST with a body, as theirs have them."""
    schema: dict[str, Mapping[str, Any]] = {name: _SPOKEN.get(name, {"type": "string"}) for name in query}
    done = Code if path in ("/change_refer", "/set_model") else Success
    answers = {200: _SOUND if handler is speak else done}
    name, known = path.strip("/") or "root", as_of_old(handler)
    return [
        Route(
            method,
            path,
            known,
            summary,
            answers,
            body=body if method == "POST" else None,
            query=schema if method == "GET" else {},
            refuses=(413, 502, 503, 504, 507) if handler is speak else (413, 503, 507),
            # What is set counts for everybody.
            access="make" if handler is speak else "admin",
            starts="speech" if handler is speak else None,
            head=False,
            operation=f"{method.lower()}_{name}",
        )
        for method in ("GET", "POST")
        if method == "POST" or path != "/"  # where the page is, too
    ]


ROUTES = [
    *_routes("/", speak, "Speak a text (clients of GPT-SoVITS's api.py)", OldSpeech, ()),
    *_routes("/tts", speak, "Speak a text (clients of GPT-SoVITS's api_v2.py)", OldSpeech, _SPOKEN),
    *_routes(
        "/change_refer",
        change_refer,
        "Speak like this recording from now on",
        Refer,
        ("refer_wav_path", "prompt_text", "prompt_language"),
    ),
    *_routes("/set_refer_audio", change_refer, "The same", Refer, ("refer_audio_path",)),
    *_routes("/set_gpt_weights", set_weights, "Speak with this GPT model", Weights, ("weights_path",)),
    *_routes("/set_sovits_weights", set_weights, "Speak with this SoVITS model", Weights, ("weights_path",)),
    *_routes(
        "/set_model", set_weights, "Speak with these models", Weights, ("gpt_model_path", "sovits_model_path")
    ),
    *_routes("/control", control, "Stop the server or start it anew, where allowed", Control, ("command",)),
]
