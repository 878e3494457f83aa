"""Preparing ten seconds of a person at 1280x720 for Wav2Lip, by neural face finder, and opening it again.

Weights are random: the finder takes its time, then says where the face is known to be.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from bench import Figure
from bench._random_lips import random_weights
from core.config import Settings
from core.engines import ENGINES, EngineSpec
from core.engines.builtin import presenter
from core.engines.builtin.face import HaarFinder
from core.engines.face.retinaface import RetinaFaceFinder
from core.engines.face.s3fd import S3fdFinder
from core.media.clip import write_clip
from core.nets.retinaface import RetinaFace
from core.nets.s3fd import S3FD
from core.protocols import FaceFinder
from core.serving.engine_pool import EnginePool
from core.templates.library import Templates
from core.types import Face, Image

_WIDTH, _HEIGHT, _FPS, _SECONDS = 1280, 720, 25, 10
_WANTED_S = {"retinaface": 4, "s3fd": 15}


def figures() -> Iterator[Figure]:
    """See the module."""
    with random_weights(), _timed_finders(), tempfile.TemporaryDirectory(prefix="lipstream-bench-") as folder:
        clip = Path(folder) / "person.mp4"
        write_clip(clip, _person(), _FPS)
        for finder, wanted_s in _WANTED_S.items():
            took_s, opened_s = asyncio.run(_prepared(finder, clip, Path(folder) / finder))
            name = f"{_SECONDS} s at {_WIDTH}x{_HEIGHT} with {finder}"
            yield Figure(f"prepare {name}", took_s, "s", wanted_s, higher=False)
            yield Figure(f"open what is prepared, {finder}", 1000 * opened_s, "ms", 50, higher=False)


async def _prepared(finder: str, clip: Path, folder: Path) -> tuple[float, float]:
    """Seconds to add `clip` to a library, median of three, and to open it in another."""
    settings = Settings(data_dir=folder, face=finder, lipsync="wav2lip", enhance="builtin")
    took, opened = [], []
    async with EnginePool() as pool:
        for name in "warm", "one", "two", "three":
            for kind, engine in ("face", finder), ("lipsync", "wav2lip"), ("enhance", "builtin"):
                await pool.engine(kind, engine)
            started = time.perf_counter()
            await Templates(settings, pool).add(clip, name)
            took.append(time.perf_counter() - started)
            started = time.perf_counter()
            await Templates(settings, pool).open(name)
            opened.append(time.perf_counter() - started)
    return statistics.median(took[1:]), statistics.median(opened[1:])


def _person() -> Iterator[Image]:
    """The drawn presenter in the middle of a wide picture, with grain as a camera's."""
    side = (_WIDTH - _HEIGHT) // 2
    random = np.random.default_rng(0)
    grain = [random.normal(0, 1, (_HEIGHT, _WIDTH, 1)) for _ in range(5)]
    for k, image in enumerate(presenter.frames(_SECONDS * _FPS, _FPS, _HEIGHT)):
        wide = np.pad(image, ((0, 0), (side, side), (0, 0)), mode="edge")
        yield (wide + grain[k % len(grain)]).clip(0, 255).astype(np.uint8)


@contextmanager
def _timed_finders() -> Iterator[None]:
    """While open, both finders are there without weights."""
    before = dict(ENGINES["face"])
    for finder in _WANTED_S:
        ENGINES["face"][finder] = EngineSpec(f"bench.preparation:{finder}", "for a bench")
    try:
        yield
    finally:
        ENGINES["face"].update(before)


class Knowing:
    """Looks with `finder`, then gives the answer of the first picture, which the built-in finder gave."""

    def __init__(self, finder: FaceFinder) -> None:
        self.version = finder.version
        self._finder = finder
        self._answer: Sequence[Face] = ()

    def find(self, image: Image) -> Sequence[Face]:
        """See `FaceFinder.find`."""
        self._finder.find(image)
        self._answer = self._answer or HaarFinder().find(image)
        return self._answer


def retinaface() -> Knowing:
    """RetinaFace, MobileNet."""
    torch.manual_seed(0)
    return Knowing(RetinaFaceFinder(RetinaFace().eval()))


def s3fd() -> Knowing:
    """S3FD, which takes nothing for a face; as it is when untrained it would take all for one."""
    torch.manual_seed(0)
    net = S3FD().eval()
    for name, value in net.named_parameters():
        if name.endswith("mbox_conf.bias"):
            value.data[-1] = -10
    return Knowing(S3fdFinder(net))
