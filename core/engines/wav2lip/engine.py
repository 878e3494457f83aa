"""Redraw mouths with Wav2Lip (Prajwal et al., ACM MM 2020), frame by frame, while the sound is still coming.

Other than in the authors' inference.py, each frame listens to its own stretch of sound, silence included, so
that nothing waits for the end and the last frame reaches it; only the mouth is changed (`wav2lip_face`); in
silence the network rests (`wav2lip_rest`).
`tests.parity._wav2lip_reference` is inference.py to the letter.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from core.engines.compute.batches import Batches, worth_compiling
from core.engines.compute.checkpoints import load_net
from core.engines.compute.devices import device_of, dtype_of
from core.engines.compute.threads import Item, Made, ThreadPool
from core.engines.face.boxes import MEAN, Boxes
from core.engines.face.retinaface import RetinaFaceFinder
from core.engines.face.s3fd import S3fdFinder
from core.engines.neural import NeuralSettings
from core.engines.wav2lip.face import PADDING, Matrix, cut_out, put_back, region_of, to_crop
from core.engines.wav2lip.mel import (
    BANDS,
    COLUMNS,
    RATE,
    first_sample,
    last_sample,
    mel_between,
    resample_reach,
    to_16k,
    window_start,
)
from core.engines.wav2lip.retouch import Retoucher
from core.engines.wav2lip.silence import gates, heard_from, is_talking
from core.nets.wav2lip import LowerHalf, Wav2Lip, layout_of
from core.protocols import Drawing
from core.types import Arrays, FaceTrack, Image
from core.weights.files import locate

BATCH = 16
"""Most pictures in one call of the network: on CPU and GPU alike, more is not faster."""
_LOOKED_AT = (5, 1500)
"""Every how many frames, and how far, a template is looked at in `prepare`."""


_MEASURED_AT = 320
"""Side of the pictures in which the face's box is measured; the face is some 190 pixels wide there."""


class BoxFinder(Protocol):
    """What draws boxes as Wav2Lip was trained on; the neural finders do."""

    def boxes(self, image: Image) -> Boxes:
        """Every face in `image`, surest first."""
        ...


