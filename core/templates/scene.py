"""Put a picture behind a person: bring it to size, soften and tone it, and lay the person over it.

Pure pictures: knows no clips, engines or files. Colours are BGR.
"""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from core.types import Image

Plane = NDArray[np.float32]
Levels = NDArray[np.uint8]
"""uint8 (h, w): how much of a pixel is the person, 0 none, 255 all."""

Fitting = Literal["cover", "contain", "stretch"]

VERSION = "1"
"""Raise it when the same picture and person would give another result."""

_ROOM = 1.08
"""How much larger than the frame a picture is that the view wanders over."""

_NEARER, _MOST_LIGHT, _MOST_COLOUR = 0.35, 12.0, 6.0
"""Share of the way, and at most how far (CIE Lab), that a picture's light goes towards the person's."""

_WRAP = 0.18
"""Share of the background's light on the outermost rim of the person."""

_SPILL = 1.35
"""A backdrop throws its colour on hair and shoulders if one channel is so many times the next one."""


@dataclass(frozen=True, slots=True)
class Ground:
    """A background, ready for a clip.

    colour: float32 (h, w, 3), 0 ... 255, of the frame's size or, for one that wanders, larger. share: float32
    (h, w, 1), how much of it hides what was there before, or None if it hides all.
    """

    colour: Plane
    share: Plane | None = None

    def at(self, place: float, width: int, height: int) -> "Ground":
        """What is seen of it from `place`, 0 (left) to 1 (right)."""
        spare = self.colour.shape[1] - width
        if not spare:
            return self
        move = np.array([[1, 0, -spare * place], [0, 1, 0]], np.float32)
        colour = np.asarray(cv2.warpAffine(self.colour, move, (width, height)), np.float32)
        if self.share is None:
            return Ground(colour)
        share = np.asarray(cv2.warpAffine(self.share, move, (width, height)), np.float32)
        return Ground(colour, share[..., None])


def fitted(
    picture: Levels,
    width: int,
    height: int,
    *,
    fit: Fitting = "cover",
    focus: tuple[float, float] = (0.5, 0.5),
    blur: float = 0.0,
    wander: bool = False,
) -> Ground:
    """`picture`, uint8 (h, w, 4) BGRA, as the background of frames of this size.

    fit: cover cuts off what is too much, keeping `focus` (x, y, each 0 ... 1) as near the middle as it can;
        contain shows all of it before a blurred enlargement of itself; stretch bends it.
    blur: 0 sharp, 1 as far out of focus as a portrait lens makes it. wander: leaves room for `Ground.at`.
    """
    wide = round(width * _ROOM) if wander else width
    if fit == "stretch":
        shown = _resized(picture, wide, height)
    elif fit == "contain":
        shown = _contained(picture, wide, height)
    else:
        shown = _covering(picture, wide, height, focus)
    pixels = shown.astype(np.float32)
    if blur > 0:
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), blur * min(width, height) / 32), np.float32)
    share = pixels[..., 3:] / np.float32(255)
    opaque = bool((picture[..., 3] == 255).all())
    return Ground(np.ascontiguousarray(pixels[..., :3]), None if opaque else np.ascontiguousarray(share))


def toned(ground: Ground, frame: Image, matte: Levels) -> Ground:
    """`ground` with its brightness and colour brought some way towards those of the person in `frame`."""
    person = cv2.resize(frame, (96, 96), interpolation=cv2.INTER_AREA)[
        cv2.resize(matte, (96, 96), interpolation=cv2.INTER_AREA) > 230
    ]
    if len(person) < 50:
        return ground
    lab = cv2.cvtColor(ground.colour / np.float32(255), cv2.COLOR_BGR2Lab)
    seen = cv2.cvtColor(person[None].astype(np.float32) / np.float32(255), cv2.COLOR_BGR2Lab)[0]
    # The lighter half: skin and shirt say how much light there is, a black suit does not.
    lit = seen[seen[:, 0] >= np.median(seen[:, 0])].mean(axis=0)
    most = np.array([_MOST_LIGHT, _MOST_COLOUR, _MOST_COLOUR], np.float32)
    step = np.clip(_NEARER * (lit - lab.mean(axis=(0, 1))), -most, most)
    lab = lab + step.astype(np.float32)
    lab[..., 0] = np.clip(lab[..., 0], 0, 100)
    colour = np.clip(cv2.cvtColor(lab, cv2.COLOR_Lab2BGR), 0, 1) * np.float32(255)
    return Ground(np.asarray(colour, np.float32), ground.share)


def layered(frame: Image, matte: Levels, ground: Ground, *, wrap: bool = True) -> Image:
    """The person of `frame` before `ground` (of the frame's size), a new picture.

    wrap: lets a little of the background's light round the person's edge, as a lens does.
    """
    alpha = (matte.astype(np.float32) / np.float32(255))[..., None]
    near = _near_edge(alpha)
    person = lifted(frame, alpha, near)
    behind = ground.colour
    if wrap:
        light = np.float32(_WRAP) * near * alpha
        person = person + light * (behind - person)
    out = person + (1 - alpha) * behind
    if ground.share is not None:
        out = ground.share * out + (1 - ground.share) * frame
    return np.asarray(np.clip(out + np.float32(0.5), 0, 255), np.uint8)


