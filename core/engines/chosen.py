"""Choose whose face is meant when a template shows several people: a `FaceFinder` around another.

The tracker takes a finder's first face when a shot begins and follows it through crossings; what comes first
is decided here.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from core.engines.base import FaceFinder
from core.errors import BadInput
from core.types import Face, Image


class ChosenFace:
    """Finds what `finder` finds, the chosen face first, the others after it by size."""

    def __init__(self, finder: FaceFinder, choice: str) -> None:
        """choice: "largest", "central", or a number from 1 on, counted from the left as `preview` shows them.

        Raises BadInput `unknown_face_choice`.
        """
        counted = choice.isascii() and choice.isdecimal() and int(choice) > 0
        if not counted and choice not in ("largest", "central"):
            raise BadInput(
                "unknown_face_choice",
                f"{choice!r} chooses no face; give largest, central, or a number from 1 on, from the left",
                "face",
            )
        self.version = f"{finder.version}+{choice}"
        self._finder, self._choice = finder, choice

    def find(self, image: Image) -> Sequence[Face]:
        """All faces, the chosen one first. With a number that is too high the rightmost is meant."""
        faces = sorted(self._finder.find(image), key=_area, reverse=True)
        if not faces or self._choice == "largest":
            return faces
        if self._choice == "central":
            height, width = image.shape[:2]
            chosen = min(faces, key=lambda face: np.hypot(*(_middle(face) - (width / 2, height / 2))))
        else:
            chosen = from_left(faces)[min(int(self._choice), len(faces)) - 1]
        return [chosen, *(face for face in faces if face is not chosen)]


def from_left(faces: Sequence[Face]) -> list[Face]:
    """Faces in the order they are numbered."""
    return sorted(faces, key=lambda face: float(_middle(face)[0]))


def preview(image: Image, faces: Sequence[Face]) -> Image:
    """A copy of `image` with every face framed and numbered, for people to choose from."""
    shown = image.copy()
    thick = max(2, round(min(image.shape[:2]) / 200))
    for number, face in enumerate(from_left(faces), 1):
        x, y, width, height = (round(float(value)) for value in face.box)
        cv2.rectangle(shown, (x, y), (x + width, y + height), (255, 255, 255), thick)
        scale = thick * 0.45
        (wide, high), _ = cv2.getTextSize(str(number), cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
        cv2.rectangle(shown, (x, y), (x + wide + 2 * thick, y + high + 3 * thick), (255, 255, 255), -1)
        place = (x + thick, y + high + thick)
        cv2.putText(shown, str(number), place, cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 0), thick, cv2.LINE_AA)
    return shown


def _area(face: Face) -> float:
    return float(face.box[2] * face.box[3])


def _middle(face: Face) -> NDArray[np.float64]:
    return np.asarray(face.box[:2] + face.box[2:] / 2, np.float64)
