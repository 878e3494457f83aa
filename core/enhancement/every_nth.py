"""Faces that no enhancer sees: of a run of frames one in so many goes to it, the others get what it changed.

Whichever enhancer it is, what it changed in one face is carried along to the next ones: with the head by the
track's poses, from there on by optical flow (DIS, Kroeger et al., ECCV 2016), and added to what the present
frame shows. So lips move as they were drawn, and detail moves with them. Where a frame no longer looks like
the earlier one (a cut, a hand before the face), nothing is added.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput
from core.tracking.pose import Matrix, chained, inverse
from core.types import Image

MOST_EVERY = 8
"""The fewest faces worth enhancing: one in so many."""

_FLOW_SIDE = 256
"""Pixels of a crop's side in which flow is sought, at most."""
_LIKE, _UNLIKE = 8.0, 24.0
"""Levels, of 256, by which the earlier face may differ here once it has been moved: up to the first all of
the change is taken, from the second on nothing."""

Grey = NDArray[np.uint8]


def _unheard(_frames: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class EnhancePolicy:
    """Which faces are worth enhancing.

    every: of each face one frame in so many; the others follow it. enough: the sharpness
    (`core.enhancement.sharpness`) from which a face is left as it is; 0: none is. left: told how many frames
    were, all their faces sharp.
    """

    every: int = 1
    enough: float = 0.0
    left: Callable[[int], None] = _unheard


EACH = EnhancePolicy()
"""Every face goes to the engine."""


def check_every(every: int) -> None:
    """Raises BadInput `out_of_range` for what cannot be the distance between enhanced frames."""
    if not 1 <= every <= MOST_EVERY:
        raise BadInput("out_of_range", f"every {every} is outside 1 to {MOST_EVERY}", "every")


class EveryNth:
    """Whose turn it is to be enhanced: of each run of wanted frames the first, and every so many after it."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._since: int | None = None  # frames since the last; None outside a run

    def due(self, wanted: Iterable[bool]) -> NDArray[np.bool_]:
        """For the next frames, in order, whether they are to be enhanced."""
        return np.array([self._next(bool(one)) for one in wanted], np.bool_)

    def _next(self, wanted: bool) -> bool:
        if not wanted:
            self._since = None
            return False
        due = self._since is None or self._since + 1 >= self._every
        self._since = 0 if due or self._since is None else self._since + 1
        return due


@dataclass(frozen=True, slots=True)
class _Example:
    """A face that was enhanced, for those after it.

    change: int16 (side, side, 3), what was added to it. grey: the given crop, small. pose: as in `FaceTrack`.
    """

    change: NDArray[np.int16]
    grey: Grey
    pose: Matrix


class CarryOver:
    """Goes through the frames of one track in order."""

    def __init__(self) -> None:
        self._last: tuple[Image, Image, Matrix] | None = None
        self._example: _Example | None = None

    def next(self, given: Image, pose: Matrix, made: Image | None) -> Image:
        """What to show in the next frame of a face.

        given, made: uint8 (side, side, 3), its crop, and that crop enhanced; None: what was changed in the
        last one that was, carried here. pose: where the face is in its crop, as in `FaceTrack`.
        """
        if made is not None:
            self._last, self._example = (given, made, pose), None
            return made
        if self._last is None:
            return given
        if self._example is None:
            self._example = _example(*self._last)
        return _carried(self._example, given, pose)


def _example(given: Image, made: Image, pose: Matrix) -> _Example:
    change = cv2.subtract(made, given, dtype=cv2.CV_16S)
    return _Example(np.asarray(change, np.int16), _small_grey(given), pose)


def _carried(earlier: _Example, given: Image, pose: Matrix) -> Image:
    """A later crop of the track with what was changed in the earlier: uint8 (side, side, 3), new."""
    side = len(given)
    small, likeness = _found_again(earlier, _small_grey(given), pose, side)
    there = cv2.resize(small, (side, side))
    moved = cv2.remap(earlier.change, there, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)  # type: ignore[call-overload]  # the second map is in the first
    if likeness.min() < 1:
        moved = cv2.multiply(moved, cv2.merge([cv2.resize(likeness, (side, side))] * 3), dtype=cv2.CV_16S)
    return np.asarray(cv2.add(given, moved, dtype=cv2.CV_8U), np.uint8)


def _found_again(
    earlier: _Example, grey: Grey, pose: Matrix, side: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where each small pixel was in the earlier crop, x and y: (n, n, 2); how alike it is: (n, n), 0 to 1."""
    small = len(grey)
    step = side / small
    larger = np.array([[step, 0, (step - 1) / 2], [0, step, (step - 1) / 2]])
    back = chained(earlier.pose, inverse(pose))  # from pixels of this crop to those of the earlier
    back_small = chained(inverse(larger), chained(back, larger))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    turned = cv2.warpAffine(
        earlier.grey, back_small, (small, small), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    flow = np.asarray(search.calc(grey, turned, np.zeros((small, small, 2), np.float32)), np.float32)
    flow += np.stack(np.meshgrid(*[np.arange(small, dtype=np.float32)] * 2), axis=2)
    met = cv2.remap(turned, flow, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]  # the second map is in the first
    far = cv2.blur(cv2.absdiff(grey, met).astype(np.float32), (7, 7))
    likeness = ((_UNLIKE - far) / (_UNLIKE - _LIKE)).clip(0, 1)
    return cv2.transform(flow, chained(back, larger)).astype(np.float32), likeness


def _small_grey(crop: Image) -> Grey:
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    if len(crop) > _FLOW_SIDE:
        grey = cv2.resize(grey, (_FLOW_SIDE, _FLOW_SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(grey, np.uint8)
