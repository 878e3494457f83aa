"""The T2S transformer ("GPT"): phones and BERT features in, logits of the next semantic token out.

Post-norm decoder over [text ; audio]: text rows see all text, audio rows see all text and the audio before
them. Knows nothing of sampling or of requests: a caller prefills rows of a `Cache` and steps them together.
A step is a function of tensors alone, so that a GPU can record it. Key names are those of the published
`.ckpt` without their `model.` prefix.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.nets.gpt_sovits.linear import Linear
from core.nets.weights import Weights, count, load_strict, on_meta, with_prefix


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the shapes of a checkpoint say; only `heads` cannot be seen there and comes from its config."""

    layers: int
    width: int
    inner: int
    phones: int
    tokens: int
    heads: int

    @property
    def end(self) -> int:
        """The token that ends a sentence: the last one."""
        return self.tokens - 1


def sizes_of(weights: Weights, config: Mapping[str, Any]) -> Sizes:
    """Sizes of the net that `weights` (keys with `model.`) belong to; `config` is the checkpoint's own."""
    inner, width = weights["model.h.layers.0.linear1.weight"].shape
    return Sizes(
        layers=count(weights, "model.h.layers.{}."),
        width=width,
        inner=inner,
        phones=weights["model.ar_text_embedding.word_embeddings.weight"].shape[0],
        tokens=weights["model.ar_predict_layer.weight"].shape[0],
        heads=int(config.get("model", {}).get("head", 16)),
    )


