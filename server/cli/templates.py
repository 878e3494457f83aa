"""`lipstream templates`: the library on the command line."""

import argparse
import asyncio
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import cv2
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from core.config import Settings
from core.errors import BadInput
from core.faces.choice import preview
from core.faces.people import People, look
from core.media.results import ALPHA, PICTURE, write_whole
from core.serving.engine_pool import EnginePool
from core.templates.actions import with_actions
from core.templates.background import Background, Backgrounds
from core.templates.enlarge import enlarge
from core.templates.info import checked_name, name_of_file
from core.templates.library import SAMPLE, TemplateInfo, Templates
from core.templates.scene import to_jpeg
from core.templates.template import check_shape
from core.types import Image
from server.cli.render import size_of, writable
from server.cli.shown import EVERY_S, listed
from server.settings import ServerSettings

CONSENT = "note: use a person's likeness only with their consent, and say that what they say is generated"
_BOX = ("left", "top", "width", "height")


def templates_command(options: argparse.Namespace) -> int:
    """Dispatch `add`, `faces`, `prepare`, `list`, `show`, `rename`, `remove`."""
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    console = Console()
    async with EnginePool() as pool:
        library = Templates(Settings(), pool)
        if options.action == "add":
            source, name = await _source(options.file, options.name)
            with preparation_bars() as bars:
                info = await library.add(source, name, bars.report, face=options.face)
            console.print(info.id)
            Console(stderr=True).print(CONSENT, highlight=False, soft_wrap=True)
            for warning in info.warnings:
                Console(stderr=True).print(f"[yellow]warning:[/] {warning}", highlight=False, soft_wrap=True)
            if info.id != info.name:
                Console(stderr=True).print(f"use it as --template {info.id}", highlight=False)
        elif options.action == "faces":
            output = _picture_name(options.output, Path(options.file))
            people = await look(Path(options.file), await pool.face(library.settings.face))
            rows = [dict(zip(_BOX, face.box.tolist(), strict=True)) for face in people.faces]
            listed(options, rows, _people(people))
            if output is not None:
                encoded = cv2.imencode(output.suffix, preview(people.picture, people.faces))[1]
                write_whole(output, encoded.tobytes())
                console.print(str(output), highlight=False, soft_wrap=True)
        elif options.action == "prepare":
            await _prepare(options, pool, library)
        elif options.action == "list":
            found = library.all()
            listed(options, [asdict(info) for info in found], _table(found))
            if not options.json and SAMPLE not in [info.id for info in found]:
                Console(stderr=True).print(
                    f"{SAMPLE} comes by itself: it is drawn for the first video with it"
                )
        elif options.action == "show":
            info = library.show(options.id)
            listed(options, [asdict(info)], _shown(info))
        elif options.action == "rename":
            await library.rename(options.id, options.name)
        else:
            await library.remove(options.id)
    return 0


async def _prepare(options: argparse.Namespace, pool: EnginePool, library: Templates) -> None:
    """Do now what the first job with these options would wait for."""
    size = size_of(options.size)
    check_shape(options.fps, size)
    lipsync = await pool.lipsync(options.lipsync)
    enhance = await pool.enhancer(options.enhancer)
    began, steps = time.monotonic(), set[str]()
    with preparation_bars() as bars:

        def report(step: str, done: int, total: int | None) -> None:
            steps.add(step)
            bars.report(step, done, total)

        await library.open(
            options.id, fps=options.fps, size=size, lipsync=lipsync, enhance=enhance, report=report
        )
    engines = f"lipsync {lipsync.name}, enhance {enhance.name}"
    took = f"prepared in {time.monotonic() - began:.1f} s" if steps else "was prepared already"
    Console().print(f"{options.id} {took}, for {engines}", highlight=False, soft_wrap=True)


async def _source(file: str, name: str | None) -> tuple[Path, str | None]:
    """Where the file lies, fetched if it is a URL, and what to call the template."""
    if name is not None:
        checked_name(name)  # before anything is fetched
    if not file.startswith(("http://", "https://", "oss://")):
        return Path(file), name
    from server.fetch.fetcher import fetcher_of  # only now: it loads aiohttp

    found = await fetcher_of(ServerSettings()).fetch(file, "video", "image", param="file")
    return found.path, name_of_file(found.name) if name is None else name


class preparation_bars:  # used like the context managers of rich
    """One bar a step of a template's preparation, on standard error."""

    def __init__(self) -> None:
        columns = TextColumn("{task.description:>8}"), BarColumn(), MofNCompleteColumn()
        self._console, self._told = Console(stderr=True), time.monotonic()
        hidden = not self._console.is_terminal
        self._progress = Progress(*columns, console=self._console, transient=True, disable=hidden)
        self._tasks: dict[str, TaskID] = {}

    def report(self, step: str, done: int, total: int | None) -> None:
        """See `core.templates.template.StepReport`."""
        if not self._tasks:
            self._progress.start()  # not before: a refusal should leave no empty line
        if step not in self._tasks:
            self._tasks[step] = self._progress.add_task(step, total=total)
        self._progress.update(self._tasks[step], completed=done, total=total)
        if self._progress.disable and time.monotonic() - self._told > EVERY_S:
            self._told = time.monotonic()
            far = f"{done}/{total}" if total else f"{done}"
            self._console.print(f"{step} {far}", highlight=False, soft_wrap=True, markup=False)

    def __enter__(self) -> "preparation_bars":
        return self

    def __exit__(self, *_: object) -> None:
        if self._tasks:
            self._progress.stop()


