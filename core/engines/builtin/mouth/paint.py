"""Draw a mouth anew in a picture: fetch the face's lower half from where it was, and show what is inside."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from core.engines.builtin.mouth.move import Field, Mouth, Plane, aimed, field_of, taken
from core.engines.builtin.mouth.shape import Rows, Shape
from core.types import Image

HALF_WIDTH, UP, DOWN = 1.2, 1.0, 1.0
"""The pictures of the inside span u in [-1.2, 1.2] and v in [-1, 1] from the edge of the lip at rest that
they hang on: the upper for the teeth, the lower for the jaw."""
_BEHIND = 0.16
"""How much lower than the lip the jaw's picture hangs, for each half mouth less open than it was."""
_DARK, _LIGHT = 0.10, 0.26
"""Gap up to which no teeth show, and from which on they are as light as they are."""
_WARM = np.array([1.8, 1.55, 1.0], np.float32)
"""How much faster than red the other colours, BGR, fade where less light gets in: it comes off
lips and gums."""
_LINE = 0.045
"""How wide the dark line between lips that touch is, in half mouths."""
_FOLD = 0.85
"""How dark lips are where they are rolled in."""
_SEALED = (0.015, 0.05)
"""Own gap from which on what is between the lips is covered, and from which on wholly."""
_SHUT, _OPEN = 0.015, 0.07
"""Gap up to which nothing shows between the lips, and from which on all does."""


@dataclass(frozen=True, slots=True)
class Inside:
    """What shows in an open mouth. teeth: uint8 (h, w, 4), what hangs on the skull, the fourth channel how
    opaque it is. jaw: uint8 (h, w, 3), what moves with the jaw, all opaque. below_nose: how far below the
    nose's foot the teeth hang, in half mouths. gap: of the mouth that it was taken from, 0 if it is drawn.
    soft: how blurred the picture is, in half mouths. colour: how colourful it is, 0 grey to 1.
    """

    teeth: NDArray[np.uint8]
    jaw: Image
    below_nose: float
    gap: float
    soft: float
    colour: float

    @property
    def fades(self) -> NDArray[np.float32]:
        """By which power of the light each colour, BGR, fades where less light gets in."""
        return np.float32(1) + np.float32(self.colour) * (_WARM - np.float32(1))


def redraw(
    picture: Image,
    out: Image,
    shape: Shape,
    mouth: Mouth,
    inside: Inside,
    gap: float,
    width: float,
    seen: float = 1.0,
) -> None:
    """Write `picture` with its mouth open by `gap` and wider by `width` into `out`, where anything moves.

    picture, out: uint8 (h, w, 3), not the same memory; `out` holds the picture already.
    gap: 0 (shut) to about 1.1. width: about -0.4 to 0.25. seen: how opaque what is painted is.
    """
    target = aimed(shape, mouth, gap, width)
    field = field_of(shape, mouth, taken(shape, mouth), target)
    height, wide = picture.shape[:2]
    rows, columns = field.x.shape
    # Beyond the grid's outer points there is nothing to interpolate: their columns would be drawn twice.
    rim = field.step // 2
    left, top = max(0, field.left + rim), max(0, field.top + rim)
    right = min(wide, field.left + columns * field.step - rim)
    bottom = min(height, field.top + rows * field.step - rim)
    if right - left < 2 or bottom - top < 2:
        return
    near = np.s_[top - field.top : bottom - field.top, left - field.left : right - field.left]
    planes = (field.x, field.y, field.away_x, field.away_y, field.under, field.soft)
    x, y, away_x, away_y, under, soft = (fine(plane, field.step)[near] for plane in planes)
    share = np.clip(under / soft + np.float32(0.5), 0, 1)
    x = x + share * away_x
    y = y + share * away_y
    free = _free((left, top, right, bottom), (wide, height), mouth.half)
    if free is not None:
        here_x = np.arange(left, right, dtype=np.float32)
        here_y = np.arange(top, bottom, dtype=np.float32)[:, None]
        x, y = here_x + free * (x - here_x), here_y + free * (y - here_y)
    part = out[top:bottom, left:right]
    if mouth.gap > _SEALED[0]:
        picture = _sealed(picture, shape, mouth, inside.soft, seen)
    cv2.remap(picture, x, y, cv2.INTER_LINEAR, dst=part, borderMode=cv2.BORDER_REFLECT_101)
    if gap > _SHUT or mouth.gap > _SEALED[0]:
        _show(out, shape, mouth, field, target, inside, gap, seen)


