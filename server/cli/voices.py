"""`lipstream voices`: who can speak, and voices of one's own for the GPT-SoVITS engine."""

import argparse
import asyncio
import os
import time
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from core.config import Settings
from core.engines.gpt_sovits.settings import VoiceSettings
from core.engines.gpt_sovits.voices import list_voices, remove_voice
from core.errors import BadInput
from core.media.results import SOUND
from core.protocols import Measured, SpeechEngine, Style
from core.serving.engine_pool import EnginePool
from core.serving.loaded import LoadedEngine
from core.serving.voice_cloning import clone, find_model
from core.text import sentences
from core.tts_stream import tts_stream
from core.types import Samples
from server.catalog.voices import Voices
from server.cli.render import wav_file, writable
from server.cli.shown import listed


def voices_command(options: argparse.Namespace) -> int:
    """Dispatch `list`, `add`, `test`, `remove`."""
    if options.action == "add":
        return asyncio.run(_add(options))
    if options.action == "test":
        return asyncio.run(try_voice(options.name, options.speech, options.text, options.output))
    if options.action == "remove":
        remove_voice(_folder(), options.name)
        return 0
    return asyncio.run(_list(options))


async def _list(options: argparse.Namespace) -> int:
    """One line a voice of the engines; and the cloned ones, whatever their engine lacks."""
    async with EnginePool() as pool:
        voices = await Voices(pool, VoiceSettings()).all(options.speech)
    table = Table("voice", "engine", "languages", "quality", "sounds", box=None, pad_edge=False)
    for voice in voices:
        note = "" if voice.available else ", once its engine can run (lipstream engines)"
        table.add_row(
            voice.name, voice.engine, " ".join(voice.languages), voice.quality, f"{voice.about}{note}"
        )
    listed(options, [voice.model_dump(mode="json") for voice in voices], table)
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
    words = "note: clone a voice only with its speaker's consent, and say that what it says is generated"
    Console(stderr=True).print(words, highlight=False, soft_wrap=True)
    return 0


def _model(given: str | None, part: str) -> Path | None:
    """A file, or what the name of published weights or of a file in the models folder stands for."""
    if given is None or Path(given).is_file() or os.sep in given:
        return Path(given) if given else None
    return find_model(VoiceSettings(), given, part)


def _folder() -> Path:
    return Settings().data_dir / "voices"


LINES = {
    "zh": "今天天气很好，我们一起去公园散步吧。",
    "en": "The weather is fine today, so let us go for a walk in the park.",
    "ja": "今日は天気がいいので、公園を散歩しましょう。",
    "ko": "오늘은 날씨가 좋으니 공원에서 산책합시다.",
    "yue": "今日天氣好好，我哋一齊去公園散步啦。",
}
"""What is said if nothing else is asked for, in the language of the voice's reference."""

_WINDOW_S = 0.02
_SILENT_DB = -50.0
_FLOOR = 1e-6


@dataclass(frozen=True, slots=True)
class Heard:
    """What a test heard. first_s: from asking to the first sound; models are loaded before."""

    samples: Samples
    rate: int
    first_s: float
    whole_s: float
    retries: int

    def __str__(self) -> str:
        seconds = len(self.samples) / self.rate
        lines = [
            f"first sound after {1000 * self.first_s:.0f} ms",
            f"{seconds:.1f} s of speech in {self.whole_s:.2f} s: RTF {self.whole_s / seconds:.2f}",
            f"level {level(self.samples):.1f} dB, peak {peak(self.samples):.1f} dB of full scale",
            f"silence {100 * silence(self.samples, self.rate):.0f} %",
        ]
        return "\n".join([*lines, f"tried again {self.retries} times"] if self.retries else lines)


def level(samples: Samples) -> float:
    """Root mean square in dB of full scale."""
    return float(10 * np.log10(max(_FLOOR**2, float(np.square(samples, dtype=np.float64).mean()))))


def peak(samples: Samples) -> float:
    """The loudest sample in dB of full scale."""
    return float(20 * np.log10(max(_FLOOR, float(np.abs(samples).max()))))


def silence(samples: Samples, rate: int) -> float:
    """Share of 20 ms windows that are quieter than -50 dB, 0 to 1."""
    size = int(rate * _WINDOW_S)
    windows = samples[: len(samples) // size * size].reshape(-1, size)
    return float(np.mean([level(window) < _SILENT_DB for window in windows])) if len(windows) else 1.0


async def try_voice(name: str, engine: str, text: str | None, output: str | None) -> int:
    """Speak a line twice, the first time only to load what is needed, and print how the second went.

    Raises BadInput for a voice that is not there or cannot speak.
    """
    path = None if output is None else writable(output, SOUND)
    async with EnginePool() as pool:
        speech = await pool.speech(engine, name)
        line = text if text is not None else LINES[_language(speech, name)]
        await _speak(speech, name, line)
        heard = await _speak(speech, name, line)
    if path is not None:
        with wav_file(path, heard.rate) as write:
            write(heard.samples)
    Console().print(f"{heard}\n{_about(speech)}", highlight=False)
    return 0


def _about(speech: LoadedEngine[SpeechEngine]) -> str:
    """Which engine it was, and what it measured when it was loaded."""
    if not isinstance(speech.engine, Measured):
        return f"engine {speech.name}"
    why = speech.engine.too_slow()
    measured = f"{speech.engine.real_time_factor:.2f} s of work a second of speech, measured at load"
    return f"engine {speech.name}: {measured}; auto {f'does not take it: {why}' if why else 'takes it'}"


async def _speak(speech: LoadedEngine[SpeechEngine], name: str, text: str) -> Heard:
    said = sentences(text, "auto", limit=Settings().text_limit)
    pieces: list[Samples] = []
    first, retries, started = 0.0, 0, time.perf_counter()
    chunks = tts_stream(said, speech, name, Style())
    async with aclosing(chunks):
        async for chunk in chunks:
            first = first or time.perf_counter() - started
            retries += len(chunk.retried)
            pieces.append(chunk.samples)
    whole = time.perf_counter() - started
    return Heard(np.concatenate(pieces), speech.engine.rate, first, whole, retries)


def _language(speech: LoadedEngine[SpeechEngine], name: str) -> str:
    """What the voice speaks best. Raises BadInput `unknown_voice`."""
    voices = {voice.name: voice for voice in speech.engine.voices()}
    if name not in voices:
        known = ", ".join(voices) or "none"
        raise BadInput("unknown_voice", f"the {speech.name} engine has no voice {name!r}; it has: {known}")
    for record in list_voices(VoiceSettings().voices_dir):
        if record.name == name:
            return record.language
    languages: tuple[str, ...] = voices[name].languages
    return next(language for language in languages if language in LINES)
