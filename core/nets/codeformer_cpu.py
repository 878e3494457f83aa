"""CodeFormer on a CPU, its maps in memory that is used again and again.

To the system every new map is new memory, given out page by page and cleared: at 512 x 512 a fifth to a third
of the time. Here a map is written over one that is no longer needed, normalised and added to in place. What
is computed is `core.nets.codeformer`'s, packed by `core.nets.packed`.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.nets.codeformer import CodeFormer, Down, Fuse, Norm, Residual
from core.nets.packed import PackedConvolution


class Maps:
    """Memory for maps; it grows when none is free."""

    def __init__(self, dtype: torch.dtype) -> None:
        self._dtype = dtype
        self._free: list[Tensor] = []
        self._taken: dict[int, Tensor] = {}

    @property
    def size(self) -> int:
        """How many numbers fit in all of it."""
        return sum(flat.numel() for flat in (*self._free, *self._taken.values()))

    def take(self, count: int, channels: int, height: int, width: int) -> Tensor:
        """(count, channels, height, width), channels last, holding anything."""
        wanted = count * channels * height * width
        fitting = [k for k, flat in enumerate(self._free) if flat.numel() >= wanted]
        if fitting:
            flat = self._free.pop(min(fitting, key=lambda k: self._free[k].numel()))
        else:
            flat = torch.empty(wanted, dtype=self._dtype)
        self._taken[flat.data_ptr()] = flat
        return flat[:wanted].view(count, height, width, channels).permute(0, 3, 1, 2)

    def give(self, x: Tensor) -> None:
        """Have back what `take` returned; anything else is nobody's."""
        flat = self._taken.pop(x.data_ptr(), None)
        if flat is not None:
            self._free.append(flat)

    def clear(self) -> None:
        """Have everything back."""
        self._free += self._taken.values()
        self._taken.clear()


def reusing(net: CodeFormer, dtype: torch.dtype) -> Maps:
    """Make the packed `net`, whose convolutions are in `dtype`, work in the memory returned from now on.

    What `net.encoder` has seen is good until it is called again.
    """
    maps = Maps(dtype)
    net.encoder.blocks[0] = _First(net.encoder.blocks[0], maps)
    for number, block in enumerate(net.encoder.blocks):
        net.encoder.blocks[number] = _rewritten(block, maps, keeps=number - 1 in net.encoder.kept)
    for number, block in enumerate(net.generator.blocks):
        net.generator.blocks[number] = _rewritten(block, maps)
    for size, fuse in net.fuse_convs_dict.items():
        net.fuse_convs_dict[size] = _rewritten(fuse, maps)
    net.encoder.register_forward_pre_hook(lambda _encoder, _inputs: maps.clear())
    return maps


def _rewritten(block: nn.Module, maps: Maps, *, keeps: bool = False) -> nn.Module:
    """keeps: whether the block's input is still needed after it."""
    if isinstance(block, Residual):
        return _Residual(block, maps)
    if isinstance(block, Fuse):
        return _Fuse(block, maps)
    if isinstance(block, Down):
        return _Down(block, maps, keeps)
    if isinstance(block, Norm):
        return _Norm(block)
    if isinstance(block, PackedConvolution) and block.transposed:
        return _Up(block, maps)
    return block


