"""Small GFP-GANs for tests: the real network with fewer channels and pixels."""

import math

import torch

from core.nets.gfpgan import Gfpgan, Layout

SMALL = Layout(widths=(16, 16, 16, 12, 8), style=16, mapping=2)
"""64 pixels."""


def small_gfpgan(layout: Layout = SMALL, seed: int = 0) -> Gfpgan:
    """Weights that keep signals at about their size, the same every time."""
    random = torch.Generator().manual_seed(seed)
    net = Gfpgan(layout)
    with torch.no_grad():
        for name, value in net.named_parameters():
            if value.dim() > 1 and value.shape[1] > 1:
                fan_in = value[0].numel() if name.count("modulated_conv.weight") == 0 else value[0, 0].numel()
                value.normal_(0, 0.9 / math.sqrt(fan_in), generator=random)
            elif name.endswith("modulation.bias"):
                value.normal_(1, 0.1, generator=random)
            else:
                value.normal_(0, 0.1, generator=random)
        for name, value in net.named_parameters():
            if (name.startswith("condition") and ".2." in name) or name.endswith("modulation.weight"):
                value.mul_(0.3)
            if name.startswith("condition_scale") and name.endswith("2.bias"):
                value.add_(1)
        for noise in net.stylegan_decoder.noises.buffers():
            noise.normal_(0, 1, generator=random)
    return net.eval()
