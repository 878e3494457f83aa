"""`lipstream render`, `say` and `demo`: make a video or a sound file, and show how it goes."""

import argparse
import asyncio
import contextlib
import re
import signal
import sys
import wave
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, Unpack

import numpy as np
from rich.console import Console

from core.config import Settings
from core.errors import BadInput
from core.faces.choice import AUTO
from core.media.recording import VIDEO_ENDINGS
from core.media.results import SOUND, beside, result
from core.progress import Progress
from core.protocols import FIDELITY, Style
from core.render import Item, Request, render
from core.render_file import CaptionFiles, render_file
from core.serving.engine_pool import EnginePool
from core.subtitle_style import style_of
from core.templates.library import Templates
from core.text import sentences
from core.text.dictionary import load
from core.tts_stream import tts_stream
from core.types import Fragment, Samples, Sentence
from server.cli.shown import watched
from server.cli.texts import is_file, text_of


@contextmanager
def wav_file(path: Path, rate: int) -> Iterator[Callable[[Samples], None]]:
    """What writes samples to `path`, 16 bits, mono; nothing is left there if the block raises."""
    place = path.resolve()
    draft = beside(place, ".part.wav")

    def write(samples: Samples) -> None:
        file.writeframes(np.round(np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())

    try:
        with wave.open(str(draft), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            yield write
        draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)


T = TypeVar("T")


def render_command(options: argparse.Namespace) -> int:
    """`lipstream render`."""
    if (options.srt or options.srt_track) and options.output == "-":
        message = "captions are written when the video is whole, so --srt and --srt-track need -o FILE"
        raise BadInput("srt_needs_file", message, "srt")
    video = _video(options.template)
    if video is None and options.face != AUTO:
        message = "--face goes with a file; a template's face is chosen by `lipstream templates add --face`"
        raise BadInput("face_of_template", message, "face")
    if not options.enhance and (options.enhancer != "auto" or options.every != 1):
        message = "--enhancer and --every are of no use with --no-enhance; leave one or the other out"
        raise BadInput("nothing_to_enhance", message, "enhance")
    request = Request(
        template="" if video else options.template,
        video=video,
        face=options.face,
        text=text_of(options.text),
        audio=Path(options.audio) if options.audio is not None else None,
        language=options.language,
        voice=options.voice,
        style=_style(options, options.seed),
        fps=options.fps,
        size=size_of(options.size),
        enhance=options.enhance,
        burn_subtitles=options.burn_subtitles,
        subtitle_style=style_of(options.subtitle_style),
        fidelity=FIDELITY if options.fidelity is None else options.fidelity,
        every=options.every,
        still=options.still,
        speech=options.speech,
        lipsync=options.lipsync,
        enhancer=options.enhancer,
        format=options.format,
        label=options.label,
    )
    asyncio.run(interruptible(_render(request, options)))
    return 0


def _sentences(text: str, options: argparse.Namespace, settings: Settings) -> list[Sentence]:
    own = load(settings.readings)
    return sentences(text, options.language, limit=settings.text_limit, readings=own)


def say_command(options: argparse.Namespace) -> int:
    """`lipstream say`."""
    text = text_of(options.text) or ""
    settings = Settings()
    if options.dry_run:
        for sentence in _sentences(text, options, settings):
            pause = f"  [{sentence.pause:g} s of silence]" if sentence.pause else ""
            actions = "".join(f"  [action {name}]" for _, name in sentence.actions)
            print(f"[{sentence.language}] {sentence.spoken}{actions}{pause}")
        return 0
    return asyncio.run(interruptible(_say(text, options, settings)))


def demo_command(_options: argparse.Namespace) -> int:
    """`make demo`: the sample presenter says a line in Mandarin and one in English."""
    folder = Path("demo")
    folder.mkdir(exist_ok=True)
    lines = {
        "mandarin.mp4": "大家好，我是数字主持人。今天是2026年5月1日，气温23.5℃，欢迎收看！",
        "english.mp4": "Hello! I am a drawn presenter. I began to speak before this sentence was made.",
    }
    asyncio.run(interruptible(_demo(folder, lines)))
    return 0


async def _demo(folder: Path, lines: dict[str, str]) -> None:
    async with EnginePool() as pool:
        templates = Templates(Settings(), pool)
        for name, text in lines.items():
            await _render_into(Request(text=text), folder / name, pool, templates, srt=True)


async def _render(request: Request, options: argparse.Namespace) -> None:
    async with EnginePool() as pool:
        templates = Templates(Settings(), pool)
        if options.output == "-":
            with _shown() as progress:
                await render(request, pool, templates, to_stdout, progress)
        else:
            output = f"out.{request.format}" if options.output is None else options.output
            path = writable(output, VIDEO_ENDINGS[request.format], _read_by(options))
            await _render_into(
                request,
                path,
                pool,
                templates,
                srt=options.srt,
                srt_track=options.srt_track,
                reads=_read_by(options),
            )


class _Into(CaptionFiles, total=False):
    reads: Sequence[Path]


async def _render_into(
    request: Request, path: Path, pool: EnginePool, templates: Templates, **more: Unpack[_Into]
) -> None:
    with _shown() as progress:
        video = await render_file(request, pool, templates, path, progress, **more)
    print(video.path)


async def to_stdout(item: Item) -> None:
    """A sink that writes the growing video to standard output."""
    if isinstance(item, Fragment):
        await asyncio.to_thread(_write_out, item.data)


def _write_out(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


@contextmanager
def _shown() -> Iterator[Progress]:
    """Show how a render goes, on standard error: a bar for each stage while it runs, then a line."""
    console = Console(stderr=True)
    progress = Progress()
    with watched(progress, console):
        yield progress
    console.print(_summary(progress), highlight=False, soft_wrap=True)
    for remark in progress.remarks:
        console.print(f"note: {remark}", highlight=False, markup=False, soft_wrap=True)


def _summary(progress: Progress) -> str:
    engines = ", ".join(f"{kind} {name}" for kind, name in progress.engines.items())
    prepared = progress.meters["prepare"].elapsed_s
    first = (progress.first_frame_s or 0.0) - prepared
    made = progress.frames / progress.fps if progress.fps else 0.0
    work = progress.elapsed_s - prepared
    text = f"{made:.1f} s of {progress.width}x{progress.height} at {progress.fps} fps in {work:.2f} s"
    text += f" ({made / work:.1f} x real time), first frame after {first * 1000:.0f} ms"
    if prepared > 0.5:
        text += f", template prepared in {prepared:.1f} s"
    if progress.frames_without_face:
        text += f", {progress.frames_without_face} frames without a face left as they are"
    if progress.frames_sharp:
        text += f", {progress.frames_sharp} sharp as they were"
    return f"{text} [{engines}]".replace("[", r"\[")


async def _say(text: str, options: argparse.Namespace, settings: Settings) -> int:
    path = writable(options.output, SOUND, _read_by(options))
    async with EnginePool() as pool:
        said = _sentences(text, options, settings)
        speech = await pool.speech(options.speech, options.voice, {one.language for one in said})
        with wav_file(path, speech.engine.rate) as write:
            chunks = tts_stream(said, speech, options.voice, _style(options))
            async with contextlib.aclosing(chunks):
                async for chunk in chunks:
                    write(chunk.samples)
    print(path)
    return 0


async def interruptible(work: Coroutine[Any, Any, T]) -> T:
    """Run `work`; SIGTERM ends it like Ctrl-C, so that nothing half-made stays behind."""
    task = asyncio.ensure_future(work)
    with contextlib.suppress(NotImplementedError):  # Windows has no such handlers
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def writable(output: str, endings: Sequence[str], reads: Iterable[Path | None] = ()) -> Path:
    """The file that `--output` names, never one that the library keeps.

    endings, reads: see `core.media.results.result`. Raises BadInput.
    """
    if output == "-":
        message = "- cannot be written (only videos are streamed to standard output); give the name of a file"
        raise BadInput("unwritable_output", message, "output")
    folder = Settings().data_dir
    return result(output, endings, reads, [folder / "templates", folder / "voices"])


def _read_by(options: argparse.Namespace) -> list[Path]:
    """Files other than a recording and a template's that the command reads."""
    text, own = options.text, Settings().readings
    return [*([Path(text[1:])] if is_file(text) else []), *([own] if own else [])]


def _video(template: str) -> Path | None:
    """The file that `--template` names, if it is one: no template's id has a dot or a slash."""
    return Path(template) if "." in template or "/" in template or "\\" in template else None


def _style(options: argparse.Namespace, seed: int = 0) -> Style:
    style = Style(speed=options.speed, pitch=options.pitch, seed=seed)
    style.check()
    return style


def size_of(argument: str | None) -> tuple[int, int] | None:
    """What `--size` means. Raises BadInput for what is no size."""
    if argument is None:
        return None
    match = re.fullmatch(r"(\d{1,9})[xX×](\d{1,9})", argument)
    if match is None:
        raise BadInput("bad_size", f"--size {argument!r} is not like 1280x720", "size")
    return int(match[1]), int(match[2])
