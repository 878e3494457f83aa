"""An RTMP server for tests: FFmpeg's, in a process of its own, which ends by itself after a while."""

import asyncio
import json
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

_LISTEN = """
import json, signal, sys
import av

signal.alarm(25)
with av.open(sys.argv[1], options={"listen": "1"}) as file:
    for packet in file.demux():
        if packet.dts is not None:
            at = float(packet.dts * packet.time_base)
            line = {"kind": packet.stream.type, "at": at, "key": packet.is_keyframe}
            print(json.dumps(line), flush=True)
"""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


class Receiver:
    """What it was sent."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def packets(self, count: int) -> list[dict[str, object]]:
        """The next packets: `kind`, `at` (seconds) and whether it is a `key` frame."""
        assert self._process.stdout is not None
        async with asyncio.timeout(20):
            lines = [await self._process.stdout.readline() for _ in range(count)]
        assert all(lines), "the receiver ended"
        return [json.loads(line) for line in lines]


@asynccontextmanager
async def receiver(port: int) -> AsyncGenerator[Receiver, None]:
    """A server that takes one video; killed when the block ends."""
    url = f"rtmp://127.0.0.1:{port}/app/key"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _LISTEN, url, stdout=PIPE, stderr=DEVNULL
    )
    try:
        yield Receiver(process)
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.communicate()
