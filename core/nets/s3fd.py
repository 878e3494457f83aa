"""S3FD face detector (Zhang et al., ICCV 2017, https://arxiv.org/abs/1708.05237): the network alone.

Parameter names are those of `s3fd-619a316812.pth`, as used by github.com/1adrianb/face-alignment (BSD-3)
and Wav2Lip. What its maps mean, `core.engines.face.s3fd` knows.

Letters in shapes: B batch, H and W the picture's height and width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

# name of a VGG16 convolution: channels in, out; "" halves the map.
_VGG = [
    ("conv1_1", 3, 64), ("conv1_2", 64, 64), ("", 0, 0),
    ("conv2_1", 64, 128), ("conv2_2", 128, 128), ("", 0, 0),
    ("conv3_1", 128, 256), ("conv3_2", 256, 256), ("conv3_3", 256, 256), ("", 0, 0),
    ("conv4_1", 256, 512), ("conv4_2", 512, 512), ("conv4_3", 512, 512), ("", 0, 0),
    ("conv5_1", 512, 512), ("conv5_2", 512, 512), ("conv5_3", 512, 512), ("", 0, 0),
]  # fmt: skip  # one row is one resolution
_HEADS = [
    ("conv3_3_norm", 256),
    ("conv4_3_norm", 512),
    ("conv5_3_norm", 512),
    ("fc7", 1024),
    ("conv6_2", 512),
    ("conv7_2", 256),
]
STRIDES = (4, 8, 16, 32, 64, 128)
"""Pixels of the picture between neighbours in each level's map."""


class L2Norm(nn.Module):
    """Each pixel's channels scaled to length 1, then by a weight per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        length = x.pow(2).sum(dim=1, keepdim=True).sqrt() + 1e-10
        return x / length * self.weight.view(1, -1, 1, 1)


class S3FD(nn.Module):
    """A picture in; per level a map of face scores and a map of box corrections out."""

    def __init__(self) -> None:
        super().__init__()
        for name, cin, cout in _VGG:
            if name:
                self.add_module(name, nn.Conv2d(cin, cout, 3, padding=1))
        # Padding 3 under a 3x3 kernel is the publication's: the map grows by 4 on each axis.
        self.fc6 = nn.Conv2d(512, 1024, 3, padding=3)
        self.fc7 = nn.Conv2d(1024, 1024, 1)
        self.conv6_1 = nn.Conv2d(1024, 256, 1)
        self.conv6_2 = nn.Conv2d(256, 512, 3, stride=2, padding=1)
        self.conv7_1 = nn.Conv2d(512, 128, 1)
        self.conv7_2 = nn.Conv2d(128, 256, 3, stride=2, padding=1)
        for name, channels in _HEADS:
            if name.endswith("_norm"):
                self.add_module(name, L2Norm(channels))
            # The finest level tells three kinds of background apart.
            classes = 4 if name == "conv3_3_norm" else 2
            self.add_module(f"{name}_mbox_conf", nn.Conv2d(channels, classes, 3, padding=1))
            self.add_module(f"{name}_mbox_loc", nn.Conv2d(channels, 4, 3, padding=1))

    def forward(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return per level (scores (B, 2, h, w): background, face, before softmax; corrections (B, 4, h, w)).

        x: (B, 3, H, W), the mean colour taken off. A level's map has about H/stride rows; `STRIDES`.
        """
        maps = {}
        for name, _, _ in _VGG:
            x = functional.relu(self.get_submodule(name)(x)) if name else functional.max_pool2d(x, 2, 2)
            maps[name] = x
        for name in ("fc6", "fc7", "conv6_1", "conv6_2", "conv7_1", "conv7_2"):
            x = maps[name] = functional.relu(self.get_submodule(name)(x))
        levels = []
        for name, _ in _HEADS:
            x = maps[name.removesuffix("_norm")]
            if name.endswith("_norm"):
                x = self.get_submodule(name)(x)
            scores = self.get_submodule(f"{name}_mbox_conf")(x)
            background = scores[:, :-1].amax(dim=1, keepdim=True)
            corrections = self.get_submodule(f"{name}_mbox_loc")(x)
            levels.append((torch.cat((background, scores[:, -1:]), dim=1), corrections))
        return levels
