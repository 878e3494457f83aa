"""Sound from speech servers: one request over HTTP, and its answer as samples while it arrives.

WAV of any rate, mono or not, in 16, 24 or 32 bits, or bare 16-bit samples. However the answer is cut into
pieces, the samples are the same; an answer that breaks off is an error, never silence.
"""

import http.client
import json
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult

import numpy as np

from core.errors import BadInput, ServerFault, SpeechServerFailed
from core.types import Samples

CONNECT_S = 5.0
BUSY_S = 5
"""Seconds after which a busy server is asked again, where it does not say."""
SILENCE_S = 120.0
"""Seconds without a byte: without streaming, a server on a CPU says nothing until a sentence is whole."""

_PIECE = 16_384
_HEADER_LIMIT = 65_536
_WORDS = 2000
_REFUSAL, _FAILURE = 300, 80
"""Characters of the server's words that are told: of a refusal all that helps to ask better."""
_LONGEST_WAIT_S = 3600
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_KINDS: Final = {(_PCM, 16): "<i2", (_PCM, 24): "V3", (_PCM, 32): "<i4", (_FLOAT, 32): "<f4"}
"""Types of samples by their form and bits."""
_RATES: Final = range(4000, 384_001)
_MOST_CHANNELS = 16
_LONGEST = 1 << 27
"""Bytes, 46 minutes of speech: a header that tells more, or none, does not know yet."""
_LOUDEST = 16.0
"""Full scale is 1. Floats go somewhat beyond; those that are whole numbers go to 32768."""
_FORMATS: Final = {
    b"ID3": "MP3", b"OggS": "Ogg", b"fLaC": "FLAC", b"\x1aE\xdf\xa3": "WebM", b"FORM": "AIFF",
    b"RIFX": "RIFX", b"RF64": "RF64",
}  # fmt: skip
_FRAMES: Final = {
    b"\xff\xfb": "MP3", b"\xff\xfa": "MP3", b"\xff\xf3": "MP3", b"\xff\xf2": "MP3",
    b"\xff\xf1": "AAC", b"\xff\xf9": "AAC",
}  # fmt: skip
"""What each frame of these begins with. A sample may be the same, but not once and again."""
_COMPRESSED: Final = frozenset(f"audio/{name}" for name in ("mpeg", "mp3", "ogg", "flac", "aac", "opus"))
_TOLD_BY = 12
_FRAMES_TOLD_BY = 4096
"""Bytes, at least two frames."""
_PRINTABLE: Final = bytes([*b"\t\n\r", *range(0x20, 0x7F)])


@dataclass(frozen=True, slots=True)
class SpeechServer:
    """Where a server is, and what people call it.

    headers: sent with every request. secret: what is never told, though the server repeats it.
    """

    place: SplitResult
    called: str
    headers: Mapping[str, str]
    secret: str = ""

    def __str__(self) -> str:
        return f"{self.called} at {self.place.hostname}:{self.place.port or self.place.scheme}"

    def post(
        self, path: str, body: Mapping[str, Any], silence_s: float = SILENCE_S
    ) -> http.client.HTTPResponse:
        """The answer, its body still to come.

        Raises BadInput `speech_refused` if the request is refused, SpeechServerFailed if it cannot answer.
        """
        response = self.request("POST", path, json.dumps(body), silence_s)
        if response.status == 200:
            return response
        with closing(response):
            said = _beginning(response)
        status, wait = response.status, response.headers.get("Retry-After", "")
        if status in (429, 503):
            message = f"{self} is busy ({status}): {self.words(said)}"
            after = min(max(int(wait), 1), _LONGEST_WAIT_S) if wait.isdecimal() else BUSY_S
            raise SpeechServerFailed(message, "busy", after)
        if 400 <= status < 500 and status != 408:
            raise BadInput("speech_refused", f"{self} refuses with {status}: {self.words(said, _REFUSAL)}")
        why: ServerFault = "slow" if status in (408, 504) else "failed" if status >= 500 else "unusable"
        raise SpeechServerFailed(f"{self} failed with {status}: {self.words(said)}", why)

    def words(self, said: bytes, most: int = _FAILURE) -> str:
        """What it says in an error: at most so many characters, and never the secret."""
        told = _words(said)
        return (told.replace(self.secret, "***") if self.secret else told)[:most]

    def request(
        self, method: str, path: str, body: str | None = None, silence_s: float = SILENCE_S
    ) -> http.client.HTTPResponse:
        """Raises SpeechServerFailed if the server does not answer."""
        return self._ask(self._line(CONNECT_S), method, path, body, silence_s)

    def knock(self, method: str, path: str, within_s: float) -> http.client.HTTPResponse:
        """`request`, answered within so many seconds all told, however the answer trickles in."""
        line, answer = self._line(within_s), Future[http.client.HTTPResponse]()

        def ask() -> None:
            try:
                answer.set_result(self._ask(line, method, path, None, within_s))
            except Exception as error:  # noqa: BLE001  # raised below
                answer.set_exception(error)

        threading.Thread(target=ask, name="knock", daemon=True).start()
        try:
            return answer.result(within_s)
        except TimeoutError:
            with suppress(OSError, AttributeError):  # wakes who reads there; there may be no line yet
                line.sock.shutdown(socket.SHUT_RDWR)
            raise SpeechServerFailed(f"{self} does not answer within {within_s:g} s", "slow") from None

    def _line(self, connect_s: float) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self.place.scheme == "https" else http.client.HTTPConnection
        return kind(self.place.hostname or "", self.place.port, timeout=connect_s)

    def _ask(
        self, line: http.client.HTTPConnection, method: str, path: str, body: str | None, silence_s: float
    ) -> http.client.HTTPResponse:
        try:
            line.connect()
            line.sock.settimeout(silence_s)
            headers = {"Content-Type": "application/json", "Connection": "close", **self.headers}
            encoded = None if body is None else body.encode()
            line.request(method, self.place.path.rstrip("/") + path, encoded, headers)
            response = line.getresponse()
            if line.sock is not None:
                line.sock.close()  # the answer alone holds it open now, and closes it; as urllib.request does
            return response
        except (OSError, http.client.HTTPException) as error:
            line.close()
            why: ServerFault = "slow" if isinstance(error, TimeoutError) else "failed"
            raise SpeechServerFailed(f"{self} does not answer: {_shown(error)}", why) from error


