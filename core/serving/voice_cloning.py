"""The user's own voices: taken in from recordings, and the one that the settings name.

What a voice is on disk is said in `core.engines.gpt_sovits.voices`; here are the foreign files it comes from.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

import numpy as np

from core.engines import ENGINES, voices_of
from core.engines.gpt_sovits.recordings import LONGEST_S
from core.engines.gpt_sovits.settings import VoiceSettings
from core.engines.gpt_sovits.voices import (
    VoiceRecord,
    add_voice,
    check_new_voice,
    list_voices,
    remove_voice,
)
from core.errors import BadInput, blaming
from core.media.foreign import open_audio
from core.text import sentences
from core.types import Samples
from core.weights.files import installed, locate
from core.weights.table import CHECKPOINTS

DEFAULT = "default"
"""Name of the voice that the settings' reference makes."""

MODELS = {"t2s": ".ckpt", "sovits": ".pth"}
"""Endings of the two kinds of model a voice may have of its own."""

PUBLISHED = {"t2s": "gpt-sovits-t2s", "sovits": "gpt-sovits-v"}
"""How the names of published models of a kind begin."""


async def clone(
    folder: Path,
    name: str,
    audio: Path,
    *,
    text: str,
    language: str | None,
    aux: Sequence[Path] = (),
    t2s: Path | None = None,
    sovits: Path | None = None,
    source: str = "",
) -> VoiceRecord:
    """Keep a voice in `folder`, of recordings in any format; whole or not at all.

    language: of the reference; None: of its text. source: what it was made of, for who makes it again.
    Raises BadInput like `add_voice` and `open_audio`, its `param` "audio" or "aux" for a recording at fault;
    `voice_exists` for the name of a voice that an engine brings, which would be heard instead.
    """
    told = await asyncio.to_thread(language_of, text)
    spoken = language or told
    check_new_voice(folder, name, spoken)
    if (engine := await asyncio.to_thread(_engine_with, name)) is not None:
        message = f"{name} is a voice of the engine {engine}; take another name"
        raise BadInput("voice_exists", message, "name")
    reference = await _recording(audio, "audio")
    others = [await _recording(path, "aux") for path in aux]
    return await asyncio.to_thread(
        add_voice,
        folder,
        name,
        reference,
        text=text,
        language=spoken,
        aux=others,
        t2s=t2s,
        sovits=sovits,
        source=source,
    )


def language_of(text: str) -> str:
    """What a recording that says `text` speaks; Chinese if it does not tell."""
    try:
        return sentences(text)[0].language
    except BadInput:
        return "zh"


def _engine_with(name: str) -> str | None:
    """The speech engine that always has a voice of that name, in whatever case."""
    meant = name.casefold()
    brings = (engine for engine in ENGINES["speech"] if meant in (v.name for v in voices_of(engine)))
    return next(brings, None)


async def take_default(settings: VoiceSettings) -> None:
    """Have the voice `default` be what the settings' reference says, and not be there if they name none.

    Raises BadInput for a reference that cannot be used, or a voice of that name that somebody added.
    """
    made = [voice for voice in await asyncio.to_thread(list_voices, settings.voices_dir) if voice.source]
    audio, text, language = (
        settings.reference_audio,
        settings.reference_text,
        settings.reference_language,
    )
    source = await asyncio.to_thread(_source, audio, text, language) if audio else ""
    if any(voice.source == source for voice in made):
        return
    for voice in made:
        await asyncio.to_thread(remove_voice, settings.voices_dir, voice.name)
    if audio is None:
        return
    try:
        await clone(settings.voices_dir, DEFAULT, audio, text=text, language=language, source=source)
    except BadInput as error:
        raise BadInput(
            error.code, f"the setting reference_audio cannot be used: {error.message}", "reference_audio"
        ) from error


def find_model(settings: VoiceSettings, name: str, part: str) -> Path:
    """The model that somebody elsewhere calls `name`: a file in the models folder, or published weights here.

    part: "t2s" or "sovits". No path is ever made of `name`. Raises BadInput `unknown_model`.
    """
    folder, ending = settings.voice_models_dir, MODELS[part]
    files = {path.name: path for path in folder.glob(f"*{ending}")} if folder.is_dir() else {}
    there = installed(settings.weights_dir, settings.own_weights)
    for one in CHECKPOINTS.values():
        if one.name in there and one.name.startswith(PUBLISHED[part]) and one.file.endswith(ending):
            files[one.name] = locate(one.name, settings.weights_dir, settings.own_weights)
    if name not in files:
        known = ", ".join(sorted(files)) or "none yet"
        message = (
            f"there is no model {name[:80]!r}; put {ending} files into the models folder. There are: {known}"
        )
        raise BadInput("unknown_model", message, "gpt" if part == "t2s" else part)
    return files[name]


async def _recording(path: Path, param: str) -> tuple[Samples, int]:
    """Samples and rate; no more of them than tells that there are too many."""
    with blaming(param):
        source = await open_audio(path)
        pieces, heard = [np.zeros(0, np.float32)], 0
        # Left by a break, a generator would end whenever it is collected: too late to end its child.
        async with aclosing(source.chunks()) as chunks:
            async for samples in chunks:
                pieces.append(samples)
                heard += len(samples)
                if heard > (LONGEST_S + 1) * source.rate:
                    break
    return np.concatenate(pieces), source.rate


def _source(audio: Path, text: str, language: str) -> str:
    try:
        content = audio.read_bytes()
    except OSError as error:
        raise BadInput(
            "missing_file", f"the setting reference_audio names {audio}: {error.strerror}", "reference_audio"
        ) from error
    return hashlib.sha256(f"{language} {text} ".encode() + content).hexdigest()
