"""What makes a mask a person: one piece that holds the face; and where a person before a camera may be."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from core.engines.builtin.matte.backdrop import Box
from core.protocols import Matte

_SPECK = 0.004
"""A hole smaller than this share of the picture is a fault of the mask, not a gap one sees through."""

_MARGIN = 5
"""Soft edges reach this far out of the solid piece, in pixels of a mask 256 wide."""


def attached(alpha: Matte, face: Box) -> Matte:
    """`alpha` without the pieces that do not hang together with the face.

    Returns it unchanged if nothing in `face` is solid.
    """
    scale = min(1.0, 256 / max(alpha.shape))
    size = (max(1, round(alpha.shape[1] * scale)), max(1, round(alpha.shape[0] * scale)))
    small = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
    solid = (small > 100).astype(np.uint8)
    count, labels = cv2.connectedComponents(solid, connectivity=8)
    if count <= 2:
        return alpha
    own = _piece(labels, count, face * np.float32(scale))
    if own == 0:
        return alpha
    keep = cv2.dilate((labels == own).astype(np.uint8), _disc(_MARGIN))
    if not ((small > 8) & (keep == 0)).any():
        return alpha
    wide = cv2.resize(keep * np.uint8(255), alpha.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.multiply(alpha, wide, scale=1 / 255), np.uint8)


def filled(solid: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A mask of 0 and 1 with its small holes closed; gaps that reach the edge of the picture stay."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(1 - solid, connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < _SPECK * solid.size
    rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    small[np.unique(rim)] = False
    small[0] = False
    return np.asarray(solid | small.astype(np.uint8)[labels], np.uint8)


def one_piece(solid: NDArray[np.uint8], face: Box) -> NDArray[np.uint8]:
    """The part of a mask of 0 and 1 that hangs together with the face; the largest if none does."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    if count <= 2:
        return solid
    own = _piece(labels, count, face) or int(1 + stats[1:, cv2.CC_STAT_AREA].argmax())
    return np.asarray(labels == own, np.uint8)


def seeds(shape: tuple[int, int], face: Box) -> NDArray[np.uint8]:
    """What to expect around a face, as GrabCut's labels: head and trunk surely person, far off surely not."""
    height, width = shape
    x, y, w, h = (float(value) for value in face)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    across, down = columns - (x + w / 2), rows - y
    below = np.clip((down - 1.05 * h) / (1.2 * h), 0, 1)

    def oval(wide: float, high: float, middle: float) -> NDArray[np.bool_]:
        inside: NDArray[np.bool_] = (across / (wide * w)) ** 2 + ((down - middle * h) / (high * h)) ** 2 < 1
        return inside

    labels = np.full(shape, cv2.GC_PR_BGD, np.uint8)
    # Rather too narrow than too wide: a cut grows into what looks alike, but what is taken for the person
    # to begin with teaches it the background's colours.
    body = (down > 0.85 * h) & (np.abs(across) < (0.40 + 0.95 * below**0.8) * w)
    labels[body | oval(0.62, 0.85, 0.38)] = cv2.GC_PR_FGD
    trunk = (down > 1.35 * h) & (np.abs(across) < (0.35 + 0.55 * below) * w)
    labels[oval(0.42, 0.60, 0.50) | trunk] = cv2.GC_FGD
    labels[~oval(1.9, 1.65, 0.35) & (down < h)] = cv2.GC_BGD
    labels[down < -1.3 * h] = cv2.GC_BGD
    edge = max(2, round(0.02 * width))
    beside = (columns < edge) | (columns >= width - edge)
    labels[beside & (down < 1.3 * h)] = cv2.GC_BGD
    return labels


def _piece(labels: NDArray[Any], count: int, face: Box) -> int:
    """The label that most of the face has; 0 if none."""
    x, y, w, h = (round(float(value)) for value in face)
    inside = labels[max(0, y) : y + h, max(0, x) : x + w]
    votes = np.bincount(inside.ravel(), minlength=count)
    votes[0] = 0
    return int(votes.argmax()) if votes.any() else 0


def _disc(radius: int) -> NDArray[np.uint8]:
    return np.asarray(
        cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), np.uint8
    )
