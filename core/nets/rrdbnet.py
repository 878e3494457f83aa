"""RRDBNet, as Real-ESRGAN enlarges pictures with (Wang et al., 2021, https://arxiv.org/abs/2107.10833).

Parameter names are those of `RealESRGAN_x2plus.pth` and `RealESRGAN_x4plus.pth`, whose state dict lies under
`params_ema` (github.com/xinntao/Real-ESRGAN, BSD-3-Clause; the network as in basicsr, Apache-2.0).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

_SHARE = 0.2
"""How much of what a block computes is added to its input."""


@dataclass(frozen=True, slots=True)
class Layout:
    """scale: 1, 2 or 4 times the size. width, growth: channels throughout, and added by each convolution."""

    scale: int = 2
    width: int = 64
    blocks: int = 23
    growth: int = 32


class Dense(nn.Module):
    """Five convolutions, each seeing the input and all before it."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        for k in range(5):
            cout = growth if k < 4 else width
            self.add_module(f"conv{k + 1}", nn.Conv2d(width + k * growth, cout, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        seen = x
        for k in range(4):
            made = functional.leaky_relu(self.get_submodule(f"conv{k + 1}")(seen), 0.2)
            seen = torch.cat((seen, made), dim=1)
        last: Tensor = self.get_submodule("conv5")(seen)
        return x + _SHARE * last


class Block(nn.Module):
    """Three dense blocks, the input added."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = (Dense(width, growth) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.rdb3(self.rdb2(self.rdb1(x)))
        return x + _SHARE * y


class RRDBNet(nn.Module):
    """A picture in, the same larger out."""

    def __init__(self, layout: Layout | None = None) -> None:
        super().__init__()
        self.layout = layout = layout or Layout()
        width = layout.width
        # All work is done at a quarter of the output's size; smaller scales fold pixels into channels first.
        self.conv_first = nn.Conv2d(3 * (4 // layout.scale) ** 2, width, 3, padding=1)
        self.body = nn.Sequential(*(Block(width, layout.growth) for _ in range(layout.blocks)))
        self.conv_body, self.conv_up1, self.conv_up2, self.conv_hr = (
            nn.Conv2d(width, width, 3, padding=1) for _ in range(4)
        )
        self.conv_last = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W), RGB in 0..1, H and W multiples of 4 / scale -> (B, 3, scale * H, scale * W)."""
        x = self.conv_first(functional.pixel_unshuffle(x, 4 // self.layout.scale))
        x = x + self.conv_body(self.body(x))
        for up in (self.conv_up1, self.conv_up2):
            x = functional.leaky_relu(up(functional.interpolate(x, scale_factor=2.0, mode="nearest")), 0.2)
        larger: Tensor = self.conv_last(functional.leaky_relu(self.conv_hr(x), 0.2))
        return larger


def layout_of(shapes: Mapping[str, Sequence[int]]) -> Layout:
    """The layout a state dict with these shapes has. Raises ValueError if it is no RRDBNet."""
    first, dense = shapes.get("conv_first.weight"), shapes.get("body.0.rdb1.conv1.weight")
    if first is None or dense is None or "conv_up2.weight" not in shapes:
        raise ValueError("it has no dense blocks that double the size twice")
    scale = {3: 4, 12: 2, 48: 1}.get(first[1])
    if scale is None:
        raise ValueError(f"{first[1]} input channels; 3 (four times the size), 12 (twice) or 48 expected")
    blocks = 0
    while f"body.{blocks}.rdb1.conv1.weight" in shapes:
        blocks += 1
    return Layout(scale, first[0], blocks, dense[0])
