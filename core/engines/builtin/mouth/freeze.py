"""Still the mouth of a template whose speaker talks himself: paste its most closed mouth over every frame.

The pasted mouth follows the face by similarities, and its colours follow the frame's at low frequencies.
Good while the head stays within some 15 degrees of where the mouth was taken from; further off the paste is
faded out and the template's own mouth shows.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from core.engines.builtin.mouth.path import Rows, every_frame, steady
from core.tracking.pose import Matrix, chained, inverse, parts
from core.types import Arrays, FaceTrack, Image

_SIDE, _UP, _DOWN = 1.75, 1.0, 1.75
"""Half axes of what is pasted, in half mouth widths."""
_FAR, _TOO_FAR = 0.05, 0.11
"""How far the mouth may have moved within the face, in face widths, before the paste fades, and is gone."""
_STEPS = 6
"""Points to half a mouth at which mask and colours are worked out."""


def frozen(
    track: FaceTrack, crops: Sequence[Image], at: NDArray[np.intp], spots: Rows, rest: NDArray[np.float64]
) -> tuple[int, Arrays]:
    """Choose the mouth to paste: the number of its measurement, and what `paste` needs of it.

    at: frames measured; spots: the mouth there, (n, 4) x, y, angle, half in face coordinates; rest: (n,) how
    far the lips were apart.
    """
    place = parts(track.poses[at])
    place[:, :2] = (place[:, :2] + track.corners[at]) / np.exp(place[:, 2:3])
    strange = np.abs(place - np.median(place, axis=0)) @ np.array([1.0, 1.0, 0.5, 0.9])
    moved = steady(spots[:, :2], at, 5, 1.5)
    moved = np.abs(moved - np.median(moved, axis=0)).sum(axis=1)
    ajar = steady(rest[:, None], at, 3, 1.0)[:, 0]
    best = int(np.argmin(ajar + 0.25 * strange + 2.0 * moved))
    slow = steady(spots[:, :2], at, 15, 6.0)
    shift = every_frame(slow - slow[best], at, len(track))
    source = int(at[best])
    carry = chained(track.poses, inverse(track.poses[source]))
    carry[:, :, 2] += np.einsum("nij,nj->ni", track.poses[:, :, :2], shift)
    weight = 1 - np.clip((np.hypot(*shift.T) - _FAR) / (_TOO_FAR - _FAR), 0, 1)
    return best, {"reference": crops[source].copy(), "carry": carry, "weight": weight.astype(np.float32)}


def paste(
    crop: Image, out: Image, reference: Image, carry: Matrix, mouth: NDArray[np.float32], weight: float
) -> None:
    """Paste the mouth of `reference` over `out`, which holds `crop`.

    carry: (2, 3), from pixels of the reference to pixels of the crop. mouth: (4,), where it comes to lie:
    centre, half width, angle. weight: how opaque.
    """
    x, y, half, angle = (float(value) for value in mouth)
    reach = 1.15 * max(_SIDE, _DOWN) * half
    left, top = (max(0, int(c - reach)) for c in (x, y))
    right, bottom = min(crop.shape[1], int(x + reach) + 1), min(crop.shape[0], int(y + reach) + 1)
    if right - left < 8 or bottom - top < 8 or weight <= 0:
        return
    here = carry.copy()
    here[:, 2] -= left, top
    size = (right - left, bottom - top)
    new: Image = cv2.warpAffine(reference, here, size, borderMode=cv2.BORDER_REFLECT_101)  # type: ignore[assignment]  # uint8
    old = crop[top:bottom, left:right]
    mask, tint = _blend(old, new, (x - left, y - top), half, angle)
    base = old.astype(np.float32)
    mixed = base + (mask * np.float32(weight))[..., None] * (new + tint - base)
    np.copyto(out[top:bottom, left:right], np.clip(mixed + np.float32(0.5), 0, 255), casting="unsafe")


def _blend(
    old: Image, new: Image, centre: tuple[float, float], half: float, angle: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How opaque the paste is, (h, w), and what to add to its colours, (h, w, 3)."""
    height, width = old.shape[:2]
    step = max(1.0, half / _STEPS)
    size = (max(2, round(width / step)), max(2, round(height / step)))
    dx = ((np.arange(size[0]) + 0.5) * (width / size[0]) - 0.5 - centre[0]) / half
    dy = (((np.arange(size[1]) + 0.5) * (height / size[1])) - 0.5 - centre[1])[:, None] / half
    c, s = np.cos(angle), np.sin(angle)
    u, v = c * dx + s * dy, -s * dx + c * dy
    far = np.hypot(u / _SIDE, v / np.where(v < 0, _UP, _DOWN))
    mask = np.clip((1 - far) / 0.30, 0, 1)
    mask = mask * mask * (3 - 2 * mask)
    rim = ((far > 0.70) & (far < 1.05)).astype(np.float32)
    was, now = (
        cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32) for picture in (old, new)
    )
    spread = 0.8 * half / step
    total = cv2.GaussianBlur((was - now) * rim[..., None], (0, 0), spread)
    tint = np.clip(total / (cv2.GaussianBlur(rim, (0, 0), spread)[..., None] + np.float32(1e-3)), -40, 40)
    fine = [cv2.resize(plane.astype(np.float32), (width, height)) for plane in (mask, tint)]
    return fine[0], fine[1]
