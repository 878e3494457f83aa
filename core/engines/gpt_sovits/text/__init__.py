"""The text front end of GPT-SoVITS voices: text in, phoneme ids for each stretch of one language out.

    for piece in split(text, "cut5"):
        for segment in frontend(piece, "zh", "v2"): ...

Text is cut by language (`languages`), what the reference misreads is put into words (`readings`), then each
language has a normaliser and a module that turns words into phonemes. Packages are imported when a language
is first used; nothing is downloaded.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from core.engines.gpt_sovits.text import (
    cantonese,
    chinese,
    chinese_normal,
    english,
    english_normal,
    g2pw,
    japanese,
    korean,
    readings,
)
from core.engines.gpt_sovits.text.languages import Language, Stretch, check_mode, stretches
from core.engines.gpt_sovits.text.sentences import cut, split
from core.engines.gpt_sovits.text.symbols import Version, ids, symbols
from core.errors import BadInput

__all__ = ["G2pwModel", "Segment", "cut", "frontend", "split", "symbols"]

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
    as_reference: bool = False,
) -> list[Segment]:
    """The segments of `text`, in order; none is empty.

    language: one of `languages.MODES` (v1 voices: `languages.V1_MODES`). version: of the checkpoint; v2
    stands for every later one too. model: reads Chinese characters in context, for v2. as_reference: also
    misread what the reference misreads, to compare with it.

    Raises BadInput `unsupported_language`, or `nothing_to_say` for text without a word in any of the
    languages; EngineUnavailable, naming the extra, for text in a language whose packages are not installed.
    """
    check_mode(language, version)
    text = re.sub(" {2,}" if as_reference else r"\s+", " ", text)
    read = partial(_segment, version=version, model=model, as_reference=as_reference)
    found = _segments(text, language, read)
    if sum(len(segment.phones) for segment in found) < _SHORTEST:
        found = _segments("." + text, language, read)
    if not any(re.search(r"\w", segment.text) for segment in found):
        raise BadInput("nothing_to_say", "the text has no words to speak; write at least one", "text")
    return found


def _segments(text: str, language: str, read: Callable[[Stretch], Segment]) -> list[Segment]:
    return [segment for stretch in stretches(text, language) if (segment := read(stretch)).phones]


def _segment(stretch: Stretch, version: Version, model: G2pwModel | None, as_reference: bool) -> Segment:
    language, text = stretch
    word2ph: list[int] | None = None
    if version == "v1" and language not in ("zh", "en", "ja"):
        check_mode(language, version)
    if language == "zh":
        text = chinese_normal.normalise(text if as_reference else readings.chinese(text))
        pinyin = g2pw.load(model.folder, model.vocabulary) if model and version != "v1" else None
        fixed = pinyin is not None or not as_reference
        phones, word2ph = chinese.phonemes(text, version, pinyin=pinyin, fixed=fixed)
    elif language == "yue":
        text = cantonese.normalise(text if as_reference else readings.cantonese(text))
        phones, word2ph = cantonese.phonemes(text)
    elif language == "en":
        text = english_normal.normalise(text if as_reference else readings.english(text))
        phones = english.phonemes(text, as_reference=as_reference)
    elif language == "ja":
        text = japanese.normalise(text)
        phones = japanese.phonemes(text)
    else:
        phones = korean.phonemes(text)
    return Segment(text, language, ids(phones, version), tuple(word2ph) if word2ph is not None else None)
