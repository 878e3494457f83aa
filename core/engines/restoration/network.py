"""Run CodeFormer on aligned faces as fast as the device can: convolutions in its fastest numbers, the
transformer, which chooses codes, in float32.

Steady from frame to frame: a code that was chosen for the template stays unless another has become clearly
likelier (`settled`). Else noise changes codes all over the face in every frame.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from core.engines.compute.graphs import recorded
from core.engines.face.network import Codes, FaceNetwork, as_input, as_levels, as_numbers, refuse_unless
from core.nets.codeformer import CodeFormer, quicken
from core.nets.codeformer_cpu import reusing
from core.nets.packed import can_pack, laid_out, packed
from core.protocols import FIDELITY
from core.types import Image

MARGIN = 1.0
"""How much better another code must fit before a held one is given up: e times as likely."""

_Made = tuple[Tensor, Tensor]

_CONVOLVING = ("encoder", "generator", "fuse_convs_dict")


class Restorer(FaceNetwork):
    """CodeFormer on one device; on CUDA devices two sizes of batches, each one launch."""

    def __init__(self, net: CodeFormer, device: torch.device, dtype: torch.dtype) -> None:
        """The network is moved, cast and laid out; it is not to be used otherwise afterwards."""
        super().__init__(net.layout.side, net.layout.tokens, device, dtype)
        self._net = _prepared(net, device, dtype)
        self._records = device.type == "cuda"
        self._recorded: dict[tuple[int, bool], Callable[..., _Made]] = {}
        if self._records:  # all that is chosen, allocated and recorded on first use, is now
            for count in (self.batch, 1):
                faces = np.zeros((count, self.side, self.side, 3), np.uint8)
                self.restore(faces, np.zeros((count, self.places), np.int16), FIDELITY)

    def codes(self, faces: Image, held: Codes | None = None) -> Codes:
        """The codes of faces, uint8 (n, S, S, 3) BGR; `held`, one for each or for all, where there is no
        reason for others. Raises Error if the device has no memory left for a single face.
        """
        kept = None if held is None else np.broadcast_to(held, (len(faces), self.places))
        return np.concatenate(
            self._in_pieces(
                lambda part: self._chosen(faces[part], None if kept is None else kept[part]), len(faces)
            )
        )

    @torch.inference_mode()
    def _chosen(self, faces: Image, held: Codes | None) -> Codes:
        features, _ = self._net.encoder(as_input(faces, self.device, self.dtype))
        kept = None if held is None else torch.from_numpy(held.astype(np.int64)).to(self.device)
        codes = settled(self._net.predict(features.float()), kept)
        return np.asarray(codes.cpu().numpy().astype(np.int16))

    def _restored(self, faces: Image, held: Codes, fidelity: float) -> Image:
        pictures = torch.from_numpy(np.ascontiguousarray(faces))
        kept = torch.from_numpy(held.astype(np.int64))
        if self._records:
            count = 1 if len(faces) == 1 else self.batch
            run = self._recording(count, fidelity > 0)
            made, finite = run(_filled(pictures, count), _filled(kept, count), torch.tensor(fidelity))
        else:
            with torch.inference_mode():
                made, finite = self._drawn(pictures.to(self.device), kept.to(self.device), fidelity)
        refuse_unless(finite)
        return np.asarray(made.cpu().numpy()[: len(faces)])

    def _recording(self, count: int, fused: bool) -> Callable[..., _Made]:
        """`_drawn` for so many faces as one launch, with fusing or without."""
        key = count, fused
        if key not in self._recorded:
            # Larger ones were for more memory than there is.
            self._recorded = {(n, w): run for (n, w), run in self._recorded.items() if n <= self.batch}
            side, beside = self.side, next(iter(self._recorded.values()), None)
            example = (
                torch.zeros(count, side, side, 3, dtype=torch.uint8),
                torch.zeros(count, self.places, dtype=torch.int64),
                torch.tensor(FIDELITY),
            )

            def run(faces: Tensor, held: Tensor, fidelity: Tensor) -> _Made:
                return self._drawn(faces, held, fidelity if fused else 0.0)

            self._recorded[key] = recorded(run, example, self.device, self.dtype, beside=beside)
        return self._recorded[key]

    def _drawn(self, faces: Tensor, held: Tensor, fidelity: float | Tensor) -> _Made:
        """What is made of faces, both uint8 (n, S, S, 3) BGR; whether it is finite. held: int64 (n, T)."""
        features, seen = self._net.encoder(as_numbers(faces, self.dtype))
        features = features.float()
        codes = settled(self._net.predict(features), held)
        made = self._net.draw(codes, features, seen, fidelity)
        return as_levels(made), torch.isfinite(made).all()


def settled(logits: Tensor, held: Tensor | None) -> Tensor:
    """The likeliest codes (n, T) of `logits` (n, T, K); where one of `held` fits nearly as well, that."""
    best, codes = logits.max(dim=2)
    if held is None:
        return codes
    fits = logits.gather(2, held.expand_as(codes)[..., None])[..., 0]
    return torch.where(best - fits > MARGIN, codes, held)


def _filled(x: Tensor, count: int) -> Tensor:
    """`x`, its last item repeated up to `count` of them."""
    return x if len(x) == count else torch.cat([x, x[-1:].expand(count - len(x), *x.shape[1:])])


def _prepared(net: CodeFormer, device: torch.device, dtype: torch.dtype) -> CodeFormer:
    quicken(net)
    if device.type == "cpu" and can_pack():
        example = (torch.zeros(1, 3, net.layout.side, net.layout.side), 1.0, True)
        whole: nn.Module = packed(net, example, dtype, _CONVOLVING)
        assert isinstance(whole, CodeFormer)  # noqa: S101  # a copy of what was given
        reusing(whole, dtype)
        return whole
    net.to(device)
    for part in _CONVOLVING:
        laid_out(net.get_submodule(part), device, dtype)
    return net
