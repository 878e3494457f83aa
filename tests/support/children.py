"""Processes: those that tests start, and those that open foreign media."""

import asyncio
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import psutil


@asynccontextmanager
async def child(*command: str, **options: Any) -> AsyncGenerator[Process, None]:
    """A process that is gone when the block ends, however it ends.

    One that outlived its loop would fail whichever test runs when what is left of it is collected.
    """
    process = await asyncio.create_subprocess_exec(*command, **options)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()  # reads its pipes to their ends, which closes them


def decoders() -> list[psutil.Process]:
    """Those of this process that run now, and no other children, like multiprocessing's."""
    found = []
    for child in psutil.Process().children():
        try:
            if "core.sandbox" in child.cmdline():
                found.append(child)
        except psutil.Error:  # it ended meanwhile
            continue
    return found
