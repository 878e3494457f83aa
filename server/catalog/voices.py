"""The voices that jobs can ask for: those of the engines, and cloned ones, which clients add and remove."""

import asyncio
from collections.abc import Sequence

from core.engines import ENGINES, voices_of
from core.engines.gpt_sovits.settings import VoiceSettings
from core.engines.gpt_sovits.voices import LANGUAGES, VoiceRecord, list_voices, remove_voice
from core.errors import BadInput, EngineUnavailable
from core.serving.engine_pool import CLONED, EnginePool
from core.serving.loaded import voices
from core.serving.voice_cloning import clone, find_model
from core.types import Voice
from server.access.caller import Ownership
from server.errors import Refused
from server.schemas.responses import VoiceInfo, VoiceReference
from server.uploads import Upload


class Voices:
    """Those of one server that whoever asks may see."""

    def __init__(self, pool: EnginePool, settings: VoiceSettings, ownership: Ownership | None = None) -> None:
        self._pool = pool
        self._ownership = ownership
        self._settings = settings

    async def all(self, engine: str = "auto") -> list[VoiceInfo]:
        """The voices of a speech engine, the default first; "auto": of all that can run, and all cloned.

        Raises BadInput for an engine that is not there or cannot run.
        """
        cloned = await asyncio.to_thread(self._cloned)
        if engine == CLONED and not self._runs():
            return list(cloned.values())
        names = self._pool.speech_engines(engine)
        found: list[VoiceInfo] = []
        for name in names:
            for voice in await self._voices(name, required=len(names) == 1):
                if name == CLONED and not self._seen(voice.name):
                    continue
                shown = cloned.get(voice.name) if name == CLONED else None
                found.append(shown or _of_engine(voice, name))
        if engine == "auto" and CLONED not in names:
            found += cloned.values()
        return found

    def _cloned(self) -> dict[str, VoiceInfo]:
        return {
            record.name: self._shown(record)
            for record in list_voices(self._settings.voices_dir)
            if self._seen(record.name)
        }

    def _seen(self, name: str) -> bool:
        return self._ownership is None or self._ownership.sees("voice", name)

    async def _voices(self, name: str, *, required: bool) -> Sequence[Voice]:
        """Those of a speech engine; none of one that cannot be loaded unless it is `required`."""
        if known := voices_of(name):
            return known
        try:
            speech = await self._pool.speech(name)
        except EngineUnavailable:
            if required:
                raise
            return ()
        return await voices(speech)

    async def one(self, name: str) -> VoiceInfo:
        """The voice `name`, of those that need no engine named. Raises Refused 404."""
        for voice in await self.all():
            if voice.name == name:
                return voice
        raise _unknown(name)

    async def add(
        self,
        name: str,
        audio: Upload,
        *,
        text: str,
        language: str | None,
        aux: Sequence[Upload] = (),
        gpt: str | None = None,
        sovits: str | None = None,
    ) -> VoiceInfo:
        """Clone a voice. gpt, sovits: names of models here. Raises BadInput like `clone` and `find_model`."""
        t2s = await asyncio.to_thread(find_model, self._settings, gpt, "t2s") if gpt else None
        singer = await asyncio.to_thread(find_model, self._settings, sovits, "sovits") if sovits else None
        try:
            record = await clone(
                self._settings.voices_dir,
                name,
                audio.path,
                text=text,
                language=language,
                aux=[upload.path for upload in aux],
                t2s=t2s,
                sovits=singer,
            )
        except BadInput as error:
            raise _in_clients_names(error, [audio, *aux]) from error
        return await asyncio.to_thread(self._shown, record)

    async def remove(self, name: str) -> None:
        """Delete a cloned voice. Raises Refused 404; BadInput `builtin_voice` for one that is not cloned."""
        try:
            await asyncio.to_thread(remove_voice, self._settings.voices_dir, name)
        except BadInput as error:
            voice = await self.one(name)
            raise BadInput(
                "builtin_voice", f"{name} belongs to the engine {voice.engine} and cannot be removed", "voice"
            ) from error

    def _runs(self) -> bool:
        return CLONED in ENGINES["speech"] and self._pool.can_run("speech", CLONED)

    def _shown(self, record: VoiceRecord) -> VoiceInfo:
        return VoiceInfo(
            name=record.name,
            languages=list(LANGUAGES),
            about=record.about,
            engine=CLONED,
            available=self._runs(),
            quality="cloned",
            reference=VoiceReference(
                text=record.text,
                language=record.language,
                duration_s=round(record.seconds, 3),
                recordings=1 + record.aux,
                gpt=record.t2s.name if record.t2s else None,
                sovits=record.sovits.name if record.sovits else None,
            ),
        )


def _of_engine(voice: Voice, engine: str) -> VoiceInfo:
    return VoiceInfo(
        name=voice.name,
        languages=list(voice.languages),
        about=voice.about,
        engine=engine,
        available=True,
        quality=voice.quality,
        licence=voice.licence,
    )


def _unknown(name: str) -> Refused:
    return Refused(404, "unknown_voice", f"there is no voice {name!r}; see /v1/voices", "voice")


def _in_clients_names(error: BadInput, uploads: Sequence[Upload]) -> BadInput:
    """The error with the client's names of files instead of ours."""
    message = error.message
    for upload in uploads:
        message = message.replace(upload.path.name, upload.name or "the recording")
    return BadInput(error.code, message, error.param)
