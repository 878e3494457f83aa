"""ParseNet: which part of an aligned face each pixel shows (Chen et al., PSFR-GAN, CVPR 2021).

Parameter names are those of the published `parsing_parsenet.pth` (github.com/xinntao/facexlib, MIT, after
github.com/chaofengc/PSFRGAN). The second head, a picture, is only kept so that every key has a place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

CLASSES = 19
"""Of CelebAMask-HQ: 0 is the background, 1 skin ... 13 hair, 14 hat, 15 glasses, 16 earring ... 18 cloth."""


@dataclass(frozen=True, slots=True)
class Layout:
    """width: channels at full size. steps: times the size is halved. depth: units in the middle."""

    width: int = 64
    steps: int = 4
    depth: int = 10

    def channels(self, step: int) -> int:
        """Of maps halved `step` times."""
        return min(self.width << step, 4 * self.width)


class Convolution(nn.Module):
    """A 3x3 convolution over a mirrored border; `scale` "up" doubles the size before, "down" halves it."""

    def __init__(
        self, cin: int, cout: int, scale: str = "none", *, norm: bool = False, relu: bool = False
    ) -> None:
        super().__init__()
        self.up, self.relu = scale == "up", relu
        self.conv2d = nn.Conv2d(cin, cout, 3, stride=2 if scale == "down" else 1, bias=not norm)
        self.norm = nn.ModuleDict({"norm": nn.BatchNorm2d(cout)} if norm else {})

    def forward(self, x: Tensor) -> Tensor:
        if self.up:
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
        x = self.conv2d(functional.pad(x, (1, 1, 1, 1), mode="reflect"))
        for norm in self.norm.values():
            x = norm(x)
        return functional.leaky_relu(x, 0.2) if self.relu else x


class Residual(nn.Module):
    """Two convolutions; the input added, through a convolution where size or channels change."""

    def __init__(self, cin: int, cout: int, scale: str = "none") -> None:
        super().__init__()
        first, second = {"down": ("none", "down"), "up": ("up", "none"), "none": ("none", "none")}[scale]
        if scale != "none" or cin != cout:
            self.shortcut_func = Convolution(cin, cout, scale)
        self.conv1 = Convolution(cin, cout, first, norm=True, relu=True)
        self.conv2 = Convolution(cout, cout, second, norm=True)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv2(self.conv1(x))
        return y + (self.shortcut_func(x) if hasattr(self, "shortcut_func") else x)


class ParseNet(nn.Module):
    """A face in, its parts out."""

    def __init__(self, layout: Layout | None = None) -> None:
        super().__init__()
        self.layout = layout = layout or Layout()
        steps, channels = range(layout.steps), layout.channels
        self.encoder = nn.Sequential(
            Convolution(3, layout.width),
            *(Residual(channels(k), channels(k + 1), "down") for k in steps),
        )
        middle = channels(layout.steps)
        self.body = nn.Sequential(*(Residual(middle, middle) for _ in range(layout.depth)))
        self.decoder = nn.Sequential(
            *(Residual(channels(k + 1), channels(k), "up") for k in reversed(steps)),
        )
        self.out_img_conv = Convolution(layout.width, 3)
        self.out_mask_conv = Convolution(layout.width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """How much each pixel is of each class, (B, 19, S, S), of x (B, 3, S, S), RGB in -1..1."""
        x = self.encoder(x)
        x = self.decoder(x + self.body(x))
        labels: Tensor = self.out_mask_conv(x)
        return labels


def layout_of(shapes: Mapping[str, Sequence[int]]) -> Layout:
    """The layout a state dict with these shapes has. Raises ValueError if it is no ParseNet."""
    first = shapes.get("encoder.0.conv2d.weight")
    if first is None or "out_mask_conv.conv2d.weight" not in shapes:
        raise ValueError("it has no encoder with mirrored convolutions and no head for classes")

    def count(part: str) -> int:
        number = 0
        while f"{part}.{number}.conv1.conv2d.weight" in shapes:
            number += 1
        return number

    return Layout(first[0], count("decoder"), count("body"))
