"""A pasted patch: nothing changes outside, nothing shows at the seam."""

import numpy as np
import pytest

from core.media.paste import paste
from core.media.planes import split, to_bgr, to_i420

WIDTH, HEIGHT, X, Y, SIDE = 200, 160, 30, 20, 96


def landscape() -> np.ndarray:
    """A smooth picture, uint8 (HEIGHT, WIDTH, 3), away from black and white."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    waves = [np.sin(x / 17 + k) + np.cos(y / (13 + k)) for k in range(3)]
    return np.rint(128 + 25 * np.stack(waves, -1)).astype(np.uint8)


def pasted(patch: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The three planes before and after, as int."""
    before = to_i420(landscape())
    after = before.copy()
    paste(after, patch, X, Y)
    return [p.astype(int) for p in split(before)], [p.astype(int) for p in split(after)]


def inside(plane: np.ndarray, margin: int = 0) -> np.ndarray:
    """The part of a plane under the patch, less a margin in pixels of the brightness plane."""
    half = WIDTH // plane.shape[1]
    x, y, side, margin = X // half, Y // half, SIDE // half, margin // half
    return plane[y + margin : y + side - margin, x + margin : x + side - margin]


def test_pasting_what_is_there_changes_nothing_to_speak_of() -> None:
    before, after = pasted(to_bgr(to_i420(landscape()), X, Y, SIDE))
    for old, new in zip(before, after, strict=True):
        assert np.abs(new - old).max() <= 1


@pytest.mark.parametrize("seed", range(3))
def test_outside_the_patch_and_on_its_outermost_pixels_nothing_changes(seed: int) -> None:
    patch = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    before, after = pasted(patch)
    for old, new in zip(before, after, strict=True):
        changed = new != old
        inner = changed.copy()
        inside(inner)[1:-1, 1:-1] = False
        assert not inner.any()
        assert changed.any()


def test_well_inside_the_patch_is_what_is_seen() -> None:
    patch = landscape()[Y : Y + SIDE, X : X + SIDE].copy()
    patch[30:60, 30:60] = 20, 60, 220
    _, after = pasted(patch)
    for new, wanted in zip(after, split(to_i420(patch)), strict=True):
        assert np.abs(inside(new, 16) - inside_of(wanted, 16)).max() <= 1


def inside_of(plane: np.ndarray, margin: int) -> np.ndarray:
    cut = margin * len(plane) // SIDE
    return plane[cut:-cut, cut:-cut].astype(int)


@pytest.mark.parametrize("shift", [-6, -2, 2, 6])
def test_a_patch_that_is_too_bright_all_over_is_brought_back(shift: int) -> None:
    patch = (to_bgr(to_i420(landscape()), X, Y, SIDE).astype(int) + shift).astype(np.uint8)
    before, after = pasted(patch)
    for old, new in zip(before, after, strict=True):
        assert np.abs((new - old).mean()) < 0.5
        assert np.abs(new - old).max() <= 2


def test_no_patch_is_relit() -> None:
    grey = to_i420(np.full((HEIGHT, WIDTH, 3), 128, np.uint8))
    before, _, _ = split(grey.copy())
    paste(grey, np.full((SIDE, SIDE, 3), 200, np.uint8), X, Y)
    whole = split(to_i420(np.full((2, 2, 3), 200, np.uint8)))[0][0, 0]
    middle = split(grey)[0][Y + SIDE // 2, X + SIDE // 2]
    assert whole - 8 <= middle < whole  # 8 levels at most
    assert middle > before[0, 0] + 40


def test_the_seam_is_no_steeper_than_its_surroundings() -> None:
    # A patch of another brightness, beyond what is matched: the step must be spread over the soft border.
    before = to_i420(np.full((HEIGHT, WIDTH, 3), 100, np.uint8))
    paste(before, np.full((SIDE, SIDE, 3), 160, np.uint8), X, Y)
    row = split(before)[0][Y + SIDE // 2].astype(int)
    step = row[X + SIDE // 2] - row[0]
    assert step > 30
    assert np.abs(np.diff(row)).max() <= 1 + 1.6 * step / (SIDE // 12)


@pytest.mark.parametrize("side", [8, 16, 30, 98])
def test_any_even_side_will_do(side: int) -> None:
    planes = to_i420(landscape())
    old = planes.copy()
    paste(planes, np.zeros((side, side, 3), np.uint8), 0, 0)
    assert (planes != old).any()
    assert np.array_equal(planes[0], old[0])
