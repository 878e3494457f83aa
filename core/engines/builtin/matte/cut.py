"""Cut a person off a plain wall, or off anything: GrabCut seeded from the face, then carried along by motion.

GrabCut (Rother, Kolmogorov, Blake, SIGGRAPH 2004, as OpenCV has it) runs on a small picture: in full on the
first, on the others one round in a narrow band about the outline that optical flow (Farneback) carries over.
`matte.edge` then finds out what is half hair, half background.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from core.engines.builtin.matte.backdrop import Box, Plane, rim, shrunk, surface, to_lab
from core.engines.builtin.matte.edge import refined
from core.engines.builtin.matte.shape import filled, one_piece, seeds
from core.protocols import Matte
from core.types import Image

_SIDE = 256
"""GrabCut and the flow see pictures this small."""

_ROUNDS = 3
_BAND = 9
"""Width of the band in which the outline may move from frame to frame, in pixels of the small picture."""

_NEWEST = 0.6
"""Share of a frame's own cut in the outline; the rest is what the motion carried over. Calms its edge."""

_SETTLING = 4
"""Further rounds on a shot's first frame: else its outline is still on its way in the frames after it."""

_OTHER_SHOT = 28.0
"""Mean difference (levels) of a frame from the one before, moved onto it, from which it is another shot."""

_NEAR = 5.5
"""Distance in CIE Lab up to which something that reaches the picture's edge is the plain wall."""


@dataclass(slots=True)
class _Held:
    """What is remembered of the frame before. outline: float32 (h, w), 0 ... 1. first: of its shot."""

    grey: NDArray[np.uint8]
    outline: Plane
    wall: NDArray[np.float64]
    person: NDArray[np.float64]
    first: bool


class CutMatter:
    """`core.protocols.Matting` for any background."""

    version = "2"
    plain = False

    def mattes(self, pictures: Iterable[Image], faces: Sequence[Box]) -> Iterator[Matte]:
        """See `Matting`. Takes any clip."""
        held: _Held | None = None
        for picture, face in zip(pictures, faces, strict=False):
            small, scale = shrunk(picture, _SIDE)
            box = face * np.float32(scale)
            held = self._next(small, box, held)
            if held.first:
                for _ in range(_SETTLING):
                    held = self._next(small, box, held)
            yield refined(picture, held.outline)

    def _next(self, small: Image, face: Box, before: _Held | None) -> _Held:
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)
        moved = None if before is None else moved_outline(before.grey, before.outline, grey)
        if before is None or moved is None:
            labels, rounds = self._first(small, face), _ROUNDS
            wall, person = np.zeros((1, 65)), np.zeros((1, 65))
        else:
            labels, rounds = self._following(small, face, moved), 1
            wall, person = before.wall.copy(), before.person.copy()
        if len(np.unique(labels & 1)) == 2:  # with nothing of either there is nothing to learn from
            cv2.setRNGSeed(1)  # GrabCut's clusters begin at random; the same clip must give the same matte
            nowhere = (0, 0, 1, 1)  # a rectangle must be given; with a mask it means nothing
            cv2.grabCut(small, labels, nowhere, wall, person, rounds, cv2.GC_INIT_WITH_MASK)
        solid = filled(one_piece(labels & np.uint8(1), face))
        outline = solid.astype(np.float32)
        if moved is not None:
            outline = np.float32(_NEWEST) * outline + np.float32(1 - _NEWEST) * moved
        return _Held(grey, outline, wall, person, first=moved is None)

    def _first(self, small: Image, face: Box) -> NDArray[np.uint8]:
        """Labels to begin with: the shape of a person, and what looks like the backdrop at the sides."""
        labels = seeds(small.shape[:2], face)
        lab = to_lab(small)
        known = lab[labels == cv2.GC_BGD]
        if len(known) > 200:
            sides = np.zeros(labels.shape, np.bool_)
            edge = max(3, round(0.05 * small.shape[1]))
            sides[:, :edge] = sides[:, -edge:] = True
            like = _distance(lab, known) < 11
            labels[sides & like & (labels != cv2.GC_FGD)] = cv2.GC_BGD
        if self.plain:
            _mark_wall(labels, _wall(small, face), face)
        return labels

    def _following(self, small: Image, face: Box, moved: Plane) -> NDArray[np.uint8]:
        """Labels from the outline before: open to change only in a band about it."""
        solid = (moved > 0.5).astype(np.uint8)
        square = np.ones((_BAND, _BAND), np.uint8)
        labels = np.where(solid > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
        labels[cv2.erode(solid, square, borderValue=1) > 0] = cv2.GC_FGD
        labels[cv2.dilate(solid, square) == 0] = cv2.GC_BGD
        if self.plain:
            wall = _wall(small, face)
            labels[wall & (labels != cv2.GC_FGD)] = cv2.GC_BGD
        return labels


class FlatMatter(CutMatter):
    """The same for a plain wall: what reaches the edge in the wall's own colour is the wall."""

    plain = True


def moved_outline(before: NDArray[np.uint8], outline: Plane, grey: NDArray[np.uint8]) -> Plane | None:
    """The outline before, carried to where `grey` shows it; None if that is another shot."""
    flow = cv2.calcOpticalFlowFarneback(grey, before, None, 0.5, 2, 11, 2, 5, 1.1, 0)  # type: ignore[call-overload]  # the stub wants a flow to begin with
    rows, columns = np.mgrid[: grey.shape[0], : grey.shape[1]].astype(np.float32)
    maps = columns + flow[..., 0], rows + flow[..., 1]
    carried = cv2.remap(before, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if float(cv2.absdiff(carried, grey).mean()) > _OTHER_SHOT:
        return None
    moved = cv2.remap(outline, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)


def _distance(lab: Plane, known: Plane) -> Plane:
    """How far each colour is from the nearest of the main colours of `known`, float32 (h, w)."""
    cv2.setRNGSeed(1)
    sample = known[:: max(1, len(known) // 3000)]
    _, _, centres = cv2.kmeans(sample, 8, None, (3, 15, 1.0), 2, cv2.KMEANS_PP_CENTERS)  # type: ignore[call-overload]  # the stub wants labels
    away = np.min([((lab - centre) ** 2).sum(axis=2) for centre in centres], axis=0)
    return np.asarray(np.sqrt(away), np.float32)


def _wall(small: Image, face: Box) -> NDArray[np.bool_]:
    """What hangs together with the picture's edge and has the wall's colour, shaded as the wall is shaded."""
    lab = to_lab(small)
    edge = rim(small.shape[:2], face)
    near = (np.linalg.norm(lab - surface(lab, edge), axis=2) < _NEAR).astype(np.uint8)
    count, labels = cv2.connectedComponents(near, connectivity=4)
    reached = np.zeros(count, np.bool_)
    reached[np.unique(labels[edge])] = True
    reached[0] = False
    # Not up to the outline itself: what is half wall, half hair there is for the cut to say.
    return cv2.erode(reached[labels].astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1) > 0


def _mark_wall(labels: NDArray[np.uint8], wall: NDArray[np.bool_], face: Box) -> None:
    """Write into `labels` that the wall is none of the person, and what is not wall probably is."""
    open_ = (labels != cv2.GC_FGD) & ~wall
    labels[open_ & (labels != cv2.GC_PR_FGD)] = cv2.GC_PR_FGD
    labels[wall & (labels != cv2.GC_FGD)] = cv2.GC_BGD
