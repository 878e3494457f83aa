"""Wav2Lip: how much faster the mouth is drawn than by the plain network, and what that costs in exactness.
Weights are random; that changes no time. LIPSTREAM_COMPILE=1 measures compiled.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from bench import Figure
from bench._random_lips import random_net
from core.engines.compute.batches import Batches
from core.engines.compute.devices import device_of, dtype_of
from core.engines.neural import NeuralSettings
from core.engines.wav2lip.engine import Wav2LipEngine
from core.nets.wav2lip import LowerHalf
from core.protocols import Drawing
from core.types import FaceTrack, Speech

_SIDE = 300
"""Of the face crop, in pixels: a head and shoulders at 512 x 512."""
_TARGETS = {(1, False): 1.7, (16, False): 5.0, (1, True): 4.0, (16, True): 7.0}
"""Times faster than the plain network, by batch size and whether it is compiled."""


def figures() -> Iterator[Figure]:
    """Network alone, then the engine."""
    settings = NeuralSettings()
    device = device_of(settings.device)
    yield from _network(settings, device)
    yield from _engine(settings)
    if device.type != "cpu":
        from bench import gpu  # it imports this

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
        seconds = _median(lambda work=work: engine.draw_together([work]), 15)  # type: ignore[misc]  # a default
        yield Figure(f"wav2lip engine, draw of {count}", count / seconds, "frames/s", higher=True)
    engine.close()


@dataclass
class Scene:
    """A still face and a noise to speak, as a stage would hand them over."""

    fps: int = 25
    rate: int = 22_050

    def drawing(self, engine: Wav2LipEngine, first: int, count: int) -> Drawing:
        """The call for `count` frames from number `first` on."""
        pose = np.array([[175.0, 0, 62], [0, 175, 54]])
        track = FaceTrack(
            _SIDE, np.zeros((count, 2), np.int32), np.stack([pose] * count), np.ones(count, np.bool_)
        )
        frames = range(first, first + count)
        low, high = (
            engine.span(first, self.rate, self.fps)[0],
            engine.span(frames[-1], self.rate, self.fps)[1],
        )
        random = np.random.default_rng(first)
        speech = Speech(random.normal(0, 0.1, high - low).astype(np.float32), self.rate, low)
        crops = random.integers(0, 255, (count, _SIDE, _SIDE, 3), dtype=np.uint8)
        prepared = {"box": np.array([0.115, 0, 0.915, 1.09]), "talks": np.array(False)}
        return Drawing(frames, self.fps, speech, crops, list(range(count)), track, prepared)


def inputs(batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Windows and faces such as the network sees."""
    random = torch.Generator().manual_seed(batch)
    faces = torch.rand(batch, 6, 96, 96, generator=random)
    faces[:, :3, 48:] = 0
    return 8 * torch.rand(batch, 1, 80, 16, generator=random) - 4, faces


def side_by_side(
    ours: Callable[[], object], theirs: Callable[[], object], rounds: int
) -> tuple[float, float, float]:
    """Median seconds of both, run in turn, and the median of how many times faster ours was each time."""
    ours(), theirs()  # warm
    pairs = [(_time(ours), _time(theirs)) for _ in range(rounds)]
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(b / a for a, b in pairs),
    )


def _median(work: Callable[[], object], rounds: int) -> float:
    work()
    return statistics.median(_time(work) for _ in range(rounds))


def _time(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _settle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