class _Norm(nn.Module):
    """`Norm` by the kernel of batch norm, given the groups' statistics: it can write where it is told."""

    def __init__(self, norm: Norm) -> None:
        super().__init__()
        self.groups, self.epsilon, self.swish = norm.num_groups, norm.eps, norm.swish
        self.weight, self.bias = norm.weight.detach().float(), norm.bias.detach().float()

    def forward(self, x: Tensor, there: Tensor | None = None) -> Tensor:
        """Into `there`, or else into x itself."""
        there = x if there is None else there
        for k in range(len(x)):
            self._normalise(x[k : k + 1], there[k : k + 1])
        return functional.silu(there, inplace=True) if self.swish else there

    def _normalise(self, x: Tensor, there: Tensor) -> None:
        mean, variance = self._statistics(x)
        unused = torch.empty(0)
        torch.ops.aten.native_batch_norm.out(
            x,
            self.weight,
            self.bias,
            mean,
            variance,
            False,  # not training
            0.0,
            self.epsilon,
            out=there,
            save_mean=unused,
            save_invstd=unused,
        )

    def _statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Of one picture, for each channel: mean and variance of its group."""
        channels, zeros = x.shape[1], torch.zeros(x.shape[1])
        means, variances = torch.ops.aten.batch_norm_update_stats(x, zeros, zeros.clone(), 0.0)
        means, variances = means.view(self.groups, -1), variances.view(self.groups, -1)
        mean = means.mean(dim=1)
        variance = (variances + (means - mean[:, None]).square()).mean(dim=1)
        share = channels // self.groups
        return mean.repeat_interleave(share), variance.repeat_interleave(share)


class _First(nn.Module):
    def __init__(self, convolution: nn.Module, maps: Maps) -> None:
        super().__init__()
        self.convolution, self.maps = convolution, maps

    def forward(self, x: Tensor) -> Tensor:
        return _convolved(self.convolution, x, self.maps)


class _Residual(nn.Module):
    def __init__(self, block: Residual, maps: Maps) -> None:
        super().__init__()
        self.norm1, self.norm2 = _Norm(block.norm1), _Norm(block.norm2)
        self.conv1, self.conv2 = block.conv1, block.conv2
        self.conv_out: nn.Module | None = getattr(block, "conv_out", None)
        self.maps = maps

    def forward(self, x: Tensor) -> Tensor:
        """Into x itself where channels stay as many."""
        normed: Tensor = self.norm1(x, self.maps.take(*x.shape))
        y = _convolved(self.conv1, normed, self.maps)
        self.maps.give(normed)
        if self.conv_out is not None:
            given, x = x, _convolved(self.conv_out, x, self.maps)
            self.maps.give(given)
        _packed(self.conv2).onto(x, self.norm2(y))
        self.maps.give(y)
        return x


class _Down(nn.Module):
    def __init__(self, block: Down, maps: Maps, keeps: bool) -> None:
        super().__init__()
        self.conv, self.maps, self.keeps = block.conv, maps, keeps

    def forward(self, x: Tensor) -> Tensor:
        count, channels, height, width = x.shape
        padded = self.maps.take(count, channels, height + 1, width + 1)
        padded[:, :, :height, :width] = x
        padded[:, :, height:] = 0
        padded[:, :, :, width:] = 0
        if not self.keeps:
            self.maps.give(x)
        half = self.maps.take(count, channels, height // 2, width // 2)
        _packed(self.conv).onto(half.zero_(), padded)
        self.maps.give(padded)
        return half


class _Up(nn.Module):
    def __init__(self, convolution: PackedConvolution, maps: Maps) -> None:
        super().__init__()
        self.convolution, self.maps = convolution, maps

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.convolution(x)  # this kernel takes new memory
        self.maps.give(x)
        return y


class _Fuse(nn.Module):
    def __init__(self, fuse: Fuse, maps: Maps) -> None:
        super().__init__()
        self.encode_enc = _Residual(fuse.encode_enc, maps)
        self.scale, self.shift = fuse.scale, fuse.shift
        self.maps = maps

    def forward(self, seen: Tensor, drawn: Tensor, fidelity: float) -> Tensor:
        """Into `drawn`."""
        count, channels, height, width = drawn.shape
        both = self.maps.take(count, 2 * channels, height, width)
        both[:, :channels], both[:, channels:] = seen, drawn
        both = self.encode_enc(both)
        scale, shift = self._twice(self.scale, both), self._twice(self.shift, both)
        self.maps.give(both)
        torch.addcmul(shift, drawn, scale, out=shift)
        drawn.add_(shift, alpha=fidelity)
        self.maps.give(scale)
        self.maps.give(shift)
        return drawn

    def _twice(self, part: nn.Sequential, x: Tensor) -> Tensor:
        first, slope, second = part
        assert isinstance(slope, nn.LeakyReLU)  # noqa: S101  # as `Fuse` has it
        y = _convolved(first, x, self.maps)
        made = _convolved(second, functional.leaky_relu(y, slope.negative_slope, inplace=True), self.maps)
        self.maps.give(y)
        return made


def _convolved(convolution: nn.Module, x: Tensor, maps: Maps) -> Tensor:
    """Into memory of `maps`; the size stays."""
    packed = _packed(convolution)
    # The kernel can add to what is there, not write over it; clearing costs a fiftieth of it.
    return packed.onto(maps.take(len(x), packed.channels, *x.shape[2:]).zero_(), x)


def _packed(convolution: nn.Module) -> PackedConvolution:
    assert isinstance(convolution, PackedConvolution)  # noqa: S101  # `packed` has replaced them all
    return convolution
