"""Make a trained network faster without changing what it computes: batch norm folded into the convolutions,
weights laid out once as oneDNN wants them, activation and residual sum done inside the convolution.

The layout and the fused kernels are those torch.compile's freezing uses (torch/_inductor/fx_passes/
mkldnn_fusion.py); calling them directly needs no compiler and no minutes of waiting. They are the CPU's.
"""

import copy
import itertools
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from core.nets.wav2lip import Unit

_Convolution = nn.Conv2d | nn.ConvTranspose2d
_LENGTH = 1000  # oneDNN lays weights out for a length, and one is as good as another


class Leaking(nn.Conv2d):
    """A convolution, then a leaky ReLU; fast kernels do both in one go."""

    def __init__(self, cin: int, cout: int, size: int, *, padding: int = 0, slope: float) -> None:
        super().__init__(cin, cout, size, padding=padding)
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        return functional.leaky_relu_(super().forward(x), self.slope)


@cache
def can_pack(dtype: torch.dtype = torch.float32) -> bool:
    """Whether packed layers run here in `dtype`: tried once, for no name tells. It depends on this build of
    torch, on the processor, and on what ONEDNN_MAX_CPU_ISA leaves of it."""
    x = torch.zeros(1, 8, 4, 4, dtype=dtype, device="cpu").contiguous(memory_format=torch.channels_last)
    convolutions = nn.Conv2d(8, 8, 3, device="cpu"), nn.ConvTranspose2d(8, 8, 3, device="cpu")
    ops, matrix = torch.ops.mkldnn, torch.zeros(8, 8, dtype=dtype, device="cpu")
    try:
        with torch.inference_mode():
            for convolution in convolutions:
                PackedConvolution(convolution, list(x.shape), dtype)(x)
            ops._linear_pointwise(matrix, ops._reorder_linear_weight(matrix, 8), None, "none", [], "")
    except (AttributeError, RuntimeError):  # a build without the kernel; a processor without the instructions
        return False
    return True


def folded(net: nn.Module) -> nn.Module:
    """A copy of `net` without batch norm: the convolution before it does its work. Equal but for rounding."""
    net = copy.deepcopy(net).eval()
    for module in net.modules():
        if not isinstance(module, nn.Sequential):
            continue
        names = list(module._modules)
        for first, second in itertools.pairwise(names):
            convolution, norm = module._modules[first], module._modules[second]
            if isinstance(convolution, _Convolution) and isinstance(norm, nn.BatchNorm2d):
                transposed = isinstance(convolution, nn.ConvTranspose2d)
                module._modules[first] = fuse_conv_bn_eval(convolution, norm, transposed)
                module._modules[second] = nn.Identity()
    return net


def laid_out(net: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """`net` itself, moved and cast, its weights laid out as convolutions like them there."""
    net.to(device, dtype)
    for parameter in net.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=layout_on(device))
    return net


def layout_on(device: torch.device) -> torch.memory_format:
    """How pictures lie for convolutions there: channels last, but on MPS, which knows no use for it."""
    return torch.contiguous_format if device.type == "mps" else torch.channels_last


def packed(
    net: nn.Module,
    inputs: tuple[object, ...],
    dtype: torch.dtype,
    parts: Sequence[str] | None = None,
) -> nn.Module:
    """A copy of `net` whose convolutions are laid out for inputs of these very shapes, in `dtype`.

    Inputs of other shapes give the same result, slower. Call it with channels_last tensors of `dtype`.
    parts: the children that are cast to `dtype`; by default all of it.
    """
    net = folded(net)
    sizes: dict[nn.Module, list[int]] = {}
    hooks = [
        module.register_forward_pre_hook(lambda m, args: sizes.update({m: list(args[0].shape)}))
        for module in net.modules()
        if isinstance(module, _Convolution)
    ]
    # Shapes alone, nothing is computed.
    shadow = {
        name: value.to("meta") for name, value in itertools.chain(net.named_parameters(), net.named_buffers())
    }
    with torch.inference_mode():
        functional_call(net, shadow, tuple(x.to("meta") if isinstance(x, Tensor) else x for x in inputs))
    for hook in hooks:
        hook.remove()
    _replace(net, sizes, dtype)
    for part in [net] if parts is None else map(net.get_submodule, parts):
        part.to(dtype)
    return net


