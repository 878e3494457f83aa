"""Have a person say a text, and save what is seen: python live.py "Hello there." talk.mp4 [SERVER]."""

import asyncio
import sys
from typing import BinaryIO

import aiohttp


async def main(text: str, out: BinaryIO, server: str = "http://127.0.0.1:8010") -> None:
    async with aiohttp.ClientSession(server) as http:
        async with http.post("/v1/sessions", json={}) as response:
            session = await response.json()
            if response.status != 201:
                sys.exit(session["error"]["message"])
        path = f"/v1/sessions/{session['id']}"
        saving = asyncio.create_task(save(http, path, out))
        async with http.ws_connect(path) as control:
            for word in text.split():  # as a language model writes
                await control.send_json({"type": "text.delta", "text": word + " "})
            await control.send_json({"type": "text.done"})
            async for message in control:
                sys.stdout.write(message.data + "\n")
                if message.json()["type"] == "session.idle":
                    break
        await http.delete(path)
        await saving


async def save(http: aiohttp.ClientSession, path: str, out: BinaryIO) -> None:
    async with http.ws_connect(path + "/stream") as stream:
        async for message in stream:  # first a text that says what it is, then the video in pieces
            if message.type is aiohttp.WSMsgType.BINARY:
                out.write(message.data)


if len(sys.argv) < 3:
    sys.exit(__doc__)
with open(sys.argv[2], "wb") as file:
    asyncio.run(main(sys.argv[1], file, *sys.argv[3:]))
