"""ERes2NetV2 and its filter bank (Chen et al. 2024, arXiv:2406.02167; modelscope/3D-Speaker, Apache-2.0).

v2Pro and v2ProPlus know a speaker by this net's last feature map, averaged over time: 20480 numbers. Its
pooling and `seg_1` are loaded, because the published file holds them, and not used.
"""

import torch
from torch import Tensor, nn

from core.nets.weights import Weights, count, load_strict, on_meta

RATE = 16_000
BINS = 80
FRAME, HOP, SIZE = 400, 160, 512


def _mel(frequency: Tensor) -> Tensor:
    return 1127.0 * (1.0 + frequency / 700.0).log()


def _triangles() -> Tensor:
    """Kaldi's mel filters, float32 (80, 257): 20 Hz to 8 kHz, triangles on the mel axis."""
    ends = _mel(torch.tensor([20.0, RATE / 2], dtype=torch.float64))
    edges = torch.linspace(float(ends[0]), float(ends[1]), BINS + 2, dtype=torch.float64)[:, None]
    place = _mel(torch.arange(SIZE // 2 + 1, dtype=torch.float64) * RATE / SIZE)
    rising = (place - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - place) / (edges[2:] - edges[1:-1])
    filters: Tensor = torch.minimum(rising, falling).clamp_min(0.0).float()
    filters[:, -1] = 0.0  # Kaldi leaves the Nyquist bin out
    return filters


def filter_bank(samples: Tensor) -> Tensor:
    """Kaldi's log mel energies float32 (T, 80) of samples float32 (n,) at 16 kHz, in [-1, 1].

    25 ms frames each 10 ms, whole frames only; DC removed, pre-emphasis 0.97, Povey window, no dither, no
    mean subtraction; power floored at the float32 epsilon.
    """
    frames = samples.unfold(0, FRAME, HOP)
    frames = frames - frames.mean(dim=1, keepdim=True)
    before = torch.cat([frames[:, :1], frames[:, :-1]], dim=1)
    window = torch.hann_window(FRAME, periodic=False, device=samples.device) ** 0.85
    power = torch.fft.rfft((frames - 0.97 * before) * window, SIZE).abs().square()
    energy: Tensor = power @ _triangles().to(samples.device).T
    return energy.clamp_min(torch.finfo(torch.float32).eps).log()


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width)


class Fuse(nn.Module):
    """Attentional fusion of two maps: each weighted by what a small net says of both."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.local_att = nn.Sequential(
            nn.Conv2d(2 * width, inner, 1), _norm(inner), nn.SiLU(), nn.Conv2d(inner, width, 1), _norm(width)
        )

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        weight: Tensor = self.local_att(torch.cat([one, other], dim=1)).tanh()
        return one * (1.0 + weight) + other * (1.0 - weight)


class Block(nn.Module):
    """A Res2Net block: the channels in parts, each part adding (or fusing) the one before."""

    def __init__(self, weights: Weights, prefix: str, stride: int) -> None:
        super().__init__()
        middle, inputs, _, _ = weights[prefix + "conv1.weight"].shape
        part = weights[prefix + "convs.0.weight"].shape[0]
        outputs = weights[prefix + "conv3.weight"].shape[0]
        self.part = part
        self.conv1 = nn.Conv2d(inputs, middle, 1, stride, bias=False)
        self.bn1 = _norm(middle)
        parts = middle // part
        self.convs = nn.ModuleList(nn.Conv2d(part, part, 3, padding=1, bias=False) for _ in range(parts))
        self.bns = nn.ModuleList(_norm(part) for _ in range(parts))
        name = prefix + "fuse_models.{}.local_att.0.weight"
        self.fuse_models = nn.ModuleList(
            Fuse(part, weights[name.format(k)].shape[0]) for k in range(count(weights, name))
        )
        self.conv3 = nn.Conv2d(middle, outputs, 1, bias=False)
        self.bn3 = _norm(outputs)
        self.shortcut = nn.Sequential()
        if prefix + "shortcut.0.weight" in weights:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), _norm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        parts = torch.split(_clip(self.bn1(self.conv1(x))), self.part, dim=1)
        done: list[Tensor] = []
        for k, part in enumerate(parts):
            if k > 0:
                part = self.fuse_models[k - 1](done[-1], part) if self.fuse_models else done[-1] + part
            done.append(_clip(self.bns[k](self.convs[k](part))))
        return _clip(self.bn3(self.conv3(torch.cat(done, dim=1))) + self.shortcut(x))


def _blocks(weights: Weights, prefix: str, stride: int) -> nn.Sequential:
    number = count(weights, prefix + "{}.")
    return nn.Sequential(*(Block(weights, f"{prefix}{k}.", stride if k == 0 else 1) for k in range(number)))


def _clip(x: Tensor) -> Tensor:
    """The net's "ReLU": also clipped at 20."""
    return x.clamp(0.0, 20.0)


class SpeakerNet(nn.Module):
    """See the module's docstring; sizes from the shapes."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        width = weights["conv1.weight"].shape[0]
        self.conv1 = nn.Conv2d(1, width, 3, padding=1, bias=False)
        self.bn1 = _norm(width)
        self.layer1 = _blocks(weights, "layer1.", 1)
        self.layer2 = _blocks(weights, "layer2.", 2)
        self.layer3 = _blocks(weights, "layer3.", 2)
        self.layer4 = _blocks(weights, "layer4.", 2)
        outputs, inputs, _, _ = weights["layer3_ds.weight"].shape
        self.layer3_ds = nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False)
        self.fuse34 = Fuse(outputs, weights["fuse34.local_att.0.weight"].shape[0])
        rows, columns = weights["seg_1.weight"].shape
        self.seg_1 = nn.Linear(columns, rows)

    @classmethod
    def from_checkpoint(cls, weights: Weights) -> "SpeakerNet":
        """The net of the published `.ckpt`, a plain state dict."""
        weights = {k: v.float() if v.is_floating_point() else v for k, v in weights.items()}
        with on_meta():
            net = cls(weights)
        return load_strict(net, weights)

    @torch.inference_mode()
    def forward(self, samples: Tensor) -> Tensor:
        """The speaker vector float32 (20480,) of samples float32 (n,) at 16 kHz."""
        x = self.bn1(self.conv1(filter_bank(samples).T[None, None])).relu()  # (1, C, 80, T)
        third = self.layer3(self.layer2(self.layer1(x)))
        fused = self.fuse34(self.layer4(third), self.layer3_ds(third))
        y: Tensor = fused.flatten(1, 2).mean(-1)[0]
        return y
