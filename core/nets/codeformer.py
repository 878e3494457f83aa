"""CodeFormer (Zhou et al., NeurIPS 2022, https://arxiv.org/abs/2206.11253): a degraded face in, a codebook of
faces asked what it should look like, a restored face out.

Parameter names are those of the published checkpoints (github.com/sczhou/CodeFormer, S-Lab License 1.0: no
commercial use), whose state dict lies under `params_ema`. Restoration (four fused sizes, 1024 codes),
inpainting and colourisation (three sizes, 512 or 1024 codes) are told apart by their shapes: `layout_of`.

Letters in shapes: B batch, S side of the picture (512), T = (S / 32)**2 tokens, K codes, C width of a code.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

_LEVELS = (1, 2, 2, 4, 4, 8)
"""Channels at 512, 256, ... 16 pixels, in widths."""
_FUSED = {"512": (2, 21), "256": (5, 18), "128": (8, 15), "64": (11, 12), "32": (14, 9), "16": (18, 6)}
"""By size of a map: the encoder block whose output is kept, the generator block it is fused after."""
_CHANNELS = {"16": 8, "32": 4, "64": 4, "128": 2, "256": 2, "512": 1}
_GROUPS, _EPSILON = 32, 1e-6
_HEAD = 64
"""Width of an attention head, in every published layout."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Which variant of the network.

    width: channels at full size, a power of two up to 32 or a multiple of that. tokens: 256 for 512 pixels.
    dim, layers: of the transformer. fused: sizes at which the picture itself is brought in, as checkpoints
    name them.
    """

    width: int = 64
    tokens: int = 256
    dim: int = 512
    layers: int = 9
    codes: int = 1024
    code_width: int = 256
    fused: tuple[str, ...] = ("32", "64", "128", "256")

    @property
    def side(self) -> int:
        """Of the picture, in pixels."""
        return 32 * math.isqrt(self.tokens)

    @property
    def purpose(self) -> str:
        """What the authors trained this variant for."""
        if "256" in self.fused:
            return "restoration"
        return "inpainting" if self.codes == 512 else "colourisation"


class Norm(nn.GroupNorm):
    """Group normalisation, then `x * sigmoid(x)` where `swish`."""

    def __init__(self, channels: int, *, swish: bool) -> None:
        super().__init__(min(_GROUPS, channels), channels, _EPSILON)
        self.swish = swish

    def forward(self, x: Tensor) -> Tensor:
        x = super().forward(x)
        return functional.silu(x, inplace=not torch.is_grad_enabled()) if self.swish else x


class Summing(nn.Conv2d):
    """A convolution to whose result something is added; fast kernels do both in one go."""

    def forward(self, x: Tensor, added: Tensor) -> Tensor:  # type: ignore[override]  # it takes two
        return super().forward(x) + added


class Residual(nn.Module):
    """Two normalised convolutions; the input added, through a 1x1 convolution where channels change."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.norm1 = Norm(cin, swish=True)
        self.conv1 = nn.Conv2d(cin, cout, 3, padding=1)
        self.norm2 = Norm(cout, swish=True)
        self.conv2 = Summing(cout, cout, 3, padding=1)
        if cin != cout:
            self.conv_out = nn.Conv2d(cin, cout, 1)

    def forward(self, x: Tensor) -> Tensor:
        skip = self.conv_out(x) if hasattr(self, "conv_out") else x
        y: Tensor = self.conv2(self.norm2(self.conv1(self.norm1(x))), skip)
        return y


class Attention(nn.Module):
    """Every place of a map looks at every other, one head."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = Norm(channels, swish=False)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(channels, channels, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        q, k, v = (part(y).flatten(2).transpose(1, 2).unsqueeze(1) for part in (self.q, self.k, self.v))
        seen = functional.scaled_dot_product_attention(q, k, v).squeeze(1).transpose(1, 2).reshape(x.shape)
        out: Tensor = x + self.proj_out(seen)
        return out


class Down(nn.Module):
    """Half the size, by a convolution that pads on the right and below."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(functional.pad(x, (0, 1, 0, 1)))
        return y


