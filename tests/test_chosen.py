import numpy as np
import pytest

from core.engines.chosen import ChosenFace, from_left, preview
from core.errors import BadInput
from core.types import Face

PICTURE = np.zeros((100, 200, 3), np.uint8)


class Found:
    version = "found/1"

    def __init__(self, *faces):
        self.faces = faces

    def find(self, _image):
        return self.faces


def face(x, y, side, score=1.0):
    return Face(np.array([x, y, side, side], np.float32), score)


LEFT, MIDDLE, RIGHT = face(5, 5, 30), face(85, 40, 20), face(150, 20, 40)


@pytest.mark.parametrize(
    ("choice", "first"),
    [("largest", RIGHT), ("central", MIDDLE), ("1", LEFT), ("2", MIDDLE), ("3", RIGHT), ("9", RIGHT)],
)
def test_the_chosen_face_comes_first_in_whatever_order_they_are_found_and_none_is_lost(choice, first):
    for order in ((LEFT, MIDDLE, RIGHT), (RIGHT, LEFT, MIDDLE)):
        found = ChosenFace(Found(*order), choice).find(PICTURE)
        assert found[0] is first
        assert {id(f) for f in found} == {id(f) for f in order}


def test_no_face_is_no_error():
    for choice in ("largest", "central", "2"):
        assert list(ChosenFace(Found(), choice).find(PICTURE)) == []


@pytest.mark.parametrize("choice", ["0", "-1", "left", "", "²", "1.5"])
def test_a_choice_that_means_nothing_is_refused(choice):
    with pytest.raises(BadInput, match="largest, central, or a number") as refused:
        ChosenFace(Found(), choice)
    assert refused.value.code == "unknown_face_choice"


def test_another_choice_is_another_version_so_that_it_is_prepared_anew():
    versions = {ChosenFace(Found(), choice).version for choice in ("largest", "central", "1", "2")}
    assert len(versions) == 4


def test_the_preview_numbers_faces_from_the_left_and_leaves_the_picture_alone():
    picture = np.full((100, 200, 3), 90, np.uint8)
    shown = preview(picture, [RIGHT, LEFT])
    assert (picture == 90).all()
    for x, y, width, height in (f.box.astype(int) for f in (LEFT, RIGHT)):
        assert (shown[y : y + height + 1, x : x + width + 1] != 90).any()
    assert (shown[:, 60:140] == 90).all()
    assert from_left([RIGHT, MIDDLE, LEFT]) == [LEFT, MIDDLE, RIGHT]