class Cache:
    """Keys and values of up to `rows` sentences, `slots` positions each, allocated once.

    keys, values: one tensor (rows, H, slots, width/H) per layer. Slots a row has not filled hold rubbish;
    `Text2Semantic.step` masks them.
    """

    def __init__(self, sizes: Sizes, rows: int, slots: int, like: Tensor) -> None:
        shape = (rows, sizes.heads, slots, sizes.width // sizes.heads)
        # Zeros, not empty: a masked slot still takes part as 0 * value, and 0 * NaN is NaN.
        self.keys = [like.new_zeros(shape) for _ in range(sizes.layers)]
        self.values = [like.new_zeros(shape) for _ in range(sizes.layers)]

    @property
    def rows(self) -> int:
        return self.keys[0].shape[0]

    @property
    def slots(self) -> int:
        return self.keys[0].shape[2]

    def resize(self, rows: int, slots: int) -> None:
        """Make room; what is there stays. Neither number may shrink."""
        grow = (0, 0, 0, slots - self.slots, 0, 0, 0, rows - self.rows)
        for tensors in (self.keys, self.values):
            for k, old in enumerate(tensors):
                tensors[k] = functional.pad(old, grow)

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        return 2 * len(self.keys) * self.keys[0].nbytes

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` positions of row `source` over row `target`."""
        for tensor in (*self.keys, *self.values):
            tensor[target, :, :length] = tensor[source, :, :length]

    def wipe(self, row: int) -> None:
        """Forget a row that may hold what is not a number."""
        for tensor in (*self.keys, *self.values):
            tensor[row] = 0


class SelfAttention(nn.Module):
    """Fused projection (query, key, value in this order) and output projection."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.in_proj = Linear(width, 3 * width)
        self.out_proj = Linear(width, width)


class Layer(nn.Module):
    """x = norm(x + attention(x)); x = norm(x + W2 relu(W1 x))."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.heads = sizes.heads
        self.self_attn = SelfAttention(sizes.width)
        self.linear1 = Linear(sizes.width, sizes.inner)
        self.linear2 = Linear(sizes.inner, sizes.width)
        self.norm1 = nn.LayerNorm(sizes.width)
        self.norm2 = nn.LayerNorm(sizes.width)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key, value, each (B, H, T, width/H), of x (B*T, width) given as (B, T, width)."""
        batch, length, _ = x.shape
        fused = self.self_attn.in_proj(x).view(batch, length, 3, self.heads, -1)
        query, key, value = fused.permute(2, 0, 3, 1, 4)
        return query, key, value

    def finish(self, x: Tensor, mixed: Tensor) -> Tensor:
        """The layer's output, given its input (B, T, width) and what attention mixed (B, H, T, width/H)."""
        mixed = mixed.transpose(1, 2).reshape(x.shape)
        x = self.norm1(x + self.self_attn.out_proj(mixed))
        y: Tensor = self.norm2(x + self.linear2(self.linear1(x, relu=True)))
        return y


class Position(nn.Module):
    """alpha * interleaved sine and cosine, base 10000, positions from 0."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.alpha = nn.Parameter(torch.ones(1))
        self._table: Tensor | None = None

    def rows(self, stop: int) -> Tensor:
        """(at least stop, width) in alpha's type, already times alpha."""
        made, like = self._table, (self.alpha.device, self.alpha.dtype)
        if made is None or len(made) < stop or (made.device, made.dtype) != like:
            size = max(1024, 2 * stop)
            place = torch.arange(size, dtype=torch.float32, device=self.alpha.device)[:, None]
            pace = torch.arange(0, self.width, 2, dtype=torch.float32, device=self.alpha.device)
            angle = place * torch.exp(pace * -(math.log(10_000.0) / self.width))
            table = self.alpha * torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)
            made = self._table = table.to(self.alpha.dtype)
        return made


class Vocabulary(nn.Module):
    """An embedding under the name it is published by."""

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(count, width)

    def forward(self, numbers: Tensor) -> Tensor:
        y: Tensor = self.word_embeddings(numbers)
        return y


class Body(Protocol):
    """The layers of the net, however they are run. They put keys and values of what they see into a cache."""

    @property
    def nbytes(self) -> int:
        """Memory that their weights take."""
        ...

    def prefill(self, x: Tensor, seen: Tensor, cache: Cache, row: int) -> Tensor:
        """x (1, T, width) through all layers, and into positions 0 to T of `row`. seen: bool (T, T)."""
        ...

    def step(self, x: Tensor, lengths: Tensor, cache: Cache, stop: int) -> Tensor:
        """x (B, 1, width) through all layers; arguments else as in `Text2Semantic.step`."""
        ...


class Stack(nn.Module):
    """The layers as torch runs them, under the name they are published by: a `Body`."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(sizes) for _ in range(sizes.layers))

    def each(self) -> list[Layer]:
        """All of them; a ModuleList does not know what it holds."""
        return cast(list[Layer], list(self.layers))

    @property
    def nbytes(self) -> int:
        """See `Body`."""
        return sum(module.nbytes for module in self.modules() if isinstance(module, Linear))

    def prefill(self, x: Tensor, seen: Tensor, cache: Cache, row: int) -> Tensor:
        """See `Body`."""
        length = x.shape[1]
        for k, layer in enumerate(self.each()):
            query, key, value = layer.project(x)
            cache.keys[k][row, :, :length] = key[0]
            cache.values[k][row, :, :length] = value[0]
            mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
            x = layer.finish(x, mixed)
        return x

    def step(self, x: Tensor, lengths: Tensor, cache: Cache, stop: int) -> Tensor:
        """See `Body`."""
        rows = len(x)
        which = torch.arange(rows, device=x.device)
        seen = torch.arange(stop, device=x.device) <= lengths[:, None]
        hidden = torch.zeros(seen.shape, dtype=x.dtype, device=x.device).masked_fill_(~seen, -torch.inf)
        hidden = hidden[:, None, None]  # (rows, 1, 1, stop)
        for k, layer in enumerate(self.each()):
            query, key, value = layer.project(x)
            keys, values = cache.keys[k], cache.values[k]
            keys[which, :, lengths] = key[:, :, 0]
            values[which, :, lengths] = value[:, :, 0]
            x = layer.finish(x, _mixed(query, keys[:rows, :, :stop], values[:rows, :, :stop], hidden))
        return x


class Text2Semantic(nn.Module):
    """See the module's docstring. Everything here runs without gradients."""

    def __init__(self, sizes: Sizes, bert_width: int = 1024) -> None:
        super().__init__()
        self.sizes = sizes
        self.bert_proj = nn.Linear(bert_width, sizes.width)
        self.ar_text_embedding = Vocabulary(sizes.phones, sizes.width)
        self.ar_text_position = Position(sizes.width)
        self.ar_audio_embedding = Vocabulary(sizes.tokens, sizes.width)
        self.ar_audio_position = Position(sizes.width)
        self.h = Stack(sizes)
        self._other: Body | None = None
        self.ar_predict_layer = Linear(sizes.width, sizes.tokens, bias=False)

    @classmethod
    def from_checkpoint(
        cls, weights: Weights, config: Mapping[str, Any], precision: str | None = "float32"
    ) -> "Text2Semantic":
        """The net of a `.ckpt`'s `weight` and `config` dicts.

        precision: "float32", "bfloat16" or "int8"; how the matrices of the layers are kept and multiplied on
            this CPU. Sums, norms and the cache stay float32. None leaves them as they are, for a GPU.
        """
        sizes = sizes_of(weights, config)
        named = {
            re.sub(r"in_proj_(weight|bias)$", r"in_proj.\1", key): value.float()
            for key, value in with_prefix(weights, "model.").items()
        }
        with on_meta():
            net = cls(sizes, weights["model.bert_proj.weight"].shape[1])
        load_strict(net, named)
        if precision is None:
            return net
        for module in net.h.modules():
            if isinstance(module, Linear):
                module.pack(precision)
        net.ar_predict_layer.pack("float32")  # its logits are what is compared
        return net

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.bert_proj.weight.device

    @property
    def body(self) -> Body:
        """What runs its layers."""
        return self.h if self._other is None else self._other

    def run_by(self, body: Body) -> None:
        """Have its layers run by `body`, and let those it has go."""
        self._other = body
        self.h.layers = nn.ModuleList()

    def bytes(self) -> int:
        """Memory that its weights take."""
        elsewhere = (".layers.", "ar_predict_layer")
        others: list[int] = [
            x.nbytes for name, x in self.state_dict().items() if not any(part in name for part in elsewhere)
        ]
        return self.body.nbytes + self.ar_predict_layer.nbytes + sum(others)

    def cache(self, rows: int, slots: int) -> Cache:
        """An empty cache that fits this net."""
        return Cache(self.sizes, rows, slots, self.bert_proj.weight.new_zeros(()))

    @torch.inference_mode()
    def prefill(self, phones: Tensor, bert: Tensor, prompt: Tensor, cache: Cache, row: int) -> Tensor:
        """Fill a row of the cache from position 0 and return the logits (tokens,) of the token that follows.

        phones: int64 (T,), those of the reference first. bert: float32 (bert_width, T), zeros for none.
        prompt: int64 (P,), the reference's semantic tokens, may be empty.
        The row then holds T + P positions. If P is 0 the logits are those after the text.
        """
        text = self.ar_text_embedding(phones) + self.bert_proj(bert.T.to(self.bert_proj.weight.dtype))
        text = text + self.ar_text_position.rows(len(phones))[: len(phones)]
        audio = self.ar_audio_embedding(prompt)
        audio = audio + self.ar_audio_position.rows(len(prompt))[: len(prompt)]
        x = torch.cat([text, audio])[None]  # (1, T + P, width)
        length = x.shape[1]
        seen = torch.ones(length, length, dtype=torch.bool, device=x.device).tril()
        seen[: len(phones), : len(phones)] = True
        x = self.body.prefill(x, seen, cache, row)
        y: Tensor = self.ar_predict_layer(x[0, -1:])[0]
        return y

    @torch.inference_mode()
    def step(self, tokens: Tensor, places: Tensor, lengths: Tensor, cache: Cache, stop: int) -> Tensor:
        """Append one token to each of the first len(tokens) rows; return the next logits, (rows, tokens).

        tokens: int64 (rows,). places: int64 (rows,), the token's number among the row's audio tokens, the
        prompt's included. lengths: int64 (rows,), positions that a row already holds, each below `stop`.
        All are on the net's device. Nothing but the shapes depends on `rows` and `stop`, and no shape on a
        value: what was recorded of one call holds for any other with the same two.
        """
        position = self.ar_audio_position.rows(cache.slots)
        x = (self.ar_audio_embedding(tokens) + position.index_select(0, places))[:, None]  # (rows, 1, width)
        x = self.body.step(x, lengths, cache, stop)
        y: Tensor = self.ar_predict_layer(x[:, 0])
        return y


def _mixed(query: Tensor, keys: Tensor, values: Tensor, hidden: Tensor) -> Tensor:
    """Attention of one query a row, (B, H, 1, D). hidden: (B, 1, 1, S), 0 where a row may look, else -inf."""
    if query.device.type != "cpu":
        return functional.scaled_dot_product_attention(query, keys, values, attn_mask=hidden)
    # A CPU's fused kernel is made for many queries; for one the two products take four fifths of its time.
    scores = (query * query.shape[3] ** -0.5) @ keys.mT + hidden
    mixed: Tensor = scores.softmax(-1) @ values
    return mixed
