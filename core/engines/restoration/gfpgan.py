"""Restore faces with GFPGAN (Wang et al., CVPR 2021) inside the stream.

Its network knows no fidelity (the `weight` of the authors' script reaches nothing in it), so that is a blend
here: shape and colours, all that is coarser than 5 of 512 pixels, are moved back to those of the given face
in proportion to it; detail stays the restored one.
"""

import numpy as np
import torch

from core.engines.compute.checkpoints import Shapes
from core.engines.face.network import Codes, FaceNetwork, as_input, as_pictures
from core.engines.restoration.engine import PublishedEngine
from core.engines.restoration.masks import with_shape_of
from core.nets.gfpgan import Gfpgan, layout_of
from core.nets.gfpgan_quick import mapped, quicken
from core.nets.packed import can_pack, laid_out, packed
from core.types import Image


class GfpganNetwork(FaceNetwork):
    """GFPGAN on one device. It chooses no codes; what is drawn depends on the face alone."""

    def __init__(self, net: Gfpgan, device: torch.device, dtype: torch.dtype) -> None:
        """The network is moved, cast and laid out; it is not to be used otherwise afterwards."""
        super().__init__(net.layout.side, 0, device, dtype)
        self._net = _prepared(net, device, dtype)

    def codes(self, faces: Image, held: Codes | None = None) -> Codes:
        """None, (n, 0)."""
        return np.zeros((len(faces), 0), np.int16)

    @torch.inference_mode()
    def _restored(self, faces: Image, held: Codes, fidelity: float) -> Image:
        return as_pictures(self._net(as_input(faces, self.device, self.dtype)))


def _restoring(shapes: Shapes) -> Gfpgan:
    return Gfpgan(layout_of(shapes))


class GfpganEngine(PublishedEngine[Gfpgan]):
    """A `FaceEnhancer`. Loads weights, lays them out for the device when made."""

    name, about = "gfpgan", "GFPGAN v1.4 (or v1.2, v1.3)"
    build, run, bend = staticmethod(_restoring), staticmethod(GfpganNetwork), staticmethod(with_shape_of)


def _prepared(net: Gfpgan, device: torch.device, dtype: torch.dtype) -> torch.nn.Module:
    if device.type == "cpu" and can_pack():
        quicken(net)
        return packed(net, (torch.zeros(1, 3, net.layout.side, net.layout.side),), dtype, mapped(net))
    net.to(device)
    for part in mapped(net):
        laid_out(net.get_submodule(part), device, dtype)
    return net
