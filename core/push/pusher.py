"""Send live video to an RTMP server, for as long as it is wanted, whatever happens to the server."""

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import Literal

from core.errors import BadInput
from core.push.relay import relayed
from core.push.target import STUCK_S, Allows, Target
from core.runtime.environment import SOURCES, child_environment
from core.runtime.tasks import first_of

FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 4.0
"""Seconds before the next attempt; twice as long each time."""

State = Literal["connecting", "live", "lost"]

Told = Callable[[State, str], None]
"""Called when the state changes, with why, where it is `lost`."""

Video = Callable[[], AsyncGenerator[bytes, None]]
"""A growing MP4 from its head and a key frame on; called for each attempt."""


class _Lost(Exception):
    """Why an attempt ended."""


async def push(video: Video, target: Target, allows: Allows, told: Told) -> None:
    """Send until cancelled, or until `video` has ended after it was sent; try again as often as it takes.

    The video is not sent by this process, and never waited for: its maker depends on no receiver.
    """
    failures = 0

    def tell(state: State, why: str) -> None:
        nonlocal failures
        failures = 0 if state == "live" else failures
        told(state, why)

    while True:
        tell("connecting", "")
        try:
            return await _attempt(video, target, allows, tell)
        except (_Lost, BadInput) as error:
            tell("lost", str(error))
        await asyncio.sleep(min(LONGEST_DELAY_S, FIRST_DELAY_S * 2**failures))
        failures += 1


async def _attempt(video: Video, target: Target, allows: Allows, told: Told) -> None:
    async with relayed(target, allows) as port:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "core.push"),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            cwd=SOURCES,
            env=child_environment(),
        )
        try:
            await first_of(_watched(child, told), _fed(child, video, _order(target, port)))
        finally:
            with suppress(ProcessLookupError):
                child.kill()
            await child.communicate()  # reads its pipe to the end, which closes it


def _order(target: Target, port: int) -> bytes:
    options = {"rtmp_app": target.app, "rtmp_playpath": target.key, "rtmp_tcurl": target.url}
    return json.dumps({"url": f"rtmp://127.0.0.1:{port}/live/video", "options": options}).encode() + b"\n"


async def _watched(child: Process, told: Told) -> None:
    """Return once the child has sent all of the video. Raises _Lost."""
    assert child.stdout is not None  # noqa: S101  # asked for
    try:
        async with asyncio.timeout(STUCK_S):
            first = await child.stdout.readline()
    except TimeoutError:
        raise _Lost(f"the server took no video within {STUCK_S:.0f} s") from None
    if (line := first) == b"{}\n":
        told("live", "")
        line = await child.stdout.readline()
    if line:
        raise _Lost(str(json.loads(line).get("error", "")))
    if await child.wait():
        raise _Lost("the process that sends the video was ended")


async def _fed(child: Process, video: Video, order: bytes) -> None:
    """Hand the video on until it ends, then wait for `_watched`. Raises _Lost if none is taken."""
    pipe = child.stdin
    assert pipe is not None  # noqa: S101  # asked for
    with suppress(ConnectionError):  # it has ended, and says why
        pipe.write(order)
        async with aclosing(video()) as pieces:
            async for piece in pieces:
                pipe.write(piece)
                try:
                    async with asyncio.timeout(STUCK_S):
                        await pipe.drain()
                except TimeoutError:
                    raise _Lost(f"the server took nothing for {STUCK_S:.0f} s") from None
        pipe.close()
    try:
        async with asyncio.timeout(STUCK_S):
            await asyncio.Event().wait()
    except TimeoutError:
        raise _Lost(f"the server took nothing for {STUCK_S:.0f} s") from None
