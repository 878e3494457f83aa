"""Follow every face through a stretch of one shot: one `Tracker` after another over the same pictures, each
blind to the faces of those before it. The pictures are searched once for all of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from core.protocols import FaceFinder
from core.tracking.fit import assembled, offset
from core.tracking.pose import Matrix, parts
from core.tracking.tracker import RawTrack, Tracker
from core.types import Face, Image

EVERY = 8
"""Frames from one search to the next."""

MOST = 32
"""Faces followed at once; in a larger crowd the most prominent are."""

_PATIENCE = 24
"""Frames a face may be followed without being found again."""
_CLAIMED, _SAME = 0.6, 0.35
"""How near, in face widths, a found face lies to a followed one that it belongs to; and two followed ones to
each other that are one."""


@dataclass(frozen=True, slots=True)
class Known:
    """A face as it was followed up to some picture. unseen: frames since it was last found."""

    face: Face
    pose: Matrix
    unseen: int


@dataclass(frozen=True, slots=True)
class Followed:
    """A face through all pictures. after: for following it on from the last one; None if it is lost there."""

    track: RawTrack
    after: Known | None


_NEVER = range(0)
"""Pictures in which nobody is looked for."""


def follow_all(
    pictures: Sequence[Image], finder: FaceFinder, known: Sequence[Known]
) -> Iterator[Followed | None]:
    """Yield every face that appears, and None after each picture looked at, so others may use the thread.

    pictures: consecutive, of one size and one shot. known: the faces in the first of them, followed up to it;
    with none it is searched for them.
    """
    searched = _Searched(pictures, finder)
    found: list[Followed] = []
    waiting = [one for one in known if one.unseen <= _PATIENCE]
    while len(found) < MOST:
        first = waiting.pop(0) if waiting else None
        if first is None and not any(searched.unclaimed(number, found) for number in _due(pictures, known)):
            return
        eyes = _Eyes(searched, found)
        tracker = Tracker(
            eyes,
            EVERY,
            known=(first.face, first.pose) if first else None,
            due=_NEVER.__contains__ if first else _due(pictures, known).__contains__,
        )
        for number, picture in enumerate(pictures):
            eyes.at = number
            tracker.look(picture)
            yield None
        followed = _followed(tracker, first)
        if followed is not None and not any(_one(followed.track, other.track) for other in found):
            found.append(followed)
            yield followed
        elif first is None:
            return  # what is left to be found is no face, or somebody's whom we have


def _due(pictures: Sequence[Image], known: Sequence[Known]) -> range:
    """In which pictures to look for faces that are not followed yet."""
    return range(EVERY if known else 0, len(pictures), EVERY)


def _followed(tracker: Tracker, first: Known | None) -> Followed | None:
    runs = tracker.finish()
    if not runs:
        return None
    raw = assembled(runs, np.array(tracker.shots, np.int32))
    last = len(raw) - 1
    if not raw.found[last] or runs[-1].stop <= last:
        return Followed(raw, None)
    seen, face = runs[-1].sightings[-1]
    unseen = last - seen + (first.unseen if first is not None and seen == 0 else 0)
    landmarks = None if raw.landmarks is None or face.landmarks is None else raw.landmarks[last]
    x, y, size, _ = parts(raw.poses[last])
    side = float(np.exp(size))
    box = np.array([x - side / 2, y - side / 2, side, side], np.float32)
    return Followed(raw, Known(Face(box, face.score, landmarks), raw.poses[last], unseen))


def _one(track: RawTrack, other: RawTrack) -> bool:
    """Whether both follow the same face, most of the time that they follow any."""
    both = np.flatnonzero(track.found & other.found)
    if not len(both):
        return False
    a, b = parts(track.poses[both]), parts(other.poses[both])
    off = np.abs(a[:, :2] - b[:, :2]).max(axis=1) / np.exp(np.maximum(a[:, 2], b[:, 2]))
    return bool(np.median(off) < _SAME)


class _Searched:
    """What the finder sees in each picture; it looks once."""

    def __init__(self, pictures: Sequence[Image], finder: FaceFinder) -> None:
        self._pictures, self._finder = pictures, finder
        self._seen: dict[int, Sequence[Face]] = {}

    def unclaimed(self, number: int, found: Sequence[Followed]) -> list[Face]:
        """Faces in a picture that none of `found` is."""
        if number not in self._seen:
            self._seen[number] = self._finder.find(self._pictures[number])
        poses = [other.track.poses[number] for other in found if other.track.found[number]]
        return [
            face
            for face in self._seen[number]
            if all(np.abs(offset(face, pose)[:3]).max() > _CLAIMED for pose in poses)
        ]


class _Eyes:
    """A `FaceFinder` that does not see whoever is followed already. at: the picture it is asked about."""

    version = ""

    def __init__(self, searched: _Searched, found: Sequence[Followed]) -> None:
        self.at = 0
        self._searched, self._found = searched, found

    def find(self, image: Image) -> Sequence[Face]:
        """See `FaceFinder.find`."""
        return self._searched.unclaimed(self.at, self._found)
