"""A model's server elsewhere, of OpenAI's shape: who answers in a live session, or understands sound."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from pydantic import SecretStr

from core.errors import Error


class ChatFailed(Error):
    """A model's server does not answer, or not as it should."""


@dataclass(frozen=True, slots=True)
class ModelServer:
    """Nothing that it tells or raises contains the key. setting: what says where it is, for messages."""

    url: str
    key: SecretStr
    setting: str

    def __str__(self) -> str:
        return f"the server of {self.setting}"

    @asynccontextmanager
    async def post(
        self, path: str, patience: aiohttp.ClientTimeout, *, line: int = 1 << 16, **body: Any
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """The answer, its body still to come. body: `json` or `data`. line: bytes of a line of it, at most.

        Raises ChatFailed for a server that refuses or breaks off, and for a ValueError of the block, which is
        what reading an answer of another shape ends in.
        """
        key = self.key.get_secret_value()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            async with (
                aiohttp.ClientSession(timeout=patience, read_bufsize=line) as http,
                http.post(
                    self.url.rstrip("/") + path, headers=headers, allow_redirects=False, **body
                ) as response,
            ):
                if response.status != 200:
                    raise ChatFailed(f"{self} answered with status {response.status}")
                yield response
        except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError) as error:
            raise ChatFailed(f"{self} failed: {type(error).__name__}") from None
