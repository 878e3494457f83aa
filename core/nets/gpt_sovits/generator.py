"""The generator of SoVITS (HiFi-GAN, Kong et al. 2020, arXiv:2010.05646): latents at 50 Hz to sound.

`GeneratorStream` takes latents as they come and gives, piece by piece, the very same samples, computing
nothing twice; the whole at once is a stream of one piece.

The published convolutions are one-dimensional. Here they are pictures one pixel high with channels last, the
layout in which a processor's kernels need no reordering before and after every layer, and without padding:
what they are given has room at its ends.
"""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from core.nets.gpt_sovits.stream import Ahead, Push, conv, upsample
from core.nets.packed import can_pack, pack_here
from core.nets.weights import Weights, count

SLOPE = 0.1
LAST_SLOPE = 0.01  # before conv_post: the published code calls leaky_relu without its slope there
RATES = (10, 8, 2, 2, 2)
DILATIONS = (1, 3, 5)


def _conv(inputs: int, outputs: int, kernel: int, dilation: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, (1, kernel), dilation=(1, dilation), bias=bias)


def as_pictures(weights: Weights, prefix: str = "dec.") -> dict[str, Tensor]:
    """`weights` with the generator's kernels (out, in, k) as (out, in, 1, k), channels last."""
    return {
        key: value[:, :, None].contiguous(memory_format=torch.channels_last)
        if key.startswith(prefix) and value.ndim == 3
        else value
        for key, value in weights.items()
    }


class ResBlock(nn.Module):
    """Three residual pairs of convolutions, the first of each pair dilated."""

    def __init__(self, width: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.width, self.kernel, self.dilations = width, kernel, dilations
        self.convs1 = nn.ModuleList(_conv(width, width, kernel, dilation) for dilation in dilations)
        self.convs2 = nn.ModuleList(_conv(width, width, kernel) for _ in dilations)

    @property
    def reach(self) -> int:
        """Of its output into its input, to either side."""
        return self.kernel // 2 * sum(dilation + 1 for dilation in self.dilations)


class Generator(nn.Module):
    """Sizes from the shapes under `prefix`; rates and dilations from the checkpoint's config, if any.

    weights: of `as_pictures`.
    """

    def __init__(self, weights: Weights, config: Mapping[str, Any], prefix: str = "dec.") -> None:
        super().__init__()
        width, latent, _, self.kernel_pre = weights[prefix + "conv_pre.weight"].shape
        voice = weights[prefix + "cond.weight"].shape[1]
        self.rates = tuple(config.get("upsample_rates", RATES))
        dilations = config.get("resblock_dilation_sizes", [DILATIONS] * 3)
        self.widths, self.kernels = [width], []  # of the levels: channels in and out, kernels between
        self.conv_pre = _conv(latent, width, self.kernel_pre)
        self.cond = _conv(voice, width, 1)
        self.branches = count(weights, prefix + "resblocks.{}.") // len(self.rates)
        self.ups = nn.ModuleList()
        self.resblocks = nn.ModuleList()
        for level, rate in enumerate(self.rates):
            inputs, width, _, kernel = weights[f"{prefix}ups.{level}.weight"].shape
            self.widths.append(width)
            self.kernels.append(kernel)
            self.ups.append(nn.ConvTranspose2d(inputs, width, (1, kernel), (1, rate)))
            for branch in range(self.branches):
                name = f"{prefix}resblocks.{level * self.branches + branch}.convs1.0.weight"
                self.resblocks.append(ResBlock(width, weights[name].shape[3], tuple(dilations[branch])))
        self.kernel_post = weights[prefix + "conv_post.weight"].shape[3]
        self.conv_post = _conv(width, 1, self.kernel_post, bias=False)

    @property
    def dtype(self) -> torch.dtype:
        """Of its weights and of all it computes; samples come out as float32."""
        return self.conv_post.weight.dtype

    def pack(self) -> None:
        """Lay the weights out for this processor, if it has kernels for that: they stay there as they are."""
        if self.conv_post.weight.device.type == "cpu" and can_pack(self.dtype):
            pack_here(self)

    def forward(self, latents: Tensor, voice: Tensor) -> Tensor:
        """Samples float32 (640 T,) of latents (1, C, T) and voice (1, G, 1)."""
        return GeneratorStream(self, voice).push(latents, True)

    def level(self, number: int) -> list[ResBlock]:
        """The branches of a level, side by side."""
        blocks = self.resblocks[number * self.branches : (number + 1) * self.branches]
        return cast(list[ResBlock], list(blocks))

    def picture(self, x: Tensor) -> Tensor:
        """(1, C, T) as (1, C, 1, T), channels last, in the generator's type."""
        return x[:, :, None].to(self.dtype, memory_format=torch.channels_last)


class BlockStream:
    """A `ResBlock` on a stream."""

    def __init__(self, block: ResBlock) -> None:
        self._pairs: list[tuple[Push, Push, Ahead]] = []
        side = block.kernel // 2
        for first, second, dilation in zip(block.convs1, block.convs2, block.dilations, strict=True):
            wide = conv(first, side * dilation, block.width, SLOPE)
            self._pairs.append((wide, conv(second, side, block.width, SLOPE), Ahead()))

    def push(self, x: Tensor, last: bool) -> Tensor:
        for first, second, ahead in self._pairs:
            y = second(first(x, last), last)
            ahead.onto(y, x)
            x = y
        return x


class LevelStream:
    """One level on a stream: the branch that reaches farthest is the last to come to anything."""

    def __init__(self, generator: Generator, number: int) -> None:
        rate, kernel = generator.rates[number], generator.kernels[number]
        self._up = upsample(generator.ups[number], rate, kernel, generator.widths[number + 1], SLOPE)
        blocks = sorted(generator.level(number), key=lambda block: -block.reach)
        self._slowest, *others = map(BlockStream, blocks)
        self._others = [(branch, Ahead()) for branch in others]

    def push(self, x: Tensor, last: bool) -> Tensor:
        x = self._up(x, last)
        total = self._slowest.push(x, last)
        for branch, ahead in self._others:
            ahead.onto(total, branch.push(x, last))
        return total.div_(1 + len(self._others))


class GeneratorStream:
    """`Generator.forward` on a stream: the pieces joined are its samples, whatever the pieces were."""

    def __init__(self, generator: Generator, voice: Tensor) -> None:
        self._generator = generator
        self._voice = generator.cond(generator.picture(voice))
        self._pre = conv(generator.conv_pre, generator.kernel_pre // 2, generator.widths[0])
        self._levels = [LevelStream(generator, k) for k in range(len(generator.rates))]
        self._post = conv(generator.conv_post, generator.kernel_post // 2, 1, LAST_SLOPE)

    def push(self, latents: Tensor, last: bool) -> Tensor:
        """Samples float32 (m,) that can be given by now, of the next latents (1, C, n), n > 0 but if `last`.

        They lag behind the latents by about a dozen frames until the last.
        """
        x = self._pre(self._generator.picture(latents), last) + self._voice
        for level in self._levels:
            x = level.push(x, last)
        return self._post(x, last).flatten().float().tanh()
