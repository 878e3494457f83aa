"""A GPT-SoVITS server that runs elsewhere, as a speech engine: for voices that have not been moved here yet.

Both of its HTTP services are known, `api.py` and `api_v2.py` (https://github.com/RVC-Boss/GPT-SoVITS, MIT),
and told apart by asking. Sound is passed on as it arrives; nothing is held but one piece of it.
"""

import http.client
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import numpy as np

from core.engines.gpt_sovits.settings import VoiceSettings
from core.engines.gpt_sovits.voices import LANGUAGES, find_voice, list_voices
from core.errors import BadInput, EngineUnavailable, Error
from core.media.resample import Resampler
from core.protocols import Style
from core.types import Samples, Sentence, Spoken, Voice

NAME = "gpt-sovits-http"
DEFAULT = "default"

CONNECT_S = 5.0
SILENCE_S = 120.0
"""Seconds without a byte: without streaming, a server on a CPU says nothing until a sentence is whole."""

PAUSE_S = 0.3
"""Silence after a sentence at speed 1, as published."""

_PIECE = 16_384
_HEADER_LIMIT = 4096
_NOT_WAV = "GPT-SoVITS answered with something that is not WAV; start it with media type wav"
_FAILED_RATE = 16_000  # api_v2 hides an error in a second of silence at this rate

Api = Literal["api", "api_v2"]


@dataclass(frozen=True, slots=True)
class _Reference:
    """Whom to sound like; paths are the other server's. path None: its own default."""

    path: str | None = None
    text: str = ""
    language: str = "zh"
    aux: tuple[str, ...] = ()


class GptSovitsHttp:
    """A `SpeechEngine`; see the module's docstring."""

    rate = 32_000
    version = "1"

    def __init__(self, settings: VoiceSettings | None = None) -> None:
        """Raises EngineUnavailable if the setting gpt_sovits_url names no GPT-SoVITS server that answers."""
        self._settings = settings or VoiceSettings()
        self._place = urlsplit(self._settings.gpt_sovits_url)
        if self._place.scheme not in ("http", "https") or not self._place.hostname:
            url = self._settings.gpt_sovits_url
            raise BadInput("bad_setting", f"gpt_sovits_url is like http://127.0.0.1:9880, not {url!r}")
        self._api: Api = self._detect()
        self._by_token = True  # whether it is known to stream within a sentence; asked for until refused

    def voices(self) -> Sequence[Voice]:
        """`default`, the server's own or that of the setting reference_audio; then those kept here."""
        cloned = [voice.name for voice in list_voices(self._settings.voices_dir) if voice.name != DEFAULT]
        own = self._api == "api" or self._settings.reference_audio is not None
        names = [DEFAULT] * own + cloned
        return [Voice(name, LANGUAGES, f"spoken by {self._settings.gpt_sovits_url}") for name in names]

    def speak(self, sentence: Sentence, voice: str, style: Style) -> Iterator[Spoken]:
        """Yield the sentence's sound as it arrives.

        Raises BadInput for an unknown voice, or with the server's words if it refuses; Error if it fails.
        """
        # Pitch is a change of rate; the speed makes up for what that does to the length.
        ratio = 2.0 ** (style.pitch / 12)
        reference = self._reference(voice)
        with closing(self._ask(sentence, reference, style, style.speed / ratio)) as line:
            heading = _heading(line)
            resampler, silent = Resampler(round(heading.rate * ratio), self.rate), True
            for samples in _samples(line, heading):
                silent = silent and not samples.any()
                yield Spoken(resampler.push(samples))
            if silent and heading.rate == _FAILED_RATE:
                raise Error(f"{self._url()} failed at this sentence; its log says why")
            pause = np.zeros(int(self.rate * PAUSE_S / style.speed), np.float32)
            yield Spoken(np.concatenate([resampler.finish(), pause]))

    def close(self) -> None:
        """Nothing is kept open between sentences."""

    def _reference(self, voice: str) -> _Reference:
        if voice != DEFAULT:
            record = find_voice(self._settings.voices_dir, voice)
            place = record.folder.absolute()
            aux = tuple(str(place / f"aux-{k}.wav") for k in range(1, record.aux + 1))
            return _Reference(str(place / "reference.wav"), record.text, record.language, aux)
        settings = self._settings
        if settings.reference_audio is None:
            return _Reference()
        return _Reference(str(settings.reference_audio), settings.reference_text, settings.reference_language)

    def _ask(
        self, sentence: Sentence, reference: _Reference, style: Style, speed: float
    ) -> http.client.HTTPResponse:
        """The answer, its body still to come."""
        if self._api == "api":
            return self._post("/", _for_api(sentence, reference, speed))
        wanted = _for_api_v2(sentence, reference, style, speed)
        try:
            # 2 is streaming within a sentence; servers older than that know only true.
            return self._post("/tts", wanted | {"streaming_mode": 2 if self._by_token else True})
        except BadInput as error:
            if not self._by_token or "streaming_mode" not in error.message:
                raise
            self._by_token = False
            return self._post("/tts", wanted | {"streaming_mode": True})

    def _post(self, path: str, body: Mapping[str, Any]) -> http.client.HTTPResponse:
        """Raises BadInput if the request is refused, Error if the server cannot answer."""
        response = self._request("POST", path, json.dumps(body))
        if response.status == 200:
            return response
        with closing(response):
            said = _words(response.read(2000))
        if 400 <= response.status < 500:
            raise BadInput("speech_refused", f"{self._url()} refuses: {said}")
        raise Error(f"{self._url()} failed with {response.status}: {said}")

    def _request(self, method: str, path: str, body: str | None = None) -> http.client.HTTPResponse:
        kind = http.client.HTTPSConnection if self._place.scheme == "https" else http.client.HTTPConnection
        line = kind(self._place.hostname or "", self._place.port, timeout=CONNECT_S)
        try:
            line.connect()
            line.sock.settimeout(SILENCE_S)
            headers = {"Content-Type": "application/json", "Connection": "close"}
            line.request(method, self._place.path.rstrip("/") + path, body, headers)
            response = line.getresponse()
            if line.sock is not None:
                line.sock.close()  # the answer alone holds it open now, and closes it; as urllib.request does
            return response
        except (OSError, http.client.HTTPException) as error:
            line.close()
            raise Error(f"{self._url()} does not answer: {error or type(error).__name__}") from error

    def _detect(self) -> Api:
        """Which of the two services it is: only api_v2 knows /tts, whatever it says to an empty request."""
        try:
            response = self._request("GET", "/tts")
        except Error as error:
            raise EngineUnavailable(
                NAME, ["a GPT-SoVITS server"], f"{error}; see the setting gpt_sovits_url"
            ) from error
        with closing(response):
            if response.headers.get("Server", "").lower().startswith("lipstream"):
                raise EngineUnavailable(
                    NAME,
                    ["a GPT-SoVITS server"],
                    f"{self._url()} is Lipstream, which would ask itself; see the setting gpt_sovits_url",
                )
            return "api" if response.status == 404 else "api_v2"

    def _url(self) -> str:
        return f"GPT-SoVITS at {self._place.hostname}:{self._place.port or self._place.scheme}"


