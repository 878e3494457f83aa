import weakref

import cv2
import numpy as np
import pytest

from core.engines.builtin.face import HaarFinder
from core.errors import BadInput
from core.tracking.fit import smoothed
from core.tracking.pose import chained, inverse, joined, parts, placed
from core.tracking.tracker import crop_track, track_faces
from core.types import Face
from tests.support.faces import scene

WIDTH, HEIGHT, HEAD = 320, 240, 200


class Scripted:
    """The Haar finder, with what it found changed by `change(faces, call)`."""

    version = "test"

    def __init__(self, change):
        self.finder, self.change, self.calls = HaarFinder(), change, 0

    def find(self, image):
        self.calls += 1
        return self.change(list(self.finder.find(image)), self.calls)


def at(x, y=10):
    return scene(WIDTH, HEIGHT, x, y, HEAD)


def follow(images, finder=None):
    return track_faces(images, finder or HaarFinder(), report=lambda _: None)


def middles(raw):
    return parts(raw.poses)[:, :2]


def side(raw):
    return float(np.exp(parts(raw.poses)[:, 2]).mean())


def test_the_track_moves_as_the_face_does():
    steps = np.round(20 + 12 * np.sin(np.arange(36) / 6)).astype(int)
    raw = follow(at(40 + int(step)) for step in steps)
    moved = middles(raw)[:, 0] - steps
    assert raw.found.all()
    assert not raw.shots.any()
    assert np.abs(moved - moved.mean()).max() < 0.02 * side(raw)
    assert np.ptp(middles(raw)[:, 1]) < 0.02 * side(raw)


