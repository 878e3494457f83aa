"""Redraw mouths with MuseTalk 1.5 (Zhang et al., 2024), as `core.engines.redrawing` does it.

Of every template frame the two pictures' latents are made once, and read from disk when it is drawn. Other
than in the authors' realtime_inference.py a frame hears its own short stretch of sound alone (`hearing`),
latents are means, not samples, and what is taken of the picture needs no face parser: a soft-edged region
around the mouth.
"""

import tempfile
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.engines.compute.batches import Batches, worth_compiling
from core.engines.compute.devices import device_of, dtype_of
from core.engines.face.network import refuse_unless
from core.engines.musetalk.checkpoints import Networks, load_networks
from core.engines.musetalk.hearing import spectrogram, stretch
from core.engines.neural import NeuralSettings
from core.engines.redrawing.engine import BoxFinder, RedrawingEngine, installed_finder
from core.engines.redrawing.face import cut_out, to_crop
from core.media.arrays import rows
from core.nets.musetalk import BANDS, COLUMNS
from core.types import Arrays, FaceTrack, Image, Samples

_SIZES = (1, 2, 4)
"""Pictures in one call on a GPU; elsewhere it is one. Four keep a card busy: each takes 840 GFLOP."""


class MuseTalkEngine(RedrawingEngine):
    """A `LipsyncEngine`. Loads weights, lays them out for the device and warms up when made."""

    version = "musetalk/1"
    together = _SIZES[-1]

    def __init__(
        self,
        *,
        networks: Networks | None = None,
        finder: BoxFinder | None = None,
        settings: NeuralSettings | None = None,
    ) -> None:
        """networks: in place of the downloaded ones. finder: as for `RedrawingEngine`.

        Raises BadInput where weights are missing or wrong, or the device is unknown; Error for too little
        memory.
        """
        settings = settings or NeuralSettings()
        device = device_of(settings.device)
        # Its users run it in float16, and pictures need the digits that bfloat16 lacks.
        half = settings.precision == "auto" and device.type == "cuda"
        dtype = dtype_of("float16" if half else settings.precision, device)
        if networks is None:
            networks = load_networks(settings, device, dtype)
            finder = finder or installed_finder(settings, device)
        # What is learnt of a template is latents of this autoencoder.
        self.version = f"{self.version}/{networks.coder}" if networks.coder else self.version
        side, level = networks.side, networks.side // 8
        compiled = settings.data_dir / "compiled" if settings.compile and worth_compiling(device) else None
        sizes = _SIZES if device.type == "cuda" else (1,)
        example = torch.zeros(1, BANDS, COLUMNS), torch.zeros(1, 8, level, level)
        self._speaking = Batches(networks.speaking, example, device, dtype, compiled, sizes)
        self._learning = Batches(
            networks.learning, (torch.zeros(1, 3, side, side),), device, dtype, compiled, sizes
        )
        self._folder = settings.data_dir
        super().__init__(side, device, finder, threads=None)

    def prepare(self, track: FaceTrack, crops: Sequence[Image], report: Callable[[int], None]) -> Arrays:
        """What `RedrawingEngine` learns, and `latents`: float16 (frames, 8, L, L), in a file."""
        learnt = super().prepare(track, crops, lambda _done: report(0))
        latents = self._latents(track, crops, learnt["box"], report)  # type: ignore[arg-type]  # a box
        return {**learnt, "latents": latents}

    def stretch(self, frame: int, fps: int) -> tuple[int, int]:
        """See `RedrawingEngine.stretch`."""
        return stretch(frame, fps)

    def heard(self, samples: Samples, frames: range, fps: int) -> list[NDArray[np.float32]]:
        """See `RedrawingEngine.heard`: float32 (80, 62) each."""
        first = stretch(frames[0], fps)[0]
        bounds = [stretch(frame, fps) for frame in frames]
        return [spectrogram(samples[start - first : stop - first]) for start, stop in bounds]

    def seen(self, prepared: Arrays, number: int) -> tuple[NDArray[np.generic], ...]:
        """See `RedrawingEngine.seen`: the latents."""
        return (rows(prepared["latents"], number),)

    def lower(self, given: Sequence[Tensor], faces: Tensor) -> Tensor:
        """See `RedrawingEngine.lower`."""
        return self._speaking(*given)

    def _latents(
        self,
        track: FaceTrack,
        crops: Sequence[Image],
        box: NDArray[np.floating],
        report: Callable[[int], None],
    ) -> NDArray[np.float16]:
        level = self.side // 8
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self._folder) as file:
            for first in range(0, len(track), self.together):
                numbers = range(first, min(first + self.together, len(track)))
                made = np.zeros((len(numbers), 8, level, level), np.float16)
                there = [k for k in numbers if track.found[k]]
                if there:
                    boxes = [to_crop(track.poses[k], box, self.side) for k in there]
                    cut = [cut_out(crops[k], at, self.side) for k, at in zip(there, boxes, strict=True)]
                    faces = torch.from_numpy(np.stack(cut)).permute(0, 3, 1, 2).float() / 255
                    learnt = self._learning(faces).cpu()
                    refuse_unless(torch.isfinite(learnt).all())
                    made[track.found[numbers]] = learnt.numpy()
                file.write(made.tobytes())
                report(numbers[-1] + 1)
            file.flush()
            return np.memmap(file, np.float16, "r", shape=(len(track), 8, level, level))
