"""Find faces and five landmarks with RetinaFace (decoding after github.com/biubug6/Pytorch_Retinaface, MIT).

The network is our own with the published names, so that neither facexlib nor torchvision is needed: facexlib
brings along an OpenCV that lacks the built-in finder's cascades.
"""

import functools
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from core.engines.compute.checkpoints import load_net
from core.engines.compute.devices import device_of
from core.engines.face.boxes import Boxes, faces, suppressed
from core.engines.neural import NeuralSettings
from core.nets.packed import folded, laid_out, layout_on
from core.nets.retinaface import RetinaFace, is_mobile
from core.types import Face, Image
from core.weights.files import locate

_MEAN = np.array([104, 117, 123], np.float32)
_SURE, _OVERLAP = 0.8, 0.4
_CENTRE, _SIZE = 0.1, 0.2
"""Scale of box and landmark corrections, as trained."""
_LEVELS = ((8, (16, 32)), (16, (64, 128)), (32, (256, 512)))
"""Pixels between places of a level, and the sides of the boxes tried at each."""

Landmarks = NDArray[np.float32]
"""float32 (n, 5, 2): eyes, nose tip, mouth corners in pixels, the viewer's left first."""


class RetinaFaceFinder:
    """A `FaceFinder` with landmarks; which network it is, the weights tell."""

    def __init__(
        self,
        net: RetinaFace | None = None,
        *,
        weights: str = "retinaface",
        device: torch.device | None = None,
    ) -> None:
        """Load the published weights of that name, unless a `net` is given.

        Raises BadInput where they are missing or wrong.
        """
        settings = NeuralSettings()
        if net is None:
            path = locate(weights, settings.weights_dir, settings.own_weights)
            net = load_net(path, "a RetinaFace face detector", lambda s: RetinaFace(mobile=is_mobile(s)))
        self.version = f"{weights}/1"
        self.device = device or device_of(settings.device)
        # float32: the small network is bound by memory, the large one is not for every frame.
        self._net = laid_out(folded(net), self.device, torch.float32)

    def find(self, image: Image) -> Sequence[Face]:
        """Faces of every size, up to profiles, most prominent first."""
        height, width = image.shape[:2]
        boxes, landmarks = self.detect(image)
        return faces(boxes, landmarks, width, height)

    def boxes(self, image: Image) -> Boxes:
        """Every face's box as the network was trained to draw it, surest first."""
        boxes, _ = self.detect(image)
        return boxes

    def detect(self, image: Image) -> tuple[Boxes, Landmarks]:
        """Boxes and landmarks, surest first; `image` at its full size."""
        x = torch.from_numpy((image.astype(np.float32) - _MEAN).transpose(2, 0, 1)[None])
        with torch.inference_mode():
            made = self._net(x.to(self.device, memory_format=layout_on(self.device)))
        score, shift, points = (t[0].float().cpu().numpy() for t in made)
        sure = np.nonzero(score > _SURE)[0]
        prior = priors(image.shape[0], image.shape[1])[sure]
        place, side = prior[:, :2], prior[:, 2:]
        centre = place + shift[sure, :2] * _CENTRE * side
        size = side * np.exp(shift[sure, 2:] * _SIZE)
        landmarks = place[:, None] + points[sure].reshape(-1, 5, 2) * _CENTRE * side[:, None]
        corner = centre - size / 2
        boxes = np.column_stack([corner, corner + size, score[sure]]).astype(np.float32)
        kept = suppressed(boxes, _OVERLAP)
        return boxes[kept], landmarks[kept].astype(np.float32)


def thorough() -> RetinaFaceFinder:
    """The finder with the ResNet-50: ten times slower, and better with small and covered faces."""
    return RetinaFaceFinder(weights="retinaface-resnet50")


@functools.lru_cache(maxsize=4)
def priors(height: int, width: int) -> NDArray[np.float32]:
    """float32 (P, 4): middle and sides in pixels of every box the network corrects, in its order."""
    levels = []
    for step, sides in _LEVELS:
        x = (np.arange(-(-width // step)) + 0.5) * step
        y = (np.arange(-(-height // step)) + 0.5) * step
        places = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 1, 2)
        both = np.broadcast_to(places, (len(places), len(sides), 2))
        square = np.broadcast_to(np.array(sides)[None, :, None], both.shape)
        levels.append(np.concatenate([both, square], axis=-1).reshape(-1, 4))
    return np.concatenate(levels).astype(np.float32)
