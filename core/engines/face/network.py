"""What every network that restores aligned faces does on a device: faces in as tensors, as many at a time as
the memory holds, and pictures out."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.engines.compute.memory import ran_out, release
from core.errors import Error
from core.nets.packed import layout_on
from core.types import Image

Codes = NDArray[np.int16]
"""int16 (n, T): for each face what a network has chosen at each of T places; T is 0 if it chooses nothing."""

_ON_GPU = 8

Made = TypeVar("Made")


class FaceNetwork(ABC):
    """A network on one device. Calls from one thread.

    side: of the faces it takes, in pixels. places: T of its `Codes`. batch: faces that go through it at once.
    """

    def __init__(self, side: int, places: int, device: torch.device, dtype: torch.dtype) -> None:
        self.side, self.places = side, places
        self.device, self.dtype = device, dtype
        # One at a time on the CPU: its maps are larger than the caches anyway.
        self.batch = 1 if device.type == "cpu" else _ON_GPU

    @abstractmethod
    def codes(self, faces: Image, held: Codes | None = None) -> Codes:
        """The codes of faces, uint8 (n, S, S, 3) BGR; `held` where there is no reason for others."""

    @abstractmethod
    def _restored(self, faces: Image, held: Codes, fidelity: float) -> Image:
        """`restore` for as many faces as go at once."""

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
                start += self.batch
                continue
            except RuntimeError as error:
                if not ran_out(error):
                    raise
                if self.batch == 1:
                    raise Error(
                        f"{self.device} has not enough free memory to restore one face; close what else "
                        "uses it, or set LIPSTREAM_DEVICE to cpu or another device"
                    ) from error
            self.batch //= 2
            release()
        return made


def as_input(faces: Image, device: torch.device, dtype: torch.dtype) -> Tensor:
    """uint8 (n, S, S, 3) BGR as networks take faces: (n, 3, S, S) RGB in -1..1, channels last."""
    return as_numbers(torch.from_numpy(np.ascontiguousarray(faces)).to(device), dtype)


def as_pictures(made: Tensor) -> Image:
    """What such a network returns, (n, 3, S, S) RGB in -1..1 or about, as uint8 (n, S, S, 3) BGR.

    Raises Error as `refuse_unless` does.
    """
    refuse_unless(torch.isfinite(made).all())
    return np.asarray(as_levels(made).cpu().numpy())


def refuse_unless(finite: Tensor) -> None:
    """Raise Error if what a network gave is not finite: float16, ends at 65504."""
    if not bool(finite):
        raise Error(
            "the network gave numbers that are not finite: a damaged checkpoint, or too large ones for "
            "float16; try LIPSTREAM_PRECISION=float32"
        )


def as_numbers(faces: Tensor, dtype: torch.dtype) -> Tensor:
    """`as_input` for what is on the device already."""
    rgb = faces.flip(3).permute(0, 3, 1, 2)
    return (rgb.float() / 127.5 - 1).to(dtype, memory_format=layout_on(faces.device))


def as_levels(made: Tensor) -> Tensor:
    """`as_pictures`, still on the device and not looked at."""
    levels = (made.float().clamp(-1, 1) + 1) * 127.5
    return levels.round().to(torch.uint8).permute(0, 2, 3, 1).flip(3)
