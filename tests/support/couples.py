"""Two drawn presenters in one picture, hers and his, who may move, cross and swap places."""

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np

from core.types import Image
from tests.support.faces import drawn

WIDTH, HEIGHT, SIDE = 512, 256, 192
"""Of the picture; of a presenter in it."""

Places = tuple[int, int]
"""Left edge of her and of him."""


@cache
def _person(his: bool) -> Image:
    picture = cv2.resize(drawn(12, 256)[0], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    if not his:
        return picture  # type: ignore[return-value]  # uint8, as it was
    # Someone else in cooler clothes, paler; the same kind of face, so that colours alone tell them apart.
    other = np.clip(picture[:, ::-1] * np.array([1.25, 1.0, 0.75]) + 12, 0, 255)
    return other.astype(np.uint8)


def couple(places: Places, *, his_first: bool = False) -> Image:
    """Both at these places; the one drawn last hides the other where they overlap."""
    picture: Image = np.full((HEIGHT, WIDTH, 3), (150, 140, 130), np.uint8)
    for his in (True, False) if his_first else (False, True):
        x = places[his]
        picture[HEIGHT - SIDE :, x : x + SIDE] = _person(his)
    return picture


LEFT, RIGHT = 20, 300
SIDE_BY_SIDE = [(LEFT, RIGHT)] * 15
CUT = [(LEFT, RIGHT)] * 20 + [(RIGHT, LEFT)] * 20
"""After the cut they have swapped places."""
CROSSING = [(LEFT, RIGHT)] * 12 + [(LEFT + 7 * k, RIGHT - 7 * k) for k in range(41)] + [(RIGHT, LEFT)] * 14


def clip(places: Sequence[Places], *, his_first: bool = False) -> list[Image]:
    """One picture a pair of places."""
    return [couple(pair, his_first=his_first) for pair in places]


def middle(place: int) -> float:
    """Where about the middle of the face is, across, of someone at this place."""
    return place + SIDE / 2
