"""What a SoVITS model knows a voice by: the reference's spectrogram (and speaker vector) to one vector.

MelStyleEncoder after StyleSpeech (Min et al. 2021, arXiv:2106.03153).
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.nets.weights import Weights


class Named(nn.Module):
    """A linear layer under the name `fc`."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.fc = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc(x)
        return y


class NamedConv(nn.Module):
    """A convolution under the name `conv`."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2)


class Gated(nn.Module):
    """Convolution, gated linear unit, residual; on (1, C, T)."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.conv1 = NamedConv(width, 2 * width, kernel)

    def forward(self, x: Tensor) -> Tensor:
        return x + functional.glu(self.conv1.conv(x), dim=1)


class StyleAttention(nn.Module):
    """Two heads, scaled by the root of the whole width (as published, not a head's); residual; on (T, C)."""

    HEADS = 2  # not visible in any shape; MelStyleEncoder's default in the published modules.py

    def __init__(self, width: int) -> None:
        super().__init__()
        self.w_qs = nn.Linear(width, width)
        self.w_ks = nn.Linear(width, width)
        self.w_vs = nn.Linear(width, width)
        self.fc = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            project(x).view(len(x), self.HEADS, -1).transpose(0, 1)
            for project in (self.w_qs, self.w_ks, self.w_vs)
        )
        weight = (query @ key.mT / math.sqrt(x.shape[1])).softmax(-1)
        y: Tensor = x + self.fc((weight @ value).transpose(0, 1).flatten(1))
        return y


class MelStyleEncoder(nn.Module):
    """Spectrogram (bins, T) to a style vector (G,)."""

    def __init__(self, weights: Weights, prefix: str = "ref_enc.") -> None:
        super().__init__()
        width, self.bins = weights[prefix + "spectral.0.fc.weight"].shape
        kernel = weights[prefix + "temporal.0.conv1.conv.weight"].shape[2]
        # Positions 1, 2 are Mish and dropout in the published net; only the numbers matter here.
        self.spectral = nn.ModuleDict({"0": Named(self.bins, width), "3": Named(width, width)})
        self.temporal = nn.Sequential(Gated(width, kernel), Gated(width, kernel))
        self.slf_attn = StyleAttention(width)
        self.fc = Named(width, weights[prefix + "fc.fc.weight"].shape[0])

    def forward(self, spectrogram: Tensor) -> Tensor:
        x = spectrogram[: self.bins].T
        for layer in self.spectral.values():
            x = functional.mish(layer(x))
        x = self.temporal(x.T[None])[0].T
        y: Tensor = self.fc(self.slf_attn(x)).mean(0)
        return y


@torch.inference_mode()
def spectrogram(samples: Tensor) -> Tensor:
    """Linear spectrogram float32 (1025, n // 640) of samples float32 (n,) at 32 kHz, n > 704.

    Reflect padding of (2048 - 640) / 2, periodic Hann window of 2048, no centring; root of power plus 1e-8.
    """
    padded = functional.pad(samples[None], (704, 704), mode="reflect")[0]
    window = torch.hann_window(2048, device=samples.device)
    waves = torch.stft(padded, 2048, 640, 2048, window, center=False, return_complex=True)
    return (waves.real.square() + waves.imag.square() + 1e-8).sqrt()
