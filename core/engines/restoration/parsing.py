"""ParseNet on one device: which pixels of an aligned face are face. Templates are parsed, output never."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from core.engines.compute.checkpoints import load_net
from core.engines.face.network import as_input
from core.engines.neural import NeuralSettings
from core.engines.restoration.ffhq import SIDE
from core.nets.packed import can_pack, folded, laid_out, packed
from core.nets.parsenet import ParseNet, layout_of
from core.types import Image
from core.weights.files import locate


class Parser:
    """Callable: an aligned face, uint8 (S, S, 3), to its labels, uint8 (512, 512)."""

    def __init__(self, net: ParseNet, device: torch.device, dtype: torch.dtype, side: int = SIDE) -> None:
        self._device, self._dtype, self._side = device, dtype, side
        if device.type == "cpu" and can_pack():
            self._net = packed(net, (torch.zeros(1, 3, side, side),), dtype)
        else:
            self._net = laid_out(folded(net), device, dtype)

    @classmethod
    def load(cls, settings: NeuralSettings, device: torch.device, dtype: torch.dtype) -> "Parser":
        """With the published weights. Raises BadInput where they are missing or wrong."""
        path = locate("parsenet", settings.weights_dir, settings.own_weights)
        return cls(
            load_net(path, "the ParseNet face parser", lambda s: ParseNet(layout_of(s))), device, dtype
        )

    def __call__(self, face: Image) -> NDArray[np.uint8]:
        if len(face) != self._side:
            size = (self._side, self._side)
            face = np.asarray(cv2.resize(face, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        with torch.inference_mode():
            labels = self._net(as_input(face[None], self._device, self._dtype)).argmax(dim=1)
        return np.asarray(labels[0].cpu().numpy(), np.uint8)
