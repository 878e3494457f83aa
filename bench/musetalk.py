"""MuseTalk: what a picture takes, counted; the network against plain diffusers and transformers, in processor
seconds; how much memory a whole render takes on a template of ten minutes over one of one.

Weights are random; that changes no time. The network is run at a quarter of its width, which a processor does
in two seconds a picture; MUSETALK_SHARE=1 in the environment runs all of it, in some 12 GB.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bench import Figure
from bench._scene import peak_mb
from bench._timing import side_by_side
from bench.lips_memory import render
from core.engines.compute.batches import Batches
from core.engines.compute.devices import device_of, dtype_of
from core.engines.musetalk.checkpoints import Networks
from core.engines.neural import NeuralSettings
from core.nets.musetalk import Learning, Speaking
from tests.support.musetalks import installed, published

_CARDS = {
    "T4": 65,
    "L4": 121,
    "V100": 125,
    "A10": 125,
    "RTX 3090": 71,
    "RTX 4090": 165,
    "A100": 312,
    "H100": 989,
}
"""TFLOPS in float16, summed in float32, dense, as NVIDIA's data sheets state them."""
_USED = 0.25
"""Share of that which is reached. Users measured 30 to 65 frames a second on an RTX 4090 (15 to 33 %), the
authors 30 on a V100 (20 %)."""
_LENGTHS = (1, 10)
"""Minutes."""


def figures() -> Iterator[Figure]:
    """What is counted, then what is measured."""
    yield from _counted()
    yield from _network()
    yield from _memory()


def _counted() -> Iterator[Figure]:
    with torch.device("meta"):
        networks = published()
    level = networks.side // 8
    heard, latents = torch.zeros(1, 80, 62, device="meta"), torch.zeros(1, 8, level, level, device="meta")
    speaking = networks.speaking.to("meta")
    whole = _sums(lambda: speaking(heard, latents))
    listening = _sums(lambda: speaking.tokens(heard))
    decoding = _sums(lambda: speaking.decoder(latents[:, :4]))
    faces = torch.zeros(1, 3, networks.side, networks.side, device="meta")
    for name, sums in (
        ("a picture", whole),
        ("of that, Whisper's encoder", listening),
        ("of that, the UNet", whole - listening - decoding),
        ("of that, the decoder", decoding),
        ("a template frame, once", _sums(lambda: networks.learning(faces))),
    ):
        yield Figure(f"musetalk, {name}", sums / 1e9, "GFLOP")
    for card, speed in _CARDS.items():
        yield Figure(f"musetalk on {card}: an ESTIMATE", _USED * speed * 1e12 / whole, "frames/s")


def _sums(work: Callable[[], object]) -> int:
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


def _network() -> Iterator[Figure]:
    settings = NeuralSettings()
    device, share = device_of(settings.device), int(os.environ.get("MUSETALK_SHARE", "4"))
    networks = published(share)
    level = networks.side // 8
    inputs = torch.randn(4, 80, 62), torch.randn(4, 8, level, level)
    plain = networks.speaking
    sizes = (1, 2, 4) if device.type == "cuda" else (1,)
    example = inputs[0][:1], inputs[1][:1]
    fast = Batches(plain, example, device, dtype_of(settings.precision, device), sizes=sizes)
    plain.to(device)
    for batch in (1, 4):
        given = tuple(x[:batch] for x in inputs)
        mine, theirs, ratio = side_by_side(
            partial(fast, *given), partial(_plainly, plain, given, device), 3, time.process_time
        )
        name = f"musetalk net, 1/{share} as wide, batch {batch}"
        yield Figure(name, mine / batch, "cpu s/frame", higher=False, baseline=theirs / batch)
        yield Figure(f"{name}, times plain", ratio, "x", 1.0)
    with torch.inference_mode():
        wanted = plain(*(x.to(device) for x in given))
        off = (fast(*given) - wanted).abs().max() / wanted.abs().max()
    yield Figure("musetalk net, relative error", float(off), "", 1e-4, higher=False)


@torch.inference_mode()
def _plainly(net: Speaking, given: tuple[Tensor, ...], device: torch.device) -> None:
    net(*(x.to(device) for x in given)).cpu()


def _memory() -> Iterator[Figure]:
    peaks = [_measured(minutes) for minutes in _LENGTHS]
    for minutes, peak in zip(_LENGTHS, peaks, strict=True):
        yield Figure(f"musetalk peak memory, {minutes} min of template", peak, "MB", higher=False)
    yield Figure("musetalk peak memory: 10 min over 1", peaks[1] / peaks[0], "x", 1.15, higher=False)


def _measured(minutes: int) -> float:
    command = [sys.executable, "-m", "bench.musetalk", str(minutes)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


class _Pooled(Learning):
    """As many latents as are published, made of a face without a network: memory is measured, not time."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.convolution = nn.Conv2d(3, 8, 8, 8)

    def forward(self, faces: Tensor) -> Tensor:
        latents: Tensor = self.convolution(faces)
        return latents


class _Grown(Speaking):
    """Latents, enlarged: no mouth."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.convolution = nn.ConvTranspose2d(8, 3, 8, 8)

    def forward(self, heard: Tensor, latents: Tensor) -> Tensor:
        faces: Tensor = self.convolution(latents)
        return faces[:, :, faces.shape[2] // 2 :]


def _cheap(*_: object) -> Networks:
    return Networks(_Grown(), _Pooled(), 256)


def _render(minutes: int) -> None:
    """A template prepared and rendered, all of it, by networks that cost nothing."""
    cheap = patch("core.engines.musetalk.engine.load_networks", _cheap)
    with tempfile.TemporaryDirectory(prefix="lipstream-bench-") as folder, installed(Path(folder)), cheap:
        asyncio.run(render("template", minutes, "musetalk"))


if __name__ == "__main__":
    _render(int(sys.argv[1]))
    print(json.dumps(peak_mb()))
