"""What a person in a live session answers: a language model's words, as they are written.

The server is anybody's of OpenAI's shape: `POST {chat_url}/chat/completions` with `stream`.
"""

import json
from collections import deque
from collections.abc import AsyncGenerator

import aiohttp

from server.jobs.model_server import ChatFailed, ModelServer
from server.settings import ServerSettings

TURNS = 40
"""Messages of a conversation that the model is told again, the newest; of REMEMBERED characters at most."""

REMEMBERED = 20_000

_PATIENCE = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
_LINE = 1 << 20
"""Bytes of one event from the model's server, at most."""


Turn = dict[str, str]
"""A message: who speaks (`role`), and what (`content`)."""


class Chat:
    """One conversation."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._server = ModelServer(settings.chat_url, settings.chat_key, "chat_url")
        self._turns: deque[Turn] = deque(maxlen=TURNS)

    @property
    def newest(self) -> Turn:
        """The message that came last. Of an answer that is interrupted, what was said can be put in."""
        return self._turns[-1]

    async def answer(self, text: str) -> AsyncGenerator[str, None]:
        """Yield the answer to `text` in pieces. Raises ChatFailed."""
        self._turns.append({"role": "user", "content": text})
        said = {"role": "assistant", "content": ""}
        request = {"model": self._settings.chat_model, "messages": self._messages(), "stream": True}
        self._turns.append(said)
        async with self._server.post("/chat/completions", _PATIENCE, line=_LINE, json=request) as response:
            async for line in response.content:
                piece = _piece(line)
                if piece is None:
                    return
                if piece:
                    said["content"] += piece
                    yield piece
        if not said["content"]:
            raise ChatFailed(f"{self._server} answered with nothing that is a streamed completion")

    def _messages(self) -> list[Turn]:
        """The instructions, and as much of the conversation as is remembered."""
        room, recent = REMEMBERED, list[Turn]()
        for turn in reversed(self._turns):
            room -= len(turn["content"])
            if room < 0 and recent:
                break
            if turn["content"]:
                recent.insert(0, dict(turn))
        prompt = self._settings.chat_prompt
        return [{"role": "system", "content": prompt}, *recent] if prompt else recent


def _piece(line: bytes) -> str | None:
    """The words in a line of the stream, perhaps none; None: it is the last. Raises ValueError."""
    name, _, data = line.decode().strip().partition(":")
    if name != "data":
        return ""
    if data.strip() == "[DONE]":
        return None
    event = json.loads(data)
    try:
        content = event["choices"][0]["delta"].get("content") if event["choices"] else ""
    except (KeyError, IndexError, TypeError, AttributeError):
        raise ValueError("no completion") from None
    return content if isinstance(content, str) else ""
