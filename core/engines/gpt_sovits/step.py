"""One step of all sentences at once: the network, the draw, and what the next step goes on from.

All state is in tensors of fixed places on the network's device, and no shape, branch or argument depends on a
value in them: a step is recorded once and played again and again (`player`). Nothing comes back to the CPU
but the tokens drawn, which the caller copies.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from core.engines.gpt_sovits.sampling import Sampling, draw, penalised
from core.nets.gpt_sovits.t2s import Cache, Text2Semantic

EARLIEST_END = 11
"""Tokens that come before a sentence may end, as published (the end is left out of the first 11 draws)."""

NOT_FINITE = -1
"""Drawn where the network gave numbers that are none."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What steps must know of sentences, a row each.

    token: the last one drawn. place: its number among the row's audio tokens. length: positions in the cache.
    made: tokens of the sentence so far. going: 1 for a sentence, 0 for an empty row. All int64 (rows,).
    seen: bool (rows, tokens), which the penalty falls on. noise: float32 (rows, tokens), for the next draw.
    top_k, top_p, temperature, penalty: of its `Sampling`. drawn: what the last step came to.
    """

    token: Tensor
    place: Tensor
    length: Tensor
    made: Tensor
    going: Tensor
    seen: Tensor
    noise: Tensor
    top_k: Tensor
    top_p: Tensor
    temperature: Tensor
    penalty: Tensor
    drawn: Tensor

    @classmethod
    def empty(cls, rows: int, tokens: int, device: torch.device) -> "Rows":
        """So many of them, without sentences."""
        many, one = torch.zeros(rows, tokens, device=device), torch.zeros(rows, device=device)
        whole = ("token", "place", "length", "made", "going", "top_k", "drawn")
        return cls(
            seen=many.bool(),
            noise=many + 1,  # what is never drawn with must not be divided by as zero
            **{name: one.long() + (name == "top_k") for name in whole},
            **{name: one + 1 for name in ("top_p", "temperature", "penalty")},
        )

    def tensors(self) -> list[Tensor]:
        """All there is."""
        return [getattr(self, field.name) for field in fields(self)]

    def __getitem__(self, which: slice) -> "Rows":
        """Some rows, not copied."""
        return Rows(*(tensor[which] for tensor in self.tensors()))

    @contextmanager
    def still(self) -> Iterator[None]:
        """While open, steps take no sentence further; afterwards everything is as it was before."""
        before = [tensor.clone() for tensor in self.tensors()]
        self.going.zero_()
        try:
            yield
        finally:
            for tensor, kept in zip(self.tensors(), before, strict=True):
                tensor.copy_(kept)

    def seat(self, row: int, prompt: Tensor, length: int, made: int, sampling: Sampling) -> None:
        """Let a prefilled sentence have `row`. prompt: int64 (P,), its audio tokens so far."""
        numbers = {"token": 0, "place": len(prompt), "length": length, "made": made, "going": 1}
        wanted = {"top_k": sampling.top_k, "top_p": sampling.top_p, "temperature": sampling.temperature}
        for name, value in {**numbers, **wanted, "penalty": sampling.repetition_penalty}.items():
            getattr(self, name)[row] = value
        self.seen[row] = False
        self.seen[row].index_fill_(0, prompt, True)

    def move(self, source: int, target: int) -> None:
        """Let the sentence in row `source` have row `target`."""
        for tensor in self.tensors():
            tensor[target] = tensor[source]

    def clear(self, row: int) -> None:
        """Take the sentence in `row` out; steps may go on over the empty row."""
        for tensor in (self.token, self.place, self.length, self.going):
            tensor[row] = 0


def step(net: Text2Semantic, cache: Cache, rows: Rows, stop: int) -> None:
    """One token more for every row. stop: above all their lengths."""
    logits = net.step(rows.token, rows.place, rows.length, cache, stop)
    rows.length.add_(rows.going)
    rows.place.add_(rows.going)
    settle(logits, rows, net.sizes.end)


@torch.inference_mode()
def settle(logits: Tensor, rows: Rows, end: int) -> None:
    """Draw a token for every row from logits (rows, tokens) and note it.

    `rows.drawn` is then the token, `end` for a sentence that is over, or NOT_FINITE.
    """
    logits = logits.float()
    finite = logits.isfinite().all(-1)
    numbers = torch.arange(logits.shape[1], device=logits.device)
    early = (rows.made < EARLIEST_END)[:, None] & (numbers == end)
    logits = penalised(logits.masked_fill(early, -torch.inf), rows.seen, rows.penalty)
    token = draw(logits, rows.noise, rows.top_k, rows.top_p, rows.temperature)
    # As published, a sentence also ends where the end is likeliest, whatever was drawn.
    token = torch.where(logits.argmax(-1) == end, end, token)
    rows.made.add_(rows.going)
    rows.seen.scatter_(1, token[:, None], True)
    rows.token.copy_(token)
    rows.drawn.copy_(torch.where(finite, token, NOT_FINITE))


def fill(noise: Tensor, rows: Sequence[tuple[torch.Generator, int, bool]], end: int) -> None:
    """Draw the noise of each row's next token, on the CPU, from its own generator.

    noise: float32 (at least rows, tokens). rows: a generator, tokens made so far, whether noise is wanted.
    """
    for line, (generator, made, wanted) in zip(noise, rows, strict=False):
        if wanted:  # before the end is possible it has no share in the draw
            line[: end if made < EARLIEST_END else end + 1].exponential_(generator=generator)
