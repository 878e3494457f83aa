"""Enlarge whole pictures to twice their size with Real-ESRGAN (Wang et al., 2021), tile by tile: templates,
once, never a video being made.
"""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from core.engines.checkpoints import Shapes, load_net
from core.engines.devices import device_of, dtype_of
from core.engines.neural import NeuralSettings
from core.nets.packed import can_pack, laid_out, packed
from core.nets.rrdbnet import RRDBNet, layout_of
from core.types import Image
from core.weights import locate

SCALE = 2
_TILE, _OVERLAP = 320, 40
"""Pixels of the picture that a call of the network enlarges, and how many around them it sees as well."""


class RealEsrgan:
    """An `Upscaler`. Loads weights and lays them out for the device when made."""

    version = "realesrgan-x2/1"

    def __init__(
        self, net: RRDBNet | None = None, *, settings: NeuralSettings | None = None, tile: int = _TILE
    ) -> None:
        """Load the published weights, unless a `net` is given.

        Raises BadInput where they are missing or wrong.
        """
        settings = settings or NeuralSettings()
        self._device = device_of(settings.device)
        self._dtype = dtype_of(settings.precision, self._device)
        self._tile = tile
        if net is None:
            path = locate("realesrgan-x2", settings.weights_dir, settings.own_weights)
            net = load_net(path, "Real-ESRGAN for twice the size (x2plus)", _doubling)
        side = tile + 2 * _OVERLAP
        if self._device.type == "cpu" and can_pack():
            self._net = packed(net, (torch.zeros(1, 3, side, side),), self._dtype)
        else:
            self._net = laid_out(net, self._device, self._dtype)

    def enlarge(self, image: Image) -> Image:
        """uint8 (h, w, 3) -> (2 h, 2 w, 3)."""
        height, width = image.shape[:2]
        tile = self._tile
        rows, columns = -(-height // tile), -(-width // tile)
        whole = cv2.copyMakeBorder(
            image,
            _OVERLAP,
            _OVERLAP + rows * tile - height,
            _OVERLAP,
            _OVERLAP + columns * tile - width,
            cv2.BORDER_REFLECT_101,
        )
        out = np.empty((SCALE * rows * tile, SCALE * columns * tile, 3), np.uint8)
        for y in range(0, rows * tile, tile):
            for x in range(0, columns * tile, tile):
                part = whole[y : y + tile + 2 * _OVERLAP, x : x + tile + 2 * _OVERLAP]
                large, edge = self._enlarged(part), SCALE * _OVERLAP
                out[SCALE * y : SCALE * (y + tile), SCALE * x : SCALE * (x + tile)] = large[
                    edge:-edge, edge:-edge
                ]
        return np.ascontiguousarray(out[: SCALE * height, : SCALE * width])

    def _enlarged(self, part: NDArray[np.generic]) -> Image:
        rgb = torch.from_numpy(np.ascontiguousarray(part[:, :, ::-1])).to(self._device)
        x = (rgb.permute(2, 0, 1)[None].float() / 255).to(self._dtype, memory_format=torch.channels_last)
        with torch.inference_mode():
            made = (self._net(x)[0].float().clamp(0, 1) * 255).round().to(torch.uint8)
        return np.asarray(made.permute(1, 2, 0).flip(2).cpu().numpy(), np.uint8)


def _doubling(shapes: Shapes) -> RRDBNet:
    layout = layout_of(shapes)
    if layout.scale != SCALE:
        raise ValueError(f"it makes pictures {layout.scale} times as large, not twice")
    return RRDBNet(layout)
