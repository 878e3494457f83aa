"""`lipstream live`: a person who idles, and says each line as it is typed."""

import argparse
import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from core.config import Settings
from core.errors import BadInput
from core.live.session import (
    Event,
    Session,
    SessionRequest,
    SpeechEnded,
    SpeechFailed,
    SpeechStarted,
    open_session,
)
from core.media.recording import Recording
from core.protocols import Style
from core.runtime.tasks import first_of, in_daemon_thread
from core.serving.engine_pool import EnginePool
from core.templates.library import Templates
from core.types import Fragment
from server.cli.render import interruptible, size_of, to_stdout

STOP = "/stop"
"""The line that stops the person in the middle of a word."""


def live_command(options: argparse.Namespace) -> int:
    """`lipstream live`."""
    style = Style(speed=options.speed, pitch=options.pitch)
    style.check()
    wanted = SessionRequest(
        template=options.template,
        language=options.language,
        voice=options.voice,
        style=style,
        fps=options.fps,
        size=size_of(options.size),
        speech=options.speech,
        lipsync=options.lipsync,
    )
    asyncio.run(interruptible(_live(wanted, options.output)))
    return 0


async def _live(wanted: SessionRequest, output: str) -> None:
    async with EnginePool() as pool:
        session = await open_session(wanted, pool, Templates(Settings(), pool))
        if output == "-":
            await first_of(_converse(session), session.run(_to_stdout))
            return
        async with Recording(Path(output)) as recording:

            async def take(item: Fragment | Event) -> None:
                if isinstance(item, Fragment):
                    await recording.write(item)
                else:
                    _tell(item)

            await first_of(_converse(session), session.run(take))
            await recording.finish()
    print(output)


async def _converse(session: Session) -> None:
    """Say the lines of standard input; return once it has ended and the last line has been said."""
    async with aclosing(_lines()) as lines:
        async for line in lines:
            if line.strip() == STOP:
                session.interrupt()
            elif line.strip():
                try:
                    session.say(line)
                except BadInput as error:
                    print(f"lipstream: {error.message}", file=sys.stderr)
    await session.idle()


async def _lines() -> AsyncGenerator[str, None]:
    while line := await in_daemon_thread(sys.stdin.buffer.readline):
        yield line.decode("utf-8", "replace").replace("\0", "")


async def _to_stdout(item: Fragment | Event) -> None:
    if isinstance(item, Fragment):
        await to_stdout(item)
    else:
        _tell(item)


def _tell(event: Event) -> None:
    """Say on standard error how it goes; standard output may be the video."""
    match event:
        case SpeechStarted(utterance=number, after_s=seconds):
            print(f"{number}: first picture after {seconds:.2f} s", file=sys.stderr)
        case SpeechEnded(utterance=number, interrupted=True, position_s=seconds, text=text):
            print(f"{number}: stopped after {seconds:.2f} s, at: {text}", file=sys.stderr)
        case SpeechEnded(utterance=number, position_s=seconds):
            print(f"{number}: said in {seconds:.2f} s", file=sys.stderr)
        case SpeechFailed(utterance=number, message=message):
            print(f"{number}: {message}", file=sys.stderr)
