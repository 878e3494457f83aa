"""`lipstream live`: a person who idles, and says each line as it is typed, or sound as it comes."""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
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
from core.push.pusher import State, push
from core.push.target import Target, everywhere, target_of
from core.runtime.tasks import first_of, in_daemon_thread
from core.serving.engine_pool import EnginePool
from core.templates.library import Templates
from core.types import Fragment
from server.cli.render import interruptible, size_of, to_stdout, writable
from server.stream.ring import Ring

STOP = "/stop"
"""The line that stops the person in the middle of a word."""

PUSH_KEY = "LIPSTREAM_PUSH_KEY"
"""The variable with the stream's key: on the command line every process could read it."""

LAST_S = 3.0
"""Seconds that the end of the video has to reach the server it is sent to."""

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
        enhance=options.enhance,
        enhancer=options.enhancer,
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
    target = target_of(options.push, os.environ.get(PUSH_KEY)) if options.push else None
    output = options.output or ("live.mp4" if target is None else None)
    path = writable(output, VIDEO, [sound, script]) if output not in (None, "-") else None
    given = _Given(script, options.loop, options.audio, raw)
    asyncio.run(interruptible(_live(wanted, given, _Shown(path, output == "-", target))))
    return 0


@dataclass(frozen=True, slots=True)
class _Given:
    """What is said. script: a file of lines, perhaps in a loop. audio: a file, or - for sound on standard
    input, whose rate and channels are `raw`."""

    script: Path | None
    loop: bool
    audio: str | None
    raw: tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Shown:
    """Where the video goes: into a file, to standard output, to a server."""

    path: Path | None
    stdout: bool
    target: Target | None


async def _live(wanted: SessionRequest, given: _Given, shown: _Shown) -> None:
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
        recording = await ends.enter_async_context(Recording(shown.path)) if shown.path else None
        ring = await ends.enter_async_context(_pushed(shown.target)) if shown.target else None

        async def take(item: Fragment | Event) -> None:
            if not isinstance(item, Fragment):
                return _tell(item)
            if ring is not None:
                ring.append(item)
            if recording is not None:
                await recording.write(item)
            if shown.stdout:
                await to_stdout(item)

        await first_of(talk, session.run(take))
        if recording is not None:
            await recording.finish()
    if shown.path:
        print(shown.path)


@asynccontextmanager
async def _pushed(target: Target) -> AsyncGenerator[Ring, None]:
    """What is put into the ring is sent to `target`; the end of it too, if the block ends by itself."""
    ring = Ring()
    sending = asyncio.create_task(push(ring.pieces, target, everywhere, partial(_tell_push, target)))
    try:
        yield ring
        ring.end("over")
        await asyncio.wait([sending], timeout=LAST_S)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


def _tell_push(target: Target, state: State, why: str) -> None:
    if state != "connecting":
        print(f"{target.url}: {state}{why and f' ({why})'}", file=sys.stderr)


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
