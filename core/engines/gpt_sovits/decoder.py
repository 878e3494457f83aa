"""Decode semantic tokens of several sentences at once: continuous batching.

One step of the transformer costs about the same for four sentences as for one, because it is spent reading
the weights. So sentences of different jobs share steps: one that comes is prefilled and joins at the next
step, one that ends or is cancelled leaves, and the others never wait. All state is a sentence's own; nothing
here knows of jobs, and the caller enters with one thread at a time.

On a GPU steps are recorded (`player`), and the next one is begun before the caller has looked at the last
one's tokens: the GPU counts while the CPU does other things.
"""

from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from core.engines.gpt_sovits.player import Plain, Player, cuda_graphs
from core.engines.gpt_sovits.sampling import Sampling
from core.engines.gpt_sovits.step import NOT_FINITE, Rows, fill, settle, step
from core.errors import Error
from core.nets.gpt_sovits.t2s import Cache, Text2Semantic

_SLOTS = 64  # the cache grows by multiples of this many positions; onnxruntime reads all of it
_GRAIN = 16  # positions: how much of the cache attention reads is a multiple of it
_FIXED_SLOTS, _FIXED_GRAIN = 512, 128  # the same where steps are recorded, and the cache grows by doubling


@dataclass(frozen=True, slots=True)
class Request:
    """A sentence to decode.

    phones: int64 (T,), those of the reference and then the sentence's. bert: float32 (1024, T).
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

    def __init__(self, request: Request) -> None:
        self.request = request
        self.tokens: list[int] = []
        self.done = False
        self.ended = False
        self.error: Error | None = None
        self.length = len(request.phones) + len(request.prompt)  # positions in the cache
        self._generator = torch.Generator().manual_seed(request.seed)

    @property
    def noise(self) -> tuple[torch.Generator, int, bool]:
        """What `step.fill` wants to know of it."""
        made = self.request.kept + len(self.tokens)
        return self._generator, made, self.request.sampling.top_k != 1

    def take(self, drawn: int, end: int) -> None:
        """Go on by what a step drew for it (`step.Rows.drawn`)."""
        if drawn == NOT_FINITE:
            self.error = Error("the T2S network gave numbers that are not finite: a damaged checkpoint?")
            self.done = True
        elif drawn == end:
            self.done = self.ended = True
        else:
            self.tokens.append(drawn)
            self.done = len(self.tokens) >= self.request.limit


class Decoder:
    """The sentences now being decoded with one network. `rows`: how many at most; a further one waits.

    player: runs steps of fixed sizes, begun ahead; None: CUDA graphs on a GPU, elsewhere nothing of that.
    """

    def __init__(self, net: Text2Semantic, rows: int = 16, player: Player | None = None) -> None:
        self._net = net
        self._most = rows
        self._active: list[Row] = []  # the row at k has place k in the cache
        self._waiting: list[Row] = []
        self._begun: list[Row] | None = None  # the rows of a step whose tokens have not been looked at
        self._fixed = player is not None or net.device.type == "cuda"
        self._player = player or (cuda_graphs(net.device) if self._fixed else Plain())
        self._rows = Rows.empty(_power(rows), net.sizes.tokens, net.device)
        self._cache: Cache = net.cache(*((_power(rows), _FIXED_SLOTS) if self._fixed else (1, _SLOTS)))
        self._noise, self._drawn = _shared(self._rows)
        self._under_way: torch.cuda.Event | None = None  # that the copy of what was drawn is over

    @property
    def active(self) -> int:
        """How many sentences take part in the next step."""
        return len(self._active)

    @property
    def bytes(self) -> int:
        """Memory that its network and its cache take now."""
        return self._net.bytes() + self._cache.bytes

    def join(self, request: Request) -> Row:
        """Let a sentence take part; its first token comes with the next `step`."""
        row = Row(request)
        self._waiting.append(row)
        return row

    def leave(self, row: Row) -> None:
        """Take a sentence out, finished or not; the rest go on as if it had never been there."""
        if row in self._waiting:
            self._waiting.remove(row)
        elif row in self._active:
            place = self._active.index(row)
            if row.error is not None:
                self._cache.wipe(place)
            last = self._active.pop()
            if last is not row:
                self._active[place] = last
                self._cache.move(len(self._active), place, last.length + 1)  # a step may have been begun
                self._rows.move(len(self._active), place)
            self._rows.clear(len(self._active))

    def step(self) -> None:
        """One token more for every sentence that takes part, the first one for those that join now."""
        if self._active:
            if self._begun is None:
                self._begin()
            self._finish()
        while self._waiting and len(self._active) < self._most:
            self._admit(self._waiting.pop(0))
        if self._fixed and self._active:
            self._begin()

    def _begin(self) -> None:
        """Have the device make the next token of every row."""
        self._wait()  # for a step that nobody looked at: it may still read the noise
        rows = self._begun = list(self._active)
        longest = max(row.length for row in rows) + 1
        count, grain = (_power(len(rows)), _FIXED_GRAIN) if self._fixed else (len(rows), _GRAIN)
        self._reserve(count, longest)
        stop = -(-longest // grain) * grain
        fill(self._noise, [row.noise for row in rows], self._net.sizes.end)
        self._rows.noise[:count].copy_(self._noise[:count], non_blocking=True)
        work = partial(step, self._net, self._cache, self._rows[slice(count)], stop)
        self._player.run((count, stop), work, self._rows)
        self._fetch()

    def _fetch(self) -> None:
        """Have what was drawn copied to the CPU."""
        self._drawn.copy_(self._rows.drawn, non_blocking=True)
        self._under_way = _mark(self._net.device)

    def _wait(self) -> None:
        """Until what was drawn is on the CPU."""
        if self._under_way is not None:
            self._under_way.synchronize()
            self._under_way = None

    def _finish(self) -> None:
        """Look at the tokens of the step that was begun."""
        rows, self._begun = self._begun or [], None
        self._wait()
        for row in rows:  # all of them first: who leaves moves another, whose length must be right
            row.length += 1
        for row, drawn in zip(rows, self._drawn.tolist(), strict=False):
            if row in self._active:
                self._take(row, drawn)

    def _admit(self, row: Row) -> None:
        place, request = len(self._active), row.request
        self._reserve(place + 1, row.length + 1)
        device = self._net.device
        prompt = torch.tensor(request.prompt, dtype=torch.int64, device=device)
        logits = self._net.prefill(
            request.phones.to(device), request.bert.to(device), prompt, self._cache, place
        )
        self._rows.seat(place, prompt, row.length, request.kept, request.sampling)
        self._wait()
        fill(self._noise[place:], [row.noise], self._net.sizes.end)
        self._rows.noise[place].copy_(self._noise[place])
        settle(logits[None], self._rows[slice(place, place + 1)], self._net.sizes.end)
        self._active.append(row)
        self._take(row, int(self._rows.drawn[place]))

    def _take(self, row: Row, drawn: int) -> None:
        row.take(drawn, self._net.sizes.end)
        if row.done:
            self.leave(row)

    def _reserve(self, rows: int, positions: int) -> None:
        """Make the cache at least that large, in few steps: each one copies it."""
        rows = max(self._cache.rows, _power(rows))
        least = _power(positions) if self._fixed else -(-positions // _SLOTS) * _SLOTS
        slots = max(self._cache.slots, least)
        if (rows, slots) != (self._cache.rows, self._cache.slots):
            self._cache.resize(rows, slots)
            self._player.forget()


def _power(count: int) -> int:
    """The power of two that is at least `count`.

    >>> [_power(n) for n in (1, 2, 3, 16, 17)]
    [1, 2, 4, 16, 32]
    """
    return 1 << (count - 1).bit_length()


def _shared(rows: Rows) -> tuple[Tensor, Tensor]:
    """Noise and drawn tokens on the CPU, where a GPU can reach them."""
    noise, drawn = (torch.ones(x.shape, dtype=x.dtype) for x in (rows.noise, rows.drawn))
    return (noise.pin_memory(), drawn.pin_memory()) if rows.drawn.device.type == "cuda" else (noise, drawn)


def _mark(device: torch.device) -> torch.cuda.Event | None:
    """An event after all that `device` has been given so far; None where nothing is given ahead."""
    if device.type != "cuda":
        return None
    event = torch.cuda.Event()
    event.record(torch.cuda.current_stream(device))
    return event
