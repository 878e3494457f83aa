"""The built-in voice: eSpeak NG in a child process. Clear, robotic, many languages, and it starts at once.

The engine holds one child and starts another if it dies. Each sentence is fetched whole (a second of speech
takes a millisecond) and handed on in pieces. Its pauses are of our own making, so that seams are silent.
"""

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import espeakng_loader
import numpy as np

from core.engines.builtin.voice.child import ANSWER, ORDER, PHONEME, WORD
from core.engines.builtin.voice.sound import pause_after, pieces, trimmed, with_pause
from core.engines.builtin.voice.spelling import check, spell
from core.errors import BadInput, VoiceFailed
from core.protocols import Style
from core.runtime.environment import child_environment
from core.types import Phoneme, Samples, Sentence, Spoken, Voice, Word

_SPACED: Final = "\u0530"
"""Below it are the letters, Latin and Cyrillic, of languages that part words by spaces."""

SILENCE_S = 35.0
"""Seconds for one sentence; the child itself gives up after 30."""

_CHILD = Path(__file__).with_name("child.py")


@dataclass(frozen=True, slots=True)
class _Timbre:
    """How a voice sounds.

    variant: eSpeak's name for it. gain: brings it to the loudness of the others, about -20 dBFS RMS while
    speaking. english: which English it speaks. about: for people.
    """

    variant: str
    gain: float
    english: str
    about: str


# The clearest of eSpeak's hundred variants: an English recogniser (pocketsphinx 5.1, 12 sentences) mistook
# 39, 38, 35 and 49 % of their words, and over 70 % of most others'.
_TIMBRES: Final = {
    "female": _Timbre("f2", 1.15, "en-us", "a woman's voice"),
    "male": _Timbre("edward", 1.1, "en-us", "a man's voice"),
    "female-2": _Timbre("f5", 1.4, "en-us", "a woman's voice, softer"),
    "male-2": _Timbre("m6", 1.15, "en-us", "a man's voice, brighter"),
    "british-female": _Timbre("f2", 1.15, "en", "a woman's voice; British when it speaks English"),
    "british-male": _Timbre("edward", 1.1, "en", "a man's voice; British when it speaks English"),
}
_LANGUAGES: Final = {
    "zh": "cmn", "en": "en-us", "yue": "yue", "ja": "ja", "ko": "ko",
    "fr": "fr", "de": "de", "es": "es", "it": "it", "pt": "pt", "ru": "ru",
}  # fmt: skip
_LANGUAGE_GAIN: Final = {"zh": 0.88, "yue": 0.82, "ko": 0.95}
_WORDS_A_MINUTE: Final = {"zh": 215, "yue": 215}
_WORDS_A_MINUTE_ELSE = 175
"""eSpeak's own; for Chinese that is slow, 3.4 characters a second."""

_SEMITONES_A_STEP = 0.18
"""Of eSpeak's pitch scale of 0 to 99, measured over its whole length on Chinese and English sentences."""

_VOLUME = 60
"""Of eSpeak's 0 to 200. At its own, 100, its louder voices are clipped."""


_BURSTS: Final = ("p", "t", "k")
_CLOSURE_S: Final = 0.035
"""How long these are silent before they burst: 30 to 45 ms, measured on Chinese and English sentences."""

VOICES: Final = tuple(
    Voice(name, tuple(_LANGUAGES), timbre.about, quality="robotic", licence="GPL-3.0-or-later")
    for name, timbre in _TIMBRES.items()
)


