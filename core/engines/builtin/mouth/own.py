"""Take the inside of a person's mouth from a frame that shows it: what hangs on the skull above the darkest
height of the opening, what moves with the jaw below it.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from core.engines.builtin.mouth.move import Mouth
from core.engines.builtin.mouth.paint import HALF_WIDTH, Inside, skull_edge, to_inside
from core.engines.builtin.mouth.shape import Rows, Shape
from core.types import Image

_LEAST = 0.19
"""Least opening, in half mouths, that is worth looking into."""


_GLIMPSE, _PIXELS, _LIGHTER = 0.06, 12, 1.25
"""Least opening in half mouths, and least pixels of it, in which teeth are told, and how much lighter than
the lips they are."""


def shows_inside(shape: Shape, mouth: Mouth) -> bool:
    """Whether the mouth is open far enough to be looked into, and not at one place alone."""
    upper, lower = mouth.points[shape.ring[:, 1:-1]]
    return float(np.median(np.hypot(*(lower - upper).T))) >= _LEAST * mouth.half


def own_tooth(picture: Image, shape: Shape, mouth: Mouth) -> Rows | None:
    """The colour of the teeth between lips that are too little open to be looked into, BGR (3,); None where
    nothing lighter than the lips shows."""
    if mouth.gap < _GLIMPSE:
        return None
    ring = mouth.points[shape.ring]
    lips = np.concatenate([ring[0], ring[1][::-1]])
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(lips * 16).astype(np.int32)], 1, shift=4)
    x, y = np.clip(np.round(mouth.points[shape.lower[1:3, 2:7]].reshape(-1, 2)), 0, None).astype(int).T
    between = picture[mask > 0].astype(np.float64)
    if len(between) < _PIXELS or x.max() >= picture.shape[1] or y.max() >= picture.shape[0]:
        return None
    light = between.mean(axis=1)
    tooth: Rows = np.median(between[light >= np.percentile(light, 75)], axis=0)
    return tooth if tooth.mean() > _LIGHTER * picture[y, x].mean() else None


def own_inside(picture: Image, shape: Shape, mouth: Mouth, drawn: Inside) -> Inside:
    """The inside of `mouth` in `picture`, as large as the pictures of `drawn`, which fills in what of the jaw
    is not seen."""
    height, width = drawn.jaw.shape[:2]
    scale = width / (2 * HALF_WIDTH)
    edge = skull_edge(shape, mouth, drawn.below_nose)
    low = mouth.points[shape.ring[1, 5]]
    teeth, jaw = (_looked_into(picture, shape, mouth, hangs, scale, (width, height)) for hangs in (edge, low))
    light = cv2.cvtColor(teeth[0], cv2.COLOR_BGR2Lab)[..., 0].astype(np.float32)
    split = _split(light, teeth[1])
    v = np.arange(height, dtype=np.float32)[:, None]
    soft = max(1.0, 0.05 * scale)
    fade = np.clip((split - v) / soft + 0.5, 0, 1)
    # The same height in the jaw's picture: it hangs lower by as much as the lips are apart.
    apart = float((np.linalg.inv(mouth.turn[:, :2]) @ (low - edge))[1]) * scale
    shown = np.clip((v - (split - apart)) / soft + 0.5, 0, 1) * jaw[1]
    filled = cv2.GaussianBlur(_spread(jaw[0], jaw[1] * (shown > 0)), (0, 0), 0.6)
    whole = drawn.jaw.astype(np.float32)
    if split < (teeth[1][:, width // 2] > 0).nonzero()[0].max(initial=0) - 0.04 * scale:
        dark = np.median(
            teeth[0][max(0, int(split) - 1) : int(split) + 2, width // 3 : 2 * width // 3], axis=(0, 1)
        )
        above = np.clip((split - apart - v) / soft + 0.5, 0, 1)[..., None]
        whole = filled + above * (dark.astype(np.float32) - filled)
    opaque = fade * 255 * np.ones((1, width), np.float32)
    upper = np.dstack([_spread(teeth[0], teeth[1]), opaque])
    return Inside(_bytes(upper), _bytes(whole), drawn.below_nose, mouth.gap, drawn.soft, drawn.colour)


def _looked_into(
    picture: Image, shape: Shape, mouth: Mouth, hangs: Rows, scale: float, size: tuple[int, int]
) -> tuple[Image, NDArray[np.float32]]:
    """The mouth as it would hang at v = 0, and where it is inside, float32 0 or 1."""
    matrix = to_inside(mouth.turn, hangs, scale)
    laid = cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    flat = np.asarray(laid, np.uint8)
    ring = np.concatenate([mouth.points[shape.ring[0]], mouth.points[shape.ring[1]][::-1]])
    mask = np.zeros((size[1], size[0]), np.uint8)
    cv2.fillPoly(mask, [np.round((ring @ matrix[:, :2].T + matrix[:, 2]) * 16).astype(np.int32)], 1, shift=4)
    grown = max(1, round(0.05 * scale)) * 2 + 1
    inside = cv2.erode(mask, np.ones((grown, 3), np.uint8))
    return flat, inside.astype(np.float32)


def _split(light: NDArray[np.float32], mask: NDArray[np.float32]) -> float:
    """The row at which the upper teeth end: the darkest of the opening's middle, else its lower edge."""
    middle = slice(int(0.38 * mask.shape[1]), int(0.62 * mask.shape[1]))
    weight = mask[:, middle].sum(axis=1)
    rows = np.flatnonzero(weight > 0.5 * weight.max(initial=0)) if weight.any() else np.zeros(0, int)
    if len(rows) < 4:
        return float(rows.max(initial=mask.shape[0] // 2))
    line = (light[:, middle] * mask[:, middle]).sum(axis=1) / np.maximum(weight, 1e-6)
    inner = rows[len(rows) // 5 : -max(1, len(rows) // 12)]
    darkest = int(inner[np.argmin(line[inner])])
    if line[darkest] < 0.75 * line[rows].max():
        return float(darkest)
    return float(rows[-1])


def _spread(picture: Image, mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """The picture with what lies outside of `mask` filled from within, getting darker outwards."""
    hole = (mask < 0.5).astype(np.uint8)
    if hole.all():
        return picture.astype(np.float32)
    away, labels = cv2.distanceTransformWithLabels(hole, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    inside = hole == 0
    colours = np.zeros((int(labels.max()) + 1, 3), np.float32)
    colours[labels[inside]] = cv2.GaussianBlur(picture, (0, 0), 1.0)[inside]
    far = np.clip(away / (0.25 * mask.shape[1]), 0, 1)[..., None]
    filled = colours[labels] * (1 - 0.6 * far)
    spread: NDArray[np.float32] = np.where(hole[..., None] > 0, filled, picture.astype(np.float32))
    return spread


def _bytes(picture: NDArray[np.float32]) -> NDArray[np.uint8]:
    whole: NDArray[np.uint8] = np.clip(picture + np.float32(0.5), 0, 255).astype(np.uint8)
    return whole
