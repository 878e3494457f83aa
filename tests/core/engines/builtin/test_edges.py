"""The line between lips is found though the landmarks are off; the picture is the drawn presenter."""

import cv2
import numpy as np
import pytest

from core.engines.builtin.mouth import WarpedMouth
from core.engines.builtin.mouth.edges import edge_offsets
from core.engines.builtin.mouth.move import aimed
from core.engines.builtin.mouth.paint import Inside, redraw
from core.engines.builtin.mouth.prepare import mouth_at
from core.engines.builtin.mouth.shape import shape
from tests.support.faces import tracked


@pytest.fixture(scope="module")
def mouth():
    """A shut mouth in a picture: the picture, where it is, and what to show inside."""
    track, crops = tracked(12, 512)
    learnt = WarpedMouth().prepare(track, crops, lambda _: None)
    inside = Inside(learnt["teeth"][0], learnt["jaw"][0], *learnt["hang"][0].tolist())
    return crops[3], mouth_at(learnt, 3, track.poses[3]), inside


def found(picture, points, half):
    """Where the edges of the opening are found: below the points' line, in half mouths, (2, 11)."""
    offsets = edge_offsets(picture, points, half, shape())
    return np.array([-offsets[0], offsets[1]])


@pytest.mark.slow
@pytest.mark.parametrize("off", [(0.1, 0.1), (-0.1, -0.1), (0.1, -0.06), (-0.06, 0.1)])
def test_lips_that_are_shut_meet_on_the_line_between_them(mouth, off):
    picture, here, _ = mouth
    true = found(picture, here.points, here.half)
    points = here.points.copy()
    lips = np.unique([*shape().upper.ravel(), *shape().lower.ravel(), *shape().corners])
    across = (points[lips] - points[shape().ring[0, 5]]) @ here.turn[:, 0] / here.half**2
    shift = np.interp(across, [-1, 1], off)  # the landmarks lie so much lower, left and right
    points[lips, 1] += shift * here.half
    moved = found(picture, points, here.half)
    line = (points[shape().ring[0]] - points[shape().ring[0, 5]]) @ here.turn[:, 0] / here.half**2
    wrong = moved + np.interp(line, [-1, 1], off) - true
    assert np.abs(wrong[:, 2:-2]).max() < 0.035
    assert np.abs(moved[1] - moved[0])[2:-2].max() < 0.03, "nothing is open"


@pytest.mark.parametrize("gap", [0.1, 0.15, 0.3, 0.6])
def test_an_opening_is_found_by_colour_where_the_landmarks_are_a_little_off(mouth, gap):
    picture, here, inside = mouth
    out = picture.copy()
    redraw(picture, out, shape(), here, inside, gap, 0.0)
    points = aimed(shape(), here, gap, 0.0)
    up, low = shape().ring[:, 3:-3]
    for off in (-0.05, 0.0, 0.05):
        shifted = points.copy()
        shifted[np.concatenate([up, low]), 1] += off * here.half
        edges = found(out, shifted, here.half)[:, 3:-3] + off
        # The line between the presenter's lips is drawn, and stretched with them: it counts as opening.
        assert -0.07 < edges[0].mean() < 0.03
        assert -0.03 < edges[1].mean() < 0.07


@pytest.mark.parametrize("ends", [0.1, 0.14])
def test_teeth_between_painted_lips_are_no_lip_though_the_landmarks_have_them_shut(mouth, ends):
    picture, here, _ = mouth
    form, half = shape(), here.half
    line = here.points[form.ring[0]]
    down = here.turn[:, 1] / half
    out = picture.copy()
    for rings, colour in ((form.upper, (26, 18, 70)), (form.lower, (88, 76, 150))):
        lip = np.concatenate([here.points[rings[0]], line[1:-1][::-1]])
        cv2.fillPoly(out, [np.round(lip).astype(np.int32)], colour)
    cv2.polylines(out, [np.round(line * 16).astype(np.int32)], False, (8, 5, 25), 2, cv2.LINE_AA, 4)
    seen = line[3:-3]
    teeth = np.concatenate([seen + 0.03 * half * down, (seen + ends * half * down)[::-1]])
    cv2.fillPoly(out, [np.round(teeth * 16).astype(np.int32)], (170, 185, 182), cv2.LINE_AA, 4)
    out = cv2.GaussianBlur(out, (0, 0), 0.02 * half)
    edges = found(out, here.points, half)[1]
    assert np.abs(edges[4:-4] - ends).max() < 0.05
    assert edges[[1, 2, -3, -2]].max() < 0.06, "beside the teeth lips are shut"
