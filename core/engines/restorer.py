"""Run CodeFormer on aligned faces as fast as the device can: convolutions in its fastest numbers, the
transformer, which chooses codes, in float32.

Steady from frame to frame: a code that was chosen for the template stays unless another has become clearly
likelier (`settled`). Else noise changes codes all over the face in every frame.
"""

import numpy as np
import torch
from torch import Tensor, nn

from core.engines.face_network import Codes, FaceNetwork, as_input, as_pictures
from core.nets.codeformer import CodeFormer, quicken
from core.nets.packed import can_pack, laid_out, packed
from core.types import Image

MARGIN = 1.0
"""How much better another code must fit before a held one is given up: e times as likely."""

_CONVOLVING = ("encoder", "generator", "fuse_convs_dict")


class Restorer(FaceNetwork):
    """CodeFormer on one device."""

    def __init__(self, net: CodeFormer, device: torch.device, dtype: torch.dtype) -> None:
        """The network is moved, cast and laid out; it is not to be used otherwise afterwards."""
        super().__init__(net.layout.side, net.layout.tokens, device, dtype)
        self._net = _prepared(net, device, dtype)

    @torch.inference_mode()
    def codes(self, faces: Image, held: Codes | None = None) -> Codes:
        """The codes of faces, uint8 (n, S, S, 3) BGR; `held` where there is no reason for others."""
        features, _ = self._encoded(faces)
        return settled(self._net.predict(features), held)

    @torch.inference_mode()
    def _restored(self, faces: Image, held: Codes, fidelity: float) -> Image:
        features, seen = self._encoded(faces)
        codes = settled(self._net.predict(features), held)
        there = torch.from_numpy(codes.astype(np.int64)).to(self.device)
        return as_pictures(self._net.draw(there, features, seen, fidelity))

    @torch.inference_mode()
    def _encoded(self, faces: Image) -> tuple[Tensor, dict[str, Tensor]]:
        features, seen = self._net.encoder(as_input(faces, self.device, self.dtype))
        return features.float(), seen


def settled(logits: Tensor, held: Codes | None) -> Codes:
    """The likeliest codes (n, T) of `logits` (n, T, K); where one of `held` fits nearly as well, that."""
    best, codes = logits.max(dim=2)
    if held is not None:
        kept = torch.from_numpy(held.astype(np.int64)).to(logits.device).expand_as(codes)
        fits = logits.gather(2, kept[..., None])[..., 0]
        codes = torch.where(best - fits > MARGIN, codes, kept)
    return codes.cpu().numpy().astype(np.int16)


def _prepared(net: CodeFormer, device: torch.device, dtype: torch.dtype) -> CodeFormer:
    quicken(net)
    if device.type == "cpu" and can_pack():
        example = (torch.zeros(1, 3, net.layout.side, net.layout.side), 1.0, True)
        whole: nn.Module = packed(net, example, dtype, _CONVOLVING)
        assert isinstance(whole, CodeFormer)  # noqa: S101  # a copy of what was given
        return whole
    net.to(device)
    for part in _CONVOLVING:
        laid_out(net.get_submodule(part), device, dtype)
    return net