def pack_here(net: nn.Module) -> None:
    """Replace each convolution of `net` by a packed one, for inputs of any length that are one pixel high.

    Call it with channels_last tensors; it cannot be moved, cast or saved any more.
    """
    for parent in list(net.modules()):
        for name, child in parent.named_children():
            if isinstance(child, _Convolution):
                size = [1, child.in_channels, 1, _LENGTH]
                setattr(parent, name, PackedConvolution(child, size, child.weight.dtype))


def _replace(parent: nn.Module, sizes: dict[nn.Module, list[int]], dtype: torch.dtype) -> None:
    for name, child in parent.named_children():
        first = child.conv_block[0] if isinstance(child, Unit) else None
        if isinstance(child, Unit) and isinstance(first, _Convolution):
            unit = PackedConvolution(
                first,
                sizes[first],
                dtype,
                relu=isinstance(child.act, nn.ReLU),
                residual=child.residual,
            )
            whole = unit if unit.relu else nn.Sequential(unit, child.act)
            setattr(parent, name, whole)
        elif isinstance(child, _Convolution) and child in sizes:
            slope = child.slope if isinstance(child, Leaking) else None
            setattr(parent, name, PackedConvolution(child, sizes[child], dtype, slope=slope))
        else:
            _replace(child, sizes, dtype)


class PackedConvolution(nn.Module):
    """A convolution with its weight in oneDNN's own layout; then, if asked, `+ input`, or `+` a second input,
    and ReLU, leaky by `slope`."""

    def __init__(
        self,
        convolution: nn.Conv2d | nn.ConvTranspose2d,
        size: list[int],
        dtype: torch.dtype,
        *,
        relu: bool = False,
        residual: bool = False,
        slope: float | None = None,
    ) -> None:
        super().__init__()
        self.then = ("relu", []) if relu else ("none", []) if slope is None else ("leaky_relu", [slope])
        self.relu, self.residual = relu, residual
        self.transposed = isinstance(convolution, nn.ConvTranspose2d)
        self.nbytes = convolution.weight.numel() * dtype.itemsize
        self.padding = [int(p) for p in convolution.padding]
        self.output_padding = [int(p) for p in convolution.output_padding]
        self.stride, self.dilation = list(convolution.stride), list(convolution.dilation)
        self.groups, self.channels = convolution.groups, convolution.out_channels
        self.bias = None if convolution.bias is None else convolution.bias.detach().to(dtype)
        weight = convolution.weight.detach().to(dtype)
        ops, shape = torch.ops.mkldnn, (self.stride, self.dilation, self.groups, size)
        # Not a parameter or buffer: an opaque layout cannot be moved, cast or saved.
        if self.transposed:
            self.weight = ops._reorder_convolution_transpose_weight(
                weight, self.padding, self.output_padding, *shape
            )
        else:
            self.weight = ops._reorder_convolution_weight(weight, self.padding, *shape)

    def forward(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        if self.residual:
            added = x
        ops, (then, scalars) = torch.ops.mkldnn, self.then
        shape = (self.stride, self.dilation, self.groups)
        y: Tensor
        if self.transposed:
            y = ops._convolution_transpose_pointwise(
                x, self.weight, self.bias, self.padding, self.output_padding, *shape, then, scalars, ""
            )
        elif added is not None:
            unary = "relu" if self.relu else None  # here "none" is not understood
            y = ops._convolution_pointwise.binary(
                x, added, self.weight, self.bias, self.padding, *shape, "add", None, unary, [], ""
            )
        else:
            y = ops._convolution_pointwise(x, self.weight, self.bias, self.padding, *shape, then, scalars, "")
        return y

    def onto(self, there: Tensor, x: Tensor) -> Tensor:
        """`there` itself, with what the convolution makes of `x` added; not for transposed ones."""
        shape = (self.stride, self.dilation, self.groups)
        add = torch.ops.mkldnn._convolution_pointwise_.binary
        y: Tensor = add(there, x, self.weight, self.bias, self.padding, *shape, "add", None, None, [], "")
        return y
