"""`lipstream voices`: who can speak, and voices of one's own for the GPT-SoVITS engine."""

import argparse
import asyncio
import os
from pathlib import Path

from rich.console import Console
from rich.table import Table

from core.config import Settings
from core.engines.gpt_sovits.settings import VoiceSettings
from core.engines.gpt_sovits.voices import list_voices, remove_voice
from core.studio import CLONED, Studio
from core.voices import clone, find_model
from server.cli_voice_trial import try_voice


def voices_command(options: argparse.Namespace) -> int:
    """Dispatch `list`, `add`, `test`, `remove`."""
    if options.action == "add":
        return asyncio.run(_add(options))
    if options.action == "test":
        return asyncio.run(try_voice(options.name, options.speech, options.text, options.output))
    if options.action == "remove":
        remove_voice(_folder(), options.name)
        return 0
    return asyncio.run(_list(options.speech))


async def _list(engine: str) -> int:
    """One line a voice of the engine, the default first; and the cloned ones, whatever their engine lacks."""
    async with Studio() as studio:
        speech = await studio.engine("speech", engine)
        table = Table("voice", "languages", "sounds", box=None, pad_edge=False)
        for voice in speech.engine.voices():
            table.add_row(voice.name, " ".join(voice.languages), voice.about)
        if engine == "auto" and speech.name != CLONED:
            for record in list_voices(_folder()):
                note = (
                    ""
                    if studio.can_run("speech", CLONED)
                    else ", once its engine can run (lipstream engines)"
                )
                table.add_row(record.name, "", record.about + note)
        Console().print(table)
    return 0


async def _add(options: argparse.Namespace) -> int:
    await clone(
        _folder(),
        options.name,
        Path(options.audio),
        text=options.text,
        language=options.lang,
        aux=[Path(path) for path in options.aux],
        t2s=_model(options.gpt, "t2s"),
        sovits=_model(options.sovits, "sovits"),
    )
    Console().print(options.name)
    return 0


def _model(given: str | None, part: str) -> Path | None:
    """A file, or what the name of published weights or of a file in the models folder stands for."""
    if given is None or Path(given).is_file() or os.sep in given:
        return Path(given) if given else None
    return find_model(VoiceSettings(), given, part)


def _folder() -> Path:
    return Settings().data_dir / "voices"
