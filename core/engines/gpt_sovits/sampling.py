"""Draw the next semantic token: repetition penalty, top-p, temperature, top-k, in this order.

The order and its details are those of GPT-SoVITS (AR/models/utils.py): how voices sound depends on them.
Rows are drawn together and each as it wants to be; nothing branches on a value, so a GPU can record it.
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


def penalised(logits: Tensor, seen: Tensor, penalty: Tensor) -> Tensor:
    """`logits` (rows, n) with those of tokens that were `seen`, bool (rows, n), made less likely.

    penalty: (rows,), `Sampling.repetition_penalty` of each.
    """
    penalty = penalty[:, None]
    return torch.where(seen, torch.where(logits < 0, logits * penalty, logits / penalty), logits)


def probabilities(logits: Tensor, top_k: Tensor, top_p: Tensor, temperature: Tensor) -> Tensor:
    """float32 (rows, n), each row summing to 1, of penalised logits float32 (rows, n).

    top_k int64, top_p and temperature float32, (rows,): those of `Sampling`, a row each.
    """
    order = logits.sort(descending=True)
    # The token that crosses the threshold goes too; only the likeliest always stays.
    out = (order.values.softmax(-1).cumsum(-1) > top_p[:, None]) & (top_p < 1)[:, None]
    out[:, 0] = False
    least = order.values.masked_fill(out, -torch.inf).gather(1, top_k.clamp_max(logits.shape[1])[:, None] - 1)
    logits = logits.masked_fill(torch.zeros_like(out).scatter(1, order.indices, out), -torch.inf)
    kept = logits.masked_fill(logits < least, -torch.inf)
    return (kept / temperature.clamp_min(1e-5)[:, None]).softmax(-1)


def draw(logits: Tensor, noise: Tensor, top_k: Tensor, top_p: Tensor, temperature: Tensor) -> Tensor:
    """A token a row, int64 (rows,), of penalised logits float32 (rows, n).

    noise: float32 (rows, n), of the exponential distribution. The rest as in `probabilities`.
    """
    drawn = (probabilities(logits, top_k, top_p, temperature) / noise).argmax(-1)
    return torch.where(top_k == 1, logits.argmax(-1), drawn)
