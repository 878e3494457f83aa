"""Cut a person off a key colour: a green, blue or any other strong wall, evenly lit or not.

A vector keyer: along the key's hue a picture is a mixture of wall and person, in proportion, so the share of
wall can be read off it. What is of another hue is person, however colourful.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from core.engines.builtin.matte.backdrop import Box, Mask, Plane, measure
from core.engines.builtin.matte.shape import attached
from core.errors import BadInput
from core.protocols import Matte
from core.types import Image

_PERSON, _WALL = 0.18, 0.82
"""Shares of wall up to which all is person (light of the wall lies on skin), and from which all is wall."""

_MOST = 0.6
"""Share of wall that is believed of a person's own clothes, at most."""

_SURE = 0.7
"""Share of wall from which a place is wall beyond doubt."""

_REACH = 6
"""How far from the wall hair and blurred edges may let it through, in pixels of a picture 256 wide."""

_OFF_HUE = 1.2
"""How much of the wall's share a deviation in hue takes away."""


class KeyMatter:
    """`core.protocols.Matting` for key colours."""

    version = "1"

    def mattes(self, pictures: Iterable[Image], faces: Sequence[Box]) -> Iterator[Matte]:
        """See `Matting`. Raises BadInput `no_key_colour` if the first picture's edge has none."""
        key: Plane | None = None
        for picture, face in zip(pictures, faces, strict=False):
            if key is None:
                backdrop = measure(picture, face)
                if backdrop.kind != "key":
                    raise BadInput(
                        "no_key_colour",
                        "the edge of the picture is not of one strong colour; choose matte auto or selfie",
                        "matte",
                    )
                key = _chroma(backdrop.colour.reshape(1, 1, 3).astype(np.uint8))[0, 0]
            yield _matte(picture, face, key)


def _matte(picture: Image, face: Box, key: Plane) -> Matte:
    chroma = _chroma(picture)
    length = float(np.hypot(*key))
    # (along the key, across it) by one matrix, so that one pass over the picture does it.
    turn = np.array([[key[0], key[1]], [key[1], -key[0]]], np.float32) / np.float32(length)
    turned = cv2.transform(chroma, turn)
    along, across = _plane(turned[..., 0]), np.abs(_plane(turned[..., 1]))
    wall = _plane((along - np.float32(_OFF_HUE) * across) / _strength(along, across, length))
    far = _far_from(wall)
    own = _own_share(wall, far)
    alpha = np.clip((np.float32(_WALL) - wall) / (np.float32(_WALL) - own), 0, 1)
    alpha[far] = 1
    return attached((alpha * 255 + np.float32(0.5)).astype(np.uint8), face)


def _far_from(wall: Plane) -> Mask:
    """Where no wall is near: there a tint of it is clothing, or light that it throws."""
    scale = min(1.0, 256 / max(wall.shape))
    size = (max(1, round(wall.shape[1] * scale)), max(1, round(wall.shape[0] * scale)))
    sure = (cv2.resize(wall, size, interpolation=cv2.INTER_AREA) > _SURE).astype(np.uint8)
    # A speck of wall in the middle of a person is a button.
    opened = cv2.morphologyEx(sure, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    near = cv2.dilate(opened, np.ones((2 * _REACH + 1, 2 * _REACH + 1), np.uint8))
    far: Mask = cv2.resize(near, wall.shape[::-1], interpolation=cv2.INTER_NEAREST) == 0
    return far


def _own_share(wall: Plane, far: Mask) -> Plane:
    """How much of the wall's colour the person has herself near each place, by what she has well inside."""
    height, width = wall.shape
    size = (max(1, width // 8), max(1, height // 8))
    inside = cv2.resize(far.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    share = cv2.resize(np.where(far, np.clip(wall, _PERSON, _MOST), 0), size, interpolation=cv2.INTER_AREA)
    radius = max(size) / 40
    total = cv2.GaussianBlur(share, (0, 0), radius) + np.float32(1e-3 * _PERSON)
    own = total / (cv2.GaussianBlur(inside, (0, 0), radius) + np.float32(1e-3))
    return np.asarray(cv2.resize(own, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _strength(along: Plane, across: Plane, length: float) -> Plane:
    """How strong the wall's colour is in each place, float32 (h, w): lamps seldom light it evenly.

    The mean of what is surely wall nearby; behind the person, of what is around.
    """
    height, width = along.shape
    size = (max(1, width // 8), max(1, height // 8))
    small = cv2.resize(along, size, interpolation=cv2.INTER_AREA)
    off = cv2.resize(across, size, interpolation=cv2.INTER_AREA)
    sure = ((small > 0.45 * length) & (off < 0.25 * small)).astype(np.float32)
    # A little of the whole everywhere, so that no place is without an answer.
    total = float((small * sure).sum()), float(sure.sum())
    least = np.float32(1e-3)
    mean = np.float32(total[0] / total[1] if total[1] else length)
    radius = max(size) / 24
    near = cv2.GaussianBlur(small * sure, (0, 0), radius) + least * mean
    local = near / (cv2.GaussianBlur(sure, (0, 0), radius) + least)
    return np.asarray(cv2.resize(local, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _plane(values: NDArray[Any]) -> Plane:
    return np.ascontiguousarray(values, np.float32)


def _chroma(picture: Image) -> Plane:
    """Colour without brightness, float32 (h, w, 2): Cr and Cb, in which mixtures lie on straight lines."""
    mixed = cv2.cvtColor(picture, cv2.COLOR_BGR2YCrCb)
    return mixed[..., 1:].astype(np.float32) - np.float32(128)
