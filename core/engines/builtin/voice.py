"""The built-in voice: eSpeak NG in a child process. Clear, robotic, many languages, and it starts at once.

The engine holds one child and starts another if it dies. Each sentence is fetched whole (a second of speech
takes a millisecond) and handed on in pieces. Its pauses are of our own making, so that seams are silent.
"""

import json
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from core.engines.base import Style
from core.errors import BadInput, Error
from core.types import Phoneme, Samples, Sentence, Spoken, Voice, Word

_ROOT = Path(__file__).parents[3]
_PIECE_MS = 100
_LANGUAGES = {"zh": "cmn", "en": "en-us", "yue": "yue", "ja": "ja", "ko": "ko"}

_VOICES: dict[str, tuple[str, str, str]] = {
    "female": ("f2", "en-us", "a woman's voice"),
    "male": ("m3", "en-us", "a man's voice"),
    "female-2": ("f5", "en-us", "a woman's voice, softer"),
    "male-2": ("m7", "en-us", "a man's voice, deeper"),
    "british-female": ("f2", "en", "a woman's voice; British when it speaks English"),
    "british-male": ("m3", "en", "a man's voice; British when it speaks English"),
}
"""name: (eSpeak's variant, its name for the English this voice speaks, what it is like)."""

_WORDS_A_MINUTE = 175
_SEMITONES_A_STEP = 0.176
"""Of eSpeak's pitch scale of 0 to 99, measured between 20 and 99 on an English sentence."""

_GAIN = 0.8
"""Leaves room above eSpeak's loudest voices, which reach full scale."""

_SILENCE = 0.004
_PAUSE_S = {"full": 0.30, "clause": 0.12, "none": 0.06}


class VoiceFailed(Error):
    """The voice process died on this sentence, twice."""


