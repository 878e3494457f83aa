"""Small CodeFormers for tests: the real network with fewer channels, layers and pixels."""

import math

import torch

from core.nets.codeformer import CodeFormer, Layout

SMALL = Layout(width=8, tokens=4, dim=64, layers=2, codes=48, code_width=32)
"""64 pixels, 4 places."""


def small_net(layout: Layout = SMALL, seed: int = 0) -> CodeFormer:
    """Weights that keep signals at about their size, the same every time."""
    random = torch.Generator().manual_seed(seed)
    net = CodeFormer(layout)
    with torch.no_grad():
        for name, value in net.named_parameters():
            if value.dim() > 1 and "emb" not in name:
                value.normal_(0, 1.1 / math.sqrt(value[0].numel()), generator=random)
            elif value.dim() > 1:
                value.normal_(0, 1, generator=random)
            elif name.endswith("bias"):
                value.normal_(0, 0.05, generator=random)
        net.feat_emb.weight.mul_(0.3)
        for fuse in net.fuse_convs_dict.values():
            for part in ("scale.2", "shift.2"):
                fuse.get_parameter(f"{part}.weight").mul_(0.1)
    return net.eval()
