"""Follow one face through a video in a single forward pass.

Faces are found every few frames and followed by optical flow in between. Of the pictures about half a
second is kept, small and grey, so a video of any length fits in memory. `trackfit` makes a smooth track of
what was seen.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput
from core.protocols import FaceFinder
from core.tracking.fit import BRIDGE, RawTrack, Run, assembled, crop_track, face_pose, offset
from core.tracking.flow import Grey, Key, follow, key_of
from core.tracking.pose import Matrix, chained, joined, parts
from core.types import Face, Image

__all__ = ["EVERY", "RawTrack", "Tracker", "crop_track", "is_cut", "thumbnail", "track_faces", "tracked"]

EVERY = 10
"""Frames from one search to the next, if nothing else is asked for."""

_SIDE = 960
"""Longest side of the pictures the face is followed in: flow is good to a twentieth of a pixel."""
_PATIENCE = 75
"""Frames a face may be followed without being found again, say while its owner looks aside."""
_AGREES, _NEAR, _ELSEWHERE = 0.15, 0.6, 1.2
"""How far a found face may lie from the followed one, in face widths (or log of size): to confirm it; to
dispute it, if it says so twice running; to be the same person after he was lost."""
_WORN = 0.4
"""Share of its features below which the key picture of a face is renewed."""
_CUT, _LOST_CUT = 24.0, 10.0
"""Mean change of grey between frames that means another shot; the second where the face is lost as well."""


Recognise = Callable[[Image, Face], bool]
"""Whether a face of a picture may be that of the one who is meant."""


def track_faces(
    images: Iterable[Image],
    finder: FaceFinder,
    *,
    every: int = EVERY,
    recognise: Recognise | None = None,
    report: Callable[[int], None],
) -> RawTrack:
    """Follow the one face that is meant: the finder's first when a shot begins, and nobody else in that shot
    while it can be seen.

    images: consecutive frames, all of one size; each is let go before the next is asked for.
    every: frames from one search to the next. recognise: asked in every frame, of a `finder` that finds one
        person only; where the face that is followed is somebody else's and the person is found elsewhere, a
        new shot begins. report: called with the number of frames looked at.
    Raises BadInput (no_face) if no frame shows a face.
    """
    tracker = Tracker(finder, every, recognise)
    for done, image in enumerate(images, 1):
        tracker.look(image)
        report(done)
    return tracked(tracker)


def tracked(tracker: "Tracker") -> RawTrack:
    """What a tracker that has seen everything makes of it. Raises BadInput like `track_faces`."""
    runs, count = tracker.finish(), len(tracker.shots)
    if not count:
        raise BadInput("no_face", "the template has no pictures; give a video or a photo of a person")
    if not runs:
        raise BadInput(
            "no_face",
            f"no face was found in {_what(count)}; the template must show a person who looks into the "
            "camera, upright and uncovered, with a face at least a twelfth as wide as the picture is high",
        )
    return assembled(runs, np.array(tracker.shots, np.int32))


def _what(frames: int) -> str:
    return f"any of {frames} frames" if frames > 1 else "the picture"


class Tracker:
    """The forward pass: what has been seen of one video so far.

    shots: one a frame, the number of the shot it is in.
    """

    def __init__(
        self,
        finder: FaceFinder,
        every: int,
        recognise: Recognise | None = None,
        *,
        known: tuple[Face, Matrix] | None = None,
        due: Callable[[int], bool] | None = None,
    ) -> None:
        """every, recognise: as for `track_faces`.

        known: a face in the first frame, and its pose; it is believed, found again or not.
        due: whether to search in a frame without the face; None: often, where it was lost lately.
        """
        self.shots: list[int] = []
        self._finder, self._every, self._recognise = finder, every, recognise
        self._known, self._searches = known, due
        self._runs: list[Run] = []  # those that ended
        self._run: Run | None = None  # the one that goes on; None while the face is lost
        self._key: Key | None = None  # of the run that goes on
        self._bias = np.zeros(4)  # of what is found against what is followed, lately
        self._disputes = 0
        self._lost_at = 0
        self._greys: deque[Grey] = deque(maxlen=BRIDGE + 1)  # of this shot
        self._thumb: NDArray[np.int16] | None = None
        self._whole = np.eye(2, 3)  # from small pictures to whole ones
        self._small = np.eye(2, 3)

    def look(self, image: Image) -> None:
        """Take in the next frame."""
        frame = len(self.shots)
        grey = self._shrunk(image)
        changed = self._changed(grey)
        followed = None if changed > _CUT else self._followed(grey)
        if followed is not None and self._swapped(image, followed):
            followed, changed = None, 255.0
        cut = changed > _CUT or (changed > _LOST_CUT and self._run is not None and followed is None)
        self.shots.append(self.shots[-1] + cut if self.shots else 0)
        if cut:
            self._greys.clear()
        self._greys.append(grey)
        if self._run is not None and followed is not None:
            self._run.poses.append(followed)
            if (frame - self._run.first) % self._every == 0:
                self._check(self._run, image, frame)
        else:
            self._lose(frame)
            if cut:
                self._lost_at = frame
        if self._known is not None and frame == 0:
            self._begin(*self._known, frame)
        elif self._run is None and self._due(frame):
            self._search(image, frame)

    def finish(self) -> list[Run]:
        """Every stretch over which the face was followed, in order."""
        self._lose(len(self.shots))
        return self._runs

    def _shrunk(self, image: Image) -> Grey:
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        scale = min(1.0, _SIDE / max(grey.shape))
        if scale == 1:
            return np.asarray(grey, np.uint8)
        size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
        shift = (1 - scale) / 2  # pixel centres lie at halves
        self._small = np.array([[scale, 0, -shift], [0, scale, -shift]])
        self._whole = np.array([[1 / scale, 0, shift / scale], [0, 1 / scale, shift / scale]])
        return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)

    def _changed(self, grey: Grey) -> float:
        """Mean difference from the frame before, 0 ... 255, in a very small picture."""
        before, self._thumb = self._thumb, thumbnail(grey)
        return 0.0 if before is None else float(np.abs(self._thumb - before).mean())

    def _followed(self, grey: Grey) -> Matrix | None:
        if self._run is None or self._key is None:
            return None
        found = follow(self._key, grey, chained(self._small, self._run.poses[-1]))
        if found is None:
            return None
        pose, share = found
        if share < _WORN:
            self._key = key_of(grey, pose) or self._key
        return chained(self._whole, pose)

    def _swapped(self, image: Image, followed: Matrix) -> bool:
        """Whether somebody else is where the person was followed to, who is elsewhere."""
        if self._recognise is None or self._recognise(image, _face_at(followed)):
            return False
        face, off = _nearest(self._finder.find(image), followed)
        return face is not None and off > _NEAR

    def _check(self, run: Run, image: Image, frame: int) -> None:
        """Ask the finder whether what `run` follows still is the face."""
        run.searched += 1
        expected = parts(run.poses[-1]) + self._bias * _units(run.poses[-1])
        face, off = _nearest(self._finder.find(image), joined(expected))
        if face is not None and off <= _AGREES:
            run.sightings.append((frame, face))
            self._bias += 0.3 * (offset(face, run.poses[-1]) - self._bias)
            self._disputes = 0
        elif face is not None and off <= _NEAR:
            self._disputes += 1
            if self._disputes == 2:
                self._lose(frame)
                self._begin(face, face_pose(face), frame)
        elif frame - run.sightings[-1][0] > _PATIENCE:
            self._lose(frame)

    def _due(self, frame: int) -> bool:
        """Whether to search in a frame without the face: often at first, then as seldom as looks right."""
        if self._searches is not None:
            return self._searches(frame)
        gap = frame - self._lost_at
        return gap % (2 if gap < BRIDGE else max(1, self._every // 2)) == 0

    def _search(self, image: Image, frame: int) -> None:
        faces = self._finder.find(image)
        known = (
            self._runs[-1] if self._runs and self.shots[self._runs[-1].first] == self.shots[frame] else None
        )
        if known is None:
            face = faces[0] if faces else None
        else:
            face, off = _nearest(faces, known.poses[-1])
            if off > _ELSEWHERE:
                face = faces[0] if faces and frame - known.stop > BRIDGE else None
        if face is not None:
            self._begin(face, face_pose(face), frame)

    def _begin(self, face: Face, pose: Matrix, frame: int) -> None:
        """Follow `face` from `frame` on, and back as far as pictures last or to the end of the last run."""
        self._run = Run(frame, [pose], [(frame, face)])
        self._bias, self._disputes = np.zeros(4), 0
        small = chained(self._small, pose)
        self._key = key = key_of(self._greys[-1], small)
        earliest = self._runs[-1].stop if self._runs else 0
        for grey in list(self._greys)[-2::-1]:
            found = follow(key, grey, small) if key is not None and self._run.first > earliest else None
            if found is None:
                return
            small, share = found
            self._run.first -= 1
            self._run.poses.insert(0, chained(self._whole, small))
            if share < _WORN:
                key = key_of(grey, small) or key

    def _lose(self, frame: int) -> None:
        """End the run that goes on, if any, keeping of it what may be believed."""
        run, self._run = self._run, None
        if run is None:
            return
        self._lost_at = frame
        confirmed = run.sightings[-1][0]
        if self._disputes or run.stop - confirmed > 3 * self._every:
            del run.poses[confirmed + self._every - run.first :]
        known = self._known is not None and run.first == 0
        if known or run.searched < 3 or len(run.sightings) > 1:  # else nobody saw it again: it was no face
            self._runs.append(run)


def thumbnail(grey: Grey) -> NDArray[np.int16]:
    """A picture of 32 x 32, by which frames are held against each other."""
    return cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.int16)


def is_cut(before: NDArray[np.int16], after: NDArray[np.int16]) -> bool:
    """Whether two thumbnails of neighbouring frames show different shots."""
    return float(np.abs(after - before).mean()) > _CUT


def _units(pose: Matrix) -> NDArray[np.float64]:
    """What to multiply an `offset` with to add it to `parts(pose)`."""
    side = float(np.hypot(pose[0, 0], pose[1, 0]))
    return np.array([side, side, 1.0, 1.0])


def _face_at(pose: Matrix) -> Face:
    """The face that is followed at `pose`."""
    x, y, size, _ = (float(value) for value in parts(pose))
    side = float(np.exp(size))
    return Face(np.array([x - side / 2, y - side / 2, side, side], np.float32), 0.0)


def _nearest(faces: Sequence[Face], pose: Matrix) -> tuple[Face | None, float]:
    """The face most like the one at `pose`, and how far off it is (the largest of its offsets)."""
    best, least = None, np.inf
    for face in faces:
        off = float(np.abs(offset(face, pose)[:3]).max())
        if off < least:
            best, least = face, off
    return best, least
