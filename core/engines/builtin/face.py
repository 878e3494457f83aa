"""Find faces without a download and without torch: frontal ones with the Haar cascade that comes with OpenCV
(Viola and Jones, 2001; Lienhart's `haarcascade_frontalface_alt2`), others with the networks of `blaze`.

The cascade's box is the unit square of our face coordinates: forehead to chin, mouth at about (0.51, 0.79).
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from core.engines.builtin.blaze import BlazeFinder, common
from core.errors import EngineUnavailable
from core.types import Face, Image

_LOOKS = ((320, 3), (640, 5))
"""Longest side searched in, and neighbours asked for: the second only where the first finds nothing.

On 340 frames of 16 clips the first has the best ratio of hits (335) to false boxes (1); the larger
picture shows faces under a twelfth of the frame, and false boxes, hence more neighbours."""
_DOUBT = 3.0
"""How far below the best a cascade score may lie (all are about 55 to 60) and still count as a face."""


_MARGIN = 0.25
"""What is put around a picture, of its longest side, when nothing is found in it: a face that fills it."""


class BuiltinFinder:
    """A `FaceFinder` by the cascade, and by the BlazeFace networks for whom it does not see: tilted, small,
    dark and cut-off faces. Where the networks cannot run, the cascade alone."""

    def __init__(self) -> None:
        """Raises EngineUnavailable where neither can run."""
        try:
            self._blaze: BlazeFinder | None = BlazeFinder()
        except EngineUnavailable:
            self._blaze = None
        self._haar = HaarFinder()
        self.version = f"{self._haar.version}+{self._blaze.version}" if self._blaze else self._haar.version

    def find(self, image: Image) -> Sequence[Face]:
        """Faces, largest and most central first; those of the networks have landmarks."""
        faces = list(self._haar.find(image))
        if self._blaze is None:
            return faces or self._haar.find_close(image)
        others = self._blaze.find(image)
        faces = [face for face in faces if self._is_face(image, face, others)] or ([] if others else faces)
        faces += [other for other in others if all(not _one(face, other) for face in faces)]
        if not faces:
            faces = list(self._haar.find_close(image))
        height, width = image.shape[:2]
        return sorted(faces, key=lambda face: prominence(face, width, height), reverse=True)

    def _is_face(self, image: Image, face: Face, others: Sequence[Face]) -> bool:
        """Whether what the cascade sees is one: a network sees it, too, or the mesh does."""
        if any(_one(face, other) for other in others):
            return True
        box = face.box.astype(np.float64)
        return self._blaze is not None and self._blaze.confirmed(image, box, 0.0, 1.0) is not None


def _one(face: Face, other: Face) -> bool:
    return common(face.box.astype(np.float64), other.box.astype(np.float64)) > 0.25


class HaarFinder:
    """A `FaceFinder` for people who look into the camera.

    30 ms a picture; boxes are steady to 1-4 % of their width.
    """

    version = "haar-alt2/1"

    def __init__(self) -> None:
        """Load the cascade. Raises EngineUnavailable where OpenCV has none (5.0 dropped them)."""
        classifier = getattr(cv2, "CascadeClassifier", None)
        if classifier is None:
            missing = ["OpenCV's Haar cascades"]
            raise EngineUnavailable("haar", missing, "install opencv-python-headless>=4.8,<5")
        file = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_alt2.xml"
        self._cascade = classifier(str(file))
        if self._cascade.empty():
            raise EngineUnavailable("haar", [str(file)], "install OpenCV again")

    def find(self, image: Image) -> Sequence[Face]:
        """Upright frontal faces, largest and most central first; `score` is the cascade's level weight."""
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        height, width = grey.shape
        for side, neighbours in _LOOKS:
            scale = min(1.0, side / max(grey.shape))
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA) if scale < 1 else grey
            least = max(20, int(0.08 * min(small.shape)))
            boxes, _, weights = self._cascade.detectMultiScale3(
                small, 1.1, neighbours, 0, (least, least), outputRejectLevels=True
            )
            if len(boxes):
                return _ranked(boxes.astype(np.float32) / np.float32(scale), np.ravel(weights), width, height)
            if scale == 1:
                break
        return ()

    def find_close(self, image: Image) -> Sequence[Face]:
        """The same for a face that fills the picture: the cascade wants room around it."""
        margin = round(_MARGIN * max(image.shape[:2]))
        wider = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
        moved = np.array([margin, margin, 0, 0], np.float32)
        return [Face(face.box - moved, face.score) for face in self.find(wider)]


def _ranked(
    boxes: NDArray[np.float32], weights: NDArray[np.float64], width: int, height: int
) -> Sequence[Face]:
    """Sure boxes as faces, by area times nearness to the middle; ties fall to the surer."""
    sure = weights >= weights.max() - _DOUBT
    faces = [Face(box, float(weight)) for box, weight in zip(boxes[sure], weights[sure], strict=True)]
    return sorted(faces, key=lambda face: (prominence(face, width, height), face.score), reverse=True)


def prominence(face: Face, width: int, height: int) -> float:
    """How much a face looks like the one that is meant: its area, halved where it is out in a corner."""
    x, y, w, h = (float(value) for value in face.box)
    off = np.hypot((x + w / 2) / width - 0.5, (y + h / 2) / height - 0.5) / np.hypot(0.5, 0.5)
    return w * h * (1 - 0.5 * min(1.0, float(off)))
