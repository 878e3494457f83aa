"""A client as people wrote them for four services: speech, lip-sync, enhancement, and the one that combines.

It knows nothing of Lipstream, and nothing but the standard library.
"""

import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

TIMEOUT_S = 60


@dataclass(frozen=True)
class OldSystem:
    """Where each service is."""

    speech: str
    lipsync: str
    enhance: str
    video: str

    def speak(self, text: str, language: str) -> bytes:
        """GPT-SoVITS's api.py: a WAV."""
        query = urlencode({"text": text, "text_language": language, "cut_punc": "，。", "top_k": 15})
        with urlopen(f"{self.speech}/?{query}", timeout=TIMEOUT_S) as response:  # noqa: S310  # the test's own
            assert response.headers["Content-Type"] == "audio/wav"
            return bytes(response.read())

    def speak_v2(self, text: str, language: str) -> bytes:
        """GPT-SoVITS's api_v2.py, streaming: a WAV, the header apart."""
        wanted = {"text": text, "text_lang": language, "text_split_method": "cut5", "batch_size": 1}
        body = json.dumps(wanted | {"media_type": "wav", "streaming_mode": True}).encode()
        return self._post(f"{self.speech}/tts", body, "application/json")

    def sync(self, video: Path, audio: bytes) -> tuple[str, bytes]:
        """The lip-sync service: a form in, the video's URL and the video out."""
        border = uuid.uuid4().hex
        body = b""
        for name, file, data in (("video", "in.mp4", video.read_bytes()), ("audio", "in.wav", audio)):
            head = f'--{border}\r\nContent-Disposition: form-data; name="{name}"; filename="{file}"\r\n\r\n'
            body += head.encode() + data + b"\r\n"
        body += f"--{border}--\r\n".encode()
        kind = f"multipart/form-data; boundary={border}"
        url = json.loads(self._post(f"{self.lipsync}/process_sync/", body, kind))["video_url"]
        return url, self._get(url)

    def sharpen(self, url: str) -> bytes:
        """The enhancement service: a URL in, the video out."""
        body = json.dumps({"video_url": url}).encode()
        answer = self._post(f"{self.enhance}/process_video/", body, "application/json")
        return self._get(json.loads(answer)["video_url"])

    def create(self, **wanted: Any) -> dict[str, bytes]:
        """The combining service: what its answer's addresses hold, by their names."""
        body = json.dumps(wanted).encode()
        made = json.loads(self._post(f"{self.video}/create-video/", body, "application/json"))
        return {name: self._get(url) for name, url in made.items() if url and name.endswith("_url")}

    def _post(self, url: str, body: bytes, kind: str) -> bytes:
        request = Request(url, body, {"Content-Type": kind})  # noqa: S310  # the test's own
        with urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
            return bytes(response.read())

    def _get(self, url: str) -> bytes:
        with urlopen(url, timeout=TIMEOUT_S) as response:  # noqa: S310  # the test's own
            return bytes(response.read())
