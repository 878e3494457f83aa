import cv2
import numpy as np
import pytest

from core.engines.builtin.mesh import CHIN, CORNERS, LOWER_LIP, UPPER_LIP, Mesh, Region, region_of
from tests.support.faces import drawn

MESH = Mesh()
MOUTH, HALF = (256.0, 278.0), 27.0
"""Where the presenter's mouth is drawn, in 512ths of the picture."""


def read(picture, region):
    for _ in range(2):
        points, score = MESH.read(picture, region)
        region = region_of(points)
    return points, score


def moustache(picture):
    """Hairs from below the nose outwards and down over the upper lip."""
    picture, random = picture.copy(), np.random.default_rng(0)
    for x in np.linspace(-30, 30, 100):
        top = np.array([256 + 0.8 * x, 258 + 0.006 * x * x + random.normal(0, 1)])
        end = top + np.array([0.25 * x + random.normal(0, 1), 10.0])
        ends = [np.round(point * 8).astype(int).tolist() for point in (top, end)]
        cv2.line(picture, *ends, (80, 100, 145), 1, cv2.LINE_AA, 3)
    return picture


LOOKS = {
    "plain": lambda picture: picture,
    "grey": lambda picture: cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR),
    "soft": lambda picture: cv2.GaussianBlur(picture, (0, 0), 3),
    "with a moustache": moustache,
    "dark": lambda picture: (picture * 0.3).astype(np.uint8),
    "small": lambda picture: cv2.resize(picture, (160, 160), interpolation=cv2.INTER_AREA),
    "large": lambda picture: cv2.resize(picture, (1500, 1500), interpolation=cv2.INTER_CUBIC),
}


@pytest.mark.slow
@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("roll", [0, 20, -20])
def test_the_mouth_is_read_where_it_is_drawn(look, roll):
    picture = LOOKS[look](drawn(12, 512)[0])
    scale = picture.shape[0] / 512
    middle = picture.shape[0] / 2
    turn = cv2.getRotationMatrix2D((middle, middle), roll, 1)
    turned = cv2.warpAffine(picture, turn, picture.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    x, y = turn @ (256 * scale, 225 * scale, 1)
    points, score = read(turned, Region(x, y, 300 * scale, 0))
    assert score > 0.9
    left, right = points[CORNERS[0], :2], points[CORNERS[1], :2]
    expected = turn @ (MOUTH[0] * scale, MOUTH[1] * scale, 1)
    assert np.linalg.norm((left + right) / 2 - expected) < (0.25 if look == "small" else 0.15) * HALF * scale
    assert abs(np.linalg.norm(right - left) / 2 / scale - HALF) < 3
    assert abs(np.degrees(np.arctan2(*(right - left)[::-1])) + roll) < 4
    assert np.linalg.norm(points[UPPER_LIP] - points[LOWER_LIP]) < 0.1 * HALF * scale
    assert np.linalg.norm(points[CHIN, :2] - expected) > HALF * scale


def test_where_there_is_no_face_there_is_no_score():
    wall = np.random.default_rng(0).normal(120, 30, (300, 300, 3)).clip(0, 255).astype(np.uint8)
    assert MESH.read(cv2.GaussianBlur(wall, (0, 0), 4), Region(150, 150, 250, 0))[1] < 0.5
