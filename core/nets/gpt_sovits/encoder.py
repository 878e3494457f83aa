"""The prior encoder of SoVITS: semantic codes, phones and the voice in, the prior's features out.

Transformer layers as in VITS (Kim et al. 2021, arXiv:2106.06103; relative positions after Shaw et al. 2018),
and MRTE, the cross attention from speech to text. One sequence at a time, so nothing is masked.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.nets.weights import Weights, count


class ChannelNorm(nn.Module):
    """Layer norm over the channels of (1, C, T)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(width))
        self.beta = nn.Parameter(torch.empty(width))

    def forward(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x.mT, (x.shape[1],), self.gamma, self.beta, 1e-5).mT


class Attention(nn.Module):
    """Multi-head attention on (1, C, T); with `reach`, learned terms for keys at most that far away."""

    def __init__(self, width: int, heads: int, reach: int | None = None) -> None:
        super().__init__()
        self.heads = heads
        self.reach = reach
        self.conv_q = nn.Conv1d(width, width, 1)
        self.conv_k = nn.Conv1d(width, width, 1)
        self.conv_v = nn.Conv1d(width, width, 1)
        self.conv_o = nn.Conv1d(width, width, 1)
        if reach is not None:
            self.emb_rel_k = nn.Parameter(torch.empty(1, 2 * reach + 1, width // heads))
            self.emb_rel_v = nn.Parameter(torch.empty(1, 2 * reach + 1, width // heads))

    def _heads(self, x: Tensor) -> Tensor:
        return x.view(self.heads, -1, x.shape[-1]).mT  # (H, T, C/H)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """x asks, `other` is asked."""
        query, key, value = self._heads(self.conv_q(x)), self._heads(self.conv_k(other)), self.conv_v(other)
        query = query / math.sqrt(query.shape[-1])
        value = self._heads(value)
        near = self.reach is not None
        mixed = self._near(query, key, value) if near else (query @ key.mT).softmax(-1) @ value
        y: Tensor = self.conv_o(mixed.mT.reshape(1, -1, x.shape[-1]))
        return y

    def _near(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attention with relative terms: row i has the band of columns i - reach ... i + reach."""
        reach = self.reach or 0
        length = query.shape[1]
        place = torch.arange(length, device=query.device)
        away = place[None, :] - place[:, None] + reach  # (T, T): index into the band
        inside = (away >= 0) & (away <= 2 * reach)
        band = query @ self.emb_rel_k.mT  # (H, T, 2 reach + 1)
        away = away.clamp(0, 2 * reach).expand(self.heads, -1, -1)
        weight = (query @ key.mT + band.gather(2, away) * inside).softmax(-1)
        column = place[:, None] + torch.arange(-reach, reach + 1, device=query.device)
        near = (column >= 0) & (column < length)
        column = column.clamp(0, length - 1).expand(self.heads, -1, -1)
        return weight @ value + (weight.gather(2, column) * near) @ self.emb_rel_v


class FeedForward(nn.Module):
    """Two convolutions with ReLU between."""

    def __init__(self, width: int, inner: int, kernel: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv1d(width, inner, kernel, padding=kernel // 2)
        self.conv_2 = nn.Conv1d(inner, width, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv_2(self.conv_1(x).relu_())
        return y


class Encoder(nn.Module):
    """Post-norm transformer on (1, C, T); sizes from the shapes under `prefix`."""

    def __init__(self, weights: Weights, prefix: str) -> None:
        super().__init__()
        layers = count(weights, prefix + "attn_layers.{}.")
        inner, width, kernel = weights[prefix + "ffn_layers.0.conv_1.weight"].shape
        _, band, part = weights[prefix + "attn_layers.0.emb_rel_k"].shape
        self.attn_layers = nn.ModuleList(Attention(width, width // part, band // 2) for _ in range(layers))
        self.norm_layers_1 = nn.ModuleList(ChannelNorm(width) for _ in range(layers))
        self.ffn_layers = nn.ModuleList(FeedForward(width, inner, kernel) for _ in range(layers))
        self.norm_layers_2 = nn.ModuleList(ChannelNorm(width) for _ in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        for attend, norm_1, feed, norm_2 in zip(
            self.attn_layers, self.norm_layers_1, self.ffn_layers, self.norm_layers_2, strict=True
        ):
            x = norm_1(x + attend(x, x))
            x = norm_2(x + feed(x))
        return x


class CrossReference(nn.Module):
    """MRTE: speech looks at text; the voice is added."""

    HEADS = 4  # not visible in any shape; MRTE's default in the published models.py

    def __init__(self, weights: Weights, prefix: str) -> None:
        super().__init__()
        inner, width, _ = weights[prefix + "c_pre.weight"].shape
        self.cross_attention = Attention(inner, self.HEADS)
        self.c_pre = nn.Conv1d(width, inner, 1)
        self.text_pre = nn.Conv1d(width, inner, 1)
        self.c_post = nn.Conv1d(inner, width, 1)

    def forward(self, speech: Tensor, text: Tensor, voice: Tensor) -> Tensor:
        speech = self.c_pre(speech)
        y: Tensor = self.c_post(self.cross_attention(speech, self.text_pre(text)) + speech + voice)
        return y


class PriorEncoder(nn.Module):
    """Codes at 50 Hz, phones and voice to the prior: `features`, then `proj` to mean and log deviation."""

    def __init__(self, weights: Weights, prefix: str = "enc_p.") -> None:
        super().__init__()
        width, codes, _ = weights[prefix + "ssl_proj.weight"].shape
        self.ssl_proj = nn.Conv1d(codes, width, 1)
        self.encoder_ssl = Encoder(weights, prefix + "encoder_ssl.")
        self.encoder_text = Encoder(weights, prefix + "encoder_text.")
        self.text_embedding = nn.Embedding(weights[prefix + "text_embedding.weight"].shape[0], width)
        self.mrte = CrossReference(weights, prefix + "mrte.")
        self.encoder2 = Encoder(weights, prefix + "encoder2.")
        self.proj = nn.Conv1d(width, weights[prefix + "proj.weight"].shape[0], 1)

    def text(self, phones: Tensor) -> Tensor:
        """Encoded text (1, C, N) of phones int64 (N,); the same for every part of a sentence."""
        y: Tensor = self.encoder_text(self.text_embedding(phones).T[None])
        return y

    def features(self, codes: Tensor, text: Tensor, voice: Tensor) -> Tensor:
        """(1, C, T) of quantised codes (1, 768, T) at 50 Hz, `text` of `self.text`, voice (1, 512, 1)."""
        speech = self.encoder_ssl(self.ssl_proj(codes))
        y: Tensor = self.encoder2(self.mrte(speech, text, voice))
        return y
