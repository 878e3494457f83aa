"""How far one sound is from another to the ear."""

import numpy as np
import torch
from torch import Tensor

from core.types import Samples


def log_mel_distance(one: Samples, other: Samples, rate: int) -> float:
    """Mean absolute difference of log spectra in 80 equal steps of the mel scale, in nepers.

    Windows of 2048 samples, 640 apart; both sounds of one length.
    """
    return float((_bands(one, rate) - _bands(other, rate)).abs().mean())


def _bands(samples: Samples, rate: int) -> Tensor:
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + rate / 2 / 700), 82) / 2595) - 1)
    bins = np.clip((edges / (rate / 2048)).astype(int), 0, 1024)
    window = torch.hann_window(2048)
    power = torch.stft(torch.from_numpy(samples), 2048, 640, window=window, return_complex=True).abs()
    sums = [power[low : max(high, low + 1)].sum(0) for low, high in zip(bins[:-2], bins[2:], strict=True)]
    return torch.stack(sums).clamp_min(1e-5).log()
