"""Mandarin tones in a voice's sound: what its pitch does over each syllable."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from core.protocols import SpeechEngine, Style
from core.text import sentences
from core.types import Phoneme, Samples, Word

SYLLABLES = (
    "妈麻马骂", "八拔把爸", "衣移椅意", "汤糖躺烫", "猫毛卯帽", "风逢讽凤", "书熟鼠树", "飞肥匪费", 
    "通同桶痛", "鸦牙雅亚",
)  # fmt: skip
"""Ten syllables in the four tones."""

_LATE_S = 0.02
"""The voice's pitch gets to where a tone wants it somewhat after the sound that carries it."""

_STEP_S, _WINDOW_S = 0.01, 0.04
_LOUD = 1e-4
_VOWELS = frozenset("aeiouyɛɤəɚʊɨɔ")


def pitch(sound: Samples, rate: int) -> NDArray[np.float64]:
    """Hz every 10 ms, 70 to 420; NaN where nothing is voiced."""
    size, step = int(_WINDOW_S * rate), int(_STEP_S * rate)
    low, high = rate // 420, rate // 70
    found = []
    for at in range(0, len(sound) - size, step):
        window = sound[at : at + size] - sound[at : at + size].mean()
        echo = np.correlate(window, window, "full")[size - 1 :]
        best = low + int(echo[low:high].argmax())
        # of an echo and one at twice the time, the first is the voice's
        half = best // 2
        if half > low and echo[half - 2 : half + 3].max() > 0.9 * echo[best]:
            best = half
        voiced = np.square(window).mean() > _LOUD and echo[best] > 0.5 * echo[0]
        found.append(rate / best if voiced else np.nan)
    return np.array(found)


def moves(sound: Samples, phonemes: Sequence[Phoneme], words: Sequence[Word], rate: int) -> list[float]:
    """Semitones from the first third of each word's vowel on to its last, up to the next word or pause.

    Of characters by themselves: `words` has one for each. NaN where the voice creaks.
    """
    heard, late = pitch(sound, rate), round(_LATE_S * rate)
    ends = [phoneme.first for phoneme in phonemes if not phoneme.name] + [word.first for word in words]
    found = []
    for word in words:
        stop = min((end for end in ends if end > word.first), default=len(sound))
        vowel = min(p.first for p in phonemes if p.first >= word.first and _VOWELS.intersection(p.name))
        here = heard[round((vowel + late) / rate / _STEP_S) : round((stop + late) / rate / _STEP_S)]
        here = 12 * np.log2(here[np.isfinite(here)])
        third = len(here) // 3
        found.append(float(here[-third:].mean() - here[:third].mean()) if third > 1 else float("nan"))
    return found


def tones_right(engine: SpeechEngine, voice: str) -> dict[str, float]:
    """Shares of `SYLLABLES`, each said by itself, whose pitch does what its tone says, of those whose pitch
    can be heard: 1 stays within 1.5 semitones, 2 rises by 1, 4 falls by 1.5."""
    rules: dict[str, Callable[[float], bool]] = {
        "1": lambda move: abs(move) <= 1.5,
        "2": lambda move: move >= 1,
        "4": lambda move: move <= -1.5,
    }
    heard: dict[str, list[bool]] = {tone: [] for tone in rules}
    for group in SYLLABLES:
        for sentence in sentences("，".join(group) + "。"):
            pieces = list(engine.speak(sentence, voice, Style()))
            sound = np.concatenate([piece.samples for piece in pieces])
            words = [word for piece in pieces for word in piece.words]
            sounds = [phoneme for piece in pieces for phoneme in piece.phonemes or ()]
            for word, move in zip(words, moves(sound, sounds, words, engine.rate), strict=True):
                tone = str(1 + group.index(sentence.spoken[word.start]))
                if tone in rules and np.isfinite(move):
                    heard[tone].append(rules[tone](move))
    return {tone: sum(found) / len(found) for tone, found in heard.items()}