def test_the_track_turns_as_the_head_does():
    turns = 15 * np.sin(np.arange(40) / 8)
    centre = (160, 120)
    raw = follow(
        cv2.warpAffine(
            at(60), cv2.getRotationMatrix2D(centre, -turn, 1), (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT
        )
        for turn in turns
    )
    assert np.abs(np.degrees(parts(raw.poses)[:, 3]) - turns).max() < 3


def test_boxes_that_jitter_do_not_shake_the_track():
    rng = np.random.default_rng(3)

    def shake(faces, _):
        return [Face(f.box + rng.normal(0, 0.03 * f.box[2], 4).astype(np.float32), f.score) for f in faces]

    raw = follow([at(60)] * 60, Scripted(shake))
    assert np.abs(np.diff(middles(raw), axis=0)).max() < 0.004 * side(raw)
    assert np.ptp(parts(raw.poses)[:, 2]) < 0.03


@pytest.mark.parametrize("count", [1, 2, 3])
def test_clips_of_a_few_frames_are_enough(count):
    raw = follow([at(60)] * count)
    assert len(raw) == count
    assert raw.found.all()
    assert np.isfinite(raw.poses).all()


@pytest.mark.parametrize(
    ("images", "said"),
    [
        ([], "has no pictures"),
        ([np.full((64, 64, 3), 90, np.uint8)], "in the picture"),
        ([np.full((64, 64, 3), 90, np.uint8)] * 5, "in any of 5 frames"),
    ],
)
def test_no_face_is_refused_with_the_reason(images, said):
    with pytest.raises(BadInput, match=said) as caught:
        follow(images)
    assert caught.value.code == "no_face"


def hidden(x):
    picture = at(x).copy()
    picture[60:200, 90:230] = 128
    return picture


def test_a_short_gap_is_bridged():
    xs = [60] * 12 + [60] * 6 + [66] * 22
    raw = follow(hidden(x) if 12 <= k < 18 else at(x) for k, x in enumerate(xs))
    assert raw.found.all()
    x = middles(raw)[:, 0]
    assert (np.diff(x[9:22]) > -0.02 * side(raw)).all(), "from one side of the gap to the other, not astray"


def test_a_long_gap_is_no_face():
    raw = follow(hidden(60) if 10 <= k < 40 else at(60) for k in range(60))
    assert raw.found[:10].all()
    assert not raw.found[11:39].any()
    assert raw.found[41:].all()
    assert np.isfinite(raw.poses).all()


def test_a_cut_starts_anew_at_once():
    left, right = at(10), 255 - scene(WIDTH, HEIGHT, 100, 20, HEAD)
    right = right.copy()
    right[20:163, 100:300] = 255 - right[20:163, 100:300]
    raw = follow([left] * 17 + [right] * 17)
    assert raw.shots.tolist() == [0] * 17 + [1] * 17
    assert raw.found.all()
    x = middles(raw)[:, 0]
    assert np.ptp(x[:17]) < 1
    assert np.ptp(x[17:]) < 1
    assert abs(x[17] - x[16] - 90) < 0.1 * side(raw)


def pair(x):
    """Two heads; the left one, at x, is larger."""
    picture = scene(480, HEIGHT, x, 10, HEAD).copy()
    picture[40:180, 310:470] = scene(480, HEIGHT, 310, 40, 150)[40:180, 310:470]
    return picture


def test_nobody_else_is_followed_while_the_one_can_be_seen():
    others_first = Scripted(lambda faces, call: faces if call == 1 else faces[::-1])
    raw = follow([pair(40 + k // 2) for k in range(40)], others_first)
    assert others_first.calls > 3
    assert raw.found.all()
    assert (middles(raw)[:, 0] < 200).all()


def test_a_finder_that_never_agrees_again_is_not_believed_for_ever():
    once = Scripted(lambda faces, call: faces if call == 1 else [])
    with pytest.raises(BadInput):
        follow([at(60)] * 60, once)


def test_landmarks_give_the_turn_and_are_carried_along():
    marks = np.array([[120, 80], [170, 90], [140, 115], [115, 135], [160, 145]], np.float32)
    finder = Scripted(lambda faces, _: [Face(f.box, f.score, marks) for f in faces])
    raw = follow([at(60)] * 15, finder)
    assert raw.landmarks is not None
    assert np.abs(raw.landmarks - marks).max() < 0.5
    assert 5 < np.degrees(parts(raw.poses)[0, 3]) < 20
    track = crop_track(raw, WIDTH, HEIGHT)
    assert np.allclose(track.landmarks + track.corners[:, None], raw.landmarks)


def test_frames_are_let_go():
    alive, most = [], 0

    def frames():
        nonlocal most
        for k in range(40):
            picture = at(40 + k % 8).copy()
            alive.append(weakref.ref(picture))
            yield picture
            del picture
            most = max(most, sum(ref() is not None for ref in alive))

    follow(frames())
    assert most <= 1


@pytest.mark.parametrize(("x", "y"), [(-60, 0), (60, 10), (170, 60)])
def test_the_crop_lies_even_and_inside(x, y):
    raw = follow([at(x, y)] * 4)
    track = crop_track(raw, WIDTH, HEIGHT)
    assert track.side % 2 == 0
    assert not (track.corners % 2).any()
    assert (track.corners >= 0).all()
    assert (track.corners + track.side <= (WIDTH, HEIGHT)).all()
    assert np.allclose(track.poses[:, :, 2] + track.corners, raw.poses[:, :, 2])


def test_the_crop_is_never_larger_than_the_frame():
    raw = follow([scene(161, 121, -20, -10, 190)] * 2)
    assert crop_track(raw, 161, 121).side == 120


def test_the_crop_holds_the_face_as_it_moves():
    raw = follow(at(20 + 3 * k) for k in range(30))
    track = crop_track(raw, WIDTH, HEIGHT)
    box = np.array([[0.1, 0.1], [0.9, 0.1], [0.9, 1.1], [0.1, 1.1]])
    for pose in track.poses:
        inside = placed(pose, box)
        assert inside.min() > 0
        assert inside.max() < track.side


@pytest.mark.parametrize("width", [3, 5, 9])
def test_smoothing_keeps_every_parabola_and_weighs_a_spike_as_savitzky_and_golay_do(width):
    rows = np.arange(12.0)[:, None]
    parabolas = np.hstack([3 * rows**2 - 20 * rows, 7 - rows, -(rows**2)])
    assert np.allclose(smoothed(parabolas, width), parabolas)
    spike = np.zeros((20, 1))
    spike[10] = 35
    spread = smoothed(spike, width)[:, 0]
    assert np.allclose(spread.sum(), 35)
    assert np.allclose(np.delete(spread, np.s_[10 - width // 2 : 11 + width // 2]), 0)
    if width == 5:
        assert np.allclose(spread[8:13], [-3, 12, 17, 12, -3])


def test_similarities_come_apart_and_together():
    rng = np.random.default_rng(0)
    some = joined(rng.normal(size=(50, 4)))
    assert np.allclose(joined(parts(some)), some)
    assert np.allclose(chained(some, inverse(some)), np.eye(2, 3))
    points = rng.normal(size=(7, 2))
    assert np.allclose(placed(chained(some[0], some[1]), points), placed(some[0], placed(some[1], points)))


def test_a_small_face_is_found_too():
    (face,) = HaarFinder().find(scene(1280, 720, 500, 300, 170))
    middle = face.box[:2] + face.box[2:] / 2
    assert np.abs(middle - (585, 365)).max() < 15
