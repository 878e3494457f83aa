import cv2
import numpy as np
import pytest

from core.engines.builtin.clarity import Clarity, noise_level
from core.types import FaceTrack
from tests.support.faces import tracked

ENGINE = Clarity()


def noisy(crops, deviation):
    rng = np.random.default_rng(0)
    return np.clip(np.array(crops) + rng.normal(0, deviation, np.shape(crops)), 0, 255).astype(np.uint8)


def enhanced(track, crops, learn_from=None):
    learnt = ENGINE.prepare(track, crops if learn_from is None else learn_from, lambda _: None)
    return ENGINE.enhance(np.array(crops), range(len(crops)), track, learnt)


def some(count=4):
    track, crops = tracked()
    short = FaceTrack(track.side, track.corners[:count], track.poses[:count], track.found[:count])
    return short, np.array(crops[:count])


def face(track):
    """The middle of the face, where all of the treatment works."""
    x, y = (track.poses[0] @ [0.5, 0.55, 1]).astype(int)
    r = int(0.35 * np.hypot(*track.poses[0][:, 0]))
    return np.s_[:, y - r : y + r, x - r : x + r]


def likeness(a, b):
    """Peak signal-to-noise ratio, dB."""
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


@pytest.mark.parametrize(("deviation", "gain"), [(5, 0.3), (8, 2.0), (14, 4.0)])
def test_noise_goes(deviation, gain):
    track, crops = some()
    grainy = noisy(crops, deviation)
    out, part = enhanced(track, grainy), face(track)
    assert likeness(out[part], crops[part]) > likeness(grainy[part], crops[part]) + gain


def test_a_clean_face_gets_crisper_and_stays_itself():
    track, crops = some()
    soft = np.array([cv2.GaussianBlur(crop, (0, 0), 0.8) for crop in crops])
    out, part = enhanced(track, soft), face(track)

    def sharpness(pictures):
        return np.mean(
            [cv2.Laplacian(cv2.cvtColor(p, cv2.COLOR_BGR2GRAY), cv2.CV_64F).var() for p in pictures]
        )

    assert sharpness(np.ascontiguousarray(out[part])) > 1.1 * sharpness(np.ascontiguousarray(soft[part]))
    assert likeness(out, soft) > 40


@pytest.mark.parametrize("level", [0, 77, 255])
def test_a_flat_picture_stays_flat(level):
    track, crops = some(2)
    flat = np.full_like(crops, level)
    assert np.array_equal(enhanced(track, flat), flat)
    assert np.array_equal(enhanced(track, flat, noisy(crops, 6)), flat)


def test_an_edge_gets_no_halo():
    track, crops = some(1)
    step = np.full_like(crops, 60)
    step[:, :, track.side // 2 :] = 190
    step = np.array([cv2.GaussianBlur(picture, (0, 0), 1.0) for picture in step])
    out = enhanced(track, step)
    assert out.min() >= 60 - 5
    assert out.max() <= 190 + 5
    far = np.abs(np.arange(track.side) - track.side // 2) > 8
    assert np.array_equal(out[:, :, far], step[:, :, far])


def test_only_the_face_is_touched():
    track, crops = some(1)
    out = enhanced(track, noisy(crops, 8))
    before = noisy(crops, 8)
    assert np.array_equal(out[0, :4], before[0, :4])
    assert np.array_equal(out[0, :, :4], before[0, :, :4])
    assert not np.array_equal(out[face(track)], before[face(track)])


def test_each_patch_is_treated_alone():
    track, crops = some()
    learnt = ENGINE.prepare(track, crops, lambda _: None)
    whole = ENGINE.enhance(crops, range(4), track, learnt)
    again = [ENGINE.enhance(crops[k : k + 1], [k], track, learnt) for k in range(4)]
    assert np.array_equal(whole, np.concatenate(again))
    assert not np.shares_memory(whole, crops)


def test_frames_without_a_face_and_faces_of_a_few_pixels_pass():
    track, crops = some(2)
    blind = FaceTrack(track.side, track.corners, track.poses, np.array([False, False]))
    assert np.array_equal(enhanced(blind, crops), crops)
    speck = FaceTrack(track.side, track.corners, track.poses * 0.05, track.found)
    assert np.array_equal(enhanced(speck, crops), crops)


@pytest.mark.parametrize("deviation", [2.0, 6.0, 12.0])
def test_noise_is_measured(deviation):
    grain = np.random.default_rng(0).normal(120, deviation, (80, 80, 1))
    level = noise_level(np.repeat(np.rint(grain).clip(0, 255), 3, axis=2).astype(np.uint8))
    assert abs(level - deviation) < 0.15 * deviation


def test_fidelity_is_no_choice_here():
    track, crops = some(1)
    learnt = ENGINE.prepare(track, crops, lambda _: None)
    clear, alike = (ENGINE.enhance(crops, [0], track, learnt, w) for w in (0.0, 1.0))
    assert np.array_equal(clear, alike)
