"""Putting a picture behind a person, against composites whose truth is known."""

import cv2
import numpy as np
import pytest

from core.templates import scene
from tests.support.mattes import GREEN, WALLS, before, known

SIZE = 256


def rgba(width, height, colour=(10, 20, 30), alpha=255):
    picture = np.empty((height, width, 4), np.uint8)
    picture[:] = (*colour, alpha)
    return picture


def marked(width, height):
    """Red on the left, blue on the right, white on top."""
    picture = rgba(width, height, (0, 0, 200))
    picture[:, width // 2 :] = (200, 0, 0, 255)
    picture[: height // 4] = (255, 255, 255, 255)
    return picture


@pytest.mark.parametrize("fit", ["cover", "contain", "stretch"])
@pytest.mark.parametrize("size", [(640, 360), (90, 300), (17, 17), (3000, 20)])
def test_any_picture_fits_any_frame(fit, size):
    ground = scene.fitted(rgba(*size), 128, 96, fit=fit)
    assert ground.colour.shape == (96, 128, 3)
    assert ground.share is None
    assert np.abs(ground.colour - (10, 20, 30)).max() < 1.5


def test_cover_cuts_contain_shows_all_and_stretch_bends():
    wide = marked(400, 100)
    cover, contain, stretch = (
        scene.fitted(wide, 100, 100, fit=fit).colour for fit in ("cover", "contain", "stretch")
    )
    assert cover[60, 10, 2] > 150 and cover[60, 90, 0] > 150  # noqa: PT018  # one claim: both halves are there
    assert (cover[:20] > 200).all() and (stretch[:20] > 200).all()  # noqa: PT018  # the white bar
    assert (contain[39:42, 5:95] > 200).all()  # all of it, a quarter as high, in the middle
    assert (contain[46:60, 5:45, 2] > 150).all()
    assert (contain[46:60, 55:95, 0] > 150).all()


def test_the_focus_stays_in_view():
    wide = rgba(400, 100)
    wide[45:55, 345:355] = (255, 255, 255, 255)
    seen = scene.fitted(wide, 100, 100, focus=(0.875, 0.5)).colour
    assert seen[50, 50].min() > 200
    assert scene.fitted(wide, 100, 100).colour.max() < 60
    assert scene.fitted(wide, 100, 100, focus=(1.0, 0.5)).colour[50, 50].min() > 200  # as near as it goes


def test_blur_softens_by_degrees():
    sharp = [scene.fitted(marked(128, 128), 128, 128, blur=blur).colour for blur in (0, 0.3, 1)]
    edges = [np.abs(np.diff(colour, axis=1)).max() for colour in sharp]
    assert edges[0] > 2 * edges[1] > 4 * edges[2]


def test_the_view_wanders_without_showing_an_edge():
    picture = rgba(200, 100)
    picture[..., 0] = np.linspace(0, 255, 200)
    ground = scene.fitted(picture, 100, 100, wander=True)
    left, right = (ground.at(place, 100, 100).colour[50].mean(axis=0)[0] for place in (0, 1))
    assert right - left > 5
    assert ground.at(1, 100, 100).colour.shape == (100, 100, 3)


@pytest.mark.parametrize(
    ("wall", "most"), [("green", 1.6), ("blue", 1.6), ("grey", 1.0), ("the sample's own", 1.0)]
)
def test_a_known_person_before_another_wall_is_nearly_what_a_camera_would_see(wall, most):
    old = (WALLS["key"] | WALLS["flat"])[wall](SIZE)
    new = WALLS["grabcut"]["sunset"](SIZE)
    person, alpha = known(1, SIZE)
    truth = person[0] + (1 - alpha[0]) * new
    frame = before(old, 1, SIZE, noise=0)[0]
    matte = (alpha[0, ..., 0] * 255 + 0.5).astype(np.uint8)
    made = scene.layered(frame, matte, scene.Ground(new), wrap=False)
    edge = (alpha[0, ..., 0] > 0) & (alpha[0, ..., 0] < 1)
    plain = alpha[0] * frame + (1 - alpha[0]) * new  # what mixing by the matte alone gives: a rim of the wall
    assert np.abs(made - truth).mean() < most
    assert np.abs(made - truth)[edge].mean() < 0.4 * np.abs(plain - truth)[edge].mean()


def test_green_light_on_the_edge_is_taken_away_and_none_from_within():
    person, alpha = known(1, SIZE)
    near = cv2.GaussianBlur(1 - alpha[0], (0, 0), 4)[..., None]
    lit = person[0] + alpha[0] * near * np.float32([0, 90, 0])
    frame = np.clip(lit + (1 - alpha[0]) * np.float32(GREEN), 0, 255).astype(np.uint8)
    matte = (alpha[0, ..., 0] * 255 + 0.5).astype(np.uint8)
    made = scene.layered(frame, matte, scene.Ground(np.zeros((SIZE, SIZE, 3), np.float32)), wrap=False)
    rim = (alpha[0, ..., 0] == 1) & (near[..., 0] > 0.1)

    def excess(picture):
        return np.maximum(0, picture[..., 1] - np.maximum(picture[..., 0], picture[..., 2]).astype(float))[
            rim
        ].mean()

    assert excess(made) < 0.25 * excess(frame.astype(float))
    inside = cv2.erode((alpha[0, ..., 0] == 1).astype(np.uint8), np.ones((41, 41))) > 0
    assert np.abs(made[inside].astype(int) - frame[inside]).max() <= 1


def test_a_transparent_picture_lets_the_old_background_through():
    frame = before(WALLS["flat"]["grey"](64), 1, 64)[0]
    matte = (known(1, 64)[1][0, ..., 0] * 255).astype(np.uint8)
    clear = scene.fitted(rgba(64, 64, alpha=0), 64, 64)
    assert np.array_equal(scene.layered(frame, matte, clear), frame)
    half = scene.layered(frame, matte, scene.fitted(rgba(64, 64, (0, 0, 0), alpha=128), 64, 64))
    wall = matte == 0
    assert abs(half[wall].mean() / frame[wall].mean() - 0.5) < 0.02


@pytest.mark.slow
def test_the_tone_comes_nearer_to_the_persons_but_not_far():
    frame = before(WALLS["flat"]["white"](96), 1, 96)[0]
    matte = (known(1, 96)[1][0, ..., 0] * 255).astype(np.uint8)
    for level in (20, 235):
        ground = scene.fitted(rgba(96, 96, (level,) * 3), 96, 96)
        step = scene.toned(ground, frame, matte).colour.mean() - level
        assert 3 < abs(step) < 45
        assert (step > 0) == (level < 128)


def test_the_cut_out_person_keeps_her_colours_up_to_the_edge():
    person, alpha = known(1, SIZE)
    frame = before(WALLS["key"]["green"](SIZE), 1, SIZE, noise=0)[0]
    matte = (alpha[0, ..., 0] * 255 + 0.5).astype(np.uint8)
    out = scene.cut_out(frame, matte)
    assert np.array_equal(out[..., 3], matte)
    again = out[..., :3] * alpha[0] + (1 - alpha[0]) * 0
    assert np.abs(again - person[0] * (alpha[0] > 0)).mean() < 1
    rim = (matte > 20) & (matte < 200)
    assert (out[rim][:, 1].astype(int) - out[rim][:, [0, 2]].max(axis=1)).mean() < 10  # no green in it
