"""Where the aligned face lies, cutting it out, laying it back, and how much of it is taken."""

import cv2
import numpy as np
import pytest

from core.engines.restoration.ffhq import TEMPLATE, alignments, cut, lay
from core.engines.restoration.masks import SIDE, skin, square, with_mouth_of
from core.tracking.pose import LANDMARKS, chained, fitted, inverse, parts, placed
from core.types import FaceTrack

CROP = 360


def track(count=60, *, marks=None, width=170.0, roll=0.0) -> FaceTrack:
    """A head that drifts and turns."""
    poses = []
    for k in range(count):
        turn = roll + 0.1 * np.sin(k / 9)
        a, b = width * np.cos(turn), width * np.sin(turn)
        poses.append([[a, -b, 95 + 8 * np.sin(k / 7) + b / 2], [b, a, 85 + 5 * np.cos(k / 5) - b / 2]])
    return FaceTrack(CROP, np.zeros((count, 2), np.int32), np.array(poses), np.ones(count, np.bool_), marks)


def person(count=60) -> np.ndarray:
    """Somebody's landmarks in face coordinates: not the mean ones."""
    own = LANDMARKS + np.array([[0.01, -0.02], [-0.02, -0.01], [0.0, 0.03], [0.02, 0.02], [-0.01, 0.02]])
    return np.repeat(own[None], count, 0)


def seen(where: FaceTrack, points: np.ndarray) -> np.ndarray:
    """`points` (frames, 5, 2) in crop pixels."""
    pairs = zip(where.poses, points, strict=True)
    return np.stack([placed(pose, five) for pose, five in pairs]).astype(np.float32)


def picture(seed=0) -> np.ndarray:
    small = np.random.default_rng(seed).uniform(20, 235, (14, 14, 3)).astype(np.float32)
    return cv2.resize(small, (CROP, CROP), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)


def tremble(matrices: np.ndarray, where: FaceTrack) -> float:
    """Pixels of the aligned face that its corner moves against the head from frame to frame."""
    relative = chained(inverse(where.poses), matrices)
    corner = np.stack([placed(one, np.array([[0.0, 0.0]]))[0] for one in relative])
    return float(np.abs(np.diff(corner, axis=0)).mean() * 336)


def test_landmarks_come_to_lie_where_the_template_has_them():
    where = track()
    marks = seen(where, person())
    for k, matrix in enumerate(alignments(track(marks=marks))):
        there = placed(inverse(matrix), marks[k])
        assert np.abs(there - TEMPLATE).max() < 14
        best = placed(inverse(fitted(TEMPLATE, marks[k])), marks[k])
        assert np.abs(there - best).max() < 0.5


def test_landmarks_that_tremble_do_not_make_the_face_swim():
    where = track()
    noisy = seen(where, person()) + np.random.default_rng(0).normal(0, 1.2, (60, 5, 2)).astype(np.float32)
    each = np.stack([fitted(TEMPLATE, five) for five in noisy])
    assert tremble(alignments(track(marks=noisy)), where) < tremble(each, where) / 8
    clean = alignments(track(marks=seen(where, person())))
    off = np.abs(parts(alignments(track(marks=noisy))) - parts(clean))
    assert off[:, :2].max() < 2.5  # at the corner of the picture, farthest from all landmarks


def test_a_track_without_landmarks_follows_its_pose_or_what_a_finder_saw():
    where = track()
    mean = alignments(where)
    assert np.allclose(mean, chained(where.poses, fitted(TEMPLATE, LANDMARKS)))
    marks = seen(where, person())
    few = alignments(where, [(k, marks[k]) for k in range(0, 60, 7)])
    assert np.allclose(few, alignments(track(marks=marks)), atol=0.2)
    assert not np.allclose(few, mean, atol=1)


@pytest.mark.parametrize("width", [60.0, 170.0, 210.0])
@pytest.mark.parametrize("roll", [0.0, 0.5])
def test_a_face_cut_out_and_laid_back_is_what_it_was(width, roll):
    crop = picture()
    matrix = alignments(track(1, width=width, roll=roll))[0]
    again = crop.copy()
    lay(again, cut(crop, matrix), square(), matrix)
    assert np.abs(again.astype(int) - crop).mean() < 0.7
    corner = again[:8, :8], crop[:8, :8]
    assert np.array_equal(*corner)


def test_only_what_the_mask_takes_changes():
    crop, matrix = picture(), alignments(track(1))[0]
    face = 255 - cut(crop, matrix)
    mask = square().copy()
    mask[:, : SIDE // 2] = 0
    changed = crop.copy()
    lay(changed, face, mask, matrix)
    columns, rows = np.meshgrid(np.arange(CROP), np.arange(CROP))
    x, y = placed(inverse(matrix), np.stack([columns.ravel(), rows.ravel()], 1)).T.reshape(2, CROP, CROP)
    outside = (x < 250) | (x > 503) | (y < 9) | (y > 503)
    assert np.array_equal(changed[outside], crop[outside])
    inside = (x > 300) & (x < 460) & (y > 60) & (y < 450)
    assert (changed[inside] != crop[inside]).mean() > 0.9
    lay(untouched := crop.copy(), face, np.zeros_like(mask), matrix)
    assert np.array_equal(untouched, crop)


@pytest.mark.parametrize("shift", [(-300.0, 0.0), (200.0, 150.0), (2000.0, 0.0)])
@pytest.mark.parametrize("width", [4.0, 170.0, 1500.0])
def test_faces_cut_by_the_border_tiny_and_huge_are_laid_where_they_are(shift, width):
    where = track(1, width=width)
    where.poses[:, :, 2] += shift
    crop, matrix = picture(), alignments(where)[0]
    again = crop.copy()
    face = cut(crop, matrix)
    assert face.shape == (512, 512, 3)
    lay(again, face, square(), matrix)
    assert again.shape == crop.shape


def test_masks_are_soft_and_reach_no_border():
    labels = np.zeros((512, 512), np.uint8)
    labels[60:, 100:] = 1
    labels[300:, 300:] = 18  # cloth
    for mask in (square(), skin(labels)):
        assert mask[[0, 1, -1, -2]].max() == 0
        assert mask[:, [0, 1, -1, -2]].max() == 0
        assert max(np.abs(np.diff(mask.astype(int), axis=axis)).max() for axis in (0, 1)) < 60
    taken = skin(labels)
    assert taken[40:60, 50:60].min() > 250
    assert taken[:, :12].max() == 0
    assert taken[-20:, -20:].max() < 20
    assert (taken <= square()).all()


def test_the_mouths_shape_is_kept_in_proportion_and_its_detail_is_the_restored_one():
    restored = np.full((512, 512, 3), 100, np.uint8)
    restored[::2] = 120  # detail
    given = np.full((512, 512, 3), 170, np.uint8)
    mouth = np.s_[355:390, 235:280]
    moved = [float(with_mouth_of(restored, given, share)[mouth].mean()) - 110 for share in (0, 0.25, 0.5, 1)]
    assert np.allclose(moved, [0, 15, 30, 60], atol=1.5)
    whole = with_mouth_of(restored, given, 1.0)
    assert np.array_equal(
        np.diff(whole[mouth].astype(int), axis=0), np.diff(restored[mouth].astype(int), axis=0)
    )
    away = np.ones((512, 512), bool)
    away[290:450, 160:355] = False
    assert np.array_equal(whole[away], restored[away])
    assert np.abs(np.diff(whole[::2].astype(int), axis=1)).max() < 6  # no seam
