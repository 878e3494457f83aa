"""What tests have processes of their own do. It imports little, as every one of them imports it."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import BadInput
from core.protocols import FIDELITY
from core.types import Arrays, FaceTrack, Image


class Odd:
    """Adds the frame's number and what was learnt; frame 13 ends its process, as often as `deaths` allows."""

    version = "odd/1"
    batch = 3

    def prepare(self, track: FaceTrack, crops: Sequence[Image], report: Callable[[int], None]) -> Arrays:
        """How many crops there were."""
        report(len(crops))
        return {"count": np.array(len(crops)), "folder": np.array("")}

    def enhance(
        self,
        patches: Image,
        numbers: Sequence[int],
        track: FaceTrack,
        prepared: Arrays,
        fidelity: float = FIDELITY,
        onto: Image | None = None,
    ) -> Image:
        """Patches, plus numbers, plus what was learnt."""
        if 13 in numbers:
            died = Path(str(prepared["folder"])) / str(time.monotonic_ns())
            if len(list(died.parent.iterdir())) < int(prepared["deaths"]):
                died.touch()
                os._exit(1)
        if 99 in numbers:
            raise BadInput("ninety_nine", "not this one", "numbers")
        out = patches + np.array(numbers, np.uint8)[:, None, None, None]
        return np.asarray(out + np.uint8(prepared["count"]), np.uint8)


def threads(_engine: Any) -> tuple[int, int]:
    """On how many networks and OpenCV compute here."""
    import cv2
    import torch

    return torch.get_num_threads(), cv2.getNumThreads()
