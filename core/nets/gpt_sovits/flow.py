"""The flow of SoVITS, run backwards: samples of the prior in, latents for the generator out.

Mean-only affine couplings around WaveNet blocks (VITS, arXiv:2106.06103; Glow, arXiv:1807.03039).
"""

import re

import torch
from torch import Tensor, nn

from core.nets.weights import Weights, count


class WaveNet(nn.Module):
    """Gated convolutions with skip connections, conditioned on the voice. Weight norm is folded away."""

    def __init__(self, weights: Weights, prefix: str) -> None:
        super().__init__()
        layers = count(weights, prefix + "in_layers.{}.")
        double, width, kernel = weights[prefix + "in_layers.0.weight"].shape
        self.width = width
        self.in_layers = nn.ModuleList(
            nn.Conv1d(width, double, kernel, padding=kernel // 2) for _ in range(layers)
        )
        self.res_skip_layers = nn.ModuleList(
            nn.Conv1d(width, double if k < layers - 1 else width, 1) for k in range(layers)
        )
        rows, voice, _ = weights[prefix + "cond_layer.weight"].shape
        self.cond_layer = nn.Conv1d(voice, rows, 1)

    def forward(self, x: Tensor, voice: Tensor) -> Tensor:
        width = self.width
        total = torch.zeros_like(x)
        biases = self.cond_layer(voice).chunk(len(self.in_layers), dim=1)
        for gate, mix, bias in zip(self.in_layers, self.res_skip_layers, biases, strict=True):
            inner = gate(x) + bias  # (1, 2C, T)
            mixed = mix(inner[:, :width].tanh() * inner[:, width:].sigmoid())
            if mixed.shape[1] > width:
                x = x + mixed[:, :width]
            total = total + mixed[:, -width:]
        return total


class Coupling(nn.Module):
    """Shifts the second half of the channels by what the first half and the voice say."""

    def __init__(self, weights: Weights, prefix: str) -> None:
        super().__init__()
        width, half, _ = weights[prefix + "pre.weight"].shape
        self.split = half
        self.pre = nn.Conv1d(half, width, 1)
        self.enc = WaveNet(weights, prefix + "enc.")
        self.post = nn.Conv1d(width, half, 1)

    def forward(self, x: Tensor, voice: Tensor) -> Tensor:
        """The inverse of the trained direction."""
        first, second = x[:, : self.split], x[:, self.split :]
        return torch.cat([first, second - self.post(self.enc(self.pre(first), voice))], dim=1)


class Flow(nn.Module):
    """Couplings with a flip of the channels between; published under the even numbers of `flows`."""

    def __init__(self, weights: Weights, prefix: str = "flow.") -> None:
        super().__init__()
        numbers = sorted({int(key.split(".")[2]) for key in weights if key.startswith(prefix + "flows.")})
        self.flows = nn.ModuleDict({str(k): Coupling(weights, f"{prefix}flows.{k}.") for k in numbers})
        gates = [weight for key, weight in weights.items() if re.match(prefix + r".*in_layers.*weight$", key)]
        self.reach = sum(weight.shape[2] // 2 for weight in gates)
        """Frames to either side that a latent depends on."""

    def forward(self, x: Tensor, voice: Tensor) -> Tensor:
        """Latents (1, C, T) of prior samples (1, C, T) and voice (1, G, 1)."""
        for coupling in reversed(list(self.flows.values())):
            x = coupling(x.flip(1), voice)
        return x
