"""Robust Video Matting (Lin, Yang, Saleemi, Sengupta, WACV 2022), from a TorchScript file of the user's.

Interface: github.com/PeterL1n/RobustVideoMatting, documentation/inference.md; code and weights
are GPL-3.0, so none are shipped. The network carries its memory from picture to picture by itself.
"""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.engines.compute.devices import device_of
from core.engines.neural import NeuralSettings
from core.errors import BadInput
from core.protocols import Matte
from core.types import Image
from core.weights.files import locate

_SEES = 512
"""Pixels of the longer side of what the network looks at as a whole; edges it takes from the full picture."""


class RobustVideoMatter:
    """`core.protocols.Matting` by a network."""

    version = "1"

    def __init__(self, settings: NeuralSettings | None = None) -> None:
        """Raises BadInput `malformed_weights` for a file that is no such network."""
        settings = settings or NeuralSettings()
        self._device = device_of(settings.device)
        self._net = _load(locate("rvm", settings.weights_dir, settings.own_weights), self._device)

    def mattes(self, pictures: Iterable[Image], faces: Sequence[NDArray[np.float32]]) -> Iterator[Matte]:
        """See `Matting`. Takes any clip; the faces are not looked at."""
        memory: list[Tensor | None] = [None] * 4
        for picture, _ in zip(pictures, faces, strict=False):
            ratio = min(1.0, _SEES / max(picture.shape[:2]))
            rgb = torch.from_numpy(np.ascontiguousarray(picture[..., ::-1])).to(self._device)
            seen = rgb.permute(2, 0, 1)[None].float() / 255  # (1, 3, h, w)
            with torch.inference_mode():
                _, alpha, *memory = self._net(seen, *memory, ratio)
                levels = (alpha[0, 0].clamp(0, 1) * 255).round().to(torch.uint8)
            yield levels.cpu().numpy()


def _load(path: Path, device: torch.device) -> torch.jit.ScriptModule:
    try:
        with warnings.catch_warnings():
            # Deprecated, but the only reader of what the authors publish; the file runs in torch's own
            # interpreter, which knows no files and no Python.
            warnings.simplefilter("ignore", DeprecationWarning)
            net: torch.jit.ScriptModule = torch.jit.load(str(path), map_location=device)
    except (RuntimeError, OSError, ValueError) as error:
        raise BadInput(
            "malformed_weights",
            f"{path.name} is not a TorchScript file; take rvm_mobilenetv3_fp32.torchscript from "
            "github.com/PeterL1n/RobustVideoMatting/releases",
        ) from error
    return net.eval()
