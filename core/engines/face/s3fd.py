"""Find faces with S3FD as Wav2Lip does: exact to its `face_detection` package, and a `FaceFinder` of it."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from core.engines.compute.checkpoints import load_net
from core.engines.compute.devices import device_of, dtype_of
from core.engines.face.boxes import Boxes, faces, suppressed
from core.engines.neural import NeuralSettings
from core.nets.packed import can_pack, laid_out, layout_on, packed
from core.nets.s3fd import S3FD, STRIDES
from core.types import Face, Image
from core.weights.files import locate

# Taken off channels in RGB order although it is the mean of BGR: so the reference does.
_MEAN = np.array([104, 117, 123], np.float32)
_MAYBE, _SURE, _OVERLAP = 0.05, 0.5, 0.3
_CENTRE, _SIZE = 0.1, 0.2
"""Scale of box corrections, as trained."""


class S3fdFinder:
    """A `FaceFinder`, and the reference's detector. 22 M weights, faces from 12 pixels on."""

    version = "s3fd/1"

    def __init__(
        self, net: S3FD | None = None, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> None:
        """Load the published weights, unless a `net` is given.

        Raises BadInput where they are missing or wrong.
        """
        settings = NeuralSettings()
        if net is None:
            net = load_net(
                locate("s3fd", settings.weights_dir, settings.own_weights), "an S3FD face detector", _empty
            )
        self.device = device or device_of(settings.device)
        self.dtype = dtype or dtype_of(settings.precision, self.device)
        if dtype is None and self.dtype == torch.float16:
            self.dtype = torch.float32  # squares of VGG's features are beyond float16
        # On the CPU, packing for a picture's size starts from exact weights.
        self._packs = self.device.type == "cpu" and self.dtype != torch.float32 and can_pack()
        self._net = laid_out(net, self.device, torch.float32 if self._packs else self.dtype)
        self._packed: tuple[torch.Size, torch.nn.Module] | None = None

    def find(self, image: Image) -> Sequence[Face]:
        """Faces of every size and pose, most prominent first."""
        height, width = image.shape[:2]
        return faces(self.boxes(image), None, width, height)

    def boxes(self, image: Image) -> Boxes:
        """Every face as the reference sees it, surest first; `image` at its full size."""
        found = candidates(self.maps(network_input(image)))
        kept = found[suppressed(found, _OVERLAP)]
        return kept[kept[:, 4] > _SURE]

    def maps(self, picture: NDArray[np.float32]) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Per level the scores (1, 2, h, w) and corrections (1, 4, h, w) of a `network_input`."""
        x = torch.from_numpy(picture).to(self.device, self.dtype, memory_format=layout_on(self.device))
        with torch.inference_mode():
            return [(a.float().cpu().numpy(), b.float().cpu().numpy()) for a, b in self._for(x)(x)]

    def _for(self, x: torch.Tensor) -> torch.nn.Module:
        """The network, laid out for pictures of this size where that pays."""
        if not self._packs:
            return self._net
        if self._packed is None or self._packed[0] != x.shape:
            self._packed = x.shape, packed(self._net, (x.float(),), self.dtype)
        return self._packed[1]


def rectangle(boxes: Boxes) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom of the surest face as the reference's API gives it, or None without one."""
    if not len(boxes):
        return None
    left, top, right, bottom = (int(value) for value in boxes[0, :4].clip(0))
    return left, top, right, bottom


def network_input(image: Image) -> NDArray[np.float32]:
    """float32 (1, 3, height, width) from BGR pixels."""
    return np.ascontiguousarray((image[..., ::-1].astype(np.float32) - _MEAN).transpose(2, 0, 1)[None])


def candidates(levels: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]]) -> Boxes:
    """Every box that may be a face, from `S3fdFinder.maps`, finest level first, in scan order."""
    found = [np.zeros((0, 5), np.float32)]
    for (scores, corrections), stride in zip(levels, STRIDES, strict=True):
        background, face = scores[0]
        score = 1 / (1 + np.exp(background - face))
        rows, columns = np.nonzero(score > _MAYBE)
        side = np.float32(4 * stride)
        anchor = np.stack([columns, rows], 1).astype(np.float32) * stride + stride / 2
        shift = corrections[0][:, rows, columns].T
        centre = anchor + shift[:, :2] * _CENTRE * side
        size = side * np.exp(shift[:, 2:] * _SIZE)
        corner = centre - size / 2
        found.append(np.column_stack([corner, corner + size, score[rows, columns]]).astype(np.float32))
    return np.concatenate(found)


def _empty(shapes: object) -> S3FD:
    return S3FD()