class Up(nn.Module):
    """Twice the size, pixels repeated, then a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(functional.interpolate(x, scale_factor=2.0, mode="nearest"))
        return y

    def merged(self) -> nn.ConvTranspose2d:
        """Both steps in one, with 4/9 of the work: where pixels repeat, taps of the kernel add up."""
        weight, bias = self.conv.weight.detach(), self.conv.bias
        cout, cin = weight.shape[:2]
        # Tap d of a row meets the even or the odd copy of a pixel; together they reach four places.
        reach = torch.zeros(3, 4)
        for tap in range(3):
            reach[tap, [2 - tap, 3 - tap]] = 1
        grown = torch.einsum("oiab,ak,bl->iokl", weight, reach, reach)
        one = nn.ConvTranspose2d(cin, cout, 4, stride=2, padding=1)
        one.load_state_dict({"weight": grown} if bias is None else {"weight": grown, "bias": bias.detach()})
        return one.eval()


class Encoder(nn.Module):
    """A picture into features of 1/32 of its size, and what it saw at finer ones."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        width = layout.width
        blocks: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1)]
        channels = width
        for level, factor in enumerate(_LEVELS):
            last = level == len(_LEVELS) - 1
            for _ in range(2):
                blocks.append(Residual(channels, factor * width))
                channels = factor * width
                if last:
                    blocks.append(Attention(channels))
            if not last:
                blocks.append(Down(channels))
        blocks += [Residual(channels, channels), Attention(channels), Residual(channels, channels)]
        blocks += [Norm(channels, swish=False), nn.Conv2d(channels, layout.code_width, 3, padding=1)]
        self.blocks = nn.ModuleList(blocks)
        self.kept = {_FUSED[size][0]: size for size in layout.fused}

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """(B, 3, S, S) -> (B, C, S / 32, S / 32) and maps by the size the checkpoint has for them."""
        seen = {}
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in self.kept:
                seen[self.kept[number]] = x
        return x, seen


class Generator(nn.Module):
    """Codes into a picture."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        channels = _LEVELS[-1] * layout.width
        blocks: list[nn.Module] = [nn.Conv2d(layout.code_width, channels, 3, padding=1)]
        blocks += [Residual(channels, channels), Attention(channels), Residual(channels, channels)]
        for level, factor in reversed(list(enumerate(_LEVELS))):
            for _ in range(2):
                blocks.append(Residual(channels, factor * layout.width))
                channels = factor * layout.width
                if level == len(_LEVELS) - 1:
                    blocks.append(Attention(channels))
            if level:
                blocks.append(Up(channels))
        blocks += [Norm(channels, swish=False), nn.Conv2d(channels, 3, 3, padding=1)]
        self.blocks = nn.ModuleList(blocks)


class Fuse(nn.Module):
    """Bends a map of the generator towards what the encoder saw."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.encode_enc = Residual(2 * channels, channels)
        self.scale, self.shift = (
            nn.Sequential(
                nn.Conv2d(channels, channels, 3, padding=1),
                nn.LeakyReLU(0.2),
                nn.Conv2d(channels, channels, 3, padding=1),
            )
            for _ in range(2)
        )

    def forward(self, seen: Tensor, drawn: Tensor, fidelity: float | Tensor) -> Tensor:
        both = self.encode_enc(torch.cat((seen, drawn), dim=1))
        change = torch.addcmul(self.shift(both), drawn, self.scale(both))
        if isinstance(fidelity, Tensor):
            return torch.addcmul(drawn, change, fidelity.to(drawn.dtype))
        return torch.add(drawn, change, alpha=fidelity)


class Layer(nn.Module):
    """One layer of the transformer: attention, then two linear maps, each normalised before and added."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(dim, max(1, dim // _HEAD))
        self.linear1 = nn.Linear(dim, 2 * dim)
        self.linear2 = nn.Linear(2 * dim, dim)
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)

    def forward(self, x: Tensor, place: Tensor) -> Tensor:
        """x: (T, B, dim). place: (T, 1, dim), learnt, added to what is compared."""
        y = self.norm1(x)
        where = y + place
        seen, _ = self.self_attn(where, where, y, need_weights=False)
        x = x + seen
        changed: Tensor = self.linear2(functional.gelu(self.linear1(self.norm2(x))))
        return x + changed


class Quantizer(nn.Module):
    """The codebook."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.embedding = nn.Embedding(layout.codes, layout.code_width)


