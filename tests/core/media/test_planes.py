"""Pictures in I420: layout, crops, and BT.709 as the standard writes it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.media.planes import crop, split, to_bgr, to_i420


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def bt709(bgr: np.ndarray) -> np.ndarray:
    """Recommendation ITU-R BT.709-6, items 3.2 to 3.5, at 8 bits: float64 (..., 3) Y, Cb, Cr."""
    blue, green, red = (bgr[..., k] / 255 for k in range(3))
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return np.stack(
        [16 + 219 * luma, 128 + 224 * (blue - luma) / 1.8556, 128 + 224 * (red - luma) / 1.5748], -1
    )


@pytest.mark.parametrize(("height", "width"), [(2, 2), (18, 34), (64, 48)])
def test_to_i420_is_bt709_with_colour_averaged_over_two_by_two(height: int, width: int) -> None:
    picture = noise(height, width)
    luma, *chroma = split(to_i420(picture))
    exact = bt709(picture)
    assert np.abs(luma - exact[..., 0]).max() <= 0.7  # half a level, and OpenCV's 10-bit coefficients
    for plane, channel in zip(chroma, (1, 2), strict=True):
        mean = exact[..., channel].reshape(height // 2, 2, width // 2, 2).mean((1, 3))
        assert np.abs(plane - mean).max() <= 1.1  # rounded twice


def test_to_bgr_undoes_to_i420_where_colour_is_smooth() -> None:
    picture = noise(16, 16).repeat(2, 0).repeat(2, 1)
    back = to_bgr(to_i420(picture), 0, 0, 32)
    assert np.abs(back.astype(int) - picture).max() <= 3  # one level of Cb is 2.1 levels of blue


def test_a_crop_that_goes_to_bgr_and_back_stays_as_it_was() -> None:
    planes = to_i420(noise(40, 48) // 2 + 64)  # away from the corners of the cube, where BGR clips
    there_and_back = to_i420(to_bgr(planes, 4, 6, 32)).astype(int)
    assert np.abs(there_and_back - crop(planes, 4, 6, 32)).max() <= 1


@given(st.integers(0, 8), st.integers(0, 5), st.integers(1, 7))
def test_a_crop_holds_the_square_of_every_plane(left: int, top: int, half: int) -> None:
    planes = np.arange(24 * 3 // 2 * 30, dtype=np.uint32).astype(np.uint8).reshape(36, 30)
    x, y, side = 2 * left, 2 * top, 2 * half
    cut = split(crop(planes, x, y, side))
    whole = split(planes)
    assert np.array_equal(cut[0], whole[0][y : y + side, x : x + side])
    for k in (1, 2):
        assert np.array_equal(cut[k], whole[k][top : top + half, left : left + half])


def test_splitting_gives_views() -> None:
    planes = np.zeros((27, 18), np.uint8)
    for value, plane in enumerate(split(planes), 1):
        plane[:] = value
    assert np.bincount(planes.ravel()).tolist() == [0, 18 * 18, 81, 81]
