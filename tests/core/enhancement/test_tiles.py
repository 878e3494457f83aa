"""Pictures made clearer tile by tile: what is reused, what is not, and that nobody sees where tiles meet."""

import cv2
import numpy as np
import pytest

from core.engines.builtin.lanczos import Lanczos
from core.enhancement.tiles import RAMP, Tiles
from core.media.planes import Planes, split, to_i420, whole_bgr
from core.types import Image


def picture(seed: int = 3, height: int = 270, width: int = 482) -> Image:
    """Soft shapes and some texture, sides even."""
    random = np.random.default_rng(seed)
    small = random.uniform(40, 215, (9, 15, 3)).astype(np.float32)
    texture = cv2.GaussianBlur(random.normal(0, 30, (height, width, 1)).astype(np.float32), (0, 0), 1.5)
    soft = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return (soft + texture[:, :, None]).clip(0, 255).astype(np.uint8)


def small_tiles(engine: Lanczos | None = None, side: int = 96, scale: int = 2) -> Tiles:
    engine = engine or Lanczos()
    engine.tile = side
    return Tiles(engine, scale)


def after(tiles: Tiles, planes: Planes) -> Planes:
    *_, made = tiles.enlarge(planes)
    assert made is not None
    return made


def noisy(image: Image, deviation: float, seed: int) -> Planes:
    noise = np.random.default_rng(seed).normal(0, deviation, image.shape)
    return to_i420((image + noise).round().clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("scale", [1, 2])
def test_tiles_together_are_the_picture_enlarged_whole(scale: int) -> None:
    planes = to_i420(picture())
    made = after(small_tiles(scale=scale), planes)
    whole = Lanczos().enlarge(cv2.copyMakeBorder(whole_bgr(planes), 16, 16, 16, 16, cv2.BORDER_REFLECT_101))
    whole = whole[32:-32, 32:-32]
    if scale == 1:
        whole = cv2.resize(whole, (482, 270), interpolation=cv2.INTER_AREA)
    assert np.array_equal(made, to_i420(whole))


def test_a_still_picture_costs_its_tiles_once() -> None:
    planes, tiles = to_i420(picture()), small_tiles()
    first = after(tiles, planes)
    assert (tiles.made, tiles.reused, tiles.count) == (18, 0, 18)
    for _ in range(4):
        assert np.array_equal(after(tiles, planes.copy()), first)
    assert (tiles.made, tiles.reused) == (18, 72)


@pytest.mark.parametrize("deviation", [1.0, 2.5, 4.5])
def test_noise_makes_no_tile_anew_and_nothing_flickers(deviation: float) -> None:
    image, tiles = picture(), small_tiles()
    first = after(tiles, noisy(image, deviation, 0))
    for seed in range(1, 30):
        assert np.array_equal(after(tiles, noisy(image, deviation, seed)), first)
    assert tiles.made == tiles.count


@pytest.mark.slow
def test_what_moves_costs_the_tiles_that_it_touches_and_no_other() -> None:
    image, tiles = picture(), small_tiles()
    for x in range(0, 60, 6):
        frame = image.copy()
        frame[30:60, 20 + x : 50 + x] = (
            240  # columns 20 to 104 + 16 around: the first two tiles of the first row
        )
        made, planes = after(tiles, to_i420(frame)), to_i420(frame)
        assert np.array_equal(made, after(small_tiles(), planes))
    assert tiles.made <= tiles.count + 2 * 9
    assert tiles.reused >= 9 * 16


def test_a_small_dim_thing_that_moves_is_seen() -> None:
    image = np.full((128, 128, 3), 120, np.uint8)
    tiles = small_tiles(side=64)
    after(tiles, to_i420(image))
    cv2.line(image, (20, 10), (20, 40), (136, 136, 136), 1)
    after(tiles, to_i420(image))
    assert tiles.made == tiles.count + 1


@pytest.mark.slow
def test_a_slow_fade_is_followed_and_errors_do_not_add_up() -> None:
    image, tiles = picture(), small_tiles()
    for step in range(60):
        planes = to_i420((image * (1 - step / 120)).astype(np.uint8))
        off = np.abs(after(tiles, planes).astype(int) - after(small_tiles(), planes))
        assert cv2.blur(off.astype(np.float32), (8, 8)).max() < 5
    assert tiles.reused > 0


def test_a_tile_that_is_new_beside_an_old_one_shows_no_seam() -> None:
    """The right half becomes lighter by less than counts, but for a spot that has its tile made anew."""
    image = np.full((96, 288, 3), 100, np.uint8)
    tiles = small_tiles()
    after(tiles, to_i420(image))
    lighter = image + 2
    lighter[40:50, 140:150] = 200
    made = after(tiles, to_i420(lighter))
    assert tiles.made == tiles.count + 1
    row = split(made)[0][10].astype(int)  # far from the spot, through all three tiles
    assert row.max() - row.min() == 2
    assert np.abs(np.diff(row)).max() == 1
    rising = np.flatnonzero(np.diff(row))
    assert np.abs(rising[0] - 2 * 96) < 2 * RAMP


def test_a_new_shot_begins_anew() -> None:
    tiles, one = small_tiles(), to_i420(picture())
    half = one.copy()
    luma = split(half)[0]
    luma[:, :330] = 250 - luma[:, :330]  # a third of the old picture is still there
    after(tiles, one)
    after(tiles, half)
    assert tiles.made == 2 * tiles.count


def test_frames_that_were_given_out_stay_as_they_were() -> None:
    image, tiles = picture(), small_tiles()
    first = after(tiles, to_i420(image))
    kept = first.copy()
    image[30:60, 20:50] = 240
    after(tiles, to_i420(image))
    assert np.array_equal(first, kept)


def test_between_two_tiles_it_can_be_left() -> None:
    tiles = small_tiles()
    steps = tiles.enlarge(to_i420(picture()))
    for made in range(1, 4):
        assert next(steps) is None
        assert tiles.made == made
