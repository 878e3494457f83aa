import cv2
import numpy as np
import pytest

from core.engines.builtin.mouth.plain.field import Mouth, field_of
from core.engines.builtin.mouth.plain.find import find_mouth, mouth_patch, swatch
from core.engines.builtin.mouth.plain.line import find_line
from core.engines.builtin.mouth.plain.warp import Inside, open_mouth
from tests.support.faces import tracked


@pytest.mark.parametrize(("width", "out_by"), [(-0.25, -0.13), (0.12, 0.06), (0.0, 0.0)])
def test_the_corners_go_out_and_in_with_the_width(width, out_by):
    half = 40.0
    picture = np.full((300, 300, 3), 120, np.uint8)
    for side in (-1, 1):
        cv2.circle(picture, (int(150 + side * half), 150), 3, (255, 255, 255), -1)
    out = picture.copy()
    inside = Inside(None, np.zeros((72, 96, 3), np.uint8))
    open_mouth(picture, out, Mouth(150, 150, half, 0, 0, 0, 0, 0), inside, 0.05, width)
    dots = np.flatnonzero(out[145:156].max(axis=(0, 2)) > 180)
    assert abs((dots.max() - dots.min() - 6) / 2 - half * (1 + out_by)) < 0.05 * half


def test_the_mouth_is_where_it_was_drawn():
    track, crops = tracked()
    scale = 256 / 512
    spot = find_mouth(swatch(crops[0], track.poses[0]))
    x, y = track.poses[0] @ [spot.x, spot.y, 1] + track.corners[0]
    side = np.hypot(*track.poses[0][:, 0])
    assert abs(x - 256 * scale) < 5
    assert abs(y - 278 * scale) < 5
    assert abs(spot.half * side - 27 * scale) < 3
    assert abs(spot.angle) < 0.1


@pytest.mark.parametrize("drop", [0.0, 0.3])
def test_the_lip_line_goes_down_with_the_lip(drop):
    patch = np.full((96, 112, 3), (150, 175, 215), np.uint8)
    mouth = 44 + int(drop * 32)
    cv2.ellipse(patch, (56, 44), (32, 9), 0, 180, 360, (95, 90, 175), -1)
    cv2.ellipse(patch, (56, mouth), (32, 12), 0, 0, 180, (105, 100, 190), -1)
    cv2.ellipse(patch, (56, (44 + mouth) // 2), (30, max(1, (mouth - 44) // 2)), 0, 0, 360, (20, 18, 40), -1)
    line = find_line(cv2.GaussianBlur(patch, (0, 0), 1.0))
    assert abs(line.c0 - drop) < 0.1
    assert abs(line.rest - drop) < 0.2


def test_a_mouth_patch_is_level():
    track, crops = tracked()
    turn = cv2.getRotationMatrix2D((track.side / 2, track.side / 2), 12, 1)
    tilted = cv2.warpAffine(crops[0], turn, (track.side, track.side), borderMode=cv2.BORDER_REPLICATE)
    pose = turn[:, :2] @ track.poses[0]
    pose[:, 2] += turn[:, 2]
    patches = []
    for crop, where in ((crops[0], track.poses[0]), (tilted, pose)):
        picture = swatch(crop, where)
        patches.append(mouth_patch(picture, find_mouth(picture)).astype(int))
    assert np.abs(patches[0] - patches[1]).mean() < 4


def test_nothing_moves_at_the_rim_of_what_is_redrawn():
    """Upright edges all over the picture: a column drawn twice at the rim would bend one of them."""
    picture = np.zeros((200, 200, 3), np.uint8)
    picture[:, ::4] = 255
    mouth = Mouth(x=100, y=80, half=26, angle=0.0, c0=0.0, c1=0.0, c2=-0.05, rest=0.0)
    out = picture.copy()
    open_mouth(picture, out, mouth, Inside(None, np.zeros((64, 96, 3), np.uint8)), 0.4, 0.0)
    moved = np.flatnonzero((out != picture).any(axis=(0, 2)))
    field = field_of(mouth, 0.4, 0.0)
    assert moved.min() > field.left + field.step
    assert moved.max() < field.left + (field.x.shape[1] - 1) * field.step
