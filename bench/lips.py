"""Wav2Lip: how much faster the mouth is drawn than by the plain network, and what that costs in exactness.
Weights are random; that changes no time. LIPSTREAM_COMPILE=1 measures compiled.
"""

from collections.abc import Iterator

import torch

from bench import Figure, gpu
from bench._lips_scene import Scene, inputs
from bench._random_lips import random_net
from bench._timing import median_s, side_by_side
from core.engines.compute.batches import Batches
from core.engines.compute.devices import device_of, dtype_of
from core.engines.neural import NeuralSettings
from core.engines.wav2lip.engine import Wav2LipEngine
from core.nets.wav2lip import LowerHalf

_TARGETS = {(1, False): 1.7, (16, False): 5.0, (1, True): 4.0, (16, True): 7.0}
"""Times faster than the plain network, by batch size and whether it is compiled."""


def figures() -> Iterator[Figure]:
    """Network alone, then the engine."""
    settings = NeuralSettings()
    device = device_of(settings.device)
    yield from _network(settings, device)
    yield from _engine(settings)
    if device.type != "cpu":
        yield from gpu.lips_figures(settings)


def _network(settings: NeuralSettings, device: torch.device) -> Iterator[Figure]:
    net = random_net()
    compiled = settings.data_dir / "compiled" if settings.compile else None
    fast = Batches(LowerHalf(net), inputs(1), device, dtype_of(settings.precision, device), compiled)
    kind = f"{str(fast.dtype).removeprefix('torch.')}{', compiled' if compiled else ''}, {device}"
    plain = random_net().to(device)
    for batch in (1, 4, 16):
        sound, faces = inputs(batch)
        there = sound.to(device), faces.to(device)

        def ours(sound: torch.Tensor = sound, faces: torch.Tensor = faces) -> None:
            fast(sound, faces)
            _settle(device)

        def theirs(there: tuple[torch.Tensor, ...] = there) -> None:
            with torch.inference_mode():
                plain(*there)
            _settle(device)

        mine, baseline, ratio = side_by_side(ours, theirs, 21 if batch < 16 else 9)
        yield Figure(
            f"wav2lip net, batch {batch} ({kind})",
            1000 * mine / batch,
            "ms/frame",
            higher=False,
            baseline=1000 * baseline / batch,
        )
        target = _TARGETS.get((batch, compiled is not None)) if device.type == "cpu" else None
        yield Figure(f"wav2lip net, batch {batch}, times plain float32", ratio, "x", target)
    with torch.inference_mode():
        sound, faces = inputs(16)
        off = 255 * (fast(sound, faces).cpu() - random_net().lower_half(sound, faces)).abs()
    yield Figure("wav2lip net, mean error", float(off.mean()), "levels", 1, higher=False)
    yield Figure("wav2lip net, largest error", float(off.max()), "levels", 8, higher=False)


def _engine(settings: NeuralSettings) -> Iterator[Figure]:
    engine = Wav2LipEngine(net=random_net(), settings=settings)
    scene = Scene()
    for count in (1, 8):
        work = scene.drawing(engine, 0, count)
        seconds = median_s(lambda work=work: engine.draw_together([work]), 15)  # type: ignore[misc]  # a default
        yield Figure(f"wav2lip engine, draw of {count}", count / seconds, "frames/s", higher=True)
    engine.close()


def _settle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
