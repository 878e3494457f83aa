"""The GPT-SoVITS voice as a speech engine: sentences in, sound out while it is still being made.

Sentences of several jobs share the steps of one decoder (`decoder`); each has its own vocoder. A step of any
one of them is a step of all, so the engine's one thread serves them side by side.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from core.engines.gpt_sovits.decoder import Request
from core.engines.gpt_sovits.models import Models
from core.engines.gpt_sovits.reading import Reading, join, read
from core.engines.gpt_sovits.reference import Reference, reference_of
from core.engines.gpt_sovits.sampling import Sampling
from core.engines.gpt_sovits.settings import GptSovitsSettings, installed_settings
from core.engines.gpt_sovits.text.symbols import Version
from core.engines.gpt_sovits.utterance import Pace, utter
from core.engines.gpt_sovits.vocoder import Vocoder
from core.engines.gpt_sovits.voices import LANGUAGES, VoiceRecord, find_voice, list_voices
from core.media.resample import Resampler
from core.nets.gpt_sovits.sovits import RATE
from core.protocols import Style
from core.text import sentences
from core.types import Sentence, Spoken, Voice

PAUSE_S = 0.3
"""Silence after a sentence at speed 1, as published."""


class GptSovits:
    """A `SpeechEngine`; see the module's docstring. Why it tries again: "too_short", "no_end", "silent"."""

    rate = RATE
    version = "1"

    def __init__(
        self,
        settings: GptSovitsSettings | None = None,
        *,
        sampling: Sampling | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.settings = settings or installed_settings()
        self._sampling = sampling or Sampling()
        self._pace = pace or Pace()
        self._models = Models(self.settings)
        # What references say is read once: for Chinese that is a run of BERT.
        self._said = lru_cache(64)(self._read)

    def voices(self) -> Sequence[Voice]:
        """Those in the voices folder, the settings' own first, then by name; they may change at any time."""
        records = sorted(list_voices(self.settings.voices), key=lambda record: not record.source)
        return [Voice(record.name, LANGUAGES, record.about) for record in records]

    def speak(self, sentence: Sentence, voice: str, style: Style) -> Iterator[Spoken]:
        """Yield the sentence's sound piece by piece.

        Between pieces come empty ones, one a decoded token: each is a chance to stop, or to let another
        sentence go on.
        Raises BadInput for an unknown voice, a reference or models that cannot be used, a text with nothing
        to say or in a language whose packages are missing; Error if a network gives NaN or only silence.
        """
        record = find_voice(self.settings.voices, voice)
        pair = self._models.pair(record.t2s, record.sovits)
        reference = reference_of(record, self._models, pair)
        target = self._read(sentence.spoken, sentence.language, pair.symbols)
        whole, prompt = self._prompted(record, reference, target, pair.symbols)
        # Pitch is a change of rate; the speed makes up for what that does to the length.
        ratio = 2.0 ** (style.pitch / 12)
        resampler = Resampler(round(RATE * ratio), RATE)
        phones = target.phones.to(reference.voice.device)

        def vocoder(seed: int) -> Vocoder:
            return Vocoder(pair.sovits, phones, reference.voice, seed=seed, speed=style.speed / ratio)

        # The sentences of a job have draws of their own, and the same ones every time.
        seed = style.seed + sentence.index
        request = Request(whole.phones, whole.bert, prompt, 0, seed, self._sampling)
        tried: Counter[str] = Counter()
        for samples in utter(request, pair.decoder, vocoder, len(phones), self._pace, tried):
            again = tuple(tried.elements())
            tried.clear()
            yield Spoken(resampler.push(samples) if len(samples) else samples, retried=again)
        pause = np.zeros(int(RATE * PAUSE_S / style.speed), np.float32)
        yield Spoken(np.concatenate([resampler.finish(), pause]))

    def close(self) -> None:
        """Let the networks go."""
        self._models = Models(self.settings)
        self._said.cache_clear()

    def _read(self, text: str, language: str, symbols: Version) -> Reading:
        return read(text, language, symbols, self._models)

    def _prompted(
        self, record: VoiceRecord, reference: Reference, target: Reading, symbols: Version
    ) -> tuple[Reading, tuple[int, ...]]:
        """What the T2S network goes on from: the reference and its text, or, without a text, nothing."""
        if not record.text:
            return target, ()
        said = " ".join(sentence.spoken for sentence in sentences(record.text, record.language))
        return join(self._said(said, record.language, symbols), target), reference.prompt
