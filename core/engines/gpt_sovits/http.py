"""A GPT-SoVITS server that runs elsewhere, as a speech engine: for voices that have not been moved here yet.

Both of its HTTP services are known, `api.py` and `api_v2.py` (https://github.com/RVC-Boss/GPT-SoVITS, MIT),
and told apart by asking. Sound is passed on as it arrives; nothing is held but one piece of it.
"""

import http.client
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import numpy as np

from core.engines.gpt_sovits.settings import VoiceSettings
from core.engines.gpt_sovits.voices import LANGUAGES, find_voice, list_voices
from core.engines.remote_sound import SpeechServer, heading, samples
from core.errors import BadInput, EngineUnavailable, SpeechServerFailed
from core.media.resample import Resampler
from core.protocols import Style
from core.types import Sentence, Spoken, Voice

NAME = "gpt-sovits-http"
DEFAULT = "default"

DETECT_S = 5.0
"""Seconds that the first question, which costs a server nothing, may take to be answered, all told."""

PAUSE_S = 0.3
"""Silence after a sentence at speed 1, as published."""

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
        place = urlsplit(self._settings.gpt_sovits_url)
        if place.scheme not in ("http", "https") or not place.hostname:
            url = self._settings.gpt_sovits_url
            raise BadInput("bad_setting", f"gpt_sovits_url is like http://127.0.0.1:9880, not {url!r}")
        self._server = SpeechServer(place, "GPT-SoVITS", {})
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

        Raises BadInput for an unknown voice, or with the server's words if it refuses; SpeechServerFailed if
        it fails.
        """
        # Pitch is a change of rate; the speed makes up for what that does to the length.
        ratio = 2.0 ** (style.pitch / 12)
        reference = self._reference(voice)
        with closing(self._ask(sentence, reference, style, style.speed / ratio)) as line:
            head = heading(line, self._server)
            resampler, silent = Resampler(round(head.rate * ratio), self.rate), True
            for some in samples(line, head, self._server):
                silent = silent and not some.any()
                yield Spoken(resampler.push(some))
            if silent and head.rate == _FAILED_RATE:
                raise SpeechServerFailed(f"{self._server} failed at this sentence; its log says why")
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
            return self._server.post("/", _for_api(sentence, reference, speed))
        wanted = _for_api_v2(sentence, reference, style, speed)
        try:
            # 2 is streaming within a sentence; servers older than that know only true.
            return self._server.post("/tts", wanted | {"streaming_mode": 2 if self._by_token else True})
        except BadInput as error:
            if not self._by_token or "streaming_mode" not in error.message:
                raise
            self._by_token = False
            return self._server.post("/tts", wanted | {"streaming_mode": True})

    def _detect(self) -> Api:
        """Which of the two services it is: only api_v2 knows /tts, whatever it says to an empty request."""
        try:
            response = self._server.knock("GET", "/tts", DETECT_S)
        except SpeechServerFailed as error:
            raise EngineUnavailable(
                NAME, ["a GPT-SoVITS server"], f"{error}; see the setting gpt_sovits_url"
            ) from error
        with closing(response):
            if response.headers.get("Server", "").lower().startswith("lipstream"):
                raise EngineUnavailable(
                    NAME,
                    ["a GPT-SoVITS server"],
                    f"{self._server} is Lipstream, which would ask itself; see the setting gpt_sovits_url",
                )
            return "api" if response.status == 404 else "api_v2"


def _for_api(sentence: Sentence, reference: _Reference, speed: float) -> dict[str, Any]:
    wanted: dict[str, Any] = {"text": sentence.spoken, "text_language": sentence.language, "speed": speed}
    if reference.path is not None:
        wanted |= {
            "refer_wav_path": reference.path,
            "prompt_text": reference.text,
            "prompt_language": reference.language,
        }
    return wanted


def _for_api_v2(sentence: Sentence, reference: _Reference, style: Style, speed: float) -> dict[str, Any]:
    return {
        "text": sentence.spoken,
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
