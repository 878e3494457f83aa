"""Make a smooth track of the stretches over which a face was followed, and lay the crop around it.

Flow says how the face moves, what the finder saw says where it is: a run's poses are shifted by what the
sightings differ from it on a slow average, so boxes that jitter and flow that drifts both do no harm.
"""

from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, median_filter

from core.tracking.pose import LANDMARKS, Matrix, fitted, inverse, joined, parts, placed
from core.types import Face, FaceTrack

BRIDGE = 12
"""Longest gap in frames that is filled in: half a second at 25 fps."""
_CROP = 1.7
_MIDDLE = np.array([[0.5, 0.55]])
"""The crop's side in face widths, and what lies in its middle: forehead to throat, room for the jaw."""
_JUMP = 0.12
"""A step between frames, in face widths, that no head makes: nothing is smoothed across it."""


@dataclass(frozen=True, slots=True)
class RawTrack:
    """Where the face is, frame by frame, in whole pictures.

    poses: float64 (frames, 2, 3), similarity from face coordinates (the box is the unit square) to pixels;
        where the face is not found, that of the nearest frame in which it is.
    found: bool (frames,). shots: int32 (frames,), number of the shot between two cuts.
    landmarks: float32 (frames, 5, 2) in pixels, or None.
    """

    poses: Matrix
    found: NDArray[np.bool_]
    shots: NDArray[np.int32]
    landmarks: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.found)


@dataclass(slots=True)
class Run:
    """A stretch of frames over which the face was followed without a break, from frame `first` on.

    poses: one a frame, (2, 3) in pixels. sightings: frame, and what the finder saw there, from the first
    on; `searched` times it was asked in all.
    """

    first: int
    poses: list[Matrix]
    sightings: list[tuple[int, Face]] = field(default_factory=list)
    searched: int = 1

    @property
    def stop(self) -> int:
        return self.first + len(self.poses)


def face_pose(face: Face) -> Matrix:
    """Similarity from face coordinates to pixels: by the landmarks, where there are any, else by the box."""
    if face.landmarks is None:
        x, y, w, h = (float(value) for value in face.box)
        side = (w + h) / 2
        return np.array([[side, 0, x + (w - side) / 2], [0, side, y + (h - side) / 2]])
    return fitted(LANDMARKS, face.landmarks)


def offset(face: Face, pose: Matrix) -> NDArray[np.float64]:
    """How `face` differs from `pose`: x, y in face widths, log of size, roll (0 if unknown)."""
    seen, followed = parts(face_pose(face)), parts(pose)
    off = seen - followed
    off[:2] /= np.exp(followed[2])
    off[3] = 0.0 if face.landmarks is None else np.remainder(off[3] + np.pi, 2 * np.pi) - np.pi
    return off


