import cv2
import numpy as np
import pytest

from core.engines.builtin import face as finding
from core.engines.builtin.face import BuiltinFinder, HaarFinder
from core.errors import EngineUnavailable
from core.tracking.fit import face_pose
from tests.support.faces import drawn, scene

FINDER = BuiltinFinder()
MOUTH = np.array([0.5, 0.79, 1])


def head():
    return drawn(12, 384)[0]


def turned(degrees):
    """The presenter with their head tilted; where the mouth is."""
    turn = cv2.getRotationMatrix2D((192, 192), degrees, 1)
    picture = cv2.warpAffine(head(), turn, (384, 384), borderMode=cv2.BORDER_REPLICATE)
    return picture, turn @ (192, 208.5, 1)


@pytest.mark.parametrize("degrees", [0, 30, -45, 90])
def test_a_tilted_head_is_found_and_how_it_lies(degrees):
    picture, mouth = turned(degrees)
    (face,) = FINDER.find(picture)
    pose = face_pose(face)
    assert np.linalg.norm(pose @ MOUTH - mouth) < 14
    if degrees:
        assert face.landmarks is not None
        roll = np.degrees(np.arctan2(pose[1, 0], pose[0, 0]))
        assert abs(roll + degrees) < 6


@pytest.mark.parametrize(
    ("look", "dx", "dy"),
    [
        (lambda picture: picture[60:260, 100:290], 100, 60),
        (lambda picture: (picture * 0.12).astype(np.uint8), 0, 0),
        (lambda picture: picture[:, 175:], 175, 0),
    ],
    ids=["close", "dark", "cut off"],
)
def test_close_dark_and_cut_off_faces_are_found(look, dx, dy):
    (face, *_) = FINDER.find(np.ascontiguousarray(look(head())))
    assert np.linalg.norm(face_pose(face) @ MOUTH + (dx, dy) - (192, 208.5)) < 20


def test_one_whom_all_see_is_one():
    picture = np.hstack([scene(400, 300, 100, 60, 190), turned(40)[0][42:342]])
    faces = FINDER.find(picture)
    assert len(faces) == 2
    assert {face.landmarks is not None for face in faces} == {True, False}


def test_what_has_a_face_for_nobody_is_none():
    noise = np.random.default_rng(3).normal(120, 40, (240, 320, 3)).clip(0, 255).astype(np.uint8)
    assert not FINDER.find(cv2.GaussianBlur(noise, (0, 0), 5))


def test_without_the_networks_the_cascade_is_left(monkeypatch):
    def missing():
        raise EngineUnavailable("blaze", ["its file"])

    monkeypatch.setattr(finding, "BlazeFinder", missing)
    finder = BuiltinFinder()
    assert finder.version == HaarFinder.version != FINDER.version
    assert len(finder.find(head())) == 1
