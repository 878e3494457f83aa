"""Make a picture of a person live: it blinks, sways a little and breathes.

All of it is a function of the frame's number and of a seed, so frames come out the same however they are
grouped. The picture's border stays where it is: beyond it somebody else paints.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from core.engines.builtin.mesh import Points
from core.tracking.pose import Matrix, parts, placed
from core.types import Image

Rows = NDArray[np.float64]

LIDS = (
    ((33, 246, 161, 160, 159, 158, 157, 173, 133), (33, 7, 163, 144, 145, 153, 154, 155, 133)),
    ((362, 398, 384, 385, 386, 387, 388, 466, 263), (362, 382, 381, 380, 374, 373, 390, 249, 263)),
)
"""The edges of the upper and the lower lid of each eye, from corner to corner, in the mesh."""

_EVERY_S = 4.0
"""There is one blink in each stretch of so many seconds."""
_SHUTS_S, _STAYS_S, _OPENS_S = 0.07, 0.05, 0.11
_SKIN = 0.5
"""How much skin above an eye goes down with the lid, in half eye widths."""
_OPEN = 0.12
"""Lids that are not further apart, in half eye widths, are shut already."""
_SWAY, _SHIFT, _BREATH = np.radians(0.45), 0.004, 0.004
"""Most that a head turns about the neck, and goes sideways and up and down, in radians and face widths."""
_NECK = np.array([[0.5, 1.45]])
_RIM = 0.2
"""Share of the picture's side at its border over which motion comes to rest."""


def lids(points: Points) -> NDArray[np.float32]:
    """The lids of a face's landmarks (468, 3): float32 (2, 2, 9, 2), eye, upper and lower, x and y."""
    return np.asarray(points[np.array(LIDS), :2], np.float32)


def enliven(picture: Image, edges: NDArray[np.generic], pose: Matrix, moment: float, seed: int) -> Image:
    """The picture at `moment` seconds: a new array.

    edges: what `lids` gives, in face coordinates. pose: from those to pixels.
    """
    out = picture.copy()
    shut = _shut(moment, seed)
    if shut > 0:
        for eye in edges.astype(np.float64):
            _blink(picture, out, placed(pose, eye[0]), placed(pose, eye[1]), shut)
    return _swayed(out, pose, moment, seed)


def _shut(moment: float, seed: int) -> float:
    """How far the eyes are shut, 0 ... 1."""
    cell = int(moment // _EVERY_S)
    begins = np.random.default_rng([seed, cell]).uniform(0.6, _EVERY_S - 0.4)
    since = moment - cell * _EVERY_S - begins
    opening = 1 - (since - _SHUTS_S - _STAYS_S) / _OPENS_S
    t = float(np.clip(min(since / _SHUTS_S, opening), 0, 1))
    return t * t * (3 - 2 * t)


def _blink(picture: Image, out: Image, upper: Rows, lower: Rows, shut: float) -> None:
    """Draw one eye's upper lid further down, out of the skin above it."""
    middle = (upper[0] + upper[-1]) / 2
    along = (upper[-1] - upper[0]) / 2
    half = float(np.hypot(*along))
    if half < 3:
        return
    axes = np.array([along / half, (-along[1] / half, along[0] / half)])
    up, low = ((edge - middle) @ axes.T / half for edge in (upper, lower))
    if (low[4, 1] - up[4, 1]) < _OPEN:
        return
    reach = 1.5 * half
    x0, y0 = np.maximum(np.floor(middle - reach), 0).astype(int).tolist()
    x1, y1 = np.minimum(np.ceil(middle + reach) + 1, picture.shape[1::-1]).astype(int).tolist()
    if x1 - x0 < 3 or y1 - y0 < 3:
        return
    at = np.stack(np.meshgrid(np.arange(x0, x1), np.arange(y0, y1)), axis=-1) - middle
    u, v = np.moveaxis(at @ axes.T / half, 2, 0)
    lid = np.interp(u, up[:, 0], up[:, 1])
    drop = np.maximum(np.interp(u, low[:, 0], low[:, 1]) - lid, 0) * shut * (np.abs(u) < 1)
    top = lid - _SKIN
    share = np.clip((v - top) / (_SKIN + drop), 0, 1)
    back = np.where(share < 1, drop * share, 0)
    x = np.arange(x0, x1) - axes[1, 0] * back * half
    y = np.arange(y0, y1)[:, None] - axes[1, 1] * back * half
    part = out[y0:y1, x0:x1]
    cv2.remap(
        picture,
        x.astype(np.float32),
        y.astype(np.float32),
        cv2.INTER_LINEAR,
        dst=part,
        borderMode=cv2.BORDER_REPLICATE,
    )


def _swayed(picture: Image, pose: Matrix, moment: float, seed: int) -> Image:
    """The head turned about the neck and shifted by a little."""
    phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, 4)
    waves = np.sin(2 * np.pi * moment / np.array([6.1, 3.7, 5.3, 3.9]) + phases)
    angle = _SWAY * (0.7 * waves[0] + 0.3 * waves[1])
    side = float(np.exp(parts(pose)[2]))
    shift = side * np.array([_SHIFT * waves[2], _BREATH * waves[3]])
    neck = placed(pose, _NECK)[0]
    height, width = picture.shape[:2]
    step = 8  # it is smooth: a coarse grid will do
    x = step * np.arange(-(-width // step)) + (step - 1) / 2
    y = (step * np.arange(-(-height // step)) + (step - 1) / 2)[:, None]
    reach = _RIM * min(width, height)
    free = np.clip((np.minimum(x, width - 1 - x) - step) / reach, 0, 1)
    free = free * np.clip((np.minimum(y, height - 1 - y) - step) / reach, 0, 1)
    free = free * free * (3 - 2 * free)
    dx = free * (angle * (y - neck[1]) - shift[0])
    dy = free * (-angle * (x - neck[0]) - shift[1])
    size = step * len(x), step * len(y)
    fine_x, fine_y = (
        cv2.resize(plane.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)[:height, :width]
        for plane in (dx, dy)
    )
    there_x = fine_x + np.arange(width, dtype=np.float32)
    there_y = fine_y + np.arange(height, dtype=np.float32)[:, None]
    moved = cv2.remap(picture, there_x, there_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)
