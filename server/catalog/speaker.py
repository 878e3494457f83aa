"""Whose voice the speech service of old speaks with: what its clients set, and what one request says.

GPT-SoVITS's services take a recording with every request. Here a recording becomes a voice like any other, by
what is in it, so the same one is taken in once.
"""

import asyncio
import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from core.engines.gpt_sovits.settings import VoiceSettings
from core.engines.gpt_sovits.voices import list_voices, remove_voice
from core.errors import BadInput
from core.protocols import SpeechEngine
from core.serving.engine_pool import CLONED, EnginePool
from core.serving.loaded import LoadedEngine, has_voice
from core.serving.voice_cloning import clone, find_model
from core.tts_stream import check_readable
from core.types import Sentence
from server.access.caller import Ownership
from server.catalog.engines_and_templates import Catalog

REFERRING = (CLONED, "gpt-sovits-http")
"""Engines that speak like a recording."""

KEPT = 64
"""Voices made of requests' recordings that are kept; the one not used for longest goes first."""

_REF = "ref_"
"""How their names begin."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A recording to sound like, what it says and in which language; further recordings of the speaker."""

    audio: Path
    text: str = ""
    language: str = "zh"
    aux: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Chosen:
    """An engine and one of its voices (None: its first), and what of the request it can do nothing with."""

    speech: LoadedEngine[SpeechEngine]
    voice: str | None
    idle: tuple[str, ...] = ()


class Speaker:
    """The voice of one server's speech service; what is set here counts until the server ends."""

    def __init__(
        self, pool: EnginePool, catalog: Catalog, settings: VoiceSettings, ownership: Ownership
    ) -> None:
        self._pool = pool
        self._ownership = ownership
        self._catalog = catalog
        self._settings = settings
        self._reference: Reference | None = None
        self._models: dict[str, Path] = {}
        self._cloning = asyncio.Lock()

    @property
    def refers(self) -> bool:
        """Whether an engine can run that speaks like a recording."""
        return any(self._pool.can_run("speech", name) for name in REFERRING)

    def refer(self, audio: Path | None, text: str | None, language: str | None) -> None:
        """Speak like this from now on; what is None stays as it is. Nothing happens without a recording."""
        known = self._reference or (Reference(audio) if audio else None)
        if known is not None:
            self._reference = replace(
                known,
                audio=audio or known.audio,
                text=known.text if text is None else text,
                language=language or known.language,
            )

    async def use_model(self, name: str, part: str) -> None:
        """Speak with this model from now on. part: "t2s" or "sovits". Raises BadInput `unknown_model`."""
        self._models[part] = await asyncio.to_thread(find_model, self._settings, name, part)

    async def choose(self, reference: Reference | None, said: Sequence[Sentence]) -> Chosen:
        """Who speaks what is `said` of a request that brings `reference`, or none.

        Raises BadInput like `clone` and `Catalog.speech`.
        """
        wanted = reference or self._reference
        if not self.refers:
            speech = await self._catalog.speech(said)
            return Chosen(speech, None, ("reference",) if wanted else ())
        if wanted is None and self._models:
            wanted = await asyncio.to_thread(self._first)
        if wanted is None:
            return Chosen(await self._catalog.speech(said), None)
        voice = await self._voice(wanted)
        speech = await self._pool.speech("auto", voice)
        if not await has_voice(speech, voice):  # the server that could does not answer
            return Chosen(await self._catalog.speech(said), None, ("reference",))
        await asyncio.to_thread(check_readable, said, speech.engine, voice)
        return Chosen(speech, voice)

    def _first(self) -> Reference | None:
        """The first of the voices that are kept, of those that who asks may use."""
        for record in list_voices(self._settings.voices_dir):
            if not self._ownership.sees("voice", record.name):
                continue
            return Reference(record.folder / "reference.wav", record.text, record.language)
        return None

    async def _voice(self, wanted: Reference) -> str:
        """The name of the voice that this makes; taken in if it was not yet."""
        name = await asyncio.to_thread(_name, wanted, self._models)
        folder = self._settings.voices_dir
        async with self._cloning:
            if not (folder / name).exists():
                await clone(
                    folder,
                    name,
                    wanted.audio,
                    text=wanted.text,
                    language=wanted.language,
                    aux=wanted.aux,
                    t2s=self._models.get("t2s"),
                    sovits=self._models.get("sovits"),
                )
            await asyncio.to_thread(_keep_recent, folder, name)
        return name


def _keep_recent(folder: Path, name: str) -> None:
    """Note that `name` is used, and delete the voices of earlier requests that were not for longest."""
    os.utime(folder / name)
    used = sorted(folder.glob(f"{_REF}*"), key=lambda place: place.stat().st_mtime)
    for place in used[:-KEPT]:
        with suppress(BadInput):  # somebody else was quicker
            remove_voice(folder, place.name)


def _name(wanted: Reference, models: dict[str, Path]) -> str:
    """By content: another recording, text, language or model is another voice."""
    digest = hashlib.sha256(f"{wanted.language}\0{wanted.text}\0{sorted(models.items())}".encode())
    for path in (wanted.audio, *wanted.aux):
        digest.update(path.read_bytes())
    return f"{_REF}{digest.hexdigest()[:20]}"