class CodeFormer(nn.Module):
    """A face in, the face restored out.

    Its three steps can be taken apart: `encoder`, `predict`, `draw`.
    """

    def __init__(self, layout: Layout | None = None) -> None:
        super().__init__()
        self.layout = layout = layout or Layout()
        self.encoder, self.generator = Encoder(layout), Generator(layout)
        self.quantize = Quantizer(layout)
        self.position_emb = nn.Parameter(torch.zeros(layout.tokens, layout.dim))
        self.feat_emb = nn.Linear(layout.code_width, layout.dim)
        self.ft_layers = nn.ModuleList(Layer(layout.dim) for _ in range(layout.layers))
        self.idx_pred_layer = nn.Sequential(
            nn.LayerNorm(layout.dim), nn.Linear(layout.dim, layout.codes, bias=False)
        )
        self.fuse_convs_dict = nn.ModuleDict(
            {size: Fuse(_CHANNELS[size] * layout.width) for size in layout.fused}
        )

    def forward(self, x: Tensor, w: float = 0.0, adain: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Return the restored picture (B, 3, S, S), the logits (B, T, K) and the features (B, C, ...).

        x: (B, 3, S, S), RGB in -1..1. w: fidelity, 0 (the codebook's face) to 1 (the given one). adain: give
        the codes the features' colours, as restoration does. The picture is RGB, about -1..1, not clamped.
        """
        features, seen = self.encoder(x)
        logits = self.predict(features)
        return self.draw(logits.argmax(dim=2), features, seen, w, adain), logits, features

    def predict(self, features: Tensor) -> Tensor:
        """How well each code fits each place: (B, T, K)."""
        x = self.feat_emb(features.flatten(2).permute(2, 0, 1))
        place = self.position_emb.unsqueeze(1)
        for layer in self.ft_layers:
            x = layer(x, place)
        logits: Tensor = self.idx_pred_layer(x)
        return logits.permute(1, 0, 2)

    def draw(
        self,
        codes: Tensor,
        features: Tensor,
        seen: Mapping[str, Tensor],
        w: float | Tensor,
        adain: bool = True,
    ) -> Tensor:
        """The picture of `codes` (B, T), bent towards what the encoder has `seen` unless w is 0.

        w: as in `forward`, or a tensor (), never taken for 0, where what is recorded runs with several.
        """
        drawn = self.quantize.embedding(codes).transpose(1, 2).reshape(features.shape)
        if adain:
            drawn = with_statistics_of(features, drawn)
        x = drawn.to(self.generator.blocks[0].bias.dtype)
        fusing = isinstance(w, Tensor) or w > 0
        fuse_after = {_FUSED[size][1]: size for size in self.layout.fused} if fusing else {}
        for number, block in enumerate(self.generator.blocks):
            x = block(x)
            if number in fuse_after:
                size = fuse_after[number]
                x = self.fuse_convs_dict[size](seen[size], x, w)
        return torch.as_tensor(x)


def with_statistics_of(style: Tensor, content: Tensor) -> Tensor:
    """`content` (B, C, H, W), each channel's mean and deviation those of `style` (Huang, Belongie 2017)."""

    def statistics(x: Tensor) -> tuple[Tensor, Tensor]:
        deviation = (x.var(dim=(2, 3), keepdim=True) + 1e-5).sqrt()
        return x.mean(dim=(2, 3), keepdim=True), deviation

    mean, deviation = statistics(content)
    style_mean, style_deviation = statistics(style)
    return (content - mean) / deviation * style_deviation + style_mean


def quicken(net: CodeFormer) -> None:
    """Do the same with less work from now on; state dicts no longer fit afterwards."""
    blocks = net.generator.blocks
    for number, block in enumerate(blocks):
        if isinstance(block, Up):
            blocks[number] = block.merged()


def layout_of(shapes: Mapping[str, Sequence[int]]) -> Layout:
    """The variant that a state dict with these shapes belongs to.

    Raises ValueError, saying what it has instead, if it is no CodeFormer.
    """
    parts = {"codebook": "quantize.embedding", "encoder": "encoder.blocks.0", "transformer": "feat_emb"}
    if lacking := [part for part, name in parts.items() if f"{name}.weight" not in shapes]:
        raise ValueError(f"it has no {' and no '.join(lacking)}")
    if "position_emb" not in shapes:
        raise ValueError("its transformer has no positions")
    layers = 0
    while f"ft_layers.{layers}.linear1.weight" in shapes:
        layers += 1
    tokens, dim = shapes["position_emb"]
    codes, code_width = shapes["quantize.embedding.weight"]
    fused = tuple(size for size in _FUSED if f"fuse_convs_dict.{size}.scale.0.weight" in shapes)
    if math.isqrt(tokens) ** 2 != tokens:
        raise ValueError(f"{tokens} tokens are no square")
    width = shapes["encoder.blocks.0.weight"][0]
    return Layout(width, tokens, dim, layers, codes, code_width, tuple(reversed(fused)))
