"""Turn a coarse outline into a matte: how much of each pixel along it is person.

In a narrow band both colours are known from what lies to either side, and a pixel is a mixture of them; where
they are too much alike to tell, the picture's own edges say where the line runs (guided filter, He, Sun and
Tang, ECCV 2010, by box filters).
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from core.engines.builtin.matte.backdrop import Plane, shrunk
from core.protocols import Matte
from core.types import Image

_SIDE = 640
"""Edges are found in a picture at most this large and enlarged from there."""

_WIDTH = 0.012
"""Half the band's width, as a share of the longer side: hair reaches about so far."""

_ALIKE, _APART = 14.0, 45.0
"""Distance (levels) of the two colours up to which a mixture cannot be told, and from which it can."""


def refined(picture: Image, outline: Plane) -> Matte:
    """The matte of `picture`, uint8 of its size. outline: float32, coarse, of any size, 0 ... 1."""
    height, width = picture.shape[:2]
    small, _ = shrunk(picture, _SIDE)
    size = (small.shape[1], small.shape[0])
    coarse = cv2.GaussianBlur(outline, (0, 0), 0.8)
    soft = np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR), np.float32)
    radius = max(2, round(_WIDTH * max(size)))
    alpha = _guided(np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.float32), soft, radius)
    alpha = _mixed(small.astype(np.float32), soft, alpha, radius)
    levels: Matte = np.clip(alpha * 255 + np.float32(0.5), 0, 255).astype(np.uint8)
    if size != (width, height):
        levels = np.asarray(cv2.resize(levels, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    return levels


def _guided(grey: Plane, soft: Plane, radius: int) -> Plane:
    """`soft` with its edge moved onto the edge in `grey`."""
    light = grey / np.float32(255)
    mean, means = _mean(light, radius), _mean(soft, radius)
    steep = (_mean(light * soft, radius) - mean * means) / (_mean(light * light, radius) - mean * mean + 5e-4)
    found = _mean(steep, radius) * light + _mean(means - steep * mean, radius)
    return np.asarray(np.clip((found - 0.1) / 0.8, 0, 1), np.float32)


def _mixed(picture: Plane, soft: Plane, otherwise: Plane, radius: int) -> Plane:
    """The share of person that makes a pixel's colour out of those to either side of the band."""
    square = np.ones((radius, radius), np.uint8)
    inside = np.asarray(cv2.erode((soft > 0.9).astype(np.uint8), square), np.float32)
    outside = np.asarray(cv2.erode((soft < 0.1).astype(np.uint8), square), np.float32)
    person, wall = _near(picture, inside, 2 * radius), _near(picture, outside, 2 * radius)
    apart = person - wall
    length = np.einsum("ijk,ijk->ij", apart, apart)
    share = np.einsum("ijk,ijk->ij", picture - wall, apart) / np.maximum(length, np.float32(1))
    sure = np.clip((np.sqrt(length) - _ALIKE) / (_APART - _ALIKE), 0, 1)
    alpha = sure * np.clip(share, 0, 1) + (1 - sure) * otherwise
    alpha = np.maximum(alpha, inside)
    return np.asarray(alpha * (1 - outside), np.float32)


def _near(picture: Plane, where: Plane, radius: int) -> Plane:
    """The mean colour at `where` near each place."""
    total = _mean(picture * where[..., None], radius)
    return np.asarray(total / (_mean(where, radius)[..., None] + np.float32(1e-4)), np.float32)


def _mean(plane: NDArray[np.floating], radius: int) -> Plane:
    side = (2 * radius + 1, 2 * radius + 1)
    return np.asarray(
        cv2.boxFilter(np.asarray(plane, np.float32), -1, side, borderType=cv2.BORDER_REFLECT), np.float32
    )
