"""The engines that tell a person from the background, against a matte that is known."""

from itertools import islice

import numpy as np
import pytest

from core.engines import load
from core.engines.builtin.matte.backdrop import measure
from core.errors import BadInput
from tests.support.mattes import WALLS, before, each, face, known

SIZE = 256
MOST = {"key": 0.02, "flat": 0.02, "selfie": 0.02, "grabcut": 0.06}
"""Mean error that each may make."""


@pytest.mark.parametrize(("engine", "wall"), each())
def test_the_matte_is_near_the_true_one(engine, wall):
    clip = before(WALLS[engine][wall](SIZE), 3, SIZE)
    mattes = list(load("matte", engine).mattes(clip, [face(SIZE)] * 3))
    assert [(m.shape, m.dtype) for m in mattes] == [((SIZE, SIZE), np.uint8)] * 3
    _, alpha = known(3, SIZE)
    for matte, true in zip(mattes, alpha, strict=True):
        assert np.abs(matte / 255 - true[..., 0]).mean() < MOST[engine]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "wall"),
    [
        ("key", "green"),
        ("flat", "the sample's own"),
        ("selfie", "discs"),
        ("selfie", "tiles"),
        ("grabcut", "discs"),
        ("grabcut", "tiles"),
    ],
)
def test_a_still_persons_edge_does_not_flicker(engine, wall):
    clip = before(WALLS[engine][wall](SIZE), 4, SIZE, still=True)
    mattes = np.stack(list(load("matte", engine).mattes(clip, [face(SIZE)] * 4))) / 255
    assert np.abs(np.diff(mattes, axis=0)).mean(axis=(1, 2)).max() < 0.01


@pytest.mark.parametrize(
    ("engine", "wall"),
    [(engine, wall) for engine, wall in each() if engine != "grabcut"],  # whose walls are selfie's
)
def test_the_wall_says_which_engine_is_right(engine, wall):
    picture = before(WALLS[engine][wall](SIZE), 1, SIZE)[0]
    assert measure(picture, face(SIZE)).kind == {"selfie": "busy"}.get(engine, engine)


def test_the_first_frame_of_a_shot_is_cut_out_as_well_as_those_after_it():
    clip = before(WALLS["flat"]["white"](SIZE), 4, SIZE, still=True)
    first, *_, last = (m / 255 for m in load("matte", "flat").mattes(clip, [face(SIZE)] * 4))
    assert np.abs(first - known(3, SIZE)[1][0, ..., 0]).mean() < 0.002
    assert np.abs(first - last).mean() < 0.001


@pytest.mark.slow
def test_the_same_clip_gives_the_same_mattes():
    clip = before(WALLS["grabcut"]["discs"](128), 2, 128)
    for engine in ("grabcut", "selfie"):
        first, second = (list(load("matte", engine).mattes(clip, [face(128)] * 2)) for _ in range(2))
        assert np.array_equal(first, second)


def test_another_shot_is_cut_out_afresh():
    there = before(WALLS["flat"]["white"](128), 2, 128)
    mirrored = [
        np.ascontiguousarray(np.roll(p, 40, axis=1)) for p in before(WALLS["flat"]["dark"](128), 2, 128)
    ]
    moved = face(128) + np.array([40, 0, 0, 0], np.float32)
    faces = [face(128)] * 2 + [moved] * 2
    cut = list(load("matte", "flat").mattes([*there, *mirrored], faces))
    alone = next(load("matte", "flat").mattes(mirrored[:1], [moved]))
    assert np.array_equal(cut[2], alone)


def test_pictures_are_taken_one_at_a_time():
    taken = []

    def clip():
        for number, picture in enumerate(before(WALLS["key"]["green"](64), 1, 64) * 10):
            taken.append(number)
            yield picture

    mattes = load("matte", "key").mattes(clip(), [face(64)] * 10)
    list(islice(mattes, 3))
    assert taken == [0, 1, 2]


def test_no_key_colour_is_refused_with_what_to_choose_instead():
    clip = before(WALLS["flat"]["grey"](64), 1, 64)
    with pytest.raises(BadInput, match="choose matte auto") as caught:
        next(load("matte", "key").mattes(clip, [face(64)]))
    assert caught.value.code == "no_key_colour"


@pytest.mark.parametrize("size", [(16, 16), (64, 48), (130, 254)])
@pytest.mark.parametrize("engine", ["flat", "selfie", "grabcut"])
def test_any_size_and_a_face_anywhere_can_be_cut(engine, size):
    noise = np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)
    for box in ([0, 0, 400, 400], [-50, -50, 10, 10], [4, 4, 6, 6]):
        mattes = list(load("matte", engine).mattes([noise] * 2, [np.array(box, np.float32)] * 2))
        assert [m.shape for m in mattes] == [size] * 2
