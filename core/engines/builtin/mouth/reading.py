"""Read the mouth off every frame of a template: where its control points are, how the head is turned, how far
the mouth is open itself. Each stretch of one shot is on its own: nothing is smoothed or carried across a cut.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from core.engines.builtin.life import lids
from core.engines.builtin.mesh import (
    CORNERS,
    LOWER_LIP,
    STEADY,
    SURE,
    UPPER_LIP,
    Mesh,
    Points,
    Region,
    region_of,
)
from core.engines.builtin.mouth.edges import edge_offsets
from core.engines.builtin.mouth.move import Mouth
from core.engines.builtin.mouth.shape import Rows, Shape, canonical
from core.engines.builtin.mouth.visible import Glance, glance, how_seen, softness
from core.tracking.pose import Matrix, inverse, placed
from core.types import FaceTrack, Image

_FACE = Region(0.5, 0.55, 1.55, 0.0)
"""What the network is shown of a face it has not seen yet, in face coordinates."""
_AGAIN, _LARGER = 25, 1.25
"""One in so many frames is read again, in a square so much larger: see `visible`."""
_SHUT = 0.05
"""Most that lips which are shut are read as open, in half mouths."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A stretch of frames [first, first + n), all with the face, all of one shot.

    points: float64 (n, m, 2), control points in face coordinates; lips that are shut meet.
    turn: float64 (n, 2, 3), from half mouths of a face that looks ahead to face coordinates.
    own: float64 (n, 2), how far the mouth is open and wider than at rest.
    score: float64 (n,), how sure it is that there is a face. yaw: (n,) radians, 0 is straight ahead.
    seen: float64 (n,), how much of the motion may be drawn; why: uint8 (n,), why not more (`visible`).
    soft: how blurred the picture is at the lips, in half mouths.
    """

    first: int
    points: Rows
    turn: Rows
    own: Rows
    score: Rows
    yaw: Rows
    seen: Rows
    why: NDArray[np.uint8]
    soft: float

    def __len__(self) -> int:
        return len(self.score)


def stretches(track: FaceTrack) -> list[tuple[int, int]]:
    """Runs `[start, stop)` of frames with the face, none across a cut."""
    shots = np.zeros(len(track), np.int32) if track.shots is None else track.shots
    breaks = (np.diff(track.found.astype(np.int8)) != 0) | (np.diff(shots) != 0)
    edges = [0, *(np.flatnonzero(breaks) + 1).tolist(), len(track)]
    return [(a, b) for a, b in pairwise(edges) if b > a and track.found[a]]


def readings(
    track: FaceTrack, crops: Sequence[Image], mesh: Mesh, shape: Shape, report: Callable[[int], None]
) -> Iterator[Reading]:
    """Yield what is read off each stretch of `track`, in order."""
    for start, stop in stretches(track):
        kept = np.union1d(shape.numbers, STEADY)
        raw, score = np.zeros((stop - start, len(kept), 3)), np.zeros(stop - start)
        edges = np.zeros((stop - start, 2, 11))
        astray: list[float] = []
        glances: list[Glance] = []
        region = None
        for k, frame in enumerate(range(start, stop)):
            pose = track.poses[frame]
            points, score[k] = _read(mesh, crops[frame], pose, region)
            if score[k] >= SURE:
                region = _kept(region, region_of(points))
            raw[k] = points[kept]
            at = placed(pose, points[shape.numbers, :2])
            head, _ = _aligned(points[None, list(STEADY)])
            half = float(np.linalg.norm(points[CORNERS[1]] - points[CORNERS[0]])) / 2
            if k % _AGAIN == 0:
                astray.append(_astray(mesh, crops[frame], pose, points, half))
            mouth = Mouth(at, half * pose[:, :2] @ head[0, :2], 0.0, 0.0)
            edges[k] = edge_offsets(crops[frame], at, mouth.half, shape)
            glances.append(glance(crops[frame], shape, mouth))
            report(frame + 1)
        yield _settled(start, raw, edges, glances, score, float(np.percentile(astray, 25)), kept, shape)


def read_lids(mesh: Mesh, crop: Image, pose: Matrix) -> NDArray[np.float32]:
    """The lids of the face in a crop, in face coordinates; see `life.lids`."""
    return lids(_read(mesh, crop, pose, None)[0])


def _read(mesh: Mesh, crop: Image, pose: Matrix, region: Region | None) -> tuple[Points, float]:
    """Points in face coordinates. region: where to look, in face coordinates; None: not known yet."""
    points, score = _in_face(mesh, crop, pose, region or _FACE)
    if region is None and score >= SURE:
        points, score = _in_face(mesh, crop, pose, region_of(points))
    return points, score


def _in_face(mesh: Mesh, crop: Image, pose: Matrix, region: Region) -> tuple[Points, float]:
    side = float(np.hypot(pose[0, 0], pose[1, 0]))
    x, y = placed(pose, np.array([[region.x, region.y]]))[0].tolist()
    roll = float(np.arctan2(pose[1, 0], pose[0, 0]))
    points, score = mesh.read(crop, Region(x, y, region.side * side, region.angle + roll))
    flat = placed(inverse(pose), points[:, :2])
    return np.column_stack([flat, points[:, 2] / side]), score


def _astray(mesh: Mesh, crop: Image, pose: Matrix, points: Points, half: float) -> float:
    """How far from where `points` have the mouth a larger square has it, in half mouths: far where it is not
    a face, or not as people's are."""
    region = region_of(points)
    again, _ = _in_face(mesh, crop, pose, Region(region.x, region.y, region.side * _LARGER, region.angle))
    mouth = [*CORNERS, UPPER_LIP, LOWER_LIP]
    return float(np.linalg.norm((again - points)[mouth, :2].mean(axis=0))) / max(half, 1e-6)


