"""The engine `hibari`: English in one natural voice, from the package hibari-tts."""

import importlib.util
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.engines.builtin.voice.sound import pause_after, pieces
from core.engines.builtin.voice.spelling import check
from core.engines.compute.onnx import session
from core.engines.hibari.alphabet import Reading
from core.engines.hibari.english import English
from core.engines.hibari.graph import checked, with_output
from core.engines.hibari.timing import placed
from core.errors import BadInput, DamagedFile, EngineUnavailable
from core.protocols import Style
from core.types import Samples, Sentence, Spoken, Voice

VOICES: Final = (
    Voice("heart", ("en",), "a woman's voice, American, natural", quality="natural", licence="Apache-2.0"),
)

_SHA256 = "5f70741d4e900f4e85d0037498736cc1b3e1b9a63a13546a5da1e63abf4fccd8"
_DURATIONS = "/Clip_output_0"
_GAIN = 1.6
"""Brings it to -20 dBFS RMS while speaking, like all voices here."""

_LONGEST = 280
"""Symbols that are spoken in one go; a sentence seldom has more. The network was taught up to about 500."""


class HibariVoice:
    """A `SpeechEngine`."""

    version = "hibari/1"
    rate = 24_000

    def __init__(self) -> None:
        """Raises EngineUnavailable if the package is not there or not the one that was tried out."""
        assets = package_files("hibari", "hibari-tts==0.2.1")
        try:
            model = checked([assets / "hibari.onnx"], _SHA256)
            self._numbers: dict[str, int] = json.loads((assets / "vocab.json").read_text("utf-8"))
            self._english = English(assets, frozenset(self._numbers))
            self._network = session(with_output(model, _DURATIONS), threads=1)
        except DamagedFile as error:
            remedy = "get it with: pip install --force-reinstall hibari-tts==0.2.1"
            raise EngineUnavailable("hibari", [str(error)], remedy) from error

    def voices(self) -> Sequence[Voice]:
        """The one voice that the package brings."""
        return VOICES

    def proofread(self, sentence: Sentence) -> None:
        """See `Proofreads`: other letters than Latin ones."""
        check(sentence)

    def speak(self, sentence: Sentence, voice: str, style: Style) -> Iterator[Spoken]:
        """See `SpeechEngine.speak`. Raises BadInput `unknown_voice`, `unreadable_text`."""
        if voice != VOICES[0].name:
            raise BadInput(
                "unknown_voice", f"there is no voice {voice!r}; there is: {VOICES[0].name}", "voice"
            )
        check(sentence)
        parts = self._english.read(sentence.spoken).parts(_LONGEST)
        begin = 0
        for k, part in enumerate(parts):
            noise = np.random.default_rng((style.seed % 2**32, sentence.index, k))
            sound, durations = self._sound(part, style, noise)
            ending = sentence.spoken if k + 1 == len(parts) else part.symbols
            pause = int(pause_after(ending) / style.speed * self.rate)
            made = placed(part, sound * np.float32(_GAIN), durations, self.rate, style.speed, pause)
            yield from pieces(*made, self.rate, begin)
            begin += len(made[0])

    def _sound(
        self, part: Reading, style: Style, noise: np.random.Generator
    ) -> tuple[Samples, NDArray[np.int64]]:
        """What the network and its signal processing make of a part, and the durations of its symbols."""
        from hibari.dsp import synth

        ids = [0, *(self._numbers[symbol] for symbol in part.symbols), 0]
        inputs = {"ids": np.array([ids], np.int64), "speed": np.array([style.speed], np.float32)}
        *spectra, pitch, durations = self._network.run(None, inputs)
        spectra = [spectrum[0] for spectrum in spectra]
        sound: Samples = synth(*spectra, pitch[0], noise)
        if style.pitch:  # harmonics get louder or softer where they move to
            power = float(np.square(sound).mean())
            sound = synth(*spectra, pitch[0] * np.float32(2.0 ** (style.pitch / 12)), noise)
            sound *= np.sqrt(power / float(np.square(sound).mean() + 1e-12), dtype=np.float32)
        return sound, durations.ravel().astype(np.int64)

    def close(self) -> None:
        """Let the network go at once, whoever still knows the voice (a traceback, say): it takes 200 MB."""
        vars(self).pop("_network", None)


def package_files(package: str, distribution: str, folder: str = "assets") -> Path:
    """Where an installed package has its files. Raises EngineUnavailable if it is not installed."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise EngineUnavailable(distribution, [package], f"get it with: pip install {distribution}")
    return Path(found.origin).parent / folder