def _for_api(sentence: Sentence, reference: _Reference, speed: float) -> dict[str, Any]:
    wanted: dict[str, Any] = {"text": sentence.text, "text_language": sentence.language, "speed": speed}
    if reference.path is not None:
        wanted |= {
            "refer_wav_path": reference.path,
            "prompt_text": reference.text,
            "prompt_language": reference.language,
        }
    return wanted


def _for_api_v2(sentence: Sentence, reference: _Reference, style: Style, speed: float) -> dict[str, Any]:
    return {
        "text": sentence.text,
        "text_lang": sentence.language,
        "ref_audio_path": reference.path,
        "aux_ref_audio_paths": list(reference.aux),
        "prompt_text": reference.text,
        "prompt_lang": reference.language,
        "text_split_method": "cut0",  # it comes a sentence at a time
        "speed_factor": speed,
        "fragment_interval": 0.01,
        "seed": style.seed + sentence.index,
        "media_type": "wav",
    }


@dataclass(frozen=True, slots=True)
class _Heading:
    """The beginning of a WAV: its rate, the type of its samples, and what was read of them already."""

    rate: int
    kind: "np.dtype[np.signedinteger[Any]]"
    sound: bytes


def _heading(line: http.client.HTTPResponse) -> _Heading:
    """Raises Error for what is not a WAV."""
    head = b""
    while (found := _parsed(head)) is None:
        piece = _read(line)
        if not piece or len(head) > _HEADER_LIMIT:
            raise Error(_NOT_WAV)
        head += piece
    return found


def _samples(line: http.client.HTTPResponse, heading: _Heading) -> Iterator[Samples]:
    """The samples as they arrive."""
    rest, size = heading.sound, heading.kind.itemsize
    full = np.float32(np.iinfo(heading.kind).max)
    while True:
        whole = len(rest) // size * size
        if whole:
            yield np.frombuffer(rest[:whole], heading.kind).astype(np.float32) / full
        if not (piece := _read(line)):
            return
        rest = rest[whole:] + piece


def _read(line: http.client.HTTPResponse) -> bytes:
    """What has arrived, at least a byte; nothing at the end. Raises Error if the answer breaks off."""
    try:
        piece = line.read1(_PIECE)
        if not piece and line.length:
            raise http.client.IncompleteRead(b"", line.length)
        return piece
    except (OSError, http.client.HTTPException) as error:
        raise Error(f"the answer of GPT-SoVITS broke off: {error or type(error).__name__}") from error


def _parsed(head: bytes) -> _Heading | None:
    """None while there is too little of it. Raises Error for what is not a WAV."""
    if len(head) < 12:
        return None
    at, rate, bits = 12, 0, 0
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        raise Error(_NOT_WAV)
    while at + 8 <= len(head):
        name, length = head[at : at + 4], struct.unpack_from("<I", head, at + 4)[0]
        if name == b"data":
            if bits not in (16, 32) or not rate:
                raise Error(f"GPT-SoVITS answered with {bits} bits at {rate} Hz; expected 16 or 32 bits")
            return _Heading(rate, np.dtype(f"<i{bits // 8}"), head[at + 8 :])
        if name == b"fmt " and at + 24 <= len(head):
            rate, bits = struct.unpack_from("<I6xH", head, at + 12)
        at += 8 + length
    return None


def _words(body: bytes) -> str:
    """What the server says in an error, short."""
    text = body.decode("utf-8", "replace")
    try:
        said = json.loads(text)
    except ValueError:
        said = text
    if isinstance(said, dict):
        said = " ".join(str(said[key]) for key in ("message", "Exception", "detail") if key in said)
    return " ".join(str(said).split())[:300] or "nothing"
