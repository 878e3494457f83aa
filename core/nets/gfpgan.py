"""GFP-GAN (Wang et al., CVPR 2021, https://arxiv.org/abs/2101.04061): a U-Net looks at a degraded face, and a
StyleGAN2 (Karras et al., CVPR 2020) that knows faces draws it anew, its maps bent towards what was seen.

Parameter names are those of the published "clean" checkpoints v1.2, v1.3 and v1.4
(github.com/TencentARC/GFPGAN, Apache-2.0), whose state dict lies under `params_ema`. Theirs is the order of
layers, too; all else is written from the papers.

The authors' script draws new noise for every face; here it is the noise that the checkpoint holds, so that
the same face always comes out the same.

Letters in shapes: B batch, S side of the picture (512), N styles (two a size), W width of a style.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.nets.packed import Leaking

SLOPE = 0.2
"""Of every leaky ReLU."""
GAIN = math.sqrt(2)
"""By which StyleGAN2 makes up for what a leaky ReLU takes."""
_TINY = 1e-8


@dataclass(frozen=True, slots=True)
class Layout:
    """Sizes of the network.

    widths: channels of the generator at 4, 8, ... S pixels; the U-Net has half. style: W. mapping: layers of
    StyleGAN2's own way to styles. half: only the second half of each map is bent towards what was seen.
    """

    widths: tuple[int, ...] = (512, 512, 512, 512, 512, 256, 128, 64)
    style: int = 512
    mapping: int = 8
    half: bool = True

    @property
    def side(self) -> int:
        """Of the picture, in pixels."""
        return 2 << len(self.widths)

    @property
    def styles(self) -> int:
        """N."""
        return 2 * len(self.widths)


class Residual(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.conv1 = Leaking(cin, cin, 3, padding=1, slope=SLOPE)
        self.conv2 = Leaking(cin, cout, 3, padding=1, slope=SLOPE)
        self.skip = nn.Conv2d(cin, cout, 1, bias=False)


class Down(Residual):
    """To half the size."""

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv2(halved(self.conv1(x)))
        return y.add_(self.skip(halved(x)))


class Up(Residual):
    """To twice the size."""

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv2(doubled(self.conv1(x)))
        # A 1x1 convolution and doubling may change places: this way it is a quarter of the work.
        return y.add_(doubled(self.skip(x)))


class Modulated(nn.Module):
    """The weights of a convolution, whose input and output channels a style weighs."""

    def __init__(self, cin: int, cout: int, size: int, style: int) -> None:
        super().__init__()
        self.modulation = nn.Linear(style, cin)
        self.weight = nn.Parameter(torch.zeros(1, cout, cin, size, size))


def weighed(weight: Tensor, power: Tensor) -> tuple[Tensor, Tensor]:
    """What inputs that count `weight` (B, cin), and outputs, are multiplied by, (B, channels, 1, 1), so that
    outputs deviate by 1 if inputs do. power: (cin, cout), the squares of each kernel added up."""
    there = (weight.square() @ power + _TINY).rsqrt()
    # Most of it goes to the inputs, so that no sum is too large for numbers of 16 bits.
    size = there.mean(dim=1, keepdim=True)
    return (weight * size)[:, :, None, None], (there / size)[:, :, None, None]


class Styled(nn.Module):
    """A convolution in a style, then noise."""

    def __init__(self, cin: int, cout: int, style: int) -> None:
        super().__init__()
        self.modulated_conv = Modulated(cin, cout, 3, style)
        self.weight = nn.Parameter(torch.zeros(1))
        self.bias = nn.Parameter(torch.zeros(1, cout, 1, 1))

    def forward(self, x: Tensor, style: Tensor, noise: Tensor, up: bool) -> Tensor:
        kernels = self.modulated_conv.weight[0]
        power = kernels.square().sum(dim=(2, 3)).T
        into, out_of = weighed(self.modulated_conv.modulation(style), power)
        x = x * into.to(x.dtype)
        kernels = kernels.to(x.dtype, memory_format=torch.channels_last)
        y = functional.conv2d(doubled(x) if up else x, kernels, padding=1)
        added = (self.bias + self.weight * noise).to(x.dtype)
        return functional.leaky_relu_(torch.addcmul(added, y, (out_of * GAIN).to(x.dtype)), SLOPE)


class ToRgb(nn.Module):
    """The colours of a map, in a style."""

    def __init__(self, channels: int, style: int) -> None:
        super().__init__()
        self.modulated_conv = Modulated(channels, 3, 1, style)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(B, 3, ...), in float32: it is what all sizes' pictures add up to."""
        into = self.modulated_conv.modulation(style)[:, :, None]
        weight = self.modulated_conv.weight[0, :, :, 0, 0].T * into
        made = x.flatten(2).transpose(1, 2) @ weight.to(x.dtype)
        colours: Tensor = made.float().transpose(1, 2).unflatten(2, x.shape[2:])
        return colours + self.bias