class Wav2LipEngine:
    """A `LipsyncEngine`. Loads weights, lays them out for the device and warms up when made."""

    version = "wav2lip/1"
    together = BATCH

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
            finder = finder or _installed_finder(settings, device_of(settings.device))
        self.side = net.layout.side
        self.offset = settings.wav2lip_offset
        self._finder = finder
        device = device_of(settings.device)
        example = (torch.zeros(1, 1, BANDS, COLUMNS), torch.zeros(1, 6, self.side, self.side))
        compile_it = settings.compile and worth_compiling(device)
        compiled: Path | None = settings.data_dir / "compiled" if compile_it else None
        # Nothing is ever taken from the upper half.
        self._net = Batches(LowerHalf(net), example, device, dtype_of(settings.precision, device), compiled)
        self._gpu = Retoucher(self._net, self.side, device) if device.type == "cuda" else None
        # What the compiler makes brings its own number of threads.
        self._threads = ThreadPool() if device.type == "cpu" and compiled is None else None

    def close(self) -> None:
        """End the threads that draw."""
        if self._threads is not None:
            self._threads.close()

    def prepare(self, track: FaceTrack, crops: Sequence[Image], report: Callable[[int], None]) -> Arrays:
        """Find out where in each crop the network's picture lies, and whether the person talks.

        Pictures are not kept: cutting one out takes a hundredth of what drawing in it does.
        """
        step, end = _LOOKED_AT
        looked = [k for k in range(0, min(len(track), end), step) if track.found[k]]
        measured = set(looked[:: max(1, len(looked) // 12)])
        boxes: list[NDArray[np.float64]] = []
        faces: list[Image] = []
        mean = np.array(MEAN)
        for k in looked:
            crop = crops[k]
            if k in measured:
                boxes += self._boxes_on(crop, track.poses[k])
            faces.append(cut_out(crop, to_crop(track.poses[k], mean, 96), 96))
            report(k + 1)
        box = np.median(boxes, axis=0) if boxes else mean
        box[3] += PADDING
        report(len(track))
        return {"box": box, "talks": np.array(is_talking(faces))}

    def span(self, frame: int, rate: int, fps: int) -> tuple[int, int]:
        """From well before the frame (whether it is still silent, or no longer) to the end of its window."""
        start = window_start(frame, fps, self.offset)
        low = min(first_sample(start), heard_from(frame, fps))
        high = last_sample(start + COLUMNS)
        reach = resample_reach(rate)
        return low * rate // RATE - reach, -(-high * rate // RATE) + reach + 1

    def draw(self, drawing: Drawing) -> Image:
        """As `LipsyncEngine.draw`."""
        return self.draw_together([drawing])[0]

    def draw_together(self, drawings: Sequence[Drawing]) -> list[Image]:
        """As `DrawsTogether.draw_together`: 16 pictures in one go cost half of 16 single ones."""
        outputs = [drawing.crops.copy() for drawing in drawings]
        calls = list(zip(drawings, outputs, strict=True))
        work = [picture for share in self._shared(self._pictures, calls) for picture in share]
        for first in range(0, len(work), BATCH):
            pictures = work[first : first + BATCH]
            if self._gpu is None:
                self._shared(self._redraw_here, pictures)
            else:
                self._redraw_there(self._gpu, pictures)
        return outputs

    def _shared(self, work: Callable[[Sequence[Item]], Made], items: Sequence[Item]) -> list[Made]:
        return [work(items)] if self._threads is None else self._threads.each(work, items)

    def _redraw_here(self, pictures: Sequence["_Picture"]) -> None:
        faces = [cut_out(picture.crop, picture.matrix, self.side) for picture in pictures]
        both = _windows(pictures), generator_input(np.stack(faces))
        made = self._net(*(torch.from_numpy(array) for array in both)).cpu().numpy()
        for picture, face, drawn in zip(pictures, faces, made, strict=True):
            lower = np.ascontiguousarray(drawn.transpose(1, 2, 0)) * np.float32(255)
            put_back(picture.crop, lower, face, picture.matrix, picture.mask)

    def _redraw_there(self, gpu: Retoucher, pictures: Sequence["_Picture"]) -> None:
        """The same on the GPU, for the crops of each size together."""
        sizes = [picture.crop.shape for picture in pictures]
        for size in dict.fromkeys(sizes):
            alike = [k for k, other in enumerate(sizes) if other == size]
            made = gpu.redraw(
                np.stack([pictures[k].crop for k in alike]),
                [pictures[k].matrix for k in alike],
                _windows([pictures[k] for k in alike]),
                np.stack([pictures[k].mask for k in alike]),
            )
            for k, crop in zip(alike, made, strict=True):
                pictures[k].crop[:] = crop

    def _pictures(self, calls: Sequence[tuple[Drawing, Image]]) -> list["_Picture"]:
        return [picture for drawing, output in calls for picture in self._pictures_of(drawing, output)]

    def _pictures_of(self, drawing: Drawing, output: Image) -> list["_Picture"]:
        """What is to be drawn into `output`: not frames without a face, nor those at rest."""
        frames, fps, speech = drawing.frames, drawing.fps, drawing.speech
        starts = [window_start(frame, fps, self.offset) for frame in frames]
        low = min(first_sample(starts[0]), heard_from(frames[0], fps))
        samples = to_16k(speech.samples, speech.first, speech.rate, low, last_sample(starts[-1] + COLUMNS))
        columns = mel_between(samples[first_sample(starts[0]) - low :], starts[0], starts[-1] + COLUMNS)
        if drawing.prepared["talks"]:
            weights = np.ones(len(frames))
        else:
            ends = [last_sample(start + COLUMNS) for start in starts]
            weights = gates(samples, low, frames, fps, ends)
        pictures = []
        for k, number in enumerate(drawing.numbers):
            if not drawing.track.found[number] or weights[k] == 0:
                continue
            matrix = to_crop(drawing.track.poses[number], drawing.prepared["box"], self.side)  # type: ignore[arg-type]  # a box, as `prepare` made it
            at = starts[k] - starts[0]
            window = columns[:, at : at + COLUMNS]
            marks = None if drawing.track.landmarks is None else drawing.track.landmarks[number]
            mask = region_of(marks, matrix, self.side) * np.float32(weights[k])
            pictures.append(_Picture(output[k], window, matrix, mask))
        return pictures

    def _boxes_on(self, crop: Image, pose: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """The box the finder draws around the face at `pose`, in face coordinates; empty if it sees none."""
        if self._finder is None:
            return []
        shrink = min(1.0, _MEASURED_AT / len(crop))
        size = round(len(crop) * shrink)
        for box in self._finder.boxes(
            np.asarray(cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
        ):
            corners = box[:4].astype(np.float64).reshape(2, 2) / shrink
            middle, half = corners.mean(axis=0), (corners[1] - corners[0]) / 2
            turn = np.linalg.inv(pose[:, :2])
            scale = np.sqrt(abs(np.linalg.det(turn)))
            there = turn @ (middle - pose[:, 2])  # the box is upright in the crop; its size is what counts
            found = np.concatenate([there - half * scale, there + half * scale])
            if np.abs(found - MEAN).max() < 0.25:
                return [found]
        return []


@dataclass(frozen=True, slots=True)
class _Picture:
    """One picture to draw. crop: as in the template, to be drawn into. matrix: where the face is in it.

    mask: how much of each pixel of the network's picture is taken.
    """

    crop: Image
    window: NDArray[np.float32]
    matrix: Matrix
    mask: NDArray[np.float32]


def _windows(pictures: Sequence[_Picture]) -> NDArray[np.float32]:
    return np.stack([picture.window[None] for picture in pictures])


def with_gan(settings: NeuralSettings | None = None) -> Wav2LipEngine:
    """The engine with the weights trained against a critic: a better picture, slightly worse sync."""
    return Wav2LipEngine("wav2lip-gan", settings=settings)


def _installed_finder(settings: NeuralSettings, device: torch.device) -> BoxFinder | None:
    there = settings.weights()
    if "retinaface" in there:
        return RetinaFaceFinder(device=device)
    return S3fdFinder(device=device) if "s3fd" in there else None


def generator_input(faces: Image) -> NDArray[np.float32]:
    """Faces uint8 (B, S, S, 3) as the network takes them: float32 (B, 6, S, S), 0..1, first half hidden."""
    whole = faces.transpose(0, 3, 1, 2)
    both = np.concatenate([whole, whole], axis=1).astype(np.float32) / np.float32(255)
    both[:, :3, faces.shape[1] // 2 :] = 0
    return both