def _people(people: People) -> Table:
    table = Table("face", "left", "top", "width", "height", box=None, pad_edge=False)
    for number, face in enumerate(people.faces, 1):
        table.add_row(str(number), *(f"{float(value):.0f}" for value in face.box))
    height, width = people.picture.shape[:2]
    table.caption = f"pixels of a picture of {width}x{height}"
    return table


def _picture_name(argument: str | None, *reads: Path | None) -> Path | None:
    """Where a picture shall go. Raises BadInput for a name that is no picture's."""
    return None if argument is None else writable(argument, PICTURE, reads)


def _table(found: list[TemplateInfo]) -> Table:
    table = Table("id", "name", "kind", "size", "fps", "seconds", box=None, pad_edge=False)
    for info in found:
        size = f"{info.width}x{info.height}"
        table.add_row(info.id, info.name, info.kind, size, f"{info.fps:g}", f"{info.duration_s:.1f}")
    return table


def _shown(info: TemplateInfo) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    for field in TemplateInfo.__dataclass_fields__:
        value = getattr(info, field)
        if field == "actions":
            value = info.action_names
        if field == "created_at":
            value = datetime.fromtimestamp(value, UTC).isoformat(timespec="seconds")
        table.add_row(field, "; ".join(value) if isinstance(value, tuple) else str(value))
    return table


def enlarge_command(options: argparse.Namespace) -> int:
    """Make the template and print its id."""
    asyncio.run(_enlarge(options))
    return 0


async def _enlarge(options: argparse.Namespace) -> None:
    async with EnginePool() as pool:
        library = Templates(Settings(), pool)
        with preparation_bars() as bars:
            made = await enlarge(
                options.id, pool, library, wanted=options.engine, name=options.name, report=bars.report
            )
    Console().print(made.info.id, highlight=False, soft_wrap=True)
    Console(stderr=True).print(
        f"{made.info.width}x{made.info.height}, enlarged by {made.engine}", highlight=False, soft_wrap=True
    )


def actions_command(options: argparse.Namespace) -> int:
    """Make the template and print its id."""
    asyncio.run(_actions(options))
    return 0


async def _actions(options: argparse.Namespace) -> None:
    wanted: dict[str, str] = {}
    for told in options.actions:
        name, equals, identity = told.partition("=")
        if not equals or not identity or name in wanted:
            message = f"an action is given once as NAME=ID, like wave=me-waving, not {told[:60]!r}"
            raise BadInput("bad_actions", message, "actions")
        wanted[name] = identity
    async with EnginePool() as pool:
        library = Templates(Settings(), pool)
        with preparation_bars() as bars:
            made = await with_actions(options.id, wanted, library, name=options.name, report=bars.report)
    Console().print(made.id, highlight=False, soft_wrap=True)


def background_command(options: argparse.Namespace) -> int:
    """Make the template and print its id; write the cut-out person where `--alpha` says."""
    asyncio.run(_background(options))
    return 0


async def _background(options: argparse.Namespace) -> None:
    if options.prompt is None and options.image is None and options.alpha is None:
        raise BadInput(
            "prompt_or_image", "say what shall be behind: --prompt or --image; or --alpha", "prompt"
        )
    console, errors = Console(), Console(stderr=True)
    image = Path(options.image) if options.image else None
    async with EnginePool() as pool:
        library = Templates(Settings(), pool)
        backgrounds = Backgrounds(pool, library)
        if options.alpha is not None:
            path = writable(options.alpha, ALPHA, [image])
            with preparation_bars() as bars:
                used = await backgrounds.cut_out(options.id, path, options.matte, bars.report)
            console.print(str(path), highlight=False, soft_wrap=True)
            errors.print(_told(used, ""), highlight=False, soft_wrap=True)
        if options.prompt is not None or options.image is not None:
            wanted = await _wanted(options)
            still = _picture_name(options.preview, image)

            def keep(frame: Image) -> None:
                if still is not None:
                    write_whole(still, to_jpeg(frame))

            with preparation_bars() as bars:
                made = await backgrounds.make(
                    options.id, wanted, options.name, report=bars.report, preview=keep
                )
            console.print(made.info.id, highlight=False, soft_wrap=True)
            errors.print(_told(made.engines, made.about), highlight=False, soft_wrap=True)


async def _wanted(options: argparse.Namespace) -> Background:
    """The background that the options describe. Raises BadInput."""
    return Background(
        prompt=options.prompt,
        picture=None if options.image is None else await _picture(options.image),
        paint=options.engine,
        matte=options.matte,
        fit=options.fit,
        focus=_focus(options.focus),
        blur=options.blur,
        tone=options.tone,
        wander=options.pan,
        negative=options.negative,
        seed=options.seed,
        steps=options.steps,
        guidance=options.guidance,
    )


async def _picture(file: str) -> Path:
    """Where the picture lies, fetched if it is a URL."""
    if not file.startswith(("http://", "https://", "oss://")):
        return Path(file)
    from server.fetch.fetcher import fetcher_of  # only now: it loads aiohttp

    return (await fetcher_of(ServerSettings()).fetch(file, "image", param="image")).path


def _focus(text: str) -> tuple[float, float]:
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError as error:
        raise BadInput(
            "out_of_range", f"--focus is two numbers from 0 to 1 like 0.5,0.3, not {text!r}", "focus"
        ) from error
    return x, y


def _told(engines: dict[str, str], about: str) -> str:
    used = ", ".join(f"{kind} {name}" for kind, name in engines.items())
    return rf"{about} \[{used}]" if about else rf"\[{used}]"
