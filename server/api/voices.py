"""Voices: which there are; cloning one from recordings, and deleting it."""

from aiohttp import web

from server.access.caller import caller
from server.api.route import VOICE, Route, respond
from server.errors import Refused, reading
from server.schemas.requests import NewVoice
from server.schemas.responses import Deleted, VoiceInfo, VoiceList
from server.state import state_of
from server.uploads import read_form

RECORDINGS = 8
"""Further recordings of a speaker, at most."""

_TEXTS = frozenset(NewVoice.model_fields)


async def create_voice(request: web.Request) -> web.Response:
    """Clone a voice from a recording."""
    state = state_of(request)
    form = await read_form(
        request,
        state.folder,
        texts=_TEXTS,
        files={"audio": 1, "aux": RECORDINGS},
        limit=state.settings.upload_mb << 20,
    )
    try:
        audio = form.file("audio")
        if audio is None:
            raise Refused(
                422, "invalid_request", "send a recording of 3 to 10 s as the part `audio`", "audio"
            )
        with reading(NewVoice):
            wanted = NewVoice.model_validate(form.texts)
        name, asking = state.ownership.name("voice", wanted.name), caller.get()
        async with state.looking.turn():
            voice = await state.voices.add(
                name,
                audio,
                text=wanted.text,
                language=wanted.language,
                aux=form.files.get("aux", ()),
                gpt=wanted.gpt,
                sovits=wanted.sovits,
            )
        if asking.adds_for is not None:
            await state.store.owners.add("voice", name, asking.adds_for)
    finally:
        form.discard()
    return respond(voice, 201, {"Location": f"/v1/voices/{voice.name}"})


async def list_voices(request: web.Request) -> web.Response:
    """The voices of a speech engine, and cloned ones."""
    return respond(VoiceList(data=await state_of(request).voices.all(request.query.get("engine", "auto"))))


async def get_voice(request: web.Request) -> web.Response:
    """One voice."""
    return respond(await state_of(request).voices.one(request.match_info["voice"]))


async def delete_voice(request: web.Request) -> web.Response:
    """Delete a cloned voice; sentences that it is speaking are spoken to their end."""
    name, state = request.match_info["voice"], state_of(request)
    await state.voices.remove(name)
    await state.store.owners.leave("voice", name)
    return respond(Deleted(id=name))


_FILE = {"type": "string", "format": "binary"}
_FORM = {
    "audio": _FILE | {"description": "3 to 10 s of one person, in any common format"},
    "aux": {
        "type": "array",
        "items": _FILE,
        "maxItems": RECORDINGS,
        "description": "further recordings of the person, 3 to 10 s each, whose timbre is averaged in",
    },
} | NewVoice.model_json_schema()["properties"]

ROUTES = [
    Route(
        "GET",
        "/v1/voices",
        list_voices,
        "The voices of a speech engine, the default first; of `auto` all that need no engine named",
        {200: VoiceList},
        query={"engine": {"type": "string", "default": "auto"}},
        fields={"speech": "engine"},
    ),
    Route(
        "POST",
        "/v1/voices",
        create_voice,
        "Clone a voice from a recording, for the engine gpt-sovits; only with its speaker's consent, and say "
        "that what it says is generated",
        {201: VoiceInfo},
        form=_FORM,
        refuses=(413, 415, 503, 507),
        starts="look",
    ),
    Route("GET", f"/v1/voices/{VOICE}", get_voice, "A voice", {200: VoiceInfo}, refuses=(404,)),
    Route(
        "DELETE", f"/v1/voices/{VOICE}", delete_voice, "Delete a cloned voice", {200: Deleted}, refuses=(404,)
    ),
]
