"""Backdrops drawn from the words of a prompt."""

import doctest

import numpy as np
import pytest

from core.engines.builtin.backdrop import DrawnBackdrop, words
from core.engines.builtin.backdrop.words import idea
from core.errors import Stopped
from core.protocols import PaintOrder


def paint(prompt, width=96, height=64, seed=0):
    return DrawnBackdrop().paint(PaintOrder(prompt, width, height, seed=seed), lambda *_: None, lambda: False)


def test_the_examples_in_its_documentation_hold():
    assert doctest.testmod(words).failed == 0


@pytest.mark.parametrize(
    ("prompt", "scene", "hour"),
    [
        ("晚霞下的海边", "sea", "dusk"),
        ("A sunset over the ocean", "sea", "dusk"),
        ("夜晚的城市霓虹", "bokeh", "night"),
        ("a library full of old books", "bookshelf", "day"),
        ("明亮的办公室，阳光从窗户照进来", "window", "day"),
        ("蓝色渐变背景", "studio", "day"),
        ("crumpled paper", "paper", "day"),
        ("Schrödinger", "studio", "day"),
    ],
)
def test_words_in_either_language_choose_scene_and_hour(prompt, scene, hour):
    found = idea(prompt)
    assert (found.scene, found.hour) == (scene, hour)


def test_colours_are_taken_in_the_order_they_are_named():
    assert idea("red and white studio").colours == idea("红白色渐变").colours
    assert idea("red and white").colours != idea("white and red").colours
    assert len(idea("a borderline case").colours) == 0  # no "red" inside a word


def test_what_is_not_understood_is_said():
    assert "no word of the prompt is known" in paint("qwertz").about


@pytest.mark.parametrize(
    "prompt", ["sea", "bookshelf", "window", "bokeh", "paper", "studio", "night sea", "red"]
)
@pytest.mark.parametrize("size", [(96, 64), (54, 96), (16, 16)])
def test_every_scene_can_be_drawn_at_any_size(prompt, size):
    picture = paint(prompt, *size).picture
    assert picture.shape == (size[1], size[0], 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 1


def test_the_seed_and_nothing_else_varies_it():
    first, same, other = paint("sea").picture, paint("sea").picture, paint("sea", seed=1).picture
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_named_colours_are_the_picture():
    red, blue = (paint(f"{colour} studio").picture.mean(axis=(0, 1)) for colour in ("red", "blue"))
    assert red[2] > 2 * red[0]
    assert blue[0] > 2 * blue[2]


def test_a_dusk_sky_is_warmer_than_a_day_sky():
    dusk, day = (paint(f"{hour} sea").picture[:30].mean(axis=(0, 1)) for hour in ("sunset", "noon"))
    assert dusk[2] - dusk[0] > 30
    assert day[0] - day[2] > 30


def test_it_stops_when_told():
    with pytest.raises(Stopped):
        DrawnBackdrop().paint(PaintOrder("sea", 64, 64), lambda *_: None, lambda: True)
