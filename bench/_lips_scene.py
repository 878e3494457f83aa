"""What a lips engine is given when it is measured."""

from dataclasses import dataclass

import numpy as np
import torch

from core.engines.redrawing.engine import RedrawingEngine
from core.protocols import Drawing
from core.types import FaceTrack, Speech

_SIDE = 300
"""Of the face crop, in pixels: a head and shoulders at 512 x 512."""


@dataclass
class Scene:
    """A still face and a noise to speak, as a stage would hand them over."""

    fps: int = 25
    rate: int = 22_050

    def drawing(self, engine: RedrawingEngine, first: int, count: int) -> Drawing:
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
