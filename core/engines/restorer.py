"""Run CodeFormer on aligned faces as fast as the device can: convolutions in its fastest numbers, the
transformer, which chooses codes, in float32.

Steady from frame to frame: a code that was chosen for the template stays unless another has become clearly
likelier (`settled`). Else noise changes codes all over the face in every frame.
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.errors import Error
from core.nets.codeformer import CodeFormer, quicken
from core.nets.packed import can_pack, laid_out, packed
from core.types import Image

Codes = NDArray[np.int16]
"""int16 (n, T): for each face the code at each of its places."""

MARGIN = 1.0
"""How much better another code must fit before a held one is given up: e times as likely."""

_CONVOLVING = ("encoder", "generator", "fuse_convs_dict")
_ON_GPU = 8

Made = TypeVar("Made")


class Restorer:
    """CodeFormer on one device. Calls from one thread."""

    def __init__(self, net: CodeFormer, device: torch.device, dtype: torch.dtype) -> None:
        """The network is moved, cast and laid out; it is not to be used otherwise afterwards."""
        self.side, self.places = net.layout.side, net.layout.tokens
        self.device, self.dtype = device, dtype
        # One at a time on the CPU: its maps are larger than the caches anyway.
        self.batch = 1 if device.type == "cpu" else _ON_GPU
        self._net = _prepared(net, device, dtype)

    @torch.inference_mode()
    def codes(self, faces: Image, held: Codes | None = None) -> Codes:
        """The codes of faces, uint8 (n, S, S, 3) BGR; `held` where there is no reason for others."""
        features, _ = self._encoded(faces)
        return settled(self._net.predict(features), held)

    def restore(self, faces: Image, held: Codes, fidelity: float) -> Image:
        """The faces restored, uint8 (n, S, S, 3) BGR.

        held: (n, T), the codes to keep where a face gives no reason for others.
        Raises Error if the device has no memory left for a single face.
        """
        return np.concatenate(
            self._in_pieces(lambda part: self._restored(faces[part], held[part], fidelity), len(faces))
        )

    def _in_pieces(self, work: Callable[[slice], Made], count: int) -> list[Made]:
        """`work` over `count` faces, `batch` at a time; smaller ones from now on where memory runs out."""
        made: list[Made] = []
        start = 0
        while start < count:
            try:
                made.append(work(slice(start, start + self.batch)))
            except torch.OutOfMemoryError as error:
                if self.batch == 1:
                    raise Error(
                        f"{self.device} has not enough free memory to restore one face; close what else "
                        "uses it, or set LIPSTREAM_DEVICE to cpu or another device"
                    ) from error
                self.batch //= 2
                torch.cuda.empty_cache()
                continue
            start += self.batch
        return made

    @torch.inference_mode()
    def _restored(self, faces: Image, held: Codes, fidelity: float) -> Image:
        features, seen = self._encoded(faces)
        codes = settled(self._net.predict(features), held)
        there = torch.from_numpy(codes.astype(np.int64)).to(self.device)
        made = self._net.draw(there, features, seen, fidelity)
        levels = (made.float().clamp(-1, 1) + 1) * 127.5
        bgr = levels.round().to(torch.uint8).permute(0, 2, 3, 1).flip(3)
        return np.ascontiguousarray(bgr.cpu().numpy())

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


def as_input(faces: Image, device: torch.device, dtype: torch.dtype) -> Tensor:
    """uint8 (n, S, S, 3) BGR as networks take faces: (n, 3, S, S) RGB in -1..1, channels last."""
    rgb = torch.from_numpy(np.ascontiguousarray(faces[:, :, :, ::-1])).to(device).permute(0, 3, 1, 2)
    return (rgb.float() / 127.5 - 1).to(dtype, memory_format=torch.channels_last)


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
