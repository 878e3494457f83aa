"""Pinyin of whole clauses from the g2pW model: the reading of 行, 长, 得 ... from the words around them.

For v2 checkpoints, where the model's folder has been configured; without it pypinyin's dictionary decides.
The folder is `G2PWModel_1.1` as published: `g2pW.onnx` and its tables. Chen et al., "g2pW" (Interspeech 2022,
Apache-2.0).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from core.engines.compute.onnx import without_telemetry
from core.engines.gpt_sovits.text.packages import need
from core.engines.gpt_sovits.text.tables import simplified
from core.errors import BadInput

CONTEXT = 16
"""Characters on either side of the outermost characters in question that the model sees."""

_FILES = (
    "g2pW.onnx",
    "POLYPHONIC_CHARS.txt",
    "MONOPHONIC_CHARS.txt",
    "bopomofo_to_pinyin_wo_tune_dict.json",
)
# What GPT-SoVITS found the model to be worse at than a dictionary, and what the tables have wrong.
_NOT_ASKED = frozenset("一不和咋嗲剖差攢倒難奔勁拗肖瘙誒泊听噢")
_TABLE_WRONG = frozenset("似攢")


class Session(Protocol):
    """What is used of an onnxruntime session."""

    def run(self, names: Sequence[str], inputs: Mapping[str, npt.NDArray[Any]]) -> Sequence[npt.NDArray[Any]]:
        """The outputs called `names`, all if empty."""


class Converter(Protocol):
    """What is used of an OpenCC converter: the model knows traditional characters only."""

    def convert(self, text: str) -> str:
        """`text` in traditional characters, one for one."""


@dataclass(frozen=True)
class G2pw:
    """A loaded model; call it with a clause.

    sounds: the bopomofo the model can answer, in its order. choices: character -> those it may have.
    single: character -> its only bopomofo. pinyin: bopomofo without tone -> pinyin. tokens: BERT vocabulary.
    """

    session: Session
    traditional: Converter
    sounds: tuple[str, ...]
    choices: Mapping[str, tuple[int, ...]]
    single: Mapping[str, str]
    pinyin: Mapping[str, str]
    tokens: Mapping[str, int]

    def __call__(self, clause: str) -> list[str]:
        """Pinyin with tone digits for each character of `clause`; a mark stands for itself."""
        characters = self.traditional.convert(clause)
        if len(characters) != len(clause):
            characters = clause
        pypinyin = need("pypinyin", "pypinyin", "neural")
        found = [
            pypinyin.lazy_pinyin(char, style=pypinyin.Style.TONE3, neutral_tone_with_five=True)[0]
            for char in characters.translate(simplified())
        ]
        whole = pypinyin.lazy_pinyin(
            characters.translate(simplified()), style=pypinyin.Style.TONE3, neutral_tone_with_five=True
        )
        found = whole if len(whole) == len(clause) else found
        asked = [k for k, char in enumerate(characters) if char in self.choices and char not in _NOT_ASKED]
        for k, char in enumerate(characters):
            if k not in asked and char in self.single and char not in _TABLE_WRONG:
                found[k] = self._as_pinyin(self.single[char]) or found[k]
        for k, bopomofo in zip(asked, self._ask(characters, asked), strict=True):
            found[k] = self._as_pinyin(bopomofo) or found[k]
        return found

    def _as_pinyin(self, bopomofo: str) -> str | None:
        sound = self.pinyin.get(bopomofo[:-1])
        return sound + bopomofo[-1] if sound else None

    def _ask(self, characters: str, asked: Sequence[int]) -> list[str]:
        if not asked:
            return []
        start = max(0, asked[0] - CONTEXT)
        text = characters[start : asked[-1] + CONTEXT + 1].lower()
        ids = [self.tokens.get(char, self.tokens["[UNK]"]) for char in text]
        row = np.array([self.tokens["[CLS]"], *ids, self.tokens["[SEP]"]], np.int64)
        order = {char: place for place, char in enumerate(sorted(self.choices))}
        allowed = np.zeros((len(asked), len(self.sounds)), np.float32)
        for line, k in enumerate(asked):
            allowed[line, list(self.choices[characters[k]])] = 1
        rows = np.tile(row, (len(asked), 1))
        (answers, *_) = self.session.run(
            [],
            {
                "input_ids": rows,
                "token_type_ids": np.zeros_like(rows),
                "attention_mask": np.ones_like(rows),
                "phoneme_mask": allowed,
                "char_ids": np.array([order[characters[k]] for k in asked], np.int64),
                "position_ids": np.array([k - start + 1 for k in asked], np.int64),  # [CLS] is first
            },
        )
        return [self.sounds[int(place)] for place in np.argmax(answers, axis=1)]


def _pairs(path: Path) -> list[tuple[str, str]]:
    rows = path.read_text("utf-8").strip().split("\n")
    return [(char, sound) for char, _, sound in (row.strip("\r").partition("\t") for row in rows)]


def read_tokens(path: Path) -> dict[str, int]:
    """BERT's tokens and their numbers, of a `tokenizer.json` or a `vocab.txt`.

    Raises BadInput `weights_wrong` for a file that is neither.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            found: dict[str, int] = json.loads(text)["model"]["vocab"]
            return found
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput("weights_wrong", f"{path} is no vocabulary of BERT: {str(error)[:100]}") from error
    return {token: number for number, token in enumerate(text.splitlines()) if token}


def assemble(folder: Path, vocabulary: Path, session: Session, traditional: Converter) -> G2pw:
    """A model from the tables in `folder`, BERT's `vocabulary` (see `read_tokens`), and what runs it."""
    polyphonic = _pairs(folder / "POLYPHONIC_CHARS.txt")
    sounds = tuple(sorted({sound for _, sound in polyphonic}))
    place = {sound: k for k, sound in enumerate(sounds)}
    choices: dict[str, tuple[int, ...]] = {}
    for char, sound in polyphonic:
        choices[char] = (*choices.get(char, ()), place[sound])
    pinyin = json.loads((folder / "bopomofo_to_pinyin_wo_tune_dict.json").read_text("utf-8"))
    single = dict(_pairs(folder / "MONOPHONIC_CHARS.txt"))
    return G2pw(session, traditional, sounds, choices, single, pinyin, read_tokens(vocabulary))


@cache
def load(folder: Path, vocabulary: Path) -> G2pw:
    """The model in `folder`, with the vocabulary of the Chinese BERT (see `read_tokens`).

    Raises BadInput `missing_model_file` naming the first file that is not there, `weights_wrong` for a model
    that cannot be run; EngineUnavailable if onnxruntime or opencc is not installed.
    """
    for path in (*(folder / name for name in _FILES), vocabulary):
        if not path.is_file():
            raise BadInput("missing_model_file", f"g2pW needs {path}, which is not there", "g2pw")
    without_telemetry()
    runtime = need("onnxruntime", "onnxruntime", "g2pw")
    traditional = need("opencc", "opencc", "g2pw").OpenCC("s2tw")
    model = folder / "g2pW.onnx"
    try:
        session = runtime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a dozen of its own, without a common class
        raise BadInput("weights_wrong", f"{model} is no model that runs: {error}", "g2pw") from error
    return assemble(folder, vocabulary, session, traditional)
