"""RetinaFace (Deng et al., CVPR 2020, https://arxiv.org/abs/1905.00641): the network alone.

Parameter names are those of github.com/biubug6/Pytorch_Retinaface (MIT), which facexlib (MIT) and CodeFormer
carry on: `detection_mobilenet0.25_Final.pth` and `detection_Resnet50_Final.pth`. What its numbers mean,
`core.engines.face.retinaface` knows. Letters in shapes: B batch, P priors.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

ANCHORS = 2
"""Boxes tried at each place of each level."""


def _unit(
    cin: int, cout: int, kernel: int, stride: int = 1, slope: float | None = None, groups: int = 1
) -> list[nn.Module]:
    """Convolution, norm and, if there is a `slope`, a (leaky) ReLU."""
    layers: list[nn.Module] = [
        nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(cout),
    ]
    return layers if slope is None else [*layers, nn.LeakyReLU(slope)]


def _separable(cin: int, cout: int, stride: int) -> nn.Sequential:
    return nn.Sequential(*_unit(cin, cin, 3, stride, 0.1, groups=cin), *_unit(cin, cout, 1, 1, 0.1))


class MobileNet(nn.Module):
    """MobileNet v1 at a quarter of its width: maps of 64, 128, 256 channels at strides 8, 16, 32."""

    channels = (64, 128, 256)

    def __init__(self) -> None:
        super().__init__()
        first = [(8, 16, 1), (16, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1)]
        self.stage1 = nn.Sequential(
            nn.Sequential(*_unit(3, 8, 3, 2, 0.1)), *(_separable(*row) for row in first)
        )
        self.stage2 = nn.Sequential(_separable(64, 128, 2), *(_separable(128, 128, 1) for _ in range(5)))
        self.stage3 = nn.Sequential(_separable(128, 256, 2), _separable(256, 256, 1))

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for stage in (self.stage1, self.stage2, self.stage3):
            x = stage(x)
            maps.append(x)
        return maps


class Bottleneck(nn.Module):
    """ResNet's unit of three convolutions, with a projection where size or width changes."""

    def __init__(self, cin: int, width: int, stride: int) -> None:
        super().__init__()
        cout = 4 * width
        self.conv1, self.bn1 = _unit(cin, width, 1)
        self.conv2, self.bn2 = _unit(width, width, 3, stride)
        self.conv3, self.bn3 = _unit(width, cout, 1)
        self.downsample = nn.Sequential(*_unit(cin, cout, 1, stride)) if cin != cout else None

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return functional.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet50(nn.Module):
    """ResNet-50 without its head: maps of 512, 1024, 2048 channels at strides 8, 16, 32."""

    channels = (512, 1024, 2048)

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        cin = 64
        for k, (width, count) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)], 1):
            units = [Bottleneck(cin, width, 1 if k == 1 else 2)]
            cin = 4 * width
            units += [Bottleneck(cin, width, 1) for _ in range(count - 1)]
            self.add_module(f"layer{k}", nn.Sequential(*units))

    def forward(self, x: Tensor) -> list[Tensor]:
        x = functional.max_pool2d(functional.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        maps = []
        for k in range(1, 5):
            x = self.get_submodule(f"layer{k}")(x)
            maps.append(x)
        return maps[1:]


class Pyramid(nn.Module):
    """Three levels brought to one width, each told what the coarser one saw."""

    def __init__(self, channels: tuple[int, ...], width: int) -> None:
        super().__init__()
        slope = 0.1 if width <= 64 else 0.0
        for k, cin in enumerate(channels, 1):
            self.add_module(f"output{k}", nn.Sequential(*_unit(cin, width, 1, 1, slope)))
        self.merge1 = nn.Sequential(*_unit(width, width, 3, 1, slope))
        self.merge2 = nn.Sequential(*_unit(width, width, 3, 1, slope))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        fine, middle, coarse = (self.get_submodule(f"output{k}")(x) for k, x in enumerate(maps, 1))
        middle = self.merge2(middle + functional.interpolate(coarse, size=middle.shape[2:]))
        fine = self.merge1(fine + functional.interpolate(middle, size=fine.shape[2:]))
        return [fine, middle, coarse]


class Context(nn.Module):
    """SSH's context module: 3x3, 5x5 and 7x7 fields of view side by side, made of 3x3 convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half, quarter, slope = width // 2, width // 4, 0.1 if width <= 64 else 0.0
        self.conv3X3 = nn.Sequential(*_unit(width, half, 3))
        self.conv5X5_1 = nn.Sequential(*_unit(width, quarter, 3, 1, slope))
        self.conv5X5_2 = nn.Sequential(*_unit(quarter, quarter, 3))
        self.conv7X7_2 = nn.Sequential(*_unit(quarter, quarter, 3, 1, slope))
        self.conv7x7_3 = nn.Sequential(*_unit(quarter, quarter, 3))

    def forward(self, x: Tensor) -> Tensor:
        five = self.conv5X5_1(x)
        views = (self.conv3X3(x), self.conv5X5_2(five), self.conv7x7_3(self.conv7X7_2(five)))
        return functional.relu(torch.cat(views, dim=1))


class Head(nn.Module):
    """`size` numbers for each anchor of each place, as (B, places * anchors, size)."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.conv1x1 = nn.Conv2d(width, ANCHORS * size, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv1x1(x)
        return y.permute(0, 2, 3, 1).reshape(len(y), -1, self.size)


class RetinaFace(nn.Module):
    """A picture in; for every prior a face score, a box and five points out."""

    def __init__(self, *, mobile: bool = True) -> None:
        super().__init__()
        width, maps = 64 if mobile else 256, range(3)
        self.body = MobileNet() if mobile else ResNet50()
        self.fpn = Pyramid(self.body.channels, width)
        self.ssh1, self.ssh2, self.ssh3 = (Context(width) for _ in maps)
        self.ClassHead, self.BboxHead, self.LandmarkHead = (
            nn.ModuleList(Head(width, size) for _ in maps) for size in (2, 4, 10)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return face scores (B, P) in 0..1, box corrections (B, P, 4), point corrections (B, P, 10).

        x: (B, 3, height, width), BGR 0..255 less (104, 117, 123). Priors go level by level, finest first.
        """
        maps = self.fpn(self.body(x))
        views = [context(y) for context, y in zip((self.ssh1, self.ssh2, self.ssh3), maps, strict=True)]
        scores, boxes, points = (
            torch.cat([head(y) for head, y in zip(heads, views, strict=True)], dim=1)
            for heads in (self.ClassHead, self.BboxHead, self.LandmarkHead)
        )
        return functional.softmax(scores, dim=-1)[..., 1], boxes, points


def is_mobile(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether a state dict of these shapes is the MobileNet variant; else it is the ResNet-50.

    Raises ValueError if it is neither.
    """
    for key, mobile in (("body.stage1.0.0.weight", True), ("body.layer4.2.conv3.weight", False)):
        if key in shapes:
            return mobile
    raise ValueError("neither a MobileNet (body.stage1...) nor a ResNet-50 (body.layer4...) inside")
