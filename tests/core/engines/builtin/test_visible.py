import re

import cv2
import numpy as np
import pytest

from core.engines.builtin.face import BuiltinFinder
from core.engines.builtin.mouth import WarpedMouth
from core.protocols import Drawing, Remarks
from core.tracking.tracker import crop_track, track_faces
from core.types import FaceTrack, Phoneme, Speech
from tests.support.faces import drawn, tracked

ENGINE = WarpedMouth()


def clip(cover, covered, count=48):
    """The presenter to and fro, with `cover` before the mouth in the frames `covered`."""
    track, crops = tracked(12, 384)
    numbers = [abs((k + 11) % 22 - 11) for k in range(count)]
    longer = FaceTrack(track.side, track.corners[numbers], track.poses[numbers], track.found[numbers])
    pictures = [crops[n].copy() for n in numbers]
    for k in covered:
        cover(
            pictures[k],
            (longer.poses[k] @ [0.507, 0.793, 1]).astype(int),
            0.14 * np.hypot(*longer.poses[k][:, 0]),
        )
    return longer, pictures


def mask(picture, mouth, half):
    x, y = mouth
    outline = np.array([(-2.2, -1.6), (0, -2.0), (2.2, -1.6), (1.6, 1.2), (0, 2.0), (-1.6, 1.2)]) * half
    cv2.fillPoly(picture, [(outline + np.array([x, y])).astype(np.int32)], (190, 165, 130), cv2.LINE_AA)


def hand(picture, mouth, half):
    x, y = mouth
    for k in range(4):
        at = (int(x + 0.3 * half), int(y - 0.75 * half + 0.5 * half * k))
        shade = 0.92 - 0.03 * k
        colour = (135 * shade, 165 * shade, 220 * shade)
        cv2.ellipse(picture, at, (int(1.9 * half), int(0.3 * half)), 12, 0, 360, colour, -1, cv2.LINE_AA)


def microphone(picture, mouth, half):
    x, y = mouth
    cv2.circle(picture, (int(x + 0.4 * half), int(y + 0.7 * half)), int(half), (35, 33, 33), -1, cv2.LINE_AA)


def folded(picture, mouth, half):
    """A mask whose folds look like lips to whoever looks for edges."""
    mask(picture, mouth, half)
    for k in (-0.4, 0.0, 0.4):
        fold = np.array([(-1.8, k - 0.2), (0, k), (1.8, k - 0.2)]) * half + np.array(mouth)
        cv2.polylines(picture, [fold.astype(np.int32)], False, (160, 138, 105), 2, cv2.LINE_AA)


def fingers(picture, mouth, half):
    """A hand in hard light: dark between its fingers."""
    hand(picture, mouth, half)
    for k in range(4):
        at = (int(mouth[0] + 0.3 * half), int(mouth[1] - 0.75 * half + 0.5 * half * k))
        cv2.ellipse(
            picture, at, (int(1.9 * half), int(0.3 * half)), 12, 0, 360, (80, 95, 140), 2, cv2.LINE_AA
        )


@pytest.mark.parametrize("cover", [folded, fingers, microphone])
def test_what_is_before_the_mouth_all_the_time_is_told_from_lips(cover):
    track, pictures = clip(cover, range(24), count=24)
    learnt = ENGINE.prepare(track, pictures, lambda _: None)
    assert (learnt["seen"] < 0.1).all()
    (told,) = ENGINE.remarks(track, learnt)
    assert "24 of 24 frames" in told


def scarf(picture, mouth, half):
    """What covers the lower lip and all below it."""
    picture[int(mouth[1] + 0.05 * half) :] = (90, 110, 80)


def beard(picture, mouth, half):
    """Grey stubble all around the lips."""
    area = np.zeros(picture.shape[:2], np.uint8)
    x, y = mouth
    cv2.ellipse(area, (int(x), int(y + 0.6 * half)), (int(1.9 * half), int(1.5 * half)), 0, 0, 360, 1, -1)
    cv2.ellipse(area, (int(x), int(y)), (int(1.15 * half), int(0.5 * half)), 0, 0, 360, 0, -1)
    picture[area > 0] = picture[area > 0].mean(axis=1, keepdims=True) * 0.7


def learnt(change):
    """What is learnt of one picture of the presenter, and what people are told of it."""
    track, pictures = clip(change, [0], 1)
    known = ENGINE.prepare(track, pictures, lambda _: None)
    return known["seen"][0], ENGINE.remarks(track, known)


