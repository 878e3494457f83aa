"""Redraw mouths with a network, frame by frame, while the sound is still coming.

Each frame listens to its own stretch of sound, silence included, so that nothing waits for the end and the
last frame reaches it; only the mouth is changed (`face`); in silence the network rests (`silence`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.engines.compute.threads import Item, Made, ThreadPool
from core.engines.face.boxes import MEAN, Boxes
from core.engines.face.network import refuse_unless
from core.engines.face.retinaface import RetinaFaceFinder
from core.engines.face.s3fd import S3fdFinder
from core.engines.neural import NeuralSettings
from core.engines.redrawing.face import PADDING, Matrix, cut_out, put_back, region_of, to_crop
from core.engines.redrawing.retouch import Retoucher
from core.engines.redrawing.silence import gates, heard_from, is_talking
from core.engines.redrawing.sound import RATE, resample_reach, to_16k
from core.protocols import Drawing
from core.types import Arrays, FaceTrack, Image, Samples

_LOOKED_AT = (5, 1500)
"""Every how many frames, and how far, a template is looked at in `prepare`."""


_MEASURED_AT = 320
"""Side of the pictures in which the face's box is measured; the face is some 190 pixels wide there."""


class BoxFinder(Protocol):
    """What draws boxes as the networks were trained on; the neural finders do."""

    def boxes(self, image: Image) -> Boxes:
        """Every face in `image`, surest first."""
        ...


class RedrawingEngine(ABC):
    """A `LipsyncEngine`, all but its network and what that draws from."""

    together: int
    """Most pictures in one call of the network."""

    def __init__(
        self, side: int, device: torch.device, finder: BoxFinder | None, threads: ThreadPool | None
    ) -> None:
        """side: of the network's picture, in pixels. device: where it draws.

        finder: measures where a template's face box is; without one it is where it is on average.
        threads: on a CPU, each draws pictures of its own; None: all in one call.
        """
        self.side = side
        self._finder, self._threads = finder, threads
        self._gpu = Retoucher(self.lower, side, device) if device.type == "cuda" else None

    @abstractmethod
    def stretch(self, frame: int, fps: int) -> tuple[int, int]:
        """Samples `[start, stop)` at 16 kHz that the network hears of `frame`; neither ever decreases."""

    @abstractmethod
    def heard(self, samples: Samples, frames: range, fps: int) -> Sequence[NDArray[np.float32]]:
        """What the network is given to hear of each of `frames`; of its own stretch alone.

        samples: at 16 kHz, from where the first frame's stretch begins to where the last one's ends.
        """

    def seen(self, prepared: Arrays, number: int) -> tuple[NDArray[np.generic], ...]:
        """What else it draws template frame `number` from, but the face itself."""
        return ()

    @abstractmethod
    def lower(self, given: Sequence[Tensor], faces: Tensor) -> Tensor:
        """As `retouch.Lower`: `given` is what was `heard`, then what was `seen`."""

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
        """From well before the frame (whether it is still silent, or no longer) to the end of its stretch."""
        start, high = self.stretch(frame, fps)
        low = min(start, heard_from(frame, fps))
        reach = resample_reach(rate)
        return low * rate // RATE - reach, -(-high * rate // RATE) + reach + 1

    def draw(self, drawing: Drawing) -> Image:
        """As `LipsyncEngine.draw`."""
        return self.draw_together([drawing])[0]

    def draw_together(self, drawings: Sequence[Drawing]) -> list[Image]:
        """As `DrawsTogether.draw_together`."""
        outputs = [drawing.crops.copy() for drawing in drawings]
        calls = list(zip(drawings, outputs, strict=True))
        work = [picture for share in self._shared(self._pictures, calls) for picture in share]
        for first in range(0, len(work), self.together):
            pictures = work[first : first + self.together]
            if self._gpu is None:
                self._shared(self._redraw_here, pictures)
            else:
                self._redraw_there(self._gpu, pictures)
        return outputs

    def _shared(self, work: Callable[[Sequence[Item]], Made], items: Sequence[Item]) -> list[Made]:
        return [work(items)] if self._threads is None else self._threads.each(work, items)

    def _redraw_here(self, pictures: Sequence["_Picture"]) -> None:
        faces = [cut_out(picture.crop, picture.matrix, self.side) for picture in pictures]
        there = torch.from_numpy(np.stack(faces)).permute(0, 3, 1, 2).float()
        given = [torch.from_numpy(array) for array in _given(pictures)]
        made = self.lower(given, there).cpu()
        refuse_unless(torch.isfinite(made).all())
        for picture, face, drawn in zip(pictures, faces, made.numpy(), strict=True):
            lower = np.ascontiguousarray(drawn.transpose(1, 2, 0)) * np.float32(255)
            put_back(picture.crop, lower, face, picture.matrix, picture.mask)

    def _redraw_there(self, gpu: Retoucher, pictures: Sequence["_Picture"]) -> None:
        """The same on the GPU, for the crops of each size together."""
        sizes = [picture.crop.shape for picture in pictures]
        for size in dict.fromkeys(sizes):
            alike = [picture for picture, other in zip(pictures, sizes, strict=True) if other == size]
            made = gpu.redraw(
                np.stack([picture.crop for picture in alike]),
                [picture.matrix for picture in alike],
                _given(alike),
                np.stack([picture.mask for picture in alike]),
            )
            for picture, crop in zip(alike, made, strict=True):
                picture.crop[:] = crop

    def _pictures(self, calls: Sequence[tuple[Drawing, Image]]) -> list["_Picture"]:
        return [picture for drawing, output in calls for picture in self._pictures_of(drawing, output)]

    def _pictures_of(self, drawing: Drawing, output: Image) -> list["_Picture"]:
        """What is to be drawn into `output`: not frames without a face, nor those at rest."""
        frames, fps, speech = drawing.frames, drawing.fps, drawing.speech
        ends = [self.stretch(frame, fps)[1] for frame in frames]
        start = self.stretch(frames[0], fps)[0]
        low = min(start, heard_from(frames[0], fps))
        samples = to_16k(speech.samples, speech.first, speech.rate, low, ends[-1])
        heard = self.heard(samples[start - low :], frames, fps)
        if drawing.prepared["talks"]:
            weights = np.ones(len(frames))
        else:
            weights = gates(samples, low, frames, fps, ends)
        pictures = []
        for k, number in enumerate(drawing.numbers):
            if not drawing.track.found[number] or weights[k] == 0:
                continue
            matrix = to_crop(drawing.track.poses[number], drawing.prepared["box"], self.side)  # type: ignore[arg-type]  # a box, as `prepare` made it
            marks = None if drawing.track.landmarks is None else drawing.track.landmarks[number]
            mask = region_of(marks, matrix, self.side) * np.float32(weights[k])
            given = (heard[k], *self.seen(drawing.prepared, number))
            pictures.append(_Picture(output[k], given, matrix, mask))
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

    given: what the network draws it from. mask: how much of each pixel of the network's picture is taken.
    """

    crop: Image
    given: tuple[NDArray[np.generic], ...]
    matrix: Matrix
    mask: NDArray[np.float32]


def _given(pictures: Sequence[_Picture]) -> list[NDArray[np.generic]]:
    return [np.stack(arrays) for arrays in zip(*(picture.given for picture in pictures), strict=True)]


def installed_finder(settings: NeuralSettings, device: torch.device) -> BoxFinder | None:
    """The finder of those that are downloaded; None if none is."""
    there = settings.weights()
    if "retinaface" in there:
        return RetinaFaceFinder(device=device)
    return S3fdFinder(device=device) if "s3fd" in there else None
