"""Every face is found once and followed, on through the next stretch too."""

from collections.abc import Sequence

import numpy as np
import pytest

from core.engines.builtin.face import HaarFinder
from core.tracking.crowd import EVERY, Followed, Known, follow_all
from core.tracking.pose import parts
from core.types import Face, Image
from tests.support.crowds import Places, grid, group

WIDE, HIGH, HEAD = 640, 360, 130


class Counting:
    """The built-in finder; counts the pictures it looks at."""

    version = "1"

    def __init__(self, blind: bool = False) -> None:
        self.looks = 0
        self.blind = blind
        self._finder = HaarFinder()

    def find(self, image: Image) -> Sequence[Face]:
        """Look, unless blind."""
        self.looks += 1
        return () if self.blind else self._finder.find(image)


def followed(
    pictures: Sequence[Image], finder: Counting | None = None, known: Sequence[Known] = ()
) -> list[Followed]:
    return [one for one in follow_all(pictures, finder or Counting(), known) if one is not None]


def pictures(places: Sequence[Places]) -> list[Image]:
    return [group(WIDE, HIGH, HEAD, heads) for heads in places]


@pytest.mark.slow
def test_twelve_faces_are_followed_each_once() -> None:
    places = grid(WIDE, HIGH, 4, 3, 110)
    shown = [group(WIDE, HIGH, 110, [(x + k, y) for x, y in places]) for k in range(17)]
    finder = Counting()
    found = followed(shown, finder)
    assert len(found) == 12
    assert all(one.track.found.all() and one.after is not None for one in found)
    begin = np.array([parts(one.track.poses[0])[:2] for one in found])
    gaps = np.linalg.norm(begin[:, None] - begin[None], axis=2) + 1e9 * np.eye(12)
    assert gaps.min() > 100
    for one in found:
        moved = parts(one.track.poses[16])[:2] - parts(one.track.poses[0])[:2]
        assert moved == pytest.approx([16, 0], abs=2)
    assert finder.looks == 3  # frames 0, 8 and 16: once for all of them


def test_a_face_that_comes_later_is_followed_from_where_it_can_be_seen() -> None:
    here, there = (60, 100), (420, 100)
    found = followed(pictures([[here]] * 12 + [[here, there]] * 20))
    assert len(found) == 2
    assert found[0].track.found.all()
    assert found[1].track.found.tolist() == [False] * 12 + [True] * 20


def test_nobody_costs_few_looks() -> None:
    finder = Counting()
    assert followed(pictures([[]] * 33), finder) == []
    assert finder.looks == 33 // EVERY + 1


def test_known_faces_go_on_without_being_found_for_a_while_and_are_then_dropped() -> None:
    moves = [[(60 + k, 100)] for k in range(65)]
    shown = pictures(moves)
    (first,) = followed(shown[:17])
    assert first.after is not None
    assert first.after.unseen == 0
    (second,) = followed(shown[16:33], Counting(blind=True), [first.after])
    assert second.track.found.all()
    step = parts(second.track.poses[0])[:2] - parts(first.track.poses[16])[:2]
    assert np.abs(step).max() < 1
    assert second.after is not None
    assert second.after.unseen == 16
    third = followed(shown[32:65], Counting(blind=True), [second.after])
    assert not third or third[0].after is None


def test_two_known_ones_on_one_face_become_one() -> None:
    shown = pictures([[(200, 100)]] * 9)
    (one,) = followed(shown)
    assert one.after is not None
    assert len(followed(shown, known=[one.after, one.after])) == 1


def test_others_get_the_thread_between_any_two_pictures() -> None:
    steps = list(follow_all(pictures([[(200, 100)]] * 9), Counting(), ()))
    assert sum(step is None for step in steps) == 9
    assert isinstance(steps[-1], Followed)