@dataclass(frozen=True, slots=True)
class Heading:
    """What an answer turned out to be: its rate, the type of a sample, samples at a time, what was read of
    them already, and how many bytes of them there are (None: to the end).
    """

    rate: int
    kind: "np.dtype[Any]"
    channels: int
    sound: bytes
    length: int | None


def heading(line: http.client.HTTPResponse, server: SpeechServer, bare: int | None = None) -> Heading:
    """Reads the beginning of an answer.

    bare: the rate of 16-bit samples without a header; None: there must be one. Raises
    SpeechServerFailed for what is neither.
    """
    head = b""
    while True:
        piece = _read(line, server)
        head += piece
        if bare is not None and not head.startswith(b"RIFF"):
            enough = _FRAMES_TOLD_BY if head[:2] in _FRAMES else _TOLD_BY
            if piece and len(head) < enough:
                continue
            _check_bare(head, line, server)
            return Heading(bare, np.dtype("<i2"), 1, head, None)
        if (found := _parsed(head, server)) is not None:
            return found
        if not piece or len(head) > _HEADER_LIMIT:
            raise _not_wav(server)


def samples(line: http.client.HTTPResponse, head: Heading, server: SpeechServer) -> Iterator[Samples]:
    """The samples as they arrive, mono. Raises SpeechServerFailed if they end too early, or are no sound."""
    rest, size = head.sound, head.kind.itemsize * head.channels
    left = head.length
    while True:
        if left is not None:  # what comes after them in the file is no sound
            rest = rest[:left]
        whole = len(rest) // size * size
        if whole:
            yield _as_floats(np.frombuffer(rest[:whole], head.kind), head.channels, server)
        left = None if left is None else left - whole
        rest = rest[whole:]
        if left == 0:
            return
        if not (piece := _read(line, server)):
            if rest:
                raise SpeechServerFailed(f"the answer of {server} broke off within a sample")
            if left:
                missing = f"{left} of {head.length} bytes are missing"
                raise SpeechServerFailed(f"the answer of {server} broke off: {missing}")
            return
        rest += piece


def _words(body: bytes) -> str:
    """What a server says in an error, on one line."""
    text = body.decode("utf-8", "replace")
    try:
        said = json.loads(text)
    except ValueError:
        said = text
    if isinstance(said, dict):
        said = said.get("error", said)
    if isinstance(said, dict):
        told = [str(said[key]) for key in ("message", "Exception", "detail") if key in said]
        said = " ".join(told) or text
    return " ".join(str(said).split()) or "nothing"


def _beginning(line: http.client.HTTPResponse) -> bytes:
    """Of what the server says in an error; what has come of it, if the rest does not."""
    try:
        return line.read(_WORDS)
    except http.client.IncompleteRead as error:
        return error.partial
    except (OSError, http.client.HTTPException):
        return b""


