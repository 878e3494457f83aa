"""Small Real-ESRGANs for tests: the real network with fewer channels and blocks, in a file as published."""

from pathlib import Path

import torch

from core.nets.rrdbnet import Layout, RRDBNet


def small_net(seed: int = 0) -> RRDBNet:
    """Weights that make something of every pixel, the same every time."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = RRDBNet(Layout(width=8, blocks=1, growth=4)).eval()
    with torch.no_grad():
        net.conv_last.bias.fill_(0.5)
        net.conv_last.weight.mul_(8)
    return net


def write_checkpoint(path: Path) -> Path:
    """Write it as RealESRGAN_x2plus.pth is; returns `path`."""
    torch.save({"params_ema": small_net().state_dict()}, path)
    return path
