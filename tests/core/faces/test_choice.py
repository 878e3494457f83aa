import numpy as np
import pytest

from core.engines.builtin.face import HaarFinder
from core.errors import BadInput
from core.faces.choice import ChosenFace, Person, check_choice, from_left, person, pick, preview, sketch
from core.tracking.pose import parts
from core.tracking.tracker import track_faces
from core.types import Face
from tests.support.couples import CROSSING, CUT, LEFT, RIGHT, SIDE, SIDE_BY_SIDE, clip, couple, middle

WIDTH, HEIGHT = 200, 100


def face(x, y, side, score=1.0):
    return Face(np.array([x, y, side, side], np.float32), score)


LEFTMOST, MIDDLE, RIGHTMOST = face(5, 5, 30), face(85, 40, 20), face(150, 20, 40)


@pytest.mark.parametrize(
    ("choice", "meant"),
    [("largest", RIGHTMOST), ("central", MIDDLE), ("1", LEFTMOST), ("2", MIDDLE), ("3", RIGHTMOST)],
)
def test_the_same_face_is_meant_in_whatever_order_they_are_found(choice, meant):
    for order in ((LEFTMOST, MIDDLE, RIGHTMOST), (RIGHTMOST, LEFTMOST, MIDDLE)):
        assert order[pick(order, choice, WIDTH, HEIGHT)] is meant


def test_a_number_nobody_has_is_refused_with_how_many_there_are():
    with pytest.raises(BadInput, match="no face 4: 3 faces are to be seen") as refused:
        pick([LEFTMOST, MIDDLE, RIGHTMOST], "4", WIDTH, HEIGHT)
    assert (refused.value.code, refused.value.param) == ("no_such_face", "face")
    with pytest.raises(BadInput, match="no face 2: one face is"):
        pick([MIDDLE], "2", WIDTH, HEIGHT)


@pytest.mark.parametrize("choice", ["0", "-1", "left", "", "²", "1.5", "01", "100", "9" * 5000])
def test_a_choice_that_means_nothing_is_refused(choice):
    with pytest.raises(BadInput, match="largest, central, or a number") as refused:
        check_choice(choice)
    assert refused.value.code == "unknown_face_choice"
    assert len(refused.value.message) < 250


def test_another_choice_is_another_version_so_that_it_is_prepared_anew():
    finder = HaarFinder()
    picture = couple((LEFT, RIGHT))
    found = finder.find(picture)
    chosen = [
        ChosenFace(finder, person(picture, found, choice)) for choice in ("largest", "central", "1", "2")
    ]
    assert len({finder.version, *(one.version for one in chosen)}) == 5


@pytest.mark.parametrize(("choice", "index"), [("1", 0), ("2", 1)])
@pytest.mark.parametrize("places", [(LEFT, RIGHT), (RIGHT, LEFT), (60, 260), (310, 90)])
def test_the_person_is_found_wherever_they_stand_and_nobody_else(choice, index, places):
    meant = _meant(choice)
    (found,) = meant.find(couple(places))
    assert _across(found) == pytest.approx(middle(places[index]), abs=6)


@pytest.mark.parametrize("choice", ["1", "2"])
def test_who_is_hidden_is_not_found_in_the_one_in_front(choice):
    front = couple((LEFT, LEFT), his_first=choice == "2")
    assert list(_meant(choice).find(front)) == []
    assert len(_meant("1" if choice == "2" else "2").find(front)) == 1


def test_no_face_is_no_error():
    assert list(_meant("1").find(np.full((100, 200, 3), 90, np.uint8))) == []


def test_where_one_person_alone_was_seen_everybody_is_taken_for_them():
    """A finder that has nobody to tell them from must not lose them for a change of light."""
    picture = couple((LEFT, RIGHT))
    (her, _) = from_left(HaarFinder().find(picture))
    alone = ChosenFace(HaarFinder(), Person("1", (sketch(picture, her),), 0))
    assert len(alone.find(picture // 2)) == len(HaarFinder().find(picture // 2)) > 0


@pytest.mark.parametrize(("choice", "index"), [("1", 0), ("2", 1)])
@pytest.mark.parametrize("places", [SIDE_BY_SIDE, CUT], ids=["side by side", "cut"])
def test_the_person_is_followed_through_a_cut_in_which_they_swap_places(choice, index, places):
    raw = _track(clip(places), choice)
    assert raw.found.all()
    assert raw.shots.max() == (places is CUT)
    assert np.abs(_astray(raw, places, index)).max() < 0.03 * SIDE


@pytest.mark.parametrize(("choice", "index"), [("1", 0), ("2", 1)])
@pytest.mark.parametrize("his_first", [False, True])
def test_the_person_is_followed_through_a_crossing_and_left_alone_behind_the_other(choice, index, his_first):
    raw = _track(clip(CROSSING, his_first=his_first), choice)
    in_front = his_first != (index == 1)
    assert raw.found.all() == in_front
    assert raw.found[:20].all()
    assert raw.found[-20:].all()
    assert raw.found.mean() > 0.75
    assert np.abs(_astray(raw, CROSSING, index)[raw.found]).max() < 0.04 * SIDE


def test_the_preview_numbers_faces_from_the_left_and_leaves_the_picture_alone():
    picture = np.full((100, 200, 3), 90, np.uint8)
    shown = preview(picture, [RIGHTMOST, LEFTMOST])
    assert (picture == 90).all()
    for x, y, width, height in (f.box.astype(int) for f in (LEFTMOST, RIGHTMOST)):
        assert (shown[y : y + height + 1, x : x + width + 1] != 90).any()
    assert (shown[:, 60:140] == 90).all()
    assert from_left([RIGHTMOST, MIDDLE, LEFTMOST]) == [LEFTMOST, MIDDLE, RIGHTMOST]


def _meant(choice):
    finder, picture = HaarFinder(), couple((LEFT, RIGHT))
    return ChosenFace(finder, person(picture, finder.find(picture), choice))


def _track(pictures, choice):
    finder = _meant(choice)
    return track_faces(pictures, finder, recognise=finder.recognise, report=lambda _: None)


def _astray(raw, places, index):
    """How far the track is from the middle of the person's face, frame by frame, on the whole the same."""
    off = parts(raw.poses)[:, 0] - [middle(pair[index]) for pair in places]
    return off - np.median(off[raw.found])


def _across(found):
    return float(found.box[0] + found.box[2] / 2)
