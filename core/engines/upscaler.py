"""Make pictures twice as large with Real-ESRGAN (Wang et al., 2021), piece by piece
(`core.enhancement.tiles`).
"""

import numpy as np
import torch

from core.engines.compute.checkpoints import Shapes, load_net
from core.engines.compute.devices import device_of, dtype_of
from core.engines.neural import NeuralSettings
from core.nets.packed import can_pack, laid_out, layout_on, packed
from core.nets.rrdbnet import RRDBNet, layout_of
from core.types import Image
from core.weights.files import locate

SCALE = 2
_TILE, _MARGIN = 192, 32
"""Pixels along a side of what a call enlarges, and around it. The authors' `tile_pad` is 10. Smaller tiles
would see more of their surroundings than of themselves, larger ones be made anew more often."""


class RealEsrgan:
    """An `Upscaler`. Loads weights and lays them out for the device when made."""

    version = "realesrgan-x2/2"
    margin = _MARGIN

    def __init__(
        self, net: RRDBNet | None = None, *, settings: NeuralSettings | None = None, tile: int = _TILE
    ) -> None:
        """Load the published weights, unless a `net` is given.

        Raises BadInput where they are missing or wrong.
        """
        settings = settings or NeuralSettings()
        self._device = device_of(settings.device)
        self._dtype = dtype_of(settings.precision, self._device)
        self.tile = tile
        if net is None:
            path = locate("realesrgan-x2", settings.weights_dir, settings.own_weights)
            net = load_net(path, "Real-ESRGAN for twice the size (x2plus)", _doubling)
        side = tile + 2 * _MARGIN
        if self._device.type == "cpu" and can_pack():
            self._net = packed(net, (torch.zeros(1, 3, side, side),), self._dtype)
        else:
            self._net = laid_out(net, self._device, self._dtype)

    def enlarge(self, image: Image) -> Image:
        """uint8 (h, w, 3), sides even -> (2 h, 2 w, 3)."""
        rgb = torch.from_numpy(np.ascontiguousarray(image[:, :, ::-1])).to(self._device)
        x = (rgb.permute(2, 0, 1)[None].float() / 255).to(self._dtype, memory_format=layout_on(self._device))
        with torch.inference_mode():
            made = (self._net(x)[0].float().clamp(0, 1) * 255).round().to(torch.uint8)
        return np.asarray(made.permute(1, 2, 0).flip(2).cpu().numpy(), np.uint8)


def _doubling(shapes: Shapes) -> RRDBNet:
    layout = layout_of(shapes)
    if layout.scale != SCALE:
        raise ValueError(f"it makes pictures {layout.scale} times as large, not twice")
    return RRDBNet(layout)
