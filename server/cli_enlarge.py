"""`lipstream templates enlarge`: a template at twice its size."""

import argparse
import asyncio

from rich.console import Console

from core.config import Settings
from core.enlarged import enlarge
from core.studio import Studio
from core.templates import Templates
from server.cli_templates import preparation_bars


def enlarge_command(options: argparse.Namespace) -> int:
    """Make the template and print its id."""
    asyncio.run(_run(options))
    return 0


async def _run(options: argparse.Namespace) -> None:
    async with Studio() as studio:
        library = Templates(Settings(), studio)
        with preparation_bars() as bars:
            made = await enlarge(
                options.id, studio, library, wanted=options.engine, name=options.name, report=bars.report
            )
    Console().print(made.info.id, highlight=False, soft_wrap=True)
    Console(stderr=True).print(
        f"{made.info.width}x{made.info.height}, enlarged by {made.engine}", highlight=False, soft_wrap=True
    )
