"""Engines on a device without memory for all faces. Each has a process, so little but torch is imported."""

import numpy as np
import torch

from core.engines.restoration.engine import RestoringEngine
from core.engines.restoration.masks import with_mouth_of
from core.engines.restoration.network import Codes, Restorer
from core.types import Image
from tests.support.codeformers import small_net


class Crowded(Restorer):
    """On a device with memory for `room` faces at once."""

    def __init__(self, room: int) -> None:
        super().__init__(small_net(), torch.device("cpu"), torch.float32)
        self.room, self.batch = room, 8

    def _restored(self, faces: Image, held: Codes, fidelity: float) -> Image:
        if len(faces) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        each = [
            super(Crowded, self)._restored(faces[k : k + 1], held[k : k + 1], fidelity)
            for k in range(len(faces))
        ]
        return np.concatenate(each)


class Roomy(RestoringEngine):
    """Has memory enough."""

    room = 8

    def __init__(self) -> None:
        super().__init__("crowded/1", Crowded(self.room), with_mouth_of, None, None)


class Narrow(Roomy):
    """Has not."""

    room = 3


class Full(Roomy):
    """Has none left."""

    room = 0
