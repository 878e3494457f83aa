import cv2
import numpy as np
import pytest

from core.engines.builtin.mouth import WarpedMouth
from core.engines.builtin.mouth.field import Mouth
from core.engines.builtin.mouth.find import find_mouth, mouth_patch, swatch
from core.engines.builtin.mouth.line import find_line
from core.engines.builtin.mouth.visemes import mouth_track
from core.engines.builtin.mouth.warp import Inside, open_mouth
from core.protocols import Drawing
from core.types import FaceTrack, Phoneme, Speech
from tests.support.faces import drawn, frames_of, heard, sentence, tracked

ENGINE = WarpedMouth()
FPS = 25
RATE = 16_000


def prepared(track, crops):
    return ENGINE.prepare(track, crops, lambda _: None)


def saying(name):
    """Speech that says one sound all the time."""
    return Speech(
        np.zeros(3 * RATE, np.float32), RATE, -2 * RATE, tuple(Phoneme(name, k * 4000) for k in range(-8, 8))
    )


def draw(track, crops, learnt, speech, numbers):
    run = range(len(numbers))
    shown = np.array([crops[k] for k in numbers])
    return ENGINE.draw(Drawing(run, FPS, speech, shown, numbers, track, learnt))


def opened(name, track, crops, learnt):
    """Frame 5 of the template, saying `name`."""
    return draw(track, crops, learnt, saying(name), [5] * 6)[-1]


@pytest.fixture(scope="module")
def person():
    track, crops = tracked()
    return track, crops, prepared(track, crops)


@pytest.mark.parametrize("spoken", [True, False])
def test_frames_are_the_same_however_they_are_grouped(person, spoken):
    track, crops, learnt = person
    samples, rate, phonemes = sentence()
    frames = frames_of(samples, rate, FPS)[:24]

    def by(size):
        out = []
        for k in range(0, len(frames), size):
            run = frames[k : k + size]
            numbers = [frame % len(track) for frame in run]
            speech = heard(samples, rate, run, FPS, phonemes if spoken else None)
            shown = np.array([crops[n] for n in numbers])
            out.append(ENGINE.draw(Drawing(run, FPS, speech, shown, numbers, track, learnt)))
        return np.concatenate(out)

    whole = by(24)
    assert np.array_equal(whole, by(1))
    assert np.array_equal(whole, by(7))


def test_a_shut_mouth_is_the_templates_own(person):
    track, crops, learnt = person
    numbers = list(range(len(track)))
    out = draw(track, crops, learnt, saying(""), numbers)
    assert np.array_equal(out, np.array(crops))
    assert not np.shares_memory(out, crops[0])


def test_an_open_mouth_is_dark_inside_and_changes_nothing_but_the_lower_face(person):
    track, crops, learnt = person
    out, crop = opened("a", track, crops, learnt), crops[5]
    x, y, half, _ = learnt["geometry"][5].tolist()
    changed = np.abs(out.astype(int) - crop).max(axis=2) > 3
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert y - 1.7 * half < rows[0] < y
    assert y + 0.8 * half < rows[-1] < y + 4 * half
    assert x - 2.6 * half < columns[0] < columns[-1] < x + 2.6 * half
    below = np.s_[int(y + 0.25 * half) : int(y + 0.55 * half), int(x - 0.2 * half) : int(x + 0.2 * half)]
    assert out[below].mean() < 0.6 * crop[below].mean()


def test_the_jaw_follows_how_wide_the_mouth_opens(person):
    track, crops, learnt = person
    x, y, half, _ = learnt["geometry"][5].tolist()
    column = np.s_[int(y) : int(y + 3.2 * half), int(x - 2) : int(x + 3)]

    def lower(name):
        """How far the lower lip's red has gone down, in pixels: the middle of what is reddest."""
        lab = cv2.cvtColor(opened(name, track, crops, learnt), cv2.COLOR_BGR2Lab)[column][..., 1].mean(axis=1)
        weight = np.maximum(lab - np.percentile(lab, 60), 0) ** 2
        return float((weight * np.arange(len(weight))).sum() / weight.sum())

    shut, half_open, wide = (lower(name) for name in ("", "i", "a"))
    assert shut < half_open < wide
    assert wide - shut > 0.25 * half


