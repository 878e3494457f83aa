"""A small HTTP server that answers like OpenAI's /v1/audio/speech, each voice with a tone of its own."""

import io
import json
import struct
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

RATE = 24_000
VOICES = {f"v{k}": 220 + 60 * k for k in range(8)}
"""Names, and what they hum, in Hz."""


def hummed(text: str, voice: str = "v0", rate: int = RATE) -> NDArray[np.int16]:
    """80 ms a character."""
    t = np.arange(len(text) * rate * 2 // 25)
    return (9000 * np.sin(2 * np.pi * VOICES[voice] * t / rate)).astype(np.int16)


def wav(sound: NDArray[np.int16], rate: int, channels: int = 1, *, after: bytes = b"") -> bytes:
    """A WAV that knows its length, and what comes after the samples."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(np.repeat(sound, channels).tobytes())
    return file.getvalue() + after


def endless(data: bytes, rate: int, form: int = 1, bits: int = 16) -> bytes:
    """A mono WAV whose head does not know its length."""
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 0xFFFFFFFF, b"WAVE", b"fmt ", 16, form, 1, rate,
                       rate * bits // 8, bits // 8, bits, b"data", 0xFFFFFFFF)  # fmt: skip
    return head + data


@dataclass
class Speaking:
    """What the server does, and what it was asked.

    pieces: bytes of each piece it sends. body: what it sends instead of a hum. kind: its content type.
    status, said: of a refusal. fault: "breaks off", "short" or "stalls". takes_stream: False refuses it.
    """

    pieces: int = 4096
    body: bytes | None = None
    kind: str = "audio/pcm"
    status: int = 200
    said: object = None
    fault: str = ""
    takes_stream: bool = True
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    go_on: threading.Event = field(default_factory=threading.Event)
    url: str = ""


@contextmanager
def speaking(**more: Any) -> Iterator[Speaking]:
    """A running server."""
    what = Speaking(**more)
    what.go_on.set()

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            what.asked.append({"path": self.path})
            self.tell(404, {"detail": "Not Found"})

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            what.asked.append(asked)
            what.keys.append(self.headers["Authorization"])
            if self.path != "/v1/audio/speech":
                self.tell(404, {"detail": "Not Found"})
            elif what.status != 200:
                self.tell(what.status, what.said)
            elif "stream" in asked and not what.takes_stream:
                self.tell(400, {"error": {"message": "Unrecognized request argument: stream"}})
            else:
                body = hummed(asked["input"], asked["voice"]).tobytes() if what.body is None else what.body
                self.sound(body)

        def tell(self, status: int, said: object) -> None:
            data = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def sound(self, data: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", what.kind)
            if what.fault == "short":
                self.send_header("Content-Length", str(len(data) + 100))
                self.end_headers()
                self.wfile.write(data)
                self.close_connection = True
                return
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for at in range(0, len(data), what.pieces):
                piece = data[at : at + what.pieces]
                try:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                    self.wfile.flush()
                except OSError:  # nobody listens any more
                    self.close_connection = True
                    return
                if what.fault == "breaks off" and at:
                    self.close_connection = True
                    return
                what.go_on.wait(10)
            self.wfile.write(b"0\r\n\r\n")

    with listening(Answer, what.go_on) as url:
        what.url = f"{url}/v1"
        yield what
