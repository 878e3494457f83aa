"""Decode semantic tokens of several sentences at once: continuous batching.

One step of the transformer costs about the same for four sentences as for one, because it is spent reading
the weights. So sentences of different jobs share steps: one that comes is prefilled and joins at the next
step, one that ends or is cancelled leaves, and the others never wait. All state is a sentence's own; nothing
here knows of jobs, and the caller enters with one thread at a time.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from core.engines.gpt_sovits.sampling import Sampling, draw, penalised
from core.errors import Error
from core.nets.gpt_sovits.t2s import Cache, Text2Semantic

EARLIEST_END = 11
"""Tokens that come before a sentence may end, as published (the end is left out of the first 11 draws)."""

_SLOTS = 256  # the cache grows by multiples of this many positions


@dataclass(frozen=True, slots=True)
class Request:
    """A sentence to decode.

    phones: int64 (T,), the reference's and then the sentence's. bert: float32 (1024, T).
    prompt: the reference's tokens, then those of the sentence that are kept from an earlier try.
    kept: how many of `prompt` are such. limit: tokens after which it is stopped. seed: of its draws.
    """

    phones: Tensor
    bert: Tensor
    prompt: tuple[int, ...]
    limit: int
    seed: int
    sampling: Sampling = field(default_factory=Sampling)
    kept: int = 0


class Row:
    """A sentence being decoded: `tokens` grows with every step until `done`.

    ended: it came to its own end, not to its limit. The token that ends it is not among `tokens`.
    error: why it could not go on; for the one who asked for it to raise, not for whoever stepped.
    """

    def __init__(self, request: Request, vocabulary: int) -> None:
        self.request = request
        self.tokens: list[int] = []
        self.done = False
        self.ended = False
        self.error: Error | None = None
        self.length = len(request.phones) + len(request.prompt)  # positions in the cache
        self._generator = torch.Generator().manual_seed(request.seed)
        self._seen = torch.zeros(vocabulary, dtype=torch.bool)
        self._seen[list(request.prompt)] = True

    def take(self, logits: Tensor, end: int) -> None:
        """Draw the next token from logits float32 (vocabulary,) on the CPU."""
        if not bool(torch.isfinite(logits).all()):
            self.error = Error("the T2S network gave numbers that are not finite: a damaged checkpoint?")
            self.done = True
            return
        sampling = self.request.sampling
        if self.request.kept + len(self.tokens) < EARLIEST_END:
            logits, seen = logits[:end], self._seen[:end]
        else:
            seen = self._seen
        logits = penalised(logits, seen, sampling.repetition_penalty)
        token = draw(logits, sampling, self._generator)
        # As published, a sentence also ends where the end is likeliest, whatever was drawn.
        if token == end or int(logits.argmax()) == end:
            self.done = self.ended = True
            return
        self.tokens.append(token)
        self._seen[token] = True
        self.done = len(self.tokens) >= self.request.limit


class Decoder:
    """The sentences now being decoded with one network. `rows`: how many at most; a further one waits."""

    def __init__(self, net: Text2Semantic, rows: int = 16) -> None:
        self._net = net
        self._most = rows
        self._active: list[Row] = []  # the row at k has place k in the cache
        self._waiting: list[Row] = []
        self._cache: Cache = net.cache(1, _SLOTS)

    @property
    def active(self) -> int:
        """How many sentences take part in the next step."""
        return len(self._active)

    def join(self, request: Request) -> Row:
        """Let a sentence take part; its first token comes with the next `step`."""
        row = Row(request, self._net.sizes.tokens)
        self._waiting.append(row)
        return row

    def leave(self, row: Row) -> None:
        """Take a sentence out, finished or not; the rest go on as if it had never been there."""
        if row in self._waiting:
            self._waiting.remove(row)
        elif row in self._active:
            place = self._active.index(row)
            last = self._active.pop()
            if last is not row:
                self._active[place] = last
                self._cache.move(len(self._active), place, last.length)

    def step(self) -> None:
        """One token more for every sentence that takes part, the first one for those that join now."""
        if self._active:
            self._advance()
        while self._waiting and len(self._active) < self._most:
            self._admit(self._waiting.pop(0))

    def _advance(self) -> None:
        rows = list(self._active)
        self._reserve(len(rows), max(row.length for row in rows) + 1)
        logits = self._net.step(
            [row.tokens[-1] for row in rows],
            [len(row.request.prompt) + len(row.tokens) - 1 for row in rows],
            [row.length for row in rows],
            self._cache,
        ).cpu()
        for row in rows:  # all of them first: who leaves moves another, whose length must be right
            row.length += 1
        for row, line in zip(rows, logits, strict=True):
            self._take(row, line)

    def _admit(self, row: Row) -> None:
        place = len(self._active)
        self._reserve(place + 1, row.length + 1)
        device = self._net.device
        prompt = torch.tensor(row.request.prompt, dtype=torch.int64, device=device)
        logits = self._net.prefill(
            row.request.phones.to(device), row.request.bert.to(device), prompt, self._cache, place
        )
        self._active.append(row)
        self._take(row, logits.cpu())

    def _take(self, row: Row, logits: Tensor) -> None:
        row.take(logits, self._net.sizes.end)
        if row.done:
            self.leave(row)

    def _reserve(self, rows: int, positions: int) -> None:
        """Make the cache at least that large, in few steps: each one copies it."""
        rows = max(self._cache.rows, rows if rows <= 1 else 1 << (rows - 1).bit_length())
        slots = max(self._cache.slots, -(-positions // _SLOTS) * _SLOTS)
        if (rows, slots) != (self._cache.rows, self._cache.slots):
            self._cache.resize(rows, slots)