@pytest.mark.parametrize(("width", "out_by"), [(-0.25, -0.13), (0.12, 0.06), (0.0, 0.0)])
def test_the_corners_go_out_and_in_with_the_width(width, out_by):
    half = 40.0
    picture = np.full((300, 300, 3), 120, np.uint8)
    for side in (-1, 1):
        cv2.circle(picture, (int(150 + side * half), 150), 3, (255, 255, 255), -1)
    out = picture.copy()
    inside = Inside(None, np.zeros((72, 96, 3), np.uint8))
    open_mouth(picture, out, Mouth(150, 150, half, 0, 0, 0, 0, 0), inside, 0.05, width)
    dots = np.flatnonzero(out[145:156].max(axis=(0, 2)) > 180)
    assert abs((dots.max() - dots.min() - 6) / 2 - half * (1 + out_by)) < 0.05 * half


def test_frames_without_a_face_are_left_alone(person):
    track, crops, _ = person
    blind = FaceTrack(track.side, track.corners, track.poses, np.arange(len(track)) != 5)
    out = draw(blind, crops, prepared(blind, crops), saying("a"), [4, 4, 4, 4, 4, 5])
    assert np.array_equal(out[5], crops[5])
    assert not np.array_equal(out[4], crops[4])
    none = FaceTrack(track.side, track.corners, track.poses, np.zeros(len(track), bool))
    assert np.array_equal(draw(none, crops, prepared(none, crops), saying("a"), [0]), crops[:1])


def grey(picture):
    return cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)


@pytest.mark.parametrize("count", [1, 2])
def test_a_photo_will_do_and_so_will_a_grey_one(count):
    track, crops = tracked()
    few = FaceTrack(track.side, track.corners[:count], track.poses[:count], track.found[:count])
    for pictures in (crops[:count], [grey(crop) for crop in crops[:count]]):
        out = draw(few, pictures, prepared(few, pictures), saying("a"), [0] * 6)[-1].astype(int)
        assert np.abs(out - pictures[0]).max() > 40
    assert np.ptp(out, axis=2).max() < 12, "no colour in a grey picture"


def test_a_mouth_at_the_border_of_its_crop_is_drawn_as_far_as_it_goes(person):
    track, crops, _ = person
    for cut in (0.62, 0.75, 0.9):
        side = int(track.side * cut) // 2 * 2
        small = FaceTrack(side, track.corners, track.poses, track.found)
        parts = [np.ascontiguousarray(crop[:side, :side]) for crop in crops]
        out = draw(small, parts, prepared(small, parts), saying("a"), [0] * 6)[-1]
        assert out.shape == (side, side, 3)
        # What lies next to the crop is not redrawn: at its border nothing may have moved.
        assert np.abs(out[-1].astype(int) - parts[0][-1]).max() < 12


def test_a_tiny_mouth_is_left_alone():
    track, crops = tracked()
    scale = 0.1
    small = [cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for crop in crops]
    tiny = FaceTrack(small[0].shape[0], track.corners, track.poses * scale, track.found)
    out = draw(tiny, small, prepared(tiny, small), saying("a"), [0] * 6)
    assert np.array_equal(out[-1], small[0])


@pytest.fixture(scope="module")
def talker(person):
    """Somebody who talks already: the presenter as drawn by the engine itself, two seconds and a half."""
    track, crops, learnt = person
    samples, rate, phonemes = sentence()
    frames = frames_of(samples, rate, FPS)[:64]
    numbers = [abs((k + 11) % 22 - 11) for k in frames]
    speech = heard(samples, rate, frames, FPS, phonemes)
    shown = np.array([crops[n] for n in numbers])
    out = ENGINE.draw(Drawing(frames, FPS, speech, shown, numbers, track, learnt))
    longer = FaceTrack(track.side, track.corners[numbers], track.poses[numbers], track.found[numbers])
    return longer, out, mouth_track(frames, FPS, speech)[:, 0]


