"""Any speech server of OpenAI's shape as a voice: `POST {speech_url}/audio/speech`.

vLLM-Omni, Kokoro-FastAPI, LocalAI, adapters of GPT-SoVITS, OpenAI and Lipstream itself speak it:
https://platform.openai.com/docs/api-reference/audio/createSpeech. Sound is passed on as it arrives; no more
than one piece of it is held, and nothing between sentences. The server is asked for nothing but sentences,
and only for those that its voices are to speak.
"""

import http.client
import socket
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from typing import Final
from urllib.parse import urlsplit

import numpy as np

from core.engines.builtin.voice.sound import pause_after
from core.engines.neural import NeuralSettings
from core.engines.remote_sound import CONNECT_S, SILENCE_S, SpeechServer, heading, samples
from core.errors import BadInput, EngineUnavailable
from core.media.resample import Resampler
from core.protocols import Style
from core.text.scripts import PLAIN
from core.types import Sentence, Spoken, Voice

NAME: Final = "openai-http"
LANGUAGES: Final = ("zh", "en", "yue", "ja", "ko", *PLAIN)

ASKED_BY: Final = "X-Lipstream-Asked-By"
PROCESS: Final = uuid.uuid4().hex
"""Sent as `ASKED_BY`, so that a server that was pointed at itself can tell."""

_RATES: Final = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_RATE: Final = 24_000


class OpenAiHttp:
    """A `SpeechEngine`; see the module's docstring."""

    version = "1"

    def __init__(self, settings: NeuralSettings | None = None) -> None:
        """Raises BadInput for settings that cannot be, EngineUnavailable if nothing listens at speech_url."""
        self._settings = settings or NeuralSettings()
        url, key = self._settings.speech_url, self._settings.speech_key.get_secret_value()
        if not _is_address(url):
            message = f"speech_url is like http://127.0.0.1:8880/v1, not {url!r}"
            raise BadInput("bad_setting", message, "speech_url")
        if not key.isascii() or not key.isprintable():
            raise BadInput("bad_setting", "speech_key has characters that no header may have", "speech_key")
        if not self._settings.speech_voices:
            raise BadInput("bad_setting", 'speech_voices is empty; it is like ["alloy"]', "speech_voices")
        headers = {ASKED_BY: PROCESS} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._server = SpeechServer(urlsplit(url), "the speech server", headers, key)
        self.rate = self._settings.speech_rate if self._settings.speech_rate in _RATES else _RATE
        self._streams = True  # whether it is known to take `stream`; asked for until refused
        self._knock()

    def voices(self) -> Sequence[Voice]:
        """Those of the setting speech_voices, each for every language: servers do not say what they read."""
        about = f"spoken by {self._server.place.hostname}, {self._settings.speech_model}"
        return [Voice(name, LANGUAGES, about) for name in self._settings.speech_voices]

    def speak(self, sentence: Sentence, voice: str, style: Style) -> Iterator[Spoken]:
        """Yield the sentence's sound as it arrives.

        Raises BadInput for an unknown voice, or with the server's words if it refuses; SpeechServerFailed if
        it fails.
        """
        if voice not in self._settings.speech_voices:
            known = ", ".join(self._settings.speech_voices)
            raise BadInput("unknown_voice", f"there is no voice {voice!r}; there are: {known}", "voice")
        # Pitch is a change of rate; the speed makes up for what that does to the length.
        ratio = 2.0 ** (style.pitch / 12)
        with closing(self._ask(sentence, voice, style.speed / ratio)) as line:
            head = heading(line, self._server, bare=self._bare_rate(line))
            resampler = Resampler(round(head.rate * ratio), self.rate)
            for some in samples(line, head, self._server):
                yield Spoken(resampler.push(some))
        pause = np.zeros(int(self.rate * pause_after(sentence.spoken) / style.speed), np.float32)
        yield Spoken(np.concatenate([resampler.finish(), pause]))

    def close(self) -> None:
        """Nothing is kept open between sentences."""

    def _ask(self, sentence: Sentence, voice: str, speed: float) -> http.client.HTTPResponse:
        """The answer, its body still to come."""
        wanted = {
            "model": self._settings.speech_model,
            "input": sentence.spoken,
            "voice": voice,
            "response_format": "pcm",
            "speed": round(speed, 4),
        } | self._settings.speech_extra
        try:
            return self._post(wanted | {"stream": True} if self._streams else wanted)
        except BadInput as error:
            if not self._streams or "stream" not in error.message:
                raise
            self._streams = False
            return self._post(wanted)

    def _post(self, wanted: dict[str, object]) -> http.client.HTTPResponse:
        return self._server.post("/audio/speech", wanted, SILENCE_S)

    def _bare_rate(self, line: http.client.HTTPResponse) -> int:
        """Samples a second of an answer without a header, told by `audio/pcm;rate=24000` or the setting."""
        said = line.headers.get_param("rate", None)
        with suppress(TypeError, ValueError):
            if 8000 <= int(str(said)) <= 192_000:
                return int(str(said))
        return self._settings.speech_rate

    def _knock(self) -> None:
        """Raises EngineUnavailable if nothing listens there. Nothing is asked."""
        place = self._server.place
        port = place.port or (443 if place.scheme == "https" else 80)
        try:
            socket.create_connection((place.hostname or "", port), timeout=CONNECT_S).close()
        except OSError as error:
            remedy = f"{self._server} does not answer: {error}; see the setting speech_url"
            raise EngineUnavailable(NAME, ["a speech server"], remedy) from error


def _is_address(url: str) -> bool:
    try:
        place = urlsplit(url)
        return place.scheme in ("http", "https") and bool(place.hostname) and place.port != 0
    except ValueError:  # a port that is no number
        return False