def assembled(runs: list[Run], shots: NDArray[np.int32]) -> RawTrack:
    """One track of all runs (one or more, in order, none overlapping): smoothed, short gaps filled in."""
    count = len(shots)
    path, known = np.zeros((count, 4)), np.zeros(count, np.bool_)
    for run in runs:
        path[run.first : run.stop] = _settled(run)
        known[run.first : run.stop] = True
    found = _bridged(known, shots)
    frames = np.arange(count)
    nearest = _nearest_known(known)
    for k in range(4):
        path[:, k] = np.where(found, np.interp(frames, frames[known], path[known, k]), path[nearest, k])
    for start, stop in _stretches(path, found, shots):
        width = min(9, (stop - start - 1) // 2 * 2 + 1)
        if width > 2:
            path[start:stop] = smoothed(path[start:stop], width)
    poses = joined(path)
    return RawTrack(poses, found, shots, _landmarks(runs, poses))


def smoothed(path: Matrix, width: int) -> Matrix:
    """Each row of `path` as the parabola through the `width` rows around it has it (Savitzky and Golay).

    width: odd, 3 to len(path). The parabola at an end serves all of the rows there. As
    `scipy.signal.savgol_filter` does, whose import takes every process that prepares a template 1.3 s.
    """
    powers = np.vander(np.arange(width) - width // 2, 3)
    fitting = powers @ np.linalg.pinv(powers)
    rows = np.arange(len(path))
    starts = np.clip(rows - width // 2, 0, len(path) - width)
    around = path[starts[:, None] + np.arange(width)]
    return np.asarray(np.einsum("nw,nwk->nk", fitting[rows - starts], around))


def enlarged(raw: RawTrack, factor: float) -> RawTrack:
    """The same track in pictures `factor` times as large."""
    landmarks = None if raw.landmarks is None else raw.landmarks * np.float32(factor)
    return replace(raw, poses=raw.poses * factor, landmarks=landmarks)


def crop_track(raw: RawTrack, width: int, height: int) -> FaceTrack:
    """Lay a square crop, 1.7 faces wide, around the face of every frame.

    width, height: of the frames. The side is the same throughout: that of the largest shot, but never more
    than the frame's short side. Where the face is not found, the crop waits where it was nearest found.
    """
    sides = np.hypot(raw.poses[:, 0, 0], raw.poses[:, 1, 0])
    largest = max(float(np.median(sides[raw.found & (raw.shots == shot)])) for shot in _shots_with_face(raw))
    side = max(2, min(round(largest * _CROP / 2) * 2, min(width, height) // 2 * 2))
    middle = (raw.poses[:, :, :2] @ _MIDDLE[0] + raw.poses[:, :, 2]) - side / 2
    for shot in np.unique(raw.shots):
        here = raw.shots == shot
        middle[here] = gaussian_filter1d(middle[here], 4.0, axis=0, mode="nearest")
    room = np.array([(width - side) // 2, (height - side) // 2])
    corners = 2 * np.clip(np.round(middle / 2), 0, room).astype(np.int32)
    poses = raw.poses.copy()
    poses[:, :, 2] -= corners
    landmarks = None
    if raw.landmarks is not None:
        landmarks = (raw.landmarks - corners[:, None]).astype(np.float32)
    return FaceTrack(side, corners, poses, raw.found, landmarks, raw.shots)


def _shots_with_face(raw: RawTrack) -> NDArray[np.int32]:
    return np.unique(raw.shots[raw.found])


def _settled(run: Run) -> Matrix:
    """The run's poses as (frames, 4) `parts`, brought to where the sightings are on a slow average."""
    path = parts(np.array(run.poses))
    path[:, 3] = np.unwrap(path[:, 3])
    frames = [frame for frame, _ in run.sightings]
    offsets = np.array([offset(face, run.poses[frame - run.first]) for frame, face in run.sightings])
    # A sighting errs by 1-4 % of the face; over ten of them, some four seconds, that is nothing.
    slow = gaussian_filter1d(median_filter(offsets, (5, 1), mode="nearest"), 4.0, axis=0, mode="nearest")
    at = np.arange(run.first, run.stop)
    side = np.exp(path[:, 2])
    for k in range(4):
        path[:, k] += np.interp(at, frames, slow[:, k]) * (side if k < 2 else 1.0)
    return path


def _bridged(found: NDArray[np.bool_], shots: NDArray[np.int32]) -> NDArray[np.bool_]:
    """`found`, true also in gaps of at most BRIDGE frames between two finds of one shot."""
    whole = found.copy()
    at = np.flatnonzero(found)
    for left, right in pairwise(at.tolist()):
        if 1 < right - left <= BRIDGE + 1 and shots[left] == shots[right]:
            whole[left:right] = True
    return whole


def _nearest_known(known: NDArray[np.bool_]) -> NDArray[np.intp]:
    """For every frame the index of the nearest one that is known."""
    at = np.flatnonzero(known)
    right = np.clip(np.searchsorted(at, np.arange(len(known))), 0, len(at) - 1)
    left = np.maximum(right - 1, 0)
    frames = np.arange(len(known))
    return np.where(np.abs(at[left] - frames) <= np.abs(at[right] - frames), at[left], at[right])


def _stretches(path: Matrix, found: NDArray[np.bool_], shots: NDArray[np.int32]) -> list[tuple[int, int]]:
    """Runs of found frames `[start, stop)` without a cut or a jump."""
    step = np.abs(np.diff(path[:, :2], axis=0)).max(axis=1) / np.exp(path[1:, 2])
    breaks = (np.diff(shots) != 0) | (np.diff(found.astype(np.int8)) != 0) | (step > _JUMP)
    edges = [0, *(np.flatnonzero(breaks) + 1).tolist(), len(found)]
    return [(a, b) for a, b in pairwise(edges) if found[a]]


def _landmarks(runs: list[Run], poses: Matrix) -> NDArray[np.float32] | None:
    """Landmarks of the sightings, interpolated in face coordinates; None if the finder gave none."""
    frames: list[int] = []
    marks: list[Matrix] = []
    for run in runs:
        for frame, face in run.sightings:
            if face.landmarks is not None:
                frames.append(frame)
                marks.append(placed(inverse(poses[frame]), face.landmarks))
    if not frames:
        return None
    steady = gaussian_filter1d(np.array(marks), 1.0, axis=0, mode="nearest").reshape(len(marks), 10)
    at = np.arange(len(poses))
    spread = np.stack([np.interp(at, frames, steady[:, k]) for k in range(10)], axis=1).reshape(-1, 5, 2)
    return np.stack([placed(pose, five) for pose, five in zip(poses, spread, strict=True)]).astype(np.float32)
