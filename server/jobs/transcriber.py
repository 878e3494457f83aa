"""What somebody says to a person in a live session, as text.

The server is anybody's of OpenAI's shape: `POST {transcribe_url}/audio/transcriptions` with a WAV.
"""

import io
import json
import wave
from dataclasses import dataclass

import aiohttp

from core.errors import BadInput
from server.jobs.model_server import ChatFailed, ModelServer
from server.settings import ServerSettings

_PATIENCE = aiohttp.ClientTimeout(total=60, sock_connect=10)
_ANSWER = 1 << 20
"""Bytes of an answer, at most."""

LONGEST = 8000
"""Characters that a question may have, as one that is written."""


@dataclass(frozen=True, slots=True)
class Sound:
    """Samples of 16 bits, signed, little end first, `channels` interleaved, `rate` a second."""

    pcm: bytes
    rate: int
    channels: int

    def wav(self) -> bytes:
        """As a file. A sample that is not whole is left out."""
        file = io.BytesIO()
        with wave.open(file, "wb") as out:
            out.setnchannels(self.channels)
            out.setsampwidth(2)
            out.setframerate(self.rate)
            out.writeframes(self.pcm[: len(self.pcm) // (2 * self.channels) * 2 * self.channels])
        return file.getvalue()


class Transcriber:
    """Understands sound, of any session."""

    def __init__(self, settings: ServerSettings) -> None:
        self._model = settings.transcribe_model
        self._server = ModelServer(settings.transcribe_url, settings.transcribe_key, "transcribe_url")

    async def text_of(self, sound: Sound) -> str:
        """What is said. Raises ChatFailed, and BadInput `nothing_heard` where nothing is."""
        form = aiohttp.FormData()
        form.add_field("file", sound.wav(), filename="question.wav", content_type="audio/wav")
        form.add_field("model", self._model)
        form.add_field("response_format", "json")
        async with self._server.post("/audio/transcriptions", _PATIENCE, data=form) as response:
            body = b""
            async for piece in response.content.iter_any():
                body += piece
                if len(body) > _ANSWER:
                    raise ValueError("too long")
            said = json.loads(body)
        text = said.get("text") if isinstance(said, dict) else None
        if not isinstance(text, str):
            raise ChatFailed(f"{self._server} answered with something that has no text")
        if not text.strip():
            raise BadInput("nothing_heard", "no words were heard in the sound; say it again", "pcm")
        return text.strip()[:LONGEST]