class Constant(nn.Module):
    """What every face begins with."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, channels, 4, 4))


class Generator(nn.Module):
    """StyleGAN2, whose maps from 8 pixels on are scaled and shifted by conditions."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        first, style = layout.widths[0], layout.style
        # StyleGAN2's way from random numbers to styles: in checkpoints, but GFP-GAN has styles of its own.
        mapping: list[nn.Module] = [nn.Identity()]
        for _ in range(layout.mapping):
            mapping += [nn.Linear(style, style), nn.Identity()]
        self.style_mlp = nn.Sequential(*mapping)
        self.constant_input = Constant(first)
        self.style_conv1, self.to_rgb1 = Styled(first, first, style), ToRgb(first, style)
        self.style_convs, self.to_rgbs = nn.ModuleList(), nn.ModuleList()
        self.noises = nn.Module()
        self.noises.register_buffer("noise0", torch.zeros(1, 1, 4, 4))
        for level, width in enumerate(layout.widths[1:], 1):
            self.style_convs += [Styled(layout.widths[level - 1], width, style), Styled(width, width, style)]
            self.to_rgbs.append(ToRgb(width, style))
            for number in (2 * level - 1, 2 * level):
                self.noises.register_buffer(f"noise{number}", torch.zeros(1, 1, 4 << level, 4 << level))

    def forward(self, styles: Tensor, scales: Sequence[Tensor], shifts: Sequence[Tensor]) -> Tensor:
        """(B, N, W), and at 8, 16 ... pixels what maps are scaled by and shifted by -> (B, 3, S, S).

        Conditions may be in fewer bits than all else: maps then are in those.
        """
        noise = dict(self.noises.named_buffers())
        x = self.constant_input.weight.to(scales[0].dtype).repeat(len(styles), 1, 1, 1)
        x = self.style_conv1(x, styles[:, 0], noise["noise0"], False)
        picture: Tensor = self.to_rgb1(x, styles[:, 1])
        for k, (scale, shift) in enumerate(zip(scales, shifts, strict=True)):
            at = 2 * k + 1
            x = self.style_convs[2 * k](x, styles[:, at], noise[f"noise{at}"], True)
            bent = x[:, x.shape[1] - scale.shape[1] :]
            torch.addcmul(shift, bent, scale, out=bent)
            x = self.style_convs[at](x, styles[:, at + 1], noise[f"noise{at + 1}"], False)
            picture = doubled(picture) + self.to_rgbs[k](x, styles[:, at + 2])
        return picture


class Gfpgan(nn.Module):
    """A face in, the face restored out."""

    def __init__(self, layout: Layout | None = None) -> None:
        super().__init__()
        self.layout = layout = layout or Layout()
        seen = [width // 2 for width in layout.widths]
        bent = seen if layout.half else layout.widths
        self.conv_body_first = Leaking(3, seen[-1], 1, slope=SLOPE)
        self.conv_body_down = nn.ModuleList(Down(b, a) for a, b in reversed(list(itertools.pairwise(seen))))
        self.final_conv = Leaking(seen[0], seen[0], 3, padding=1, slope=SLOPE)
        self.conv_body_up = nn.ModuleList(Up(a, b) for a, b in itertools.pairwise(seen))
        # The U-Net's own pictures: compared with the truth in training, never asked for here.
        self.toRGB = nn.ModuleList(nn.Conv2d(width, 3, 1) for width in seen[1:])
        self.final_linear = nn.Linear(16 * seen[0], layout.styles * layout.style)
        self.stylegan_decoder = Generator(layout)
        self.condition_scale, self.condition_shift = (
            nn.ModuleList(
                nn.Sequential(
                    Leaking(width, width, 3, padding=1, slope=SLOPE),
                    nn.Identity(),
                    nn.Conv2d(width, out, 3, padding=1),
                )
                for width, out in zip(seen[1:], bent[1:], strict=True)
            )
            for _ in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, S, S), RGB in -1..1 -> the same, restored, about -1..1, not clamped."""
        x = self.conv_body_first(x)
        seen = []
        for block in self.conv_body_down:
            x = block(x)
            seen.append(x)
        x = self.final_conv(x)
        # Styles in float32, whatever maps are in: they are few, and every channel is multiplied by one.
        styles = self.final_linear(x.flatten(1).float()).unflatten(1, (self.layout.styles, self.layout.style))
        scales, shifts = [], []
        for number, block in enumerate(self.conv_body_up):
            x = block(x + seen.pop())
            scales.append(self.condition_scale[number](x))
            shifts.append(self.condition_shift[number](x))
        return torch.as_tensor(self.stylegan_decoder(styles, scales, shifts))


def doubled(x: Tensor) -> Tensor:
    """Twice the size, bilinear."""
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def halved(x: Tensor) -> Tensor:
    """Half the size: bilinear, which here is each four pixels' mean."""
    return functional.avg_pool2d(x, 2)


def layout_of(shapes: Mapping[str, Sequence[int]]) -> Layout:
    """The sizes of the network that a state dict with these shapes belongs to.

    Raises ValueError, saying what it has instead, if it is no GFP-GAN of the "clean" kind.
    """
    generator = "stylegan_decoder."
    parts = {
        "U-Net": "conv_body_first.weight",
        "styles": "final_linear.weight",
        "StyleGAN2": f"{generator}style_conv1.modulated_conv.weight",
        "conditions": "condition_scale.0.2.weight",
    }
    if lacking := [part for part, name in parts.items() if name not in shapes]:
        raise ValueError(f"it has no {' and no '.join(lacking)}")
    widths, level = [shapes[f"{generator}style_conv1.modulated_conv.weight"][1]], 0
    while (name := f"{generator}style_convs.{2 * level}.modulated_conv.weight") in shapes:
        widths.append(shapes[name][1])
        level += 1
    mapping = 0
    while f"{generator}style_mlp.{2 * mapping + 1}.weight" in shapes:
        mapping += 1
    style = shapes[f"{generator}style_conv1.modulated_conv.modulation.weight"][1]
    half = shapes["condition_scale.0.2.weight"][0] < widths[1]
    layout = Layout(tuple(widths), style, mapping, half)
    numbers = shapes["final_linear.weight"][0]
    if numbers != layout.styles * style:
        raise ValueError(f"it has {numbers} numbers of styles; {layout.styles * style} expected")
    return layout
