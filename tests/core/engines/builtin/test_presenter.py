from itertools import pairwise

import numpy as np
import pytest

from core.engines.builtin import presenter
from core.engines.builtin.face import HaarFinder
from tests.support.faces import drawn


def difference(a, b):
    return float(np.abs(a.astype(int) - b).mean())


def test_the_clip_is_a_loop_without_a_seam():
    pictures = drawn(50, 128)
    steps = [difference(a, b) for a, b in pairwise(pictures)]
    assert difference(pictures[-1], pictures[0]) <= max(steps)
    assert max(steps) < 4


def test_it_moves_and_it_blinks():
    pictures = drawn(50, 128)
    assert min(difference(pictures[0], p) for p in pictures[10:40]) > 0.2
    # Open eyes are pale and dark; shut ones are skin.
    eyes = np.array([p[44:54, 51:77].std() for p in pictures])
    assert eyes.min() < 0.9 * np.median(eyes)
    assert 2 <= (eyes < 0.9 * np.median(eyes)).sum() <= 8


@pytest.mark.slow
@pytest.mark.parametrize("size", [256, 320])
def test_its_face_is_found(size):
    faces = HaarFinder().find(next(presenter.frames(1, 25, size)))
    assert len(faces) == 1
    x, y, side, _ = faces[0].box / size
    assert 0.3 < side < 0.45
    assert abs(x + side / 2 - 0.5) < 0.05
    assert abs(y + side / 2 - 0.42) < 0.06


@pytest.mark.parametrize(("count", "fps", "size"), [(1, 25, 64), (3, 60, 96), (2, 10, 150)])
def test_any_length_pace_and_size_can_be_drawn(count, fps, size):
    pictures = list(presenter.frames(count, fps, size))
    assert [p.shape for p in pictures] == [(size, size, 3)] * count
    assert all(p.dtype == np.uint8 for p in pictures)


def test_it_is_drawn_the_same_every_time():
    assert np.array_equal(next(presenter.frames(1, 25, 96)), next(presenter.frames(1, 25, 96)))
