"""Redraw mouths with Wav2Lip (Prajwal et al., ACM MM 2020), as `core.engines.redrawing` does it.

Other than in the authors' inference.py, each frame listens to its own stretch of sound alone, and only the
mouth is changed. `tests.parity._wav2lip_reference` is inference.py to the letter.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.engines.compute.batches import Batches, worth_compiling
from core.engines.compute.checkpoints import load_net
from core.engines.compute.devices import device_of, dtype_of
from core.engines.compute.threads import ThreadPool
from core.engines.neural import NeuralSettings
from core.engines.redrawing.engine import BoxFinder, RedrawingEngine, installed_finder
from core.engines.wav2lip.mel import BANDS, COLUMNS, first_sample, last_sample, mel_between, window_start
from core.nets.wav2lip import LowerHalf, Wav2Lip, layout_of
from core.types import Samples
from core.weights.files import locate


class Wav2LipEngine(RedrawingEngine):
    """A `LipsyncEngine`. Loads weights, lays them out for the device and warms up when made."""

    version = "wav2lip/1"
    together = 16
    """On CPU and GPU alike, more is not faster; 16 pictures in one go cost half of 16 single ones."""

    def __init__(
        self,
        weights: str = "wav2lip",
        *,
        net: Wav2Lip | None = None,
        finder: BoxFinder | None = None,
        settings: NeuralSettings | None = None,
    ) -> None:
        """weights: name in `core.weights.files.CHECKPOINTS`, unless a `net` is given.

        finder: measures where a template's face box is; without one it is where it is on average.
        Raises BadInput where weights are missing or wrong, or the device is unknown.
        """
        settings = settings or NeuralSettings()
        if net is None:
            path = locate(weights, settings.weights_dir, settings.own_weights)
            net = load_net(path, "a Wav2Lip generator", lambda shapes: Wav2Lip(layout_of(shapes)))
            finder = finder or installed_finder(settings, device_of(settings.device))
        side = net.layout.side
        self.offset = settings.wav2lip_offset
        device = device_of(settings.device)
        example = (torch.zeros(1, 1, BANDS, COLUMNS), torch.zeros(1, 6, side, side))
        compile_it = settings.compile and worth_compiling(device)
        compiled: Path | None = settings.data_dir / "compiled" if compile_it else None
        # Nothing is ever taken from the upper half.
        self._net = Batches(LowerHalf(net), example, device, dtype_of(settings.precision, device), compiled)
        # What the compiler makes brings its own number of threads.
        threads = ThreadPool() if device.type == "cpu" and compiled is None else None
        super().__init__(side, device, finder, threads)

    def stretch(self, frame: int, fps: int) -> tuple[int, int]:
        """See `RedrawingEngine.stretch`."""
        start = window_start(frame, fps, self.offset)
        return first_sample(start), last_sample(start + COLUMNS)

    def heard(self, samples: Samples, frames: range, fps: int) -> list[NDArray[np.float32]]:
        """See `RedrawingEngine.heard`: float32 (1, 80, 16) each."""
        starts = [window_start(frame, fps, self.offset) for frame in frames]
        columns = mel_between(samples, starts[0], starts[-1] + COLUMNS)
        return [columns[None, :, k - starts[0] : k - starts[0] + COLUMNS] for k in starts]

    def lower(self, given: Sequence[Tensor], faces: Tensor) -> Tensor:
        """See `RedrawingEngine.lower`."""
        (windows,) = given
        return self._net(windows, generator_input(faces))


def with_gan(settings: NeuralSettings | None = None) -> Wav2LipEngine:
    """The engine with the weights trained against a critic: a better picture, slightly worse sync."""
    return Wav2LipEngine("wav2lip-gan", settings=settings)


def generator_input(faces: Tensor) -> Tensor:
    """Faces (B, 3, S, S) in 0..255 as the network takes them: (B, 6, S, S) in 0..1, first half hidden."""
    whole = faces.round() / 255
    masked = whole.clone()
    masked[:, :, faces.shape[2] // 2 :] = 0
    return torch.cat([masked, whole], dim=1)
