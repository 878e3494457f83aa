"""What shows in an open mouth has the light and the softness of the picture, here of the drawn presenter."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from core.engines.builtin.mouth import WarpedMouth
from core.engines.builtin.mouth.drawn import palette
from core.engines.builtin.mouth.move import Mouth, aimed
from core.engines.builtin.mouth.own import own_tooth, shows_inside
from core.engines.builtin.mouth.paint import Inside, redraw
from core.engines.builtin.mouth.prepare import mouth_at
from core.engines.builtin.mouth.shape import shape
from tests.support.faces import tracked

SKIN, LIP = np.array([140.0, 160, 200]), np.array([100.0, 95, 170])


def prepared(change=lambda crop: crop):
    """A picture of a shut mouth, changed; where the mouth is; what is to be shown inside."""
    track, crops = tracked(1, 512)
    crop = np.asarray(change(crops[0]), np.uint8)
    learnt = WarpedMouth().prepare(track, [crop], lambda _: None)
    inside = Inside(learnt["teeth"][0], learnt["jaw"][0], *learnt["hang"][0].tolist())
    return crop, mouth_at(learnt, 0, track.poses[0]), inside


@pytest.fixture(scope="module")
def sharp():
    return prepared()


def teeth(lip, left, right):
    """How light the teeth are on the viewer's left and right."""
    return palette(lip, np.array([left, right])).teeth.mean(axis=1)


def test_teeth_are_lit_from_the_side_that_the_cheeks_are_lit_from():
    left, right = teeth(LIP, SKIN, 0.4 * SKIN)
    assert right < 0.6 * left
    assert np.array_equal(*teeth(LIP, SKIN, SKIN).reshape(2, 1))


def test_teeth_lie_in_the_shade_that_lips_lie_in_but_lipstick_is_no_shade():
    lit = teeth(LIP, SKIN, SKIN)[0]
    assert teeth(np.full(3, 45.0), SKIN, SKIN)[0] < 0.7 * lit
    assert teeth(np.array([35.0, 20, 120]), SKIN, SKIN)[0] > 0.9 * lit


def test_drawn_teeth_have_the_colour_of_those_that_a_mouth_hardly_open_shows(sharp):
    crop, shut, _ = sharp
    opened = Mouth(aimed(shape(), shut, 0.17, 0.0), shut.turn, 0.17, 0.0)
    ring = opened.points[shape().ring]
    outline = np.round(np.concatenate([ring[0], ring[1][::-1]])).astype(np.int32)
    lilac = np.array([230.0, 190, 240])
    smile, dark = (cv2.fillPoly(crop.copy(), [outline], colour) for colour in (lilac.tolist(), (20, 15, 30)))
    own = own_tooth(smile, shape(), opened)
    assert own is not None
    assert np.abs(own - lilac).max() < 12
    drawn = palette(LIP, np.array([SKIN, 0.6 * SKIN]), own).teeth
    assert np.abs(drawn.mean(axis=0) - own).max() < 25
    assert drawn[1].mean() < 0.8 * drawn[0].mean(), "and the light of either side"
    assert own_tooth(dark, shape(), opened) is None
    assert own_tooth(smile, shape(), shut) is None


@pytest.mark.slow
def test_light_from_the_side_is_seen_in_the_mouth():
    def shaded(crop):
        return crop * np.linspace(1.6, -0.2, crop.shape[1])[None, :, None].clip(0.15, 1)

    crop, mouth, inside = prepared(shaded)
    out = crop.copy()
    redraw(crop, out, shape(), mouth, inside, 0.5, 0.0)
    x, y = mouth.points[shape().ring[0, 5]].astype(int)
    near, far = int(0.2 * mouth.half), int(0.45 * mouth.half)
    row = out[y : y + near].min(axis=2)  # teeth have the most blue
    left, right = row[:, x - far : x - near].max(), row[:, x + near : x + far].max()
    assert right < 0.85 * left


def steepest(crop, mouth, inside, gap):
    """How fast light changes at most, from the upper to the lower lip, when the mouth is open by `gap`."""
    out = crop.copy()
    redraw(crop, out, shape(), mouth, inside, gap, 0.0)
    x, y = mouth.points[shape().ring[0, 5]].astype(int)
    half = int(mouth.half)
    column = out[y - half // 2 : y + half, x - 2 : x + 3].mean(axis=(1, 2))
    return np.abs(np.diff(column)).max()


@pytest.mark.parametrize("gap", [0.3, 0.6])
def test_a_mouth_opens_softly_in_a_soft_picture(sharp, gap):
    soft = prepared(lambda crop: cv2.GaussianBlur(crop, (0, 0), 5))
    assert soft[2].soft > 0.1
    assert steepest(*soft, gap) < 0.35 * steepest(*sharp, gap)


def test_lips_of_a_soft_picture_are_shut_without_a_hard_line(sharp):
    opened = sharp[0].copy()
    redraw(sharp[0], opened, shape(), *sharp[1:], 0.25, 0.0)
    crop, mouth, inside = prepared(lambda _: cv2.GaussianBlur(opened, (0, 0), 5))
    assert mouth.gap > 0.05
    hard = replace(inside, soft=0.0)
    assert steepest(crop, mouth, inside, 0.0) < 0.7 * steepest(crop, mouth, hard, 0.0)


def test_a_small_picture_made_larger_is_soft_though_its_blocks_are_sharp():
    def enlarged(crop):
        side = crop.shape[0]
        _, file = cv2.imencode(".jpg", cv2.resize(crop, (side // 6, side // 6), interpolation=cv2.INTER_AREA))
        return cv2.resize(cv2.imdecode(file, cv2.IMREAD_COLOR), (side, side), interpolation=cv2.INTER_CUBIC)

    assert prepared(enlarged)[2].soft > 0.05


def test_a_mouth_open_at_one_place_alone_is_not_looked_into(sharp):
    _, mouth, _ = sharp
    opened = Mouth(aimed(shape(), mouth, 0.3, 0.0), mouth.turn, 0.3, 0.0)
    assert shows_inside(shape(), opened)
    points = mouth.points.copy()
    middle = shape().ring[:, 4:7]
    points[middle] = opened.points[middle]
    assert not shows_inside(shape(), Mouth(points, mouth.turn, 0.3, 0.0))
    assert not shows_inside(shape(), mouth)
