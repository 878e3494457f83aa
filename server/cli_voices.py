"""`lipstream voices`: who can speak, and voices of one's own for the GPT-SoVITS engine."""

import argparse
import asyncio
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from core.config import Settings
from core.media import open_audio
from core.studio import Studio
from core.types import Samples


def voices_command(options: argparse.Namespace) -> int:
    """Dispatch `list`, `add`, `remove`."""
    if options.action == "add":
        return asyncio.run(_add(options))
    if options.action == "remove":
        from core.engines.gpt_sovits.voices import remove_voice

        remove_voice(_folder(), options.name)
        return 0
    return asyncio.run(_list(options.speech))


async def _list(engine: str) -> int:
    """One line a voice of the engine; the first is the default."""
    async with Studio() as studio:
        speech = await studio.engine("speech", engine)
        table = Table("voice", "languages", "sounds", box=None, pad_edge=False)
        for voice in speech.engine.voices():
            table.add_row(voice.name, " ".join(voice.languages), voice.about)
        Console().print(table)
    return 0


async def _add(options: argparse.Namespace) -> int:
    from core.engines.gpt_sovits.voices import add_voice

    reference = await _recording(Path(options.audio))
    aux = [await _recording(Path(path)) for path in options.aux]
    add_voice(
        _folder(),
        options.name,
        reference,
        text=options.text,
        language=options.lang,
        aux=aux,
        t2s=Path(options.gpt) if options.gpt else None,
        sovits=Path(options.sovits) if options.sovits else None,
    )
    Console().print(options.name)
    return 0


async def _recording(path: Path) -> tuple[Samples, int]:
    source = await open_audio(path)
    try:
        pieces = [samples async for samples in source.chunks()]
    finally:
        await source.close()
    return np.concatenate([np.zeros(0, np.float32), *pieces]), source.rate


def _folder() -> Path:
    return Settings().data_dir / "voices"
