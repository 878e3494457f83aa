"""`lipstream live`: a person who idles, and says each line as it is typed, or sound as it comes."""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.config import Settings
from core.errors import BadInput, blaming
from core.live.playlist import play, read_lines, say_in_turn
from core.live.session import (
    Event,
    Session,
    SessionRequest,
    SpeechEnded,
    SpeechFailed,
    SpeechStarted,
    open_session,
)
from core.media.foreign import AudioSource, open_audio
from core.media.recording import Recording
from core.media.results import VIDEO
from core.protocols import Style
from core.runtime.tasks import first_of, in_daemon_thread
from core.serving.engine_pool import EnginePool
from core.templates.library import Templates
from core.types import Fragment
from server.cli.render import interruptible, size_of, to_stdout, writable

STOP = "/stop"
"""The line that stops the person in the middle of a word."""

_PIECE = 1 << 16


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
    raw = options.audio_rate, options.audio_channels
    sound = Path(options.audio) if options.audio not in (None, "-") else None
    script = Path(options.script) if options.script is not None else None
    if options.loop and script is None:
        raise BadInput("no_script", "--loop begins a file of lines again; name one", "script")
    if script is not None:
        if options.audio is not None:
            raise BadInput("script_or_audio", "give either a file of lines or --audio, not both", "audio")
        read_lines(script)  # complains before anything is loaded
    path = None if options.output == "-" else writable(options.output, VIDEO, [sound, script])
    given = _Given(script, options.loop, options.audio, raw)
    asyncio.run(interruptible(_live(wanted, path, given)))
    return 0


@dataclass(frozen=True, slots=True)
class _Given:
    """What is said. script: a file of lines, perhaps in a loop. audio: a file, or - for sound on standard
    input, whose rate and channels are `raw`."""

    script: Path | None
    loop: bool
    audio: str | None
    raw: tuple[int, int]


async def _live(wanted: SessionRequest, output: Path | None, given: _Given) -> None:
    audio = given.audio
    async with EnginePool() as pool, AsyncExitStack() as ends:
        source = None
        if audio is not None and audio != "-":
            with blaming("audio"):
                source = await open_audio(Path(audio))
            ends.push_async_callback(source.close)
        session = await open_session(wanted, pool, Templates(Settings(), pool))
        session.audio_format(*(given.raw if source is None else (source.rate, 1)))
        if given.script is not None:
            talk = _recite(session, given.script, loop=given.loop)
        else:
            talk = _pass_on(session) if audio == "-" else _converse(session, source)
        if output is None:
            await first_of(talk, session.run(_to_stdout))
            return
        async with Recording(output) as recording:

            async def take(item: Fragment | Event) -> None:
                if isinstance(item, Fragment):
                    await recording.write(item)
                else:
                    _tell(item)

            await first_of(talk, session.run(take))
            await recording.finish()
    print(output)


async def _recite(session: Session, script: Path, *, loop: bool) -> None:
    await play(session, script, loop=loop)
    await session.idle()


async def _pass_on(session: Session) -> None:
    """Say the sound of standard input; return once it has ended and all of it has been heard."""
    while sound := await in_daemon_thread(lambda: os.read(sys.stdin.fileno(), _PIECE)):
        session.add_audio(sound)
        await session.room()
    session.finish_audio()
    await session.idle()


async def _recording(session: Session, source: AudioSource) -> None:
    async with aclosing(source.chunks()) as chunks:
        async for samples in chunks:
            session.add_audio((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
            await session.room()
    session.finish_audio()


async def _converse(session: Session, source: AudioSource | None) -> None:
    """Say a recording, then the lines of standard input; return once all has been said."""
    giving = asyncio.ensure_future(_recording(session, source) if source else asyncio.sleep(0))
    try:
        async with aclosing(_lines()) as lines:
            async for line in lines:
                if line.strip() == STOP:
                    giving.cancel()
                    session.interrupt()
                elif line.strip():
                    await asyncio.wait([giving])
                    await _say(session, line)
        with suppress(asyncio.CancelledError):
            await giving
    finally:
        giving.cancel()
        await asyncio.gather(giving, return_exceptions=True)
    await session.idle()


async def _say(session: Session, line: str) -> None:
    try:
        await say_in_turn(session, line)
    except BadInput as error:
        print(f"lipstream: {error.message}", file=sys.stderr)


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