class EspeakVoice:
    """A `SpeechEngine`."""

    version = "espeak/3"
    rate = 22_050

    def __init__(self) -> None:
        self._lock = threading.Lock()  # `close` may come from another thread than the worker's
        self._child: subprocess.Popen[bytes] | None = self._start()

    def voices(self) -> Sequence[Voice]:
        """Every voice speaks every language: the same timbre, another mouth."""
        return VOICES

    def proofread(self, sentence: Sentence) -> None:
        """See `Proofreads`: Japanese with kanji, say."""
        check(sentence)

    def speak(self, sentence: Sentence, voice: str, style: Style) -> Iterator[Spoken]:
        """See `SpeechEngine.speak`. Pitch reaches about 8 semitones either way; more is taken for that.

        Raises BadInput `unknown_voice`, `unreadable_text` (Japanese with kanji, say), VoiceFailed.
        """
        if voice not in _TIMBRES:
            raise BadInput(
                "unknown_voice", f"there is no voice {voice!r}; there are: {', '.join(_TIMBRES)}", "voice"
            )
        timbre = _TIMBRES[voice]
        text, places = spell(sentence)
        answer = self._ask(_order(sentence.language, timbre, style, text), sentence)
        gain = timbre.gain * _LANGUAGE_GAIN.get(sentence.language, 1.0)
        sound, skipped = trimmed(answer.sound * np.float32(gain), self.rate)
        samples = with_pause(sound, int(pause_after(sentence.spoken) / style.speed * self.rate))
        phonemes = [p for p in _phonemes(answer.phonemes, skipped, self.rate) if p.first < len(samples)]
        words = _words(
            [(first - skipped, places[at]) for first, at in answer.words if 0 <= at < len(places)],
            sentence.spoken,
        )
        yield from pieces(samples, phonemes, words, self.rate)

    def close(self) -> None:
        """End the child."""
        with self._lock:
            if self._child is not None:
                _end(self._child)
                self._child = None

    def _start(self) -> subprocess.Popen[bytes]:
        # By its path and without `site`, so that it starts in 20 ms wherever we are installed; in a session
        # of its own, so that Ctrl-C in a terminal is for us alone.
        script = [str(_CHILD), espeakng_loader.get_library_path(), espeakng_loader.get_data_path()]
        return subprocess.Popen(
            [sys.executable, "-I", "-S", *script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=child_environment(),
            start_new_session=True,
        )

    def _ask(self, order: bytes, sentence: Sentence) -> "_Answer":
        """The child's answer; a child that dies over it is replaced once."""
        with self._lock:
            for _ in range(2):
                child = self._child or self._start()
                self._child = child
                # One that says nothing is ended, which ends our waiting for it.
                hung = threading.Timer(SILENCE_S, child.kill)
                hung.daemon = True
                hung.start()
                try:
                    return _exchange(child, order, self.rate)
                except (OSError, EOFError):
                    _end(child)
                    self._child = None
                finally:
                    hung.cancel()
        raise VoiceFailed(
            f"the voice process dies on sentence {sentence.index + 1}, {sentence.text[:80]!r}; reword it"
        )


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the child said: samples; phonemes and words as (first sample, name or place in the text)."""

    sound: Samples
    phonemes: list[tuple[int, str]]
    words: list[tuple[int, int]]


def _order(language: str, timbre: _Timbre, style: Style, text: str) -> bytes:
    voice = f"{timbre.english if language == 'en' else _LANGUAGES[language]}+{timbre.variant}".encode()
    speed = _WORDS_A_MINUTE.get(language, _WORDS_A_MINUTE_ELSE) * style.speed
    encoded = text.encode()
    head = ORDER.pack(
        round(min(450.0, max(80.0, speed))),
        round(min(99.0, max(0.0, 50 + style.pitch / _SEMITONES_A_STEP))),
        _VOLUME,
        style.seed % 2**31,
        len(voice),
        len(encoded),
    )
    return head + voice + encoded


def _exchange(child: subprocess.Popen[bytes], order: bytes, rate: int) -> _Answer:
    assert child.stdin is not None  # noqa: S101  # both are pipes, see _start
    assert child.stdout is not None  # noqa: S101
    child.stdin.write(order)
    child.stdin.flush()
    refusal, made_at, samples, phonemes, words = ANSWER.unpack(_exactly(child, ANSWER.size))
    if refusal:
        raise VoiceFailed(f"eSpeak NG: {_exactly(child, refusal).decode()}")
    if made_at != rate:
        raise VoiceFailed(f"eSpeak NG speaks at {made_at} samples a second, {rate} were expected")
    pcm = np.frombuffer(_exactly(child, 2 * samples), "<i2")
    names = PHONEME.iter_unpack(_exactly(child, PHONEME.size * phonemes))
    return _Answer(
        pcm.astype(np.float32) / np.float32(32_768),
        # A name of more than eight bytes is cut, perhaps within a character.
        [(first, name.rstrip(b"\0").decode("utf-8", "ignore")) for first, name in names],
        list(WORD.iter_unpack(_exactly(child, WORD.size * words))),
    )


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


def _phonemes(heard: list[tuple[int, str]], skipped: int, rate: int) -> list[Phoneme]:
    """Sounds and pauses, without the marks where eSpeak changes its language, such as "(en)".

    Of p, t and k it tells when they burst; they begin when the sound is shut.
    """
    found: list[Phoneme] = []
    for first, name in heard:
        if not name.startswith("("):
            begin = first - skipped
            if name.lstrip("ˈˌ")[:1] in _BURSTS:
                before = found[-1].first if found else 0
                begin = max(begin - round(_CLOSURE_S * rate), (before + begin) // 2)
            found.append(Phoneme(name, max(0, begin)))
    return found


def _words(heard: list[tuple[int, int]], spoken: str) -> list[Word]:
    """Words from where eSpeak says they begin, each as far as the next one.

    eSpeak tells the first character of a Chinese word, counts marks to it, and sees two words in "iPhone".
    """
    begins: list[tuple[int, int]] = []
    for first, place in heard:
        while place < len(spoken) and not spoken[place].isalnum():
            place += 1
        if place < len(spoken) and (not begins or place > begins[-1][1]) and not _within_word(spoken, place):
            begins.append((max(0, first), place))
    words = []
    for k, (first, place) in enumerate(begins):
        stop = begins[k + 1][1] if k + 1 < len(begins) else len(spoken)
        while not spoken[stop - 1].isalnum():
            stop -= 1
        words.append(Word(first, place, stop))
    return words


def _within_word(spoken: str, place: int) -> bool:
    """Is `place` in the middle of a word with spaces around it, or of a number?"""
    before = spoken[:place]
    if spoken[place].isdigit():
        before = before.rstrip(".,")  # of 1.234,50
    return bool(before) and all(c.isalnum() and c < _SPACED for c in (before[-1], spoken[place]))
