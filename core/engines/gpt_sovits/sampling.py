"""Draw the next semantic token: repetition penalty, top-p, temperature, top-k, in this order.

The order and its details are those of GPT-SoVITS (AR/models/utils.py): how voices sound depends on them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to draw. top_k 1 always takes the likeliest; top_p 1 leaves all; repetition_penalty 1 is none."""

    top_k: int = 15
    top_p: float = 1.0
    temperature: float = 1.0
    repetition_penalty: float = 1.35


def penalised(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """`logits` (n,) with those of tokens that were `seen`, bool (n,), made less likely."""
    if penalty == 1.0:
        return logits
    return torch.where(seen, torch.where(logits < 0, logits * penalty, logits / penalty), logits)


def probabilities(logits: Tensor, sampling: Sampling) -> Tensor:
    """float32 (n,) that sum to 1, of penalised logits float32 (n,)."""
    if sampling.top_p < 1.0:
        order = logits.sort(descending=True)
        # The token that crosses the threshold goes too; only the likeliest always stays.
        out = order.values.softmax(-1).cumsum(-1) > sampling.top_p
        out[0] = False
        logits = logits.masked_fill(torch.zeros_like(out).scatter(0, order.indices, out), -torch.inf)
    logits = logits / max(sampling.temperature, 1e-5)
    if sampling.top_k < len(logits):
        least = logits.topk(sampling.top_k).values[-1]
        logits = logits.masked_fill(logits < least, -torch.inf)
    return logits.softmax(-1)


def draw(logits: Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    """A token, of penalised logits float32 (n,) on the CPU."""
    if sampling.top_k == 1:
        return int(logits.argmax())
    chances = probabilities(logits, sampling)
    return int((chances / torch.empty_like(chances).exponential_(generator=generator)).argmax())
