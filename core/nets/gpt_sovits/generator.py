"""The generator of SoVITS (HiFi-GAN, Kong et al. 2020, arXiv:2010.05646): latents at 50 Hz to sound.

Two ways through the same weights: `forward` takes all latents at once; `GeneratorStream` takes them as they
come and gives, piece by piece, the very same samples, computing nothing twice.

The published convolutions are one-dimensional. Here they are pictures one pixel high with channels last, the
layout in which a processor's kernels need no reordering before and after every layer.
"""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.nets.gpt_sovits.stream import Delay, conv, upsample
from core.nets.weights import Weights, count

SLOPE = 0.1
LAST_SLOPE = 0.01  # before conv_post: the published code calls leaky_relu without its slope there
RATES = (10, 8, 2, 2, 2)
DILATIONS = (1, 3, 5)


def _conv(inputs: int, outputs: int, kernel: int, dilation: int = 1, bias: bool = True) -> nn.Conv2d:
    reach = dilation * (kernel // 2)
    return nn.Conv2d(inputs, outputs, (1, kernel), padding=(0, reach), dilation=(1, dilation), bias=bias)


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
        self.convs1 = nn.ModuleList(_conv(width, width, kernel, dilation) for dilation in dilations)
        self.convs2 = nn.ModuleList(_conv(width, width, kernel) for _ in dilations)

    def pairs(self) -> list[tuple[nn.Conv2d, nn.Conv2d]]:
        return cast(list[tuple[nn.Conv2d, nn.Conv2d]], list(zip(self.convs1, self.convs2, strict=True)))

    def forward(self, x: Tensor) -> Tensor:
        for first, second in self.pairs():
            inner = first(functional.leaky_relu(x, SLOPE))
            x = x + second(functional.leaky_relu_(inner, SLOPE))
        return x


class Generator(nn.Module):
    """Sizes from the shapes under `prefix`; rates and dilations from the checkpoint's config, if any.

    weights: of `as_pictures`.
    """

    def __init__(self, weights: Weights, config: Mapping[str, Any], prefix: str = "dec.") -> None:
        super().__init__()
        width, latent, _, kernel = weights[prefix + "conv_pre.weight"].shape
        voice = weights[prefix + "cond.weight"].shape[1]
        self.rates = tuple(config.get("upsample_rates", RATES))
        dilations = config.get("resblock_dilation_sizes", [DILATIONS] * 3)
        self.conv_pre = _conv(latent, width, kernel)
        self.cond = _conv(voice, width, 1)
        self.branches = count(weights, prefix + "resblocks.{}.") // len(self.rates)
        self.ups = nn.ModuleList()
        self.resblocks = nn.ModuleList()
        for level, rate in enumerate(self.rates):
            inputs, width, _, kernel = weights[f"{prefix}ups.{level}.weight"].shape
            padding = (0, (kernel - rate) // 2)
            self.ups.append(nn.ConvTranspose2d(inputs, width, (1, kernel), (1, rate), padding))
            for branch in range(self.branches):
                name = f"{prefix}resblocks.{level * self.branches + branch}.convs1.0.weight"
                self.resblocks.append(ResBlock(width, weights[name].shape[3], tuple(dilations[branch])))
        self.conv_post = _conv(width, 1, weights[prefix + "conv_post.weight"].shape[3], bias=False)

    @property
    def dtype(self) -> torch.dtype:
        """Of its weights and of all it computes; samples come out as float32."""
        return self.conv_post.weight.dtype

    def forward(self, latents: Tensor, voice: Tensor) -> Tensor:
        """Samples float32 (640 T,) of latents (1, C, T) and voice (1, G, 1)."""
        x = self.conv_pre(self.picture(latents)) + self.cond(self.picture(voice))
        for level, up in enumerate(self.ups):
            x = up(functional.leaky_relu_(x, SLOPE))
            first, *others = self.level(level)
            total = first(x)
            for block in others:
                total += block(x)
            x = total / self.branches
        samples: Tensor = self.conv_post(functional.leaky_relu_(x, LAST_SLOPE))
        return samples.flatten().float().tanh()

    def up(self, number: int) -> nn.ConvTranspose2d:
        """What begins a level."""
        return cast(nn.ConvTranspose2d, self.ups[number])

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
        self._pairs = [(conv(first), conv(second), Delay()) for first, second in block.pairs()]

    def push(self, x: Tensor, last: bool) -> Tensor:
        for first, second, delay in self._pairs:
            inner = first(functional.leaky_relu(x, SLOPE), last)
            y = second(functional.leaky_relu_(inner, SLOPE), last)
            x = y + delay.push(x, y.shape[3])
        return x


class LevelStream:
    """One level on a stream: each branch lags by its own reach, so the quicker wait for the slowest."""

    def __init__(self, generator: Generator, number: int) -> None:
        self._up = upsample(generator.up(number))
        self._branches = [(BlockStream(block), Delay()) for block in generator.level(number)]

    def push(self, x: Tensor, last: bool) -> Tensor:
        x = self._up(functional.leaky_relu(x, SLOPE), last)
        done = [(branch.push(x, last), delay) for branch, delay in self._branches]
        ready = min(y.shape[3] + delay.length for y, delay in done)
        first, *others = (delay.push(y, ready) for y, delay in done)
        for other in others:
            first = first + other
        return first / len(done)


class GeneratorStream:
    """`Generator.forward` on a stream: the pieces joined are its samples, whatever the pieces were."""

    def __init__(self, generator: Generator, voice: Tensor) -> None:
        self._generator = generator
        self._voice = generator.cond(generator.picture(voice))
        self._pre = conv(generator.conv_pre)
        self._levels = [LevelStream(generator, k) for k in range(len(generator.rates))]
        self._post = conv(generator.conv_post)

    def push(self, latents: Tensor, last: bool) -> Tensor:
        """Samples float32 (m,) that can be given by now, of the next latents (1, C, n), n > 0 but if `last`.

        They lag behind the latents by about a dozen frames until the last.
        """
        x = self._pre(self._generator.picture(latents), last) + self._voice
        for level in self._levels:
            x = level.push(x, last)
        samples = self._post(functional.leaky_relu(x, LAST_SLOPE), last)
        return samples.flatten().float().tanh()
