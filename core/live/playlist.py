"""A file of lines that are said one after the other, once or round and round for days."""

import asyncio
import time
from pathlib import Path

from core.errors import BadInput
from core.live.script import TEXT_WAITING
from core.live.session import Session

ROUND_S = 1.0
"""Seconds that a round takes at least: lines that cannot be spoken are over in no time."""

_LIMIT = 1 << 20


async def play(session: Session, script: Path, *, loop: bool) -> None:
    """Have a session say the lines of `script`, never far ahead of what is heard, until the last was given.

    loop: begin again after the last; the file is read anew each time, so it may be changed meanwhile.
    Raises BadInput for a file that has no text to say.
    """
    while True:
        began = time.monotonic()
        for line in await asyncio.to_thread(read_lines, script):
            session.say(line)
            await session.room()
        if not loop:
            return
        await asyncio.sleep(max(0.0, began + ROUND_S - time.monotonic()))


async def say_in_turn(session: Session, line: str) -> None:
    """Say a line as soon as there is room for it. Raises BadInput `text_waiting` for one that is too long."""
    while True:
        try:
            session.say(line)
        except BadInput as error:
            if error.code != "text_waiting" or len(line) > TEXT_WAITING:
                raise
            await session.room()
        else:
            return


def read_lines(script: Path) -> list[str]:
    """The lines of a text file that are not empty. Raises BadInput; its param is "script"."""
    try:
        with script.open("rb") as file:
            data = file.read(_LIMIT + 1)
    except OSError as error:
        message = f"{script} cannot be read ({error.strerror}); name a text file, a line for each text"
        raise BadInput("missing_file", message, "script") from error
    if len(data) > _LIMIT:
        raise BadInput("text_too_long", f"{script} is longer than 1 MiB; say it in several", "script")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{script} is not UTF-8 text (byte {error.start}); save it as UTF-8"
        raise BadInput("not_text", message, "script") from error
    lines = [line for line in text.replace("\0", "").splitlines() if line.strip()]
    if not lines:
        raise BadInput("empty_text", f"{script} has no text; write a line for each text to say", "script")
    return lines