class EspeakVoice:
    """A `SpeechEngine`."""

    version = "espeak/1"
    rate = 22_050

    def __init__(self) -> None:
        self._lock = threading.Lock()  # `close` may come from another thread than the worker's
        self._child: subprocess.Popen[bytes] | None = self._start()

    def voices(self) -> Sequence[Voice]:
        """Every voice speaks every language: the same timbre, another mouth."""
        return [Voice(name, tuple(_LANGUAGES), about) for name, (_, _, about) in _VOICES.items()]

    def speak(self, sentence: Sentence, voice: str, style: Style) -> Iterator[Spoken]:
        """See `SpeechEngine.speak`. Pitch reaches about 8 semitones either way; more is taken for that.

        Raises BadInput `unknown_voice`, `unreadable_text` (Japanese with kanji), VoiceFailed.
        """
        if voice not in _VOICES:
            raise BadInput(
                "unknown_voice", f"there is no voice {voice!r}; there are: {', '.join(_VOICES)}", "voice"
            )
        variant, english, _ = _VOICES[voice]
        language = english if sentence.language == "en" else _LANGUAGES[sentence.language]
        order = {
            "text": sentence.spoken,
            "voice": f"{language}+{variant}",
            "speed": round(min(450.0, max(80.0, _WORDS_A_MINUTE * style.speed))),
            "pitch": round(min(99.0, max(0.0, 50 + style.pitch / _SEMITONES_A_STEP))),
        }
        if sentence.language == "ja":
            _check_kana(sentence)
        head, sound = self._ask(order)
        samples = _with_pause(sound, _pause_after(sentence.text), self.rate)
        phonemes = [Phoneme(name, ms * self.rate // 1000) for ms, name in head["phonemes"]]
        words = [
            Word(ms * self.rate // 1000, start, start + length)
            for ms, start, length in head["words"]
            if 0 <= start < start + length <= len(sentence.spoken)
        ]
        yield from _pieces(samples, phonemes, words, self.rate * _PIECE_MS // 1000)

    def close(self) -> None:
        """End the child."""
        with self._lock:
            if self._child is not None:
                _end(self._child)
                self._child = None

    def _start(self) -> subprocess.Popen[bytes]:
        # -I would hide our package from a child started elsewhere; -S -E keep start-up short and plain.
        return subprocess.Popen(
            [sys.executable, "-m", "core.engines.builtin.voice_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=_ROOT,
        )

    def _ask(self, order: dict[str, Any]) -> tuple[dict[str, Any], Samples]:
        """The child's answer; a child that dies over it is replaced once."""
        encoded = json.dumps(order).encode()
        with self._lock:
            for _ in range(2):
                child = self._child or self._start()
                self._child = child
                try:
                    return _exchange(child, encoded)
                except (OSError, EOFError):
                    _end(child)
                    self._child = None
        raise VoiceFailed(f"the voice process dies on {order['text'][:80]!r}")


def _exchange(child: subprocess.Popen[bytes], order: bytes) -> tuple[dict[str, Any], Samples]:
    assert child.stdin is not None  # noqa: S101  # both are pipes, see _start
    assert child.stdout is not None  # noqa: S101
    child.stdin.write(struct.pack("<I", len(order)) + order)
    child.stdin.flush()
    (length,) = struct.unpack("<I", _exactly(child, 4))
    head: dict[str, Any] = json.loads(_exactly(child, length))
    if "error" in head:
        raise VoiceFailed(head["error"])
    pcm = np.frombuffer(_exactly(child, 2 * head["samples"]), "<i2")
    return head, pcm.astype(np.float32) * np.float32(_GAIN / 32_768)


def _exactly(child: subprocess.Popen[bytes], length: int) -> bytes:
    assert child.stdout is not None  # noqa: S101  # a pipe, see EspeakVoice._start
    data = child.stdout.read(length)
    if len(data) < length:
        raise EOFError
    return data


def _end(child: subprocess.Popen[bytes]) -> None:
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with suppress(OSError):  # what was still to be written has no reader any more
                pipe.close()
    child.kill()
    child.wait()


def _check_kana(sentence: Sentence) -> None:
    """eSpeak reads kana alone; kanji it would spell as "Chinese letter"."""
    kanji = next((character for character in sentence.spoken if "\u4e00" <= character <= "\u9fff"), None)
    if kanji is not None:
        message = (
            f"the built-in voice reads Japanese in kana only, and the text has {kanji!r}; write it in kana"
        )
        raise BadInput("unreadable_text", message, "text")


def _pause_after(text: str) -> float:
    """Seconds of silence that the end of `text` asks for."""
    last = text.rstrip(" \n\t\"'”’」』）)]》")[-1:]
    if last in "。！？.!?…":
        return _PAUSE_S["full"]
    return _PAUSE_S["clause"] if last in "，,、；;：:—" else _PAUSE_S["none"]


def _with_pause(sound: Samples, pause_s: float, rate: int) -> Samples:
    """`sound` faded in and out over 4 ms, its own trailing silence replaced by a pause of `pause_s`."""
    loud = np.flatnonzero(np.abs(sound) > _SILENCE)
    end = min(len(sound), int(loud[-1]) + rate // 50) if len(loud) else 0
    spoken = sound[:end].copy()
    fade = min(rate // 250, len(spoken) // 2)
    if fade:
        ramp = np.linspace(0, 1, fade, endpoint=False, dtype=np.float32)
        spoken[:fade] *= ramp
        spoken[-fade:] *= ramp[::-1]
    return np.concatenate([spoken, np.zeros(int(pause_s * rate), np.float32)])


def _pieces(samples: Samples, phonemes: list[Phoneme], words: list[Word], size: int) -> Iterator[Spoken]:
    """The sentence in pieces of `size` samples, each with the marks that begin in it."""
    # A sound that began in the trailing silence that was cut is a pause like the one that replaced it.
    phonemes = [p for p in phonemes if p.first < len(samples)]
    for at in range(0, len(samples), size):
        stop = at + size
        yield Spoken(
            samples[at:stop],
            tuple(p for p in phonemes if at <= p.first < stop),
            tuple(w for w in words if at <= w.first < stop),
        )