def test_one_who_talks_already_is_stilled(talker):
    track, crops, gap = talker
    learnt = prepared(track, crops)
    assert "reference" in learnt
    wide, shut = int(np.argmax(gap)), int(np.argmin(gap))
    x, y, half, _ = learnt["geometry"][wide].tolist()
    lips = np.s_[int(y - 0.3 * half) : int(y + 0.8 * half), int(x - half) : int(x + half)]

    def darkest(picture):
        return np.percentile(cv2.cvtColor(picture[lips], cv2.COLOR_BGR2GRAY), 5)

    out = draw(track, crops, learnt, saying(""), list(range(len(track))))
    assert darkest(crops[wide]) < 0.8 * darkest(crops[shut])
    assert darkest(out[wide]) > 0.9 * darkest(crops[shut])


def test_one_who_does_not_talk_is_not_stilled(person):
    assert "reference" not in person[2]


def test_the_mouth_is_where_it_was_drawn():
    track, crops = tracked()
    scale = 256 / 512
    spot = find_mouth(swatch(crops[0], track.poses[0]))
    x, y = track.poses[0] @ [spot.x, spot.y, 1] + track.corners[0]
    side = np.hypot(*track.poses[0][:, 0])
    assert abs(x - 256 * scale) < 5
    assert abs(y - 278 * scale) < 5
    assert abs(spot.half * side - 27 * scale) < 3
    assert abs(spot.angle) < 0.1


@pytest.mark.parametrize("drop", [0.0, 0.3])
def test_the_lip_line_goes_down_with_the_lip(drop):
    patch = np.full((96, 112, 3), (150, 175, 215), np.uint8)
    mouth = 44 + int(drop * 32)
    cv2.ellipse(patch, (56, 44), (32, 9), 0, 180, 360, (95, 90, 175), -1)
    cv2.ellipse(patch, (56, mouth), (32, 12), 0, 0, 180, (105, 100, 190), -1)
    cv2.ellipse(patch, (56, (44 + mouth) // 2), (30, max(1, (mouth - 44) // 2)), 0, 0, 360, (20, 18, 40), -1)
    line = find_line(cv2.GaussianBlur(patch, (0, 0), 1.0))
    assert abs(line.c0 - drop) < 0.1
    assert abs(line.rest - drop) < 0.2


def test_a_mouth_patch_is_level():
    track, crops = tracked()
    turn = cv2.getRotationMatrix2D((track.side / 2, track.side / 2), 12, 1)
    tilted = cv2.warpAffine(crops[0], turn, (track.side, track.side), borderMode=cv2.BORDER_REPLICATE)
    pose = turn[:, :2] @ track.poses[0]
    pose[:, 2] += turn[:, 2]
    patches = []
    for crop, where in ((crops[0], track.poses[0]), (tilted, pose)):
        picture = swatch(crop, where)
        patches.append(mouth_patch(picture, find_mouth(picture)).astype(int))
    assert np.abs(patches[0] - patches[1]).mean() < 4


def test_progress_counts_up_to_the_last_frame():
    track, crops = tracked()
    seen = []
    ENGINE.prepare(track, crops, seen.append)
    assert seen == list(range(1, len(track) + 1))
    assert len(drawn(12, 256)) == len(track)


def test_nothing_moves_at_the_rim_of_what_is_redrawn():
    """Upright edges all over the picture: a column drawn twice at the rim would bend one of them."""
    from core.engines.builtin.mouth.field import Mouth, field_of
    from core.engines.builtin.mouth.warp import Inside, open_mouth

    picture = np.zeros((200, 200, 3), np.uint8)
    picture[:, ::4] = 255
    mouth = Mouth(x=100, y=80, half=26, angle=0.0, c0=0.0, c1=0.0, c2=-0.05, rest=0.0)
    out = picture.copy()
    open_mouth(picture, out, mouth, Inside(None, np.zeros((64, 96, 3), np.uint8)), 0.4, 0.0)
    moved = np.flatnonzero((out != picture).any(axis=(0, 2)))
    field = field_of(mouth, 0.4, 0.0)
    assert moved.min() > field.left + field.step
    assert moved.max() < field.left + (field.x.shape[1] - 1) * field.step