def test_a_scarf_over_the_lower_lip_covers_the_mouth_and_a_beard_does_not():
    seen, told = learnt(scarf)
    assert seen == 0
    assert "covers the mouth" in told[0]
    assert learnt(beard) == (1, ())


def test_in_the_dark_people_are_told_that_it_is_dark():
    def night(picture, mouth, half):
        picture[:] = picture * 0.04

    seen, told = learnt(night)
    assert seen < 0.5
    assert "it is too dark in 1" in told[0]


def cut(rows):
    """The presenter, cut off so many half mouths below the middle of the mouth."""
    track, (crop,) = tracked(1, 384)
    mouth, half = track.poses[0] @ [0.507, 0.793, 1], 0.14 * np.hypot(*track.poses[0][:, 0])
    known = ENGINE.prepare(track, [crop[: int(mouth[1] + rows * half)].copy()], lambda _: None)
    return known["seen"][0], ENGINE.remarks(track, known)


def test_a_mouth_that_the_edge_of_the_picture_cuts_off_is_left_alone():
    seen, told = cut(0.1)
    assert seen == 0
    assert "edge cuts the mouth off" in told[0]
    assert cut(1.3) == (1, ())


def test_a_face_out_of_proportion_has_no_mouth_drawn_where_there_is_none():
    high = cv2.resize(drawn(12, 384)[0], (192, 400), interpolation=cv2.INTER_AREA)
    track = crop_track(track_faces([high], BuiltinFinder(), report=lambda _: None), 192, 400)
    x, y = track.corners[0]
    crop = high[y : y + track.side, x : x + track.side]
    known = ENGINE.prepare(track, [crop], lambda _: None)
    assert known["seen"][0] == 0
    assert "not clear where the mouth is" in ENGINE.remarks(track, known)[0]


@pytest.mark.slow
@pytest.mark.parametrize("cover", [mask, hand, microphone])
def test_a_covered_mouth_is_left_alone_softly_in_and_out(cover):
    track, pictures = clip(cover, range(16, 32))
    learnt = ENGINE.prepare(track, pictures, lambda _: None)
    seen = learnt["seen"]
    assert (seen[16:32] == 0).all()
    assert (seen[:10] > 0.99).all()
    assert (seen[38:] > 0.99).all()
    assert np.abs(np.diff(seen)).max() < 0.5
    speech = Speech(
        np.zeros(48_000, np.float32), 16_000, -24_000, tuple(Phoneme("a", k * 4000) for k in range(-6, 6))
    )
    out = ENGINE.draw(Drawing(range(6), 25, speech, np.array([pictures[24]] * 6), [24] * 6, track, learnt))
    assert np.array_equal(out[-1], pictures[24])
    out = ENGINE.draw(Drawing(range(6), 25, speech, np.array([pictures[4]] * 6), [4] * 6, track, learnt))
    assert not np.array_equal(out[-1], pictures[4])


@pytest.mark.slow
def test_people_are_told_when_much_is_left_as_it_is():
    assert isinstance(ENGINE, Remarks)
    track, pictures = clip(mask, range(16, 32))
    (told,) = ENGINE.remarks(track, ENGINE.prepare(track, pictures, lambda _: None))
    left, whole, *reasons = map(int, re.findall(r"\d+", told))
    assert (sum(reasons), whole) == (left, 48), "each frame that is left has its reason"
    assert "covers the mouth" in told
    track, pictures = clip(mask, ())
    assert not ENGINE.remarks(track, ENGINE.prepare(track, pictures, lambda _: None))


def test_a_mask_all_the_time_leaves_everything_alone():
    track, pictures = clip(mask, range(12), 12)
    learnt = ENGINE.prepare(track, pictures, lambda _: None)
    assert not learnt["seen"].any()
    assert "12 of 12" in ENGINE.remarks(track, learnt)[0]


@pytest.mark.slow
@pytest.mark.parametrize(("side", "told"), [(64, "left as they are"), (96, "hardly anybody"), (256, None)])
def test_people_are_told_how_small_a_mouth_is(side, told):
    track, pictures = tracked(2, side)
    remarks = ENGINE.remarks(track, ENGINE.prepare(track, pictures, lambda _: None))
    assert [told in remark for remark in remarks] == [True] * bool(told)
