"""The text front end of GPT-SoVITS voices: read text in, phoneme ids for each stretch of one language out.

    for sentence in sentences(text):
        for segment in frontend(sentence.spoken, sentence.language, "v2"): ...

How numbers, dates and signs are read is decided before, by `core.text`, for every voice alike. Here text is
cut by language (`languages`), and each language has a module that turns words into phonemes. Packages are
imported when a language is first used; nothing is downloaded.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from core.engines.gpt_sovits.text import cantonese, chinese, english, g2pw, japanese, korean
from core.engines.gpt_sovits.text.languages import Language, Stretch, check_mode, stretches
from core.engines.gpt_sovits.text.symbols import Version, ids, symbols
from core.errors import BadInput

__all__ = ["G2pwModel", "Segment", "frontend", "symbols"]

_SHORTEST = 6
"""Phonemes. The checkpoints stumble over less, so a full stop is put in front."""


@dataclass(frozen=True)
class Segment:
    """A stretch of one language, ready for the networks.

    text: what is said, normalised; for zh and yue one character for each entry of `word2ph`, and what the
    Chinese BERT is given. phones: ids in the version's symbol table. word2ph: phonemes of each character,
    None for languages that have no BERT features.
    """

    text: str
    language: Language
    phones: tuple[int, ...]
    word2ph: tuple[int, ...] | None


@dataclass(frozen=True)
class G2pwModel:
    """Where g2pW is: its own folder, and the vocabulary of the Chinese BERT (tokenizer.json or vocab.txt)."""

    folder: Path
    vocabulary: Path


def frontend(
    text: str,
    language: str,
    version: Version,
    *,
    model: G2pwModel | None = None,
) -> list[Segment]:
    """The segments of read `text`, in order; none is empty.

    language: one of `languages.MODES` (v1 voices: `languages.V1_MODES`). version: of the checkpoint; v2
    stands for every later one too. model: reads Chinese characters in context, for v2.

    Raises BadInput `unsupported_language`, or `nothing_to_say` for text without a word in any of the
    languages; EngineUnavailable, naming the extra, for text in a language whose packages are not installed.
    """
    check_mode(language, version)
    text = re.sub(r"\s+", " ", text)
    read = partial(_segment, version=version, model=model)
    found = _segments(text, language, read)
    if sum(len(segment.phones) for segment in found) < _SHORTEST:
        found = _segments("." + text, language, read)
    if not any(re.search(r"\w", segment.text) for segment in found):
        raise BadInput("nothing_to_say", "the text has no words to speak; write at least one", "text")
    return found


def _segments(text: str, language: str, read: Callable[[Stretch], Segment]) -> list[Segment]:
    return [segment for stretch in stretches(text, language) if (segment := read(stretch)).phones]


def _segment(stretch: Stretch, version: Version, model: G2pwModel | None) -> Segment:
    language, text = stretch
    word2ph: list[int] | None = None
    if version == "v1" and language not in ("zh", "en", "ja"):
        check_mode(language, version)
    if language == "zh":
        text = chinese.normalise(text)
        pinyin = g2pw.load(model.folder, model.vocabulary) if model and version != "v1" else None
        phones, word2ph = chinese.phonemes(text, version, pinyin=pinyin)
    elif language == "yue":
        text = chinese.normalise(text)
        phones, word2ph = cantonese.phonemes(text)
    elif language == "en":
        text = english.normalise(text)
        phones = english.phonemes(text)
    elif language == "ja":
        text = japanese.normalise(text)
        phones = japanese.phonemes(text)
    else:
        phones = korean.phonemes(text)
    return Segment(text, language, ids(phones, version), tuple(word2ph) if word2ph is not None else None)
