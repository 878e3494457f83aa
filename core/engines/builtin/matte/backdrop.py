"""What a person stands before: one strong colour, a plain wall, or anything. Decides how it is cut away.

Looks only at the edge of a picture, above the shoulders: nearly all of that is backdrop, whoever it is.
"""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from core.types import Image

Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]
Box = NDArray[np.float32]
"""float32 (4,): x, y, width and height of a face, in pixels."""

Kind = Literal["key", "flat", "busy"]

_SIDE = 160
"""Pictures are looked at this small."""

_STRONG, _ONE_HUE = 30.0, 0.93
"""A key colour has at least this much chroma (CIE Lab), on at least this share of the edge."""

_PLAIN, _MOSTLY = 6.0, 0.8
"""A plain wall stays this near (Lab units) to a smooth surface, on at least this share of the edge."""


@dataclass(frozen=True, slots=True)
class Backdrop:
    """kind: how to cut it away. colour: its median, BGR float32 (3,), 0 ... 255. share: of the edge that
    agrees with the kind.
    """

    kind: Kind
    colour: NDArray[np.float32]
    share: float


def measure(picture: Image, face: Box) -> Backdrop:
    """The backdrop of `picture`, a person whose face is at `face`."""
    small, scale = shrunk(picture, _SIDE)
    lab = to_lab(small)
    edge = rim(small.shape[:2], face * np.float32(scale))
    seen = lab[edge]
    middle = np.median(seen, axis=0)
    colour = np.median(small[edge], axis=0).astype(np.float32)
    hue = _one_hue(seen, middle)
    if np.hypot(*middle[1:]) > _STRONG and hue > _ONE_HUE:
        return Backdrop("key", colour, hue)
    near = np.linalg.norm(lab - surface(lab, edge), axis=2)[edge] < _PLAIN
    plain = float(near.mean())
    return Backdrop("flat" if plain > _MOSTLY else "busy", colour, plain)


def shrunk(picture: Image, side: int) -> tuple[Image, float]:
    """`picture` with a longer side of at most `side`, and by what factor it was made smaller."""
    scale = min(1.0, side / max(picture.shape[:2]))
    if scale == 1.0:
        return picture, 1.0
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8), scale


def to_lab(picture: Image) -> Plane:
    """CIE Lab, float32 (h, w, 3), slightly blurred so that noise counts for little."""
    lab = cv2.cvtColor(picture.astype(np.float32) / np.float32(255), cv2.COLOR_BGR2Lab)
    return np.asarray(cv2.GaussianBlur(lab, (0, 0), 0.8), np.float32)


def rim(shape: tuple[int, int], face: Box) -> Mask:
    """The edge of a picture where a person hardly ever is: the top, and the sides above the elbows."""
    height, width = shape
    thick = max(2, round(0.06 * min(shape)))
    rows, columns = np.mgrid[:height, :width]
    x, y, w, h = (float(value) for value in face)
    sides = ((columns < thick) | (columns >= width - thick)) & (rows < min(0.75 * height, y + 1.1 * h))
    head = (columns > x - 0.6 * w) & (columns < x + 1.6 * w) & (rows > y - 0.55 * h)
    edge: Mask = ((rows < thick) | sides) & ~head
    if not edge.any():
        edge = rows < thick  # a face as wide as the picture
    return edge


def surface(lab: Plane, where: Mask) -> Plane:
    """The quadratic surface through `lab` (h, w, 3) at `where`, over the whole picture.

    Fitted three times, each without what was far from the one before: a wall, whatever hangs on it.
    """
    height, width = lab.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    terms = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=-1)
    known, values = terms[where], lab[where]
    ridge = 1e-3 * len(known) * np.eye(terms.shape[-1], dtype=np.float32)
    ridge[0, 0] = 0  # without ends to hold it, a parabola runs away; its height is free
    weights = np.ones(len(known), np.float32)
    fitted = np.empty_like(lab)
    for _ in range(3):
        weighted = known * weights[:, None]
        factors = np.linalg.solve(weighted.T @ known + ridge, weighted.T @ values)
        off = np.linalg.norm(known @ factors - values, axis=1)
        weights = (off < max(_PLAIN, 1.5 * float(np.median(off)))).astype(np.float32)
        fitted = terms @ factors
    return fitted


def _one_hue(seen: Plane, middle: NDArray[np.float32]) -> float:
    """Share of colours `seen` whose hue is that of `middle` and whose strength is at least half of it."""
    strength = float(np.hypot(middle[1], middle[2]))
    if strength < 1:
        return 0.0
    along = (seen[:, 1] * middle[1] + seen[:, 2] * middle[2]) / strength**2
    across = np.abs(seen[:, 1] * middle[2] - seen[:, 2] * middle[1]) / strength**2
    return float(((along > 0.5) & (across < 0.3)).mean())