def cut_out(frame: Image, matte: Levels) -> Levels:
    """The person alone, uint8 (h, w, 4) BGRA, colours not multiplied with alpha.

    Beyond the edge the colours go on, so that scaling and compression find no dark rim there.
    """
    alpha = (matte.astype(np.float32) / np.float32(255))[..., None]
    person = lifted(frame, alpha, _near_edge(alpha))
    small = (max(1, frame.shape[1] // 4), max(1, frame.shape[0] // 4))
    spread = cv2.GaussianBlur(cv2.resize(np.dstack([person, alpha]), small), (0, 0), 4)
    around = cv2.resize(spread[..., :3] / (spread[..., 3:] + np.float32(1e-3)), frame.shape[1::-1])
    solid = np.clip(alpha * 8, 0, 1)
    colour = solid * person / np.maximum(alpha, np.float32(1 / 255)) + (1 - solid) * around
    return np.dstack([np.clip(colour + np.float32(0.5), 0, 255).astype(np.uint8), matte])


def to_jpeg(picture: Image, longest: int = 640) -> bytes:
    """`picture` as a JPEG, its longer side `longest` pixels at most."""
    scale = min(1.0, longest / max(picture.shape[:2]))
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return bytes(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 88])[1])


def lifted(frame: Image, alpha: Plane, near: Plane) -> Plane:
    """The person's part in every pixel of `frame`, float32 (h, w, 3), multiplied with `alpha` (h, w, 1).

    What shines through hair is taken out: the backdrop is known from beside it. So is the light that a
    strongly coloured backdrop throws on the edge (`near`, 0 ... 1).
    """
    plate, colour = _plate(frame, alpha)
    person = np.clip(frame - (1 - alpha) * plate, 0, 255 * alpha)
    order = np.argsort(colour)
    if colour[order[2]] > _SPILL * max(20.0, float(colour[order[1]])):
        strong, others = int(order[2]), [int(order[0]), int(order[1])]
        limit = np.maximum(person[..., others[0]], person[..., others[1]])
        excess = np.maximum(0, person[..., strong] - limit)
        person[..., strong] -= near[..., 0] * excess
    return np.asarray(person, np.float32)


def _near_edge(alpha: Plane) -> Plane:
    """How near the backdrop is, 1 at the person's edge, falling to 0 within, float32 (h, w, 1)."""
    size = alpha.shape[1::-1]
    small = cv2.resize(alpha, (max(1, size[0] // 4), max(1, size[1] // 4)), interpolation=cv2.INTER_AREA)
    far = cv2.GaussianBlur(small, (0, 0), max(0.5, min(size) / 4 / 80), borderType=cv2.BORDER_REPLICATE)
    wide = cv2.resize(far, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.clip(3 * (1 - wide), 0, 1), np.float32)[..., None]


def _plate(frame: Image, alpha: Plane) -> tuple[Plane, NDArray[np.float32]]:
    """What the backdrop is like near every place, float32 (h, w, 3), and its mean colour (3,)."""
    size = frame.shape[1::-1]
    small = (max(1, size[0] // 4), max(1, size[1] // 4))
    clear = (alpha < np.float32(0.02)).astype(np.float32)
    weight = cv2.resize(clear, small, interpolation=cv2.INTER_AREA)[..., None]
    colours = cv2.resize(frame * clear, small, interpolation=cv2.INTER_AREA)
    total = float(weight.sum())
    mean = colours.sum(axis=(0, 1)) / np.float32(max(total, 1.0))
    radius = max(1.0, max(small) / 60)
    least = np.float32(1e-3)
    near = cv2.GaussianBlur(colours, (0, 0), radius) + least * mean
    plate = near / (cv2.GaussianBlur(weight, (0, 0), radius)[..., None] + least)
    return np.asarray(cv2.resize(plate, size, interpolation=cv2.INTER_LINEAR), np.float32), mean


def _resized(picture: Levels, width: int, height: int) -> Levels:
    shrinks = width * height < picture.shape[0] * picture.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (width, height), interpolation=how), np.uint8)


def _covering(picture: Levels, width: int, height: int, focus: tuple[float, float]) -> Levels:
    high, wide = picture.shape[:2]
    scale = max(width / wide, height / high)
    part_wide, part_high = min(wide, round(width / scale)), min(high, round(height / scale))
    left = round(min(max(focus[0] * wide - part_wide / 2, 0), wide - part_wide))
    top = round(min(max(focus[1] * high - part_high / 2, 0), high - part_high))
    part = picture[top : top + max(1, part_high), left : left + max(1, part_wide)]
    return _resized(part, width, height)


def _contained(picture: Levels, width: int, height: int) -> Levels:
    high, wide = picture.shape[:2]
    scale = min(width / wide, height / high)
    inner = _resized(picture, max(1, round(wide * scale)), max(1, round(high * scale)))
    around = _covering(picture, width, height, (0.5, 0.5))
    out = np.asarray(cv2.GaussianBlur(around, (0, 0), min(width, height) / 16), np.uint8)
    top, left = (height - inner.shape[0]) // 2, (width - inner.shape[1]) // 2
    out[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return out
