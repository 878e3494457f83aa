"""Whose face is meant where a template shows several people, and which face of any other frame is theirs.

A person is chosen once, in one picture. From there on people are told apart by the colours of hair, skin and
clothes: each person of that picture is given the face most like theirs, so that one who is not in a frame is
not found there. This needs no network, and survives crossings, cuts and people who swap places; it does not
tell twins in one uniform apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput
from core.protocols import FaceFinder
from core.types import Face, Image

AUTO = "auto"
"""No choice: the finder's first face is meant, whoever that is in each shot."""

_VERSION = "1"
_CELLS = (12, 15)
_LEFT, _TOP, _RIGHT, _BOTTOM = -0.5, -0.6, 1.5, 1.9
"""What a sketch shows, in face coordinates: hair to shoulders, in so many cells across and down."""
_FINE = 6
"""Pixels a cell is averaged from, either way."""

Sketch = NDArray[np.float32]
"""float32 (cells, 3): L (halved: light changes more than colour does), a and b of each cell of a person."""


def check_choice(choice: str) -> str:
    """`choice` itself: auto, largest, central or 1 ... 99. Raises BadInput `unknown_face_choice`."""
    counted = choice.isascii() and choice.isdecimal() and 0 < int(choice[:3]) < 100 and choice[0] != "0"
    if not counted and choice not in (AUTO, "largest", "central"):
        raise BadInput(
            "unknown_face_choice",
            f"{choice[:80]!r} chooses no face; give auto, largest, central, or a number from 1 to 99, "
            "counted from the left",
            "face",
        )
    return choice


def from_left(faces: Sequence[Face]) -> list[Face]:
    """Faces in the order they are numbered."""
    return sorted(faces, key=lambda face: float(_middle(face)[0]))


def pick(faces: Sequence[Face], choice: str, width: int, height: int) -> int:
    """Index of the face that `choice` means, of the `faces` of a picture of this size, one or more.

    Raises BadInput `no_such_face` for a number there is no face of.
    """
    if choice.isdecimal():
        if int(choice) > len(faces):
            shown = "one face is" if len(faces) == 1 else f"{len(faces)} faces are"
            raise BadInput(
                "no_such_face",
                f"there is no face {choice}: {shown} to be seen; `lipstream templates faces` numbers them",
                "face",
            )
        wanted = from_left(faces)[int(choice) - 1]
    elif choice == "central":
        wanted = min(faces, key=lambda face: float(np.hypot(*(_middle(face) - (width / 2, height / 2)))))
    else:
        wanted = max(faces, key=_area)
    return next(k for k, face in enumerate(faces) if face is wanted)


@dataclass(frozen=True, slots=True)
class Person:
    """The one that is meant: number `index` among `everybody` in the picture the choice was made in."""

    choice: str
    everybody: tuple[Sketch, ...]
    index: int


def person(image: Image, faces: Sequence[Face], choice: str) -> Person:
    """The person whom `choice` means in `image`. Raises BadInput like `pick`."""
    index = pick(faces, choice, image.shape[1], image.shape[0])
    return Person(choice, tuple(sketch(image, face) for face in faces), index)


def choice_version(choice: str) -> str:
    """What a choice adds to the version of a finder, so that another choice is prepared anew."""
    return "" if choice == AUTO else f"+{choice}/{_VERSION}"


class ChosenFace:
    """A `FaceFinder` that finds one person only."""

    def __init__(self, finder: FaceFinder, meant: Person) -> None:
        self.version = finder.version + choice_version(meant.choice)
        self._finder, self._person = finder, meant

    def find(self, image: Image) -> Sequence[Face]:
        """The person's face, or nothing where all faces are rather somebody else's."""
        # Here, because preparation alone needs scipy, which takes half a second to load.
        from scipy.optimize import linear_sum_assignment

        faces = self._finder.find(image)
        if len(self._person.everybody) == 1 or not faces:
            return faces
        apart = np.array(
            [[_unlike(sketch(image, face), one) for one in self._person.everybody] for face in faces]
        )
        rows, columns = linear_sum_assignment(apart)
        return [faces[k] for k, who in zip(rows, columns, strict=True) if who == self._person.index]

    def recognise(self, image: Image, face: Face) -> bool:
        """Whether `face` is more like the person's than like anybody else's."""
        here = sketch(image, face)
        apart = [_unlike(here, one) for one in self._person.everybody]
        return apart.index(min(apart)) == self._person.index


def sketch(image: Image, face: Face) -> Sketch:
    """What the person with this face looks like, in a few colours."""
    x, y, width, height = (float(value) for value in face.box)
    across, down = _CELLS[0] * _FINE, _CELLS[1] * _FINE
    step = np.array([(_RIGHT - _LEFT) / across * width, (_BOTTOM - _TOP) / down * height])
    corner = np.array([x + _LEFT * width, y + _TOP * height]) + step / 2 - 0.5
    fetch = np.array([[step[0], 0, corner[0]], [0, step[1], corner[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    part = cv2.warpAffine(image, fetch, (across, down), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    small = cv2.resize(part, _CELLS, interpolation=cv2.INTER_AREA)
    colours = cv2.cvtColor(small.astype(np.float32) / np.float32(255), cv2.COLOR_BGR2LAB)
    return np.asarray(colours[_BODY] * (0.5, 1, 1), np.float32)


def preview(image: Image, faces: Sequence[Face]) -> Image:
    """A copy of `image` with every face framed and numbered, for people to choose from."""
    shown = image.copy()
    thick = max(2, round(min(image.shape[:2]) / 200))
    for number, face in enumerate(from_left(faces), 1):
        x, y, width, height = (round(float(value)) for value in face.box)
        cv2.rectangle(shown, (x, y), (x + width, y + height), (255, 255, 255), thick)
        scale = thick * 0.45
        (wide, high), _ = cv2.getTextSize(str(number), cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
        top = max(0, y - high - 3 * thick)  # above the face where there is room
        cv2.rectangle(shown, (x, top), (x + wide + 2 * thick, top + high + 3 * thick), (255, 255, 255), -1)
        place = (x + thick, top + high + thick)
        cv2.putText(shown, str(number), place, cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 0), thick, cv2.LINE_AA)
    return shown


def _body() -> NDArray[np.bool_]:
    """bool (down, across): the cells of a sketch that show the person and not what is behind them."""
    x = _LEFT + (np.arange(_CELLS[0]) + 0.5) * (_RIGHT - _LEFT) / _CELLS[0]
    y = _TOP + (np.arange(_CELLS[1])[:, None] + 0.5) * (_BOTTOM - _TOP) / _CELLS[1]
    head = ((x - 0.5) / 0.7) ** 2 + ((y - 0.4) / 0.9) ** 2 < 1
    shoulders = (y > 1.3) & (np.abs(x - 0.5) < 0.6)
    return np.asarray(head | shoulders)


_BODY = _body()


def _unlike(one: Sketch, other: Sketch) -> float:
    return float(np.abs(one - other).mean())


def _area(face: Face) -> float:
    return float(face.box[2] * face.box[3])


def _middle(face: Face) -> NDArray[np.float64]:
    return np.asarray(face.box[:2] + face.box[2:] / 2, np.float64)