def _shown(error: Exception) -> str:
    """What broke a line, in words of people: those of http.client are of Python's insides."""
    match error:
        case TimeoutError():
            return "nothing came in time"
        case http.client.IncompleteRead(expected=int(missing)):
            return f"{missing} bytes are missing"
        case http.client.RemoteDisconnected() | http.client.IncompleteRead() | ConnectionError(errno=None):
            return "it hung up"
        case http.client.HTTPException():
            return "that is no HTTP"
        case OSError(strerror=str(told)):
            return told
    return " ".join(str(error).split()) or type(error).__name__


def _as_floats(found: "np.ndarray[Any, Any]", channels: int, server: SpeechServer) -> Samples:
    if found.dtype.kind == "V":  # of 24 bits: the upper ones of 32
        wide = np.zeros((len(found), 4), np.uint8)
        wide[:, 1:] = found.view(np.uint8).reshape(-1, 3)
        found = wide.view("<i4").ravel()
    if found.dtype.kind == "i":
        found = found.astype(np.float32) / np.float32(np.iinfo(found.dtype).max)
    elif not (loudest := float(np.abs(found).max())) <= _LOUDEST:
        message = f"{server} answered with samples of up to {loudest:g}; expected floats from -1 to 1"
        raise SpeechServerFailed(message, "unusable")
    mixed = found if channels == 1 else found.reshape(-1, channels).mean(axis=1)
    return mixed.astype(np.float32)


def _read(line: http.client.HTTPResponse, server: SpeechServer) -> bytes:
    """What has arrived, at least a byte; nothing at the end.

    Raises SpeechServerFailed if the answer breaks off.
    """
    try:
        piece = line.read1(_PIECE)
        if not piece and line.length:
            raise http.client.IncompleteRead(b"", line.length)
        return piece
    except (OSError, http.client.HTTPException) as error:
        why: ServerFault = "slow" if isinstance(error, TimeoutError) else "failed"
        raise SpeechServerFailed(f"the answer of {server} broke off: {_shown(error)}", why) from error


def _check_bare(head: bytes, line: http.client.HTTPResponse, server: SpeechServer) -> None:
    """Raises SpeechServerFailed for what cannot be samples: nothing, words, or another format."""
    if not head:
        raise SpeechServerFailed(f"{server} answered with nothing")
    kind = line.headers.get_content_type()
    if kind == "application/json" or kind.startswith("text/") or not head.translate(None, _PRINTABLE):
        said = server.words(head + _beginning(line))
        raise SpeechServerFailed(f"{server} answered with words, not sound: {said}", "unusable")
    name = next((name for begin, name in _FORMATS.items() if head.startswith(begin)), None)
    name = "MP4" if head[4:8] == b"ftyp" else name
    name = _FRAMES[head[:2]] if head[:2] in _FRAMES and head.count(head[:2]) > 1 else name
    if name is None and kind in _COMPRESSED:
        name = kind
    if name is not None:
        message = f"{server} answered with {name}; it has to know the format pcm or wav"
        raise SpeechServerFailed(message, "unusable")


def _parsed(head: bytes, server: SpeechServer) -> Heading | None:
    """None while there is too little of it. Raises SpeechServerFailed for what is not a WAV."""
    if len(head) < 12:
        return None
    at, rate, bits, channels, form = 12, 0, 0, 1, _PCM
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        raise _not_wav(server)
    while at + 8 <= len(head):
        name, length = head[at : at + 4], struct.unpack_from("<I", head, at + 4)[0]
        if name == b"data":
            if (form, bits) not in _KINDS:
                message = (
                    f"{server} answered with WAV of {bits} bits (form {form}); expected 16, 24 or 32 bits"
                )
                raise SpeechServerFailed(message, "unusable")
            if rate not in _RATES or not 0 < channels <= _MOST_CHANNELS:
                raise SpeechServerFailed(
                    f"{server} answered with WAV of {channels} channels at {rate} Hz; expected 1 to "
                    f"{_MOST_CHANNELS} at {_RATES.start} to {_RATES.stop - 1} Hz",
                    "unusable",
                )
            known = 0 < length < _LONGEST
            kind = np.dtype(_KINDS[form, bits])
            return Heading(rate, kind, channels, head[at + 8 :], length if known else None)
        if name == b"fmt " and at + 24 <= len(head):
            form, channels, rate, bits = struct.unpack_from("<HHI6xH", head, at + 8)
            if form == _EXTENSIBLE and at + 34 <= len(head):
                form = struct.unpack_from("<H", head, at + 32)[0]
        at += 8 + length + length % 2
    return None


def _not_wav(server: SpeechServer) -> SpeechServerFailed:
    message = f"{server} answered with something that is not WAV; start it with media type wav"
    return SpeechServerFailed(message, "unusable")
