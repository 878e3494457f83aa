"""Learn a template's mouth, once: its control points in every frame, whether it can be seen, and what shows
when it opens.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from core.engines.builtin.mesh import Mesh
from core.engines.builtin.mouth.drawn import drawn_inside, palette
from core.engines.builtin.mouth.move import Mouth
from core.engines.builtin.mouth.own import own_inside, own_tooth, shows_inside
from core.engines.builtin.mouth.paint import Inside
from core.engines.builtin.mouth.reading import Reading, read_lids, readings
from core.engines.builtin.mouth.shape import Rows, shape
from core.tracking.pose import Matrix, placed
from core.types import Arrays, FaceTrack, Image

UNIT = 16384
"""Control points are kept as whole parts of a face's width of this size: 0.02 pixels of a face 300 wide."""
_CHEEKS = ((50, 205, 101), (280, 425, 330))
_LOOKS = 5


def learn(track: FaceTrack, crops: Sequence[Image], mesh: Mesh, report: Callable[[int], None]) -> Arrays:
    """What `WarpedMouth.draw` needs of a template.

    points: int16 (frames, m, 2), control points in face coordinates times `UNIT`. turn: float32 (frames, 2,
    3), from half mouths to face coordinates. own: float32 (frames, 2), gap and width of the person's own.
    seen: float32 (frames,), how much of what is wanted to draw: 0 where no mouth can be seen; why: uint8
    (frames,), the reason (`visible`).
    look: int32 (frames,), which of the insides. teeth: uint8 (looks, h, w, 4). jaw: uint8 (looks, h, w, 3).
    Of a single picture also lids: see `life.lids`, in face coordinates.
    hang: float32 (looks, 4), `below_nose`, `gap`, `soft` and `colour` of each.
    """
    form = shape()
    count = len(track)
    points = np.zeros((count, len(form.numbers), 2), np.int16)
    turn, own = np.zeros((count, 2, 3), np.float32), np.zeros((count, 2), np.float32)
    seen, look = np.zeros(count, np.float32), np.zeros(count, np.int32)
    why = np.zeros(count, np.uint8)
    chosen: list[tuple[Reading, list[int]]] = []
    for reading in readings(track, crops, mesh, form, report):
        here = slice(reading.first, reading.first + len(reading))
        points[here] = np.clip(np.round(reading.points * UNIT), -32767, 32767)
        turn[here], own[here] = reading.turn, reading.own
        seen[here], why[here] = reading.seen, reading.why
        look[here] = len(chosen)
        chosen.append((reading, _frames(reading)))
    halves = [
        np.hypot(*(reading.turn[k] @ (0, 1, 0))) * np.hypot(*track.poses[reading.first + k, :, 0])
        for reading, frames in chosen
        for k in frames
    ]
    scale = int(np.clip(np.round(np.max(halves)), 24, 80)) if halves else 24
    insides = [_inside(track, crops, reading, frames, scale) for reading, frames in chosen]
    still: Arrays = {}
    if count == 1 and track.found[0]:
        still = {"lids": read_lids(mesh, crops[0], track.poses[0])}
    return {
        **still,
        "points": points,
        "turn": turn,
        "own": own,
        "seen": seen,
        "why": why,
        "look": look,
        "teeth": np.array([inside.teeth for inside in insides], np.uint8),
        "jaw": np.array([inside.jaw for inside in insides], np.uint8),
        "hang": np.array(
            [(inside.below_nose, inside.gap, inside.soft, inside.colour) for inside in insides], np.float32
        ).reshape(-1, 4),
    }


def mouth_at(learnt: Arrays, number: int, pose: Matrix) -> Mouth:
    """The mouth of frame `number`, in pixels of its crop; learnt: what `learn` gave."""
    at = placed(pose, learnt["points"][number].astype(np.float64) / UNIT)
    gap, width = learnt["own"][number].tolist()
    return Mouth(at, pose[:, :2] @ learnt["turn"][number].astype(np.float64), gap, width)


def _frames(reading: Reading) -> list[int]:
    """Frames of a stretch to take colours from, and first the one in which the mouth is open widest."""
    ahead = (
        reading.own[:, 0] - 0.5 * np.abs(reading.yaw - np.median(reading.yaw)) - 2.0 * (reading.seen < 0.5)
    )
    widest = int(np.argmax(np.minimum(ahead, 0.8)))
    some = np.unique(np.linspace(0, len(reading) - 1, min(len(reading), _LOOKS)).astype(int)).tolist()
    return [widest, *some]


def _inside(
    track: FaceTrack, crops: Sequence[Image], reading: Reading, frames: list[int], scale: int
) -> Inside:
    form = shape()
    mouths = [_mouth(track, reading, k) for k in frames]
    colours = [_colours(crops[reading.first + k], mouth) for k, mouth in zip(frames, mouths, strict=True)]
    lip, *cheeks = np.median(np.array(colours), axis=0)
    tooth = own_tooth(crops[reading.first + frames[0]], form, mouths[0])
    drawn = drawn_inside(palette(lip, np.array(cheeks), tooth), scale, _below_nose(reading), reading.soft)
    if not shows_inside(form, mouths[0]):
        return drawn
    return own_inside(crops[reading.first + frames[0]], form, mouths[0], drawn)


def _below_nose(reading: Reading) -> float:
    """How far below the nose's foot the upper lip's edge is when it hangs, in half mouths."""
    form = shape()
    edge = int(form.ring[0, 5])
    sure = reading.seen >= 0.5 if (reading.seen >= 0.5).any() else reading.seen >= 0
    calm = sure & (reading.own[:, 0] <= np.percentile(reading.own[sure, 0], 40))
    way = (reading.points[:, edge] - reading.points[:, form.nose])[calm] - reading.turn[
        calm, :, 2
    ] * form.behind_nose
    down = reading.turn[calm, :, 1]
    fallen = (way * down).sum(axis=1) / (down**2).sum(axis=1)
    return float(np.median(fallen - reading.own[calm, 0] * form.gap[edge, 1]))


def _mouth(track: FaceTrack, reading: Reading, k: int) -> Mouth:
    pose = track.poses[reading.first + k]
    gap, width = reading.own[k].tolist()
    return Mouth(placed(pose, reading.points[k]), pose[:, :2] @ reading.turn[k], gap, width)


def _colours(crop: Image, mouth: Mouth) -> Rows:
    """Colours of the lower lip and of both cheeks, the viewer's left one first, (3, 3) BGR."""
    form = shape()
    lip = mouth.points[form.lower[1:3, 2:7]].reshape(-1, 2)
    cheeks = [mouth.points[np.isin(form.numbers, cheek)] for cheek in _CHEEKS]
    soft = cv2.GaussianBlur(crop, (0, 0), max(0.5, 0.06 * mouth.half))
    side = np.array(crop.shape[1::-1]) - 1
    found = []
    for at in (lip, *cheeks):
        x, y = np.clip(np.round(at), 0, side).astype(int).T
        found.append(np.median(soft[y, x], axis=0))
    return np.array(found, np.float64)
