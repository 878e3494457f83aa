"""A read sentence as the networks take it: phone numbers, and BERT features under those of Chinese."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.engines.gpt_sovits.models import Models
from core.engines.gpt_sovits.text import G2pwModel, frontend
from core.engines.gpt_sovits.text.symbols import Version
from core.errors import BadInput, Error

BERT_WIDTH = 1024
MOST_PHONES = 1000
"""Far more than a sentence has, far fewer than would exhaust memory."""
_MOST_CHARACTERS = 4000

_FINAL = "。.!?！？…"


@dataclass(frozen=True, slots=True)
class Reading:
    """phones: int64 (N,). bert: float32 (1024, N), zero where there is none."""

    phones: Tensor
    bert: Tensor


def read(text: str, language: str, symbols: Version, models: Models) -> Reading:
    """The reading of `text`, with a final mark if it has none.

    symbols: which table the models know. Raises BadInput `nothing_to_say`, `sentence_too_long`, and what the
    front end raises for a language it cannot read here.
    """
    text = text.strip()
    if len(text) > _MOST_CHARACTERS:
        raise _too_long(f"{len(text)} characters")
    if text and text[-1] not in _FINAL:
        text += "." if language == "en" else "。"
    model = G2pwModel(models.settings.g2pw, models.settings.tokens) if models.settings.g2pw else None
    phones: list[int] = []
    features: list[Tensor] = []
    for segment in frontend(text, language, symbols, model=model):
        phones += segment.phones
        if len(phones) > MOST_PHONES:
            raise _too_long(f"{len(phones)} sounds")
        if segment.language == "zh" and segment.word2ph is not None:
            features.append(_bert(segment.text, segment.word2ph, models))
        else:
            features.append(torch.zeros(BERT_WIDTH, len(segment.phones)))
    return Reading(torch.tensor(phones), torch.cat(features, dim=1))


def join(first: Reading, second: Reading) -> Reading:
    """One reading after the other."""
    return Reading(torch.cat([first.phones, second.phones]), torch.cat([first.bert, second.bert], dim=1))


def _bert(text: str, word2ph: Sequence[int], models: Models) -> Tensor:
    """float32 (1024, sum(word2ph)), of normalised Chinese: one token a character."""
    known = models.vocabulary
    unknown = known["[UNK]"]
    ids = [known["[CLS]"], *(known.get(character, unknown) for character in text), known["[SEP]"]]
    features: Tensor = models.bert(torch.tensor(ids, device=models.device), word2ph)
    if not bool(torch.isfinite(features).all()):
        raise Error("the BERT network gave numbers that are not finite: a damaged checkpoint?")
    return features.cpu()


def _too_long(size: str) -> BadInput:
    return BadInput(
        "sentence_too_long", f"a sentence of {size} is too long for one breath; put in full stops", "text"
    )