def _sealed(picture: Image, shape: Shape, mouth: Mouth, soft: float, seen: float) -> Image:
    """The picture with what is between the lips in the lips' own colour: nothing light is left on lips that
    are shut over it. soft: see `Inside`."""
    ring = mouth.points[shape.ring]
    outline = np.concatenate([ring[0], ring[1][::-1]])
    reach = max(2, round(0.22 * mouth.half))
    x0, y0 = np.maximum(np.floor(outline.min(axis=0)).astype(int) - 2 * reach, 0).tolist()
    x1, y1 = np.minimum(np.ceil(outline.max(axis=0)).astype(int) + 2 * reach, picture.shape[1::-1]).tolist()
    if x1 - x0 < 3 or y1 - y0 < 3:
        return picture
    hole = np.zeros((y1 - y0, x1 - x0), np.uint8)
    cv2.fillPoly(hole, [np.round((outline - (x0, y0)) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    grown = max(1, round((0.03 + soft) * mouth.half))
    wide = cv2.dilate(hole, np.ones((2 * grown + 1, 2 * grown + 1), np.uint8))
    fades = 2 * max(1, round(soft * mouth.half)) + 1
    share = cv2.blur(wide, (fades, fades)).astype(np.float32)[..., None] / np.float32(255)
    part = picture[y0:y1, x0:x1].astype(np.float32)
    size = (2 * reach + 1, 2 * reach + 1)
    red = np.zeros(hole.shape, np.uint8)
    rim = np.concatenate([shape.upper[0], shape.lower[0][::-1]])
    cv2.fillPoly(red, [np.round((mouth.points[rim] - (x0, y0)) * 16).astype(np.int32)], 255, shift=4)
    # Not of the hole's rim, which has some of what is inside, nor of the red's, which has some of the skin.
    off = max(1, round(0.07 * mouth.half))
    own = cv2.erode(red, np.ones((2 * off + 1, 1), np.uint8))
    own[cv2.dilate(hole, np.ones((2 * off + 1, 1), np.uint8)) > 0] = 0
    lip = own.astype(np.float32)[..., None] / np.float32(255)
    lip += (1 - share) * (red.astype(np.float32)[..., None] * np.float32(0.1 / 255) + np.float32(0.001))
    lips = cv2.blur(part * lip, size) / (cv2.blur(lip, size)[..., None] + np.float32(1e-6))
    lips *= np.float32(_FOLD)
    share *= np.float32(seen * np.clip((mouth.gap - _SEALED[0]) / (_SEALED[1] - _SEALED[0]), 0.0, 1.0))
    sealed = picture.copy()
    np.copyto(sealed[y0:y1, x0:x1], part + share * (lips - part) + np.float32(0.5), casting="unsafe")
    return sealed


def fine(plane: Plane, step: int) -> Plane:
    """The plane at every pixel: each point of the grid is the middle of `step` x `step` of them."""
    size = (plane.shape[1] * step, plane.shape[0] * step)
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _free(box: tuple[int, int, int, int], size: tuple[int, int], half: float) -> Plane | None:
    """How freely the pixels of a box may move: not at all at the picture's border, beyond which somebody else
    paints. None if the box lies well inside."""
    left, top, right, bottom = box
    reach = 0.5 * half
    if min(left, top, size[0] - right, size[1] - bottom) > reach:
        return None
    x, y = np.arange(left, right, dtype=np.float32), np.arange(top, bottom, dtype=np.float32)
    across = np.clip(np.minimum(x, size[0] - 1 - x) / np.float32(reach), 0, 1)
    down = np.clip(np.minimum(y, size[1] - 1 - y) / np.float32(reach), 0, 1)
    return (down[:, None] * across).astype(np.float32)


def skull_edge(shape: Shape, mouth: Mouth, below_nose: float) -> Rows:
    """Where the teeth hang, in pixels: by the nose's foot, for the lips move and teeth do not."""
    edge: Rows = mouth.points[shape.nose] + mouth.turn @ np.array([0, below_nose, shape.behind_nose])
    return edge


def _show(
    out: Image,
    shape: Shape,
    mouth: Mouth,
    field: Field,
    target: Rows,
    inside: Inside,
    gap: float,
    seen: float,
) -> None:
    """Paint what is between the lips, and the shade that they throw."""
    ring = target[shape.ring].reshape(-1, 2)
    soft = inside.soft * mouth.half
    rim = 3 + math.ceil(2 * soft)
    x0, y0 = (int(v) for v in np.maximum(np.floor(ring.min(axis=0)) - rim, 0))
    x1, y1 = (int(v) for v in np.minimum(np.ceil(ring.max(axis=0)) + rim + 1, out.shape[1::-1]))
    part = out[y0:y1, x0:x1]
    if not part.size:
        return
    step, left, top = field.step, field.left, field.top
    columns = slice(max(0, (x0 - left) // step - 1), (x1 - left) // step + 2)
    rows = slice(max(0, (y0 - top) // step - 1), (y1 - top) // step + 2)
    dx, dy = x0 - left - columns.start * step, y0 - top - rows.start * step
    if dx < 0 or dy < 0:
        return
    upper, lower, along = (
        fine(plane[rows, columns], step)[dy : dy + y1 - y0, dx : dx + x1 - x0]
        for plane in (field.upper, field.lower, field.along)
    )
    part = part[: upper.shape[0], : upper.shape[1]]
    half = np.float32(mouth.half)
    open_here = _covered(upper) - _covered(lower)
    if soft > 0.5:
        open_here = np.asarray(cv2.GaussianBlur(open_here, (0, 0), soft), np.float32)
    shown = float(np.clip((gap - _SHUT) / (_OPEN - _SHUT), 0, 1))
    open_here *= np.float32(seen * shown)
    base = part.astype(np.float32)
    if shown < 1 and mouth.gap > _SEALED[0]:
        line = _seam(upper, lower, along, half, inside.soft, seen * (1 - shown) * min(1.0, mouth.gap / 0.1))
        base *= line[..., None] ** inside.fades
    if shown > 0:
        inner = _inner(part.shape, shape, mouth, target, inside, gap, x0, y0)
        inner *= _shade(upper, lower, half, gap)[..., None] ** inside.fades
        base += open_here[..., None] * (inner - base)
    np.copyto(part, base + np.float32(0.5), casting="unsafe")


def _inner(
    size: tuple[int, ...],
    shape: Shape,
    mouth: Mouth,
    target: Rows,
    inside: Inside,
    gap: float,
    left: int,
    top: int,
) -> NDArray[np.float32]:
    """What is inside, over the whole of a part of the picture that begins at (left, top)."""
    scale = inside.jaw.shape[1] / (2 * HALF_WIDTH)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    border = cv2.BORDER_REPLICATE

    def fetched(drawn: NDArray[np.uint8], hangs_at: Rows) -> NDArray[np.float32]:
        matrix = to_inside(mouth.turn, hangs_at - (left, top), scale)
        shown = cv2.warpAffine(drawn, matrix, (size[1], size[0]), flags=flags, borderMode=border)
        return shown.astype(np.float32)

    # The less a mouth is open, the more of the lower teeth is behind the lip.
    behind = mouth.turn[:, 1] * (_BEHIND * max(0.0, inside.gap - gap))
    jaw = fetched(inside.jaw, target[shape.ring[1, 5]] + behind)
    teeth = fetched(inside.teeth, skull_edge(shape, mouth, inside.below_nose))
    # A slit is dark: teeth come into the light with the gap.
    shown = np.float32(np.clip((gap - _DARK) / (_LIGHT - _DARK), 0.0, 1.0) / 255)
    jaw *= np.float32(0.12 + 0.88 * np.clip((gap - _DARK) / (1.4 * _LIGHT - _DARK), 0.0, 1.0))
    jaw += (teeth[..., 3:] * shown) * (teeth[..., :3] - jaw)
    return jaw


def to_inside(turn: Rows, hangs_at: Rows, scale: float) -> Rows:
    """From pixels of a picture to those of a picture of the inside, whose v = 0 hangs at `hangs_at`."""
    back = np.linalg.inv(turn[:, :2]) * scale
    shift = np.array([HALF_WIDTH * scale - 0.5, UP * scale - 0.5]) - back @ hangs_at
    return np.column_stack([back, shift])


def _shade(upper: Plane, lower: Plane, half: np.float32, gap: float) -> Plane:
    """How much light gets in: little under the upper lip, in the corners, and into a mouth hardly open."""
    lip = np.clip(upper / (np.float32(0.07) * half), 0, 1)
    low = np.clip(-lower / (np.float32(0.05) * half), 0, 1)
    corner = np.clip((upper - lower) / (np.float32(0.55 * gap) * half), 0, 1)
    light = np.float32(0.6 + 0.4 * min(1.0, gap / 0.3))
    shade = light * (np.float32(0.5) + np.float32(0.5) * lip) * (np.float32(0.75) + np.float32(0.25) * low)
    shaded: Plane = (shade * (np.float32(0.4) + np.float32(0.6) * corner)).astype(np.float32)
    return shaded


def _seam(upper: Plane, lower: Plane, along: Plane, half: np.float32, soft: float, strength: float) -> Plane:
    """The light on the dark line between lips that touch; `upper` and `lower` fall together there."""
    wide = math.hypot(_LINE, 1.4 * soft)
    strength *= _LINE / wide
    off = np.minimum(np.abs(upper), np.abs(lower)) / (np.float32(wide) * half)
    ends = np.clip((np.float32(1.0) - np.abs(along)) / np.float32(0.2), 0, 1)
    light: Plane = 1 - np.float32(0.42 * strength) * ends * np.exp(-off * off)
    return light


def _covered(pixels: Plane) -> Plane:
    """How much of a pixel lies beyond an edge that is so many pixels away, in a sharp picture."""
    share: Plane = np.clip(pixels * np.float32(1 / 1.6) + np.float32(0.5), 0, 1)
    return share