def _kept(before: Region | None, now: Region) -> Region:
    """Where to look next: slowly, for every pixel that the square jumps moves the points a little."""
    if before is None or abs(now.x - before.x) + abs(now.y - before.y) > 0.2:
        return now
    k = 0.25
    return Region(
        before.x + k * (now.x - before.x),
        before.y + k * (now.y - before.y),
        before.side + k * (now.side - before.side),
        before.angle + k * (now.angle - before.angle),
    )


def _settled(
    first: int,
    raw: Points,
    edges: Rows,
    glances: list[Glance],
    score: Rows,
    astray: float,
    kept: NDArray[np.intp],
    shape: Shape,
) -> Reading:
    known = np.flatnonzero(score >= SURE)
    if len(known) and len(known) < len(score):  # where nothing was read: as it was just before or after
        nearest = known[np.abs(known[None] - np.arange(len(score))[:, None]).argmin(axis=1)]
        raw = raw[nearest]
    size = (
        np.median(np.linalg.norm(raw[:, _at(kept, CORNERS[1])] - raw[:, _at(kept, CORNERS[0])], axis=1)) / 2
    )
    calm = _calmed(raw, float(size))
    turns, scales = _aligned(calm[:, [_at(kept, n) for n in STEADY]])
    ends, parted = (
        np.linalg.norm(calm[:, _at(kept, b)] - calm[:, _at(kept, a)], axis=1) / scales
        for a, b in (CORNERS, (UPPER_LIP, LOWER_LIP))
    )
    yaw = np.arctan2(turns[:, 0, 2], turns[:, 2, 2])
    seen, why = how_seen(glances, score, yaw, astray)
    # What something covers says nothing of how the mouth rests.
    sure = seen >= 0.5 if (seen >= 0.5).any() else seen >= 0
    resting = sure & (parted <= np.percentile(parted[sure], 30))
    half = float(np.median(ends[resting])) / 2
    open_ = parted / half
    base = min(float(np.percentile(open_[sure], 10)), _SHUT)
    gap = np.maximum(open_ - base, 0)
    points = calm[:, [_at(kept, n) for n in shape.numbers.tolist()], :2]
    up, low = shape.ring[:, 1:-1]
    across = points[:, low] - points[:, up]
    shut = (0.5 * (1 - gap / np.maximum(open_, 1e-6)))[:, None, None] * across
    points[:, up] += shut
    points[:, low] -= shut
    gap = _put_on_edges(points, edges, gap, half * scales, shape)
    own = np.column_stack([gap, ends / (2 * half) - 1])
    return Reading(
        first,
        points,
        (half * scales)[:, None, None] * turns[:, :2],
        own,
        score,
        yaw,
        seen,
        why,
        softness(glances),
    )


