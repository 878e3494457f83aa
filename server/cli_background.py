"""`lipstream templates background`: another background for a template, or its person cut out."""

import argparse
import asyncio
from pathlib import Path

from rich.console import Console

from core.backgrounds import Background, Backgrounds
from core.config import Settings
from core.errors import BadInput
from core.scene import to_jpeg
from core.studio import Studio
from core.templates import Templates
from core.types import Image
from server.cli_templates import preparation_bars
from server.settings import ServerSettings


def background_command(options: argparse.Namespace) -> int:
    """Make the template and print its id; write the cut-out person where `--alpha` says."""
    asyncio.run(_run(options))
    return 0


async def _run(options: argparse.Namespace) -> None:
    if options.prompt is None and options.image is None and options.alpha is None:
        raise BadInput(
            "prompt_or_image", "say what shall be behind: --prompt or --image; or --alpha", "prompt"
        )
    console, errors = Console(), Console(stderr=True)
    async with Studio() as studio:
        library = Templates(Settings(), studio)
        backgrounds = Backgrounds(studio, library)
        if options.alpha is not None:
            path = Path(options.alpha)
            with preparation_bars() as bars:
                used = await backgrounds.cut_out(options.id, path, options.matte, bars.report)
            console.print(str(path), highlight=False, soft_wrap=True)
            errors.print(_told(used, ""), highlight=False, soft_wrap=True)
        if options.prompt is not None or options.image is not None:
            wanted = await _wanted(options)
            still = None if options.preview is None else Path(options.preview)

            def keep(image: Image) -> None:
                if still is not None:
                    still.write_bytes(to_jpeg(image))

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
    from server.fetching import fetcher_of  # only now: it loads aiohttp

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
