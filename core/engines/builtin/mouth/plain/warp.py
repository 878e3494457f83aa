"""Open a mouth in a picture: fetch lips, jaw and chin from where they were, and show what is inside."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from core.engines.builtin.mouth.plain.field import Field, Mouth, Plane, anchored, field_of
from core.engines.builtin.mouth.plain.inside import HALF_WIDTH, UP
from core.types import Image


@dataclass(frozen=True, slots=True)
class Inside:
    """What shows in an open mouth (see `inside`); no teeth where the template shows its own."""

    teeth: NDArray[np.uint8] | None
    jaw: Image


def open_mouth(picture: Image, out: Image, mouth: Mouth, inside: Inside, gap: float, width: float) -> None:
    """Write `picture` with its mouth opened by `gap` and widened by `width` into `out`, where anything moves.

    picture, out: uint8 (h, w, 3), not the same memory; `out` holds the picture already.
    gap: -0.5 ... 1.1; below zero the lower lip is pressed up. width: about -0.3 ... 0.15.
    """
    field = field_of(mouth, gap, width)
    height, wide = picture.shape[:2]
    rows, columns = field.x.shape
    # Beyond the grid's outer points there is nothing to interpolate: their columns would be drawn twice.
    rim = field.step // 2
    outer = field.left + rim, field.top + rim
    end = field.left + columns * field.step - rim, field.top + rows * field.step - rim
    left, top = max(0, outer[0]), max(0, outer[1])
    right, bottom = min(wide, end[0]), min(height, end[1])
    if right <= left or bottom <= top:
        return
    if (left, top, right, bottom) != (*outer, *end):
        field = anchored(field, wide, height, mouth.half)
    near = np.s_[top - field.top : bottom - field.top, left - field.left : right - field.left]
    x, y, apart = (_fine(plane, field.step)[near] for plane in (field.x, field.y, field.apart))
    # The layers part in the middle of the opening, under what is drawn there; or, pressed, at the lip's edge.
    edge = field.upper + field.lower if gap > 0 else field.lower
    apart = apart * _covered(_fine(edge, field.step)[near])
    x = x - np.float32(np.sin(mouth.angle)) * apart
    y = y + np.float32(np.cos(mouth.angle)) * apart
    part = out[top:bottom, left:right]
    cv2.remap(picture, x, y, cv2.INTER_LINEAR, dst=part, borderMode=cv2.BORDER_REFLECT_101)
    if gap > 0:
        _show_inside(out, field, mouth, inside, gap)


def _show_inside(out: Image, field: Field, mouth: Mouth, inside: Inside, gap: float) -> None:
    """Paint what is between the lips, and the shade that they throw."""
    step = field.step
    between = (field.upper > -step) & (field.lower < step) & (field.upper - field.lower > np.float32(0.3))
    rows, columns = np.flatnonzero(between.any(axis=1)), np.flatnonzero(between.any(axis=0))
    if not len(rows):
        return
    r0, r1, c0, c1 = max(0, rows[0] - 1), rows[-1] + 2, max(0, columns[0] - 1), columns[-1] + 2
    upper, lower = (_fine(plane[r0:r1, c0:c1], step) for plane in (field.upper, field.lower))
    left, top = field.left + step * int(c0), field.top + step * int(r0)
    x0, y0 = max(0, -left), max(0, -top)
    part = out[top + y0 : top + upper.shape[0], left + x0 : left + upper.shape[1]]
    upper = upper[y0 : y0 + part.shape[0], x0 : x0 + part.shape[1]]
    lower = lower[y0 : y0 + part.shape[0], x0 : x0 + part.shape[1]]
    if not part.size:
        return
    half = np.float32(mouth.half)
    if inside.teeth is not None:  # a sliver of lower lip may stick to the upper layer: hide it
        share = np.clip((upper - lower) / (np.float32(0.4 * gap) * half), 0, 1)
        upper = upper + np.float32(0.04 * min(1.0, gap / 0.1)) * half * share
    open_here = _covered(upper) - _covered(lower)
    inner = _inner(part.shape, mouth, inside, gap, left + x0, top + y0)
    inner *= _shade(upper, lower, half, gap)[..., None]
    # A soft dark seam where the lower lip turns inwards gives it depth.
    seam = np.maximum(1 - np.abs(lower) / (np.float32(0.09) * half), 0)
    seam *= np.float32(0.24 * min(1.0, gap / 0.2)) * np.clip(
        (upper - lower) / (np.float32(0.3 * gap) * half), 0, 1
    )
    base = part.astype(np.float32)
    base += open_here[..., None] * (inner - base)
    base *= (1 - seam)[..., None]
    np.copyto(part, base + np.float32(0.5), casting="unsafe")


def _inner(
    shape: tuple[int, ...], mouth: Mouth, inside: Inside, gap: float, left: int, top: int
) -> NDArray[np.float32]:
    """What is inside, over the whole of a part of the picture that begins at (left, top)."""
    size = (shape[1], shape[0])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    jaw = cv2.warpAffine(
        inside.jaw,
        _to_inside(mouth, inside, mouth.c0 + gap, left, top),
        size,
        flags=flags,
        borderMode=cv2.BORDER_REPLICATE,
    ).astype(np.float32)
    shown = np.float32(min(0.95, gap / 0.14 - 0.35) / 255)
    if inside.teeth is None or shown <= 0:
        return jaw
    teeth = cv2.warpAffine(inside.teeth, _to_inside(mouth, inside, mouth.c0, left, top), size, flags=flags)
    jaw += (teeth[..., 3:] * shown) * (teeth[..., :3] - jaw)
    return jaw


def _to_inside(mouth: Mouth, inside: Inside, v0: float, left: int, top: int) -> NDArray[np.float64]:
    """From pixels of that part to pixels of the pictures in `inside`, their v = 0 lying at `v0`."""
    scale = inside.jaw.shape[1] / (2 * HALF_WIDTH)
    c, s = np.cos(mouth.angle) * scale / mouth.half, np.sin(mouth.angle) * scale / mouth.half
    dx, dy = left - mouth.x, top - mouth.y
    return np.array(
        [
            [c, s, c * dx + s * dy + HALF_WIDTH * scale - 0.5],
            [-s, c, -s * dx + c * dy + (UP - v0) * scale - 0.5],
        ]
    )


def _shade(upper: Plane, lower: Plane, half: np.float32, gap: float) -> Plane:
    """How much light gets in: little under the upper lip, in the corners, and into a mouth hardly open."""
    lip = np.clip(upper / (np.float32(0.09) * half), 0, 1)
    corner = np.clip((upper - lower) / (np.float32(0.7 * gap) * half), 0, 1)
    light = np.float32(0.72 + 0.28 * min(1.0, gap / 0.3))
    lip, corner = np.float32(0.55) + np.float32(0.45) * lip, np.float32(0.55) + np.float32(0.45) * corner
    shade: Plane = light * lip * corner
    return shade


def _covered(pixels: Plane) -> Plane:
    """How much of a pixel lies beyond an edge that is so many pixels away; a little soft."""
    share: Plane = np.clip(pixels * np.float32(1 / 1.6) + np.float32(0.5), 0, 1)
    return share


def _fine(plane: Plane, step: int) -> Plane:
    """The plane at every pixel: each point of the grid is the middle of `step` x `step` of them."""
    size = (plane.shape[1] * step, plane.shape[0] * step)
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR), np.float32)