def _put_on_edges(points: Rows, edges: Rows, gap: Rows, half: Rows, shape: Shape) -> Rows:
    """Bring the inner edges of the lips to where their colour ends, and what is of the lips a little along;
    half: in face coordinates. The gap there is then, (n,)."""
    from scipy.ndimage import gaussian_filter1d, median_filter  # slow to import

    if len(edges) > 2:
        edges = gaussian_filter1d(
            median_filter(edges, (3, 1, 1), mode="nearest"), 0.7, axis=0, mode="nearest"
        )
    up, low = shape.ring[:, 1:-1]
    ends = points[:, shape.ring[0, [0, -1]]] + points[:, shape.ring[1, [0, -1]]]
    along = ends[:, 1] - ends[:, 0]
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
    down = np.stack([-along[:, 1], along[:, 0]], axis=1)[:, None]
    shift = (edges * half[:, None, None])[..., None]
    corners = shape.corners
    points[:, corners] += shift[:, 1][:, [0, -1] * (len(corners) // 2)] * down
    shift = shift[:, :, 1:-1]
    # Edges may meet, and not pass one another.
    apart = ((points[:, low] - points[:, up]) * down).sum(axis=2, keepdims=True)
    over = np.minimum(apart + shift[:, 0] + shift[:, 1], 0)
    shift[:, 0] -= over / 2
    shift[:, 1] -= over / 2
    for share, above, below in zip((0.0, 0.3, 0.65, 1.0), shape.upper, shape.lower, strict=True):
        points[:, above] -= share * shift[:, 0] * down
        points[:, below] += share * shift[:, 1] * down
    middle = edges[:, :, 4:7].mean(axis=2).sum(axis=1)
    changed: Rows = np.maximum(gap + middle, 0)
    return changed


def _at(kept: NDArray[np.intp], number: int) -> int:
    return int(np.searchsorted(kept, number))


def _calmed(raw: Points, half: float) -> Points:
    """Smooth over time what trembles, and leave what moves: a talking mouth is not to lag behind itself."""
    from scipy.ndimage import gaussian_filter1d, maximum_filter1d, median_filter  # slow to import

    if len(raw) < 3:
        return raw
    calm = median_filter(raw, (5, 1, 1), mode="nearest")
    calm = gaussian_filter1d(calm, 2.0, axis=0, mode="nearest")
    quick = gaussian_filter1d(raw, 0.5, axis=0, mode="nearest")
    apart = np.hypot(*np.moveaxis(gaussian_filter1d(quick - calm, 0.7, axis=0)[..., :2], 2, 0)) / half
    apart = maximum_filter1d(apart, 3, axis=0)
    share = np.clip((apart - 0.02) / 0.04, 0, 1)[..., None]
    mixed: Points = calm + share * (quick - calm)
    return mixed


def _aligned(steady: Points) -> tuple[Rows, Rows]:
    """How the head is turned, (n, 3, 3), and its size against the canonical face's (n,), by the points (n, s,
    3) that move with the skull (Umeyama, 1991)."""
    model = canonical()[list(STEADY)]
    a = model - model.mean(axis=0)
    b = steady - steady.mean(axis=1, keepdims=True)
    u, s, vt = np.linalg.svd(np.einsum("nij,ik->njk", b, a))
    sign = np.ones((len(steady), 3))
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    turns = np.einsum("nij,nj,njk->nik", u, sign, vt)
    return turns, (s * sign).sum(axis=1) / (a**2).sum()
