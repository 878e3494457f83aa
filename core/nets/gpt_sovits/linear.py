"""A linear layer whose matrix can be repacked for products with a few rows, which is all decoding does.

One decoder step reads every weight once and does little else, so it runs at the speed of memory: a layout
that streams (oneDNN's blocked one) and fewer bytes per weight are what make it fast. Without those kernels
(a GPU, another build of torch) it is a plain linear layer.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.nets.packed import can_pack

# oneDNN chooses its layout for a number of rows; that for 4 is as good for 1 and for a prefill of hundreds.
_ROWS = 4


class Linear(nn.Module):
    """y = x W^T + b, keys `weight` (out, in) and `bias` (out,), until `pack` takes them away."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__()
        self.weight: Tensor = nn.Parameter(torch.empty(outputs, inputs))
        self.bias: Tensor | None = nn.Parameter(torch.empty(outputs)) if bias else None
        self.shape = (outputs, inputs)
        self._packed: Tensor | None = None
        self._scale: Tensor | None = None

    @property
    def nbytes(self) -> int:
        """Memory that the matrix takes."""
        if self._packed is None:
            return int(self.weight.nbytes)
        return math.prod(self.shape) * self._packed.element_size()

    def pack(self, precision: str) -> None:
        """Keep the matrix as `precision`, laid out for speed on this processor. Bias and output stay float32.

        "int8" has one scale per output; the products are those of bfloat16 inputs.
        """
        if precision not in ("float32", "bfloat16", "int8"):
            raise ValueError(f"unknown precision {precision!r}: float32, bfloat16 or int8 was expected")
        weight = self.weight
        if weight.device.type != "cpu":
            return
        if precision == "int8":
            self._scale = (weight.abs().amax(dim=1).clamp_min(1e-12) / 127).bfloat16()
            # The scale as rounded to bfloat16 is what will be multiplied, so weights are rounded against it.
            self._packed = (weight / self._scale.float()[:, None]).round().clamp(-127, 127).to(torch.int8)
        elif can_pack(dtype := getattr(torch, precision)):
            kept = weight.to(dtype)
            self._packed = torch.ops.mkldnn._reorder_linear_weight(kept, _ROWS)
        else:
            return
        del self.weight

    def forward(self, x: Tensor, relu: bool = False) -> Tensor:
        """x: float32 (..., in); float32 (..., out) comes back, clipped at 0 if `relu`."""
        if self._packed is None:
            y = functional.linear(x, self.weight, self.bias)
            return y.relu_() if relu else y
        if self._scale is not None:
            y = torch._weight_int8pack_mm(x.bfloat16().flatten(0, -2), self._packed, self._scale)
            y = y.float().view(*x.shape[:-1], -1)
            y = y if self.bias is None else y.add_(self.bias)
            return y.relu_() if relu else y
        kind = self._packed.dtype
        bias = None if self.bias is None else self.bias.to(kind)
        fused = "relu" if relu else "none"
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x.to(kind), self._packed, bias, fused, [], "")
        return product.float()
