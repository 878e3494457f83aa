"""Make a video and save it while it is being made: python speak.py "Hello there." hello.mp4 [SERVER]."""

import asyncio
import sys
from typing import BinaryIO

import aiohttp


async def main(text: str, out: BinaryIO, server: str = "http://127.0.0.1:8010") -> None:
    async with aiohttp.ClientSession(server) as session:
        async with session.post("/v1/videos", json={"text": text}) as response:
            job = await response.json()
            if response.status != 202:
                sys.exit(job["error"]["message"])
        async with session.ws_connect(f"/v1/jobs/{job['id']}/events") as events:
            saving = asyncio.create_task(save(session, job["id"], out))
            async for event in events:  # closed by the server after the job's last event
                sys.stdout.write(event.data + "\n")
            await saving


async def save(session: aiohttp.ClientSession, job: str, out: BinaryIO) -> None:
    async with session.ws_connect(f"/v1/jobs/{job}/stream") as stream:
        async for message in stream:  # first a text that says what it is, then the file in pieces
            if message.type is aiohttp.WSMsgType.BINARY:
                out.write(message.data)


if len(sys.argv) < 3:
    sys.exit(__doc__)
with open(sys.argv[2], "wb") as file:
    asyncio.run(main(sys.argv[1], file, *sys.argv[3:]))
