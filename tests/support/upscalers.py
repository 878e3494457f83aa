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
        net.conv_last.get_parameter("bias").fill_(0.5)
        net.conv_last.weight.mul_(8)
    return net


def passing_on(layout: Layout | None = None) -> RRDBNet:
    """A network that passes the picture on, softly: the mean of each 2x2 pixels, smoothed."""
    net = RRDBNet(layout or Layout(width=8, blocks=1, growth=4)).eval()
    soft = torch.tensor([1.0, 2.0, 1.0])
    kernel = soft[:, None] * soft[None] / 16
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        for colour in range(3):
            net.conv_first.weight[colour, 4 * colour : 4 * colour + 4, 1, 1] = 0.25
            for convolution in (net.conv_up1, net.conv_up2):
                convolution.weight[colour, colour] = kernel
            for convolution in (net.conv_hr, net.conv_last):
                convolution.weight[colour, colour, 1, 1] = 1
    return net


def write_checkpoint(path: Path) -> Path:
    """Write it as RealESRGAN_x2plus.pth is; returns `path`."""
    torch.save({"params_ema": small_net().state_dict()}, path)
    return path
