"""Wav2Lip with weights that mean nothing: it draws noise, in the time that the real ones take."""

import math
from contextlib import AbstractContextManager

import torch

from bench._own_weights import own_weights
from core.nets.wav2lip import Wav2Lip


def random_net() -> Wav2Lip:
    """The network with weights that keep signals at about their size, the same every time."""
    torch.manual_seed(0)
    net = Wav2Lip()
    for name, value in net.state_dict().items():
        if name.endswith("weight") and value.dim() == 4:
            value.normal_(0, 1.1 / math.sqrt(value[0].numel()))
        elif name.endswith("bias"):
            value.normal_(0, 0.05)
    net.eval()
    return net


def random_weights() -> AbstractContextManager[None]:
    """While open, a file of such weights is what the engine `wav2lip` loads."""
    return own_weights("wav2lip", {"state_dict": random_net().state_dict()})
