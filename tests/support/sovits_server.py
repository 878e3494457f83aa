"""Small HTTP servers that answer like GPT-SoVITS's api.py and api_v2.py, with a tone for a voice."""

import io
import json
import threading
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.http import listening

RATE = 32_000


def spoken(text: str, rate: int = RATE) -> NDArray[np.int16]:
    """80 ms of 440 Hz a character."""
    t = np.arange(len(text) * rate * 2 // 25)
    return (9000 * np.sin(2 * np.pi * 440 * t / rate)).astype(np.int16)


@dataclass
class Sovits:
    """What a server does, and what it was asked.

    api: which of the two. pieces: bytes of each piece it sends. go_on: waited for after the first piece.
    fault: how it fails. knows_tokens: False refuses streaming modes other than true, as older ones do.
    """

    api: str
    pieces: int = 4096
    rate: int = RATE
    fault: str = ""
    knows_tokens: bool = True
    server: str = "uvicorn"
    asked: list[dict[str, Any]] = field(default_factory=list)
    go_on: threading.Event = field(default_factory=threading.Event)
    url: str = ""


@contextmanager
def sovits(api: str, **more: Any) -> Iterator[Sovits]:
    """A running server."""
    what = Sovits(api, **more)
    what.go_on.set()

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def version_string(self) -> str:
            return what.server

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            known = what.api == "api_v2" and self.path == "/tts"
            self.tell(
                400 if known else 404, {"message": "text is required"} if known else {"detail": "Not Found"}
            )

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            what.asked.append(body)
            if refused := refusal(what, self.path, body):
                self.tell(*refused)
            elif what.fault == "ogg":
                self.sound(b"OggS" + bytes(6000))
            elif what.fault == "silence":
                self.sound(header(16_000) + bytes(32_000))
            else:
                self.sound(header(what.rate) + spoken(body["text"], what.rate).tobytes())

        def tell(self, status: int, said: object) -> None:
            data = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def sound(self, data: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "audio/wav")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for at in range(0, len(data), what.pieces):
                piece = data[at : at + what.pieces]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
                if what.fault == "breaks off" and at:
                    self.close_connection = True
                    return
                if at:  # the WAV's head may be all there is in the first
                    what.go_on.wait(10)
            self.wfile.write(b"0\r\n\r\n")

    with listening(Answer, what.go_on) as url:
        what.url = url
        yield what


def refusal(what: Sovits, path: str, body: dict[str, Any]) -> tuple[int, object] | None:
    """What each says to a request that it does not take; None if it does."""
    if what.fault == "500":
        return 500, {"detail": "Internal Server Error"}
    if what.api == "api":
        return None if path == "/" else (404, {"detail": "Not Found"})
    if path != "/tts":
        return 404, {"detail": "Not Found"}
    if not body.get("ref_audio_path"):
        return 400, {"message": "ref_audio_path is required"}
    if not what.knows_tokens and not isinstance(body["streaming_mode"], bool):
        wrong = {"loc": ["body", "streaming_mode"], "msg": "value could not be parsed to a boolean"}
        return 422, {"detail": [wrong]}
    return None


def header(rate: int) -> bytes:
    """The head of a WAV that does not know its length, as both send it."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
    return file.getvalue()
