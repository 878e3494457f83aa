"""Face finders that run networks: what lies around the network, and nets at random weights."""

import itertools

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from core.engines.face.boxes import MEAN, faces, square, suppressed  # noqa: E402  # needs torch
from core.engines.face.retinaface import RetinaFaceFinder, priors, thorough  # noqa: E402
from core.engines.face.s3fd import S3fdFinder, network_input, rectangle  # noqa: E402
from core.errors import BadInput  # noqa: E402
from core.nets.packed import can_pack, folded, packed  # noqa: E402
from core.nets.retinaface import RetinaFace, is_mobile  # noqa: E402
from core.nets.s3fd import S3FD  # noqa: E402
from core.nets.wav2lip import Unit  # noqa: E402
from core.tracking.fit import face_pose  # noqa: E402
from tests.support.bfloat16 import needs_bfloat16  # noqa: E402

pytestmark = pytest.mark.slow  # torch alone takes seconds to import

CPU = torch.device("cpu")


def shared(a, b):
    """Part of the union two boxes have in common, both edge pixels counted."""
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    both = max(0.0, width) * max(0.0, height)
    area = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b)]
    return both / (sum(area) - both)


def test_of_boxes_that_overlap_the_best_is_kept_and_no_other():
    random = np.random.default_rng(2)
    corner, size = random.uniform(0, 80, (60, 2)), random.uniform(5, 40, (60, 2))
    boxes = np.column_stack([corner, corner + size, random.permutation(60) / 60]).astype(np.float32)
    kept = suppressed(boxes, 0.3)
    assert (np.diff(boxes[kept, 4]) < 0).all()
    assert all(shared(boxes[a], boxes[b]) <= 0.3 for a, b in itertools.combinations(kept, 2))
    for lost in set(range(60)) - set(kept.tolist()):
        assert any(boxes[k, 4] > boxes[lost, 4] and shared(boxes[k], boxes[lost]) > 0.3 for k in kept)
    assert len(suppressed(boxes[:0], 0.3)) == 0


def test_a_mean_box_becomes_the_unit_square_of_face_coordinates():
    left, top, right, bottom = (100 * np.array(MEAN)).tolist()
    box = np.float32([left + 7, top + 5, right + 7, bottom + 5])
    np.testing.assert_allclose(square(box), [7, 5, 100, 100], rtol=1e-5)


def test_faces_come_most_prominent_first_with_their_own_landmarks():
    boxes = np.float32([[0, 0, 10, 12, 0.9], [40, 40, 80, 90, 0.6], [5, 70, 25, 95, 0.8]])
    landmarks = np.arange(30, dtype=np.float32).reshape(3, 5, 2)
    found = faces(boxes, landmarks, 120, 130)
    assert [face.score for face in found] == pytest.approx([0.6, 0.8, 0.9])
    assert np.array_equal(found[0].landmarks, landmarks[1])


def test_the_surest_rectangle_is_cut_to_whole_pixels_as_the_reference_does():
    boxes = np.float32([[-3.2, 4.9, 20.99, 300.5, 0.9], [0, 0, 5, 5, 0.6]])
    assert rectangle(boxes) == (0, 4, 20, 300)
    assert rectangle(boxes[:0]) is None


class Seeing(torch.nn.Module):
    """Says one face: of the level with stride 16, large box, at row 5, column 7, corrected by nothing."""

    def forward(self, x):
        count = len(priors(x.shape[2], x.shape[3]))
        scores, boxes, points = torch.zeros(1, count), torch.zeros(1, count, 4), torch.zeros(1, count, 10)
        level = 2 * (-(-x.shape[2] // 8)) * (-(-x.shape[3] // 8))
        at = level + 2 * (5 * (-(-x.shape[3] // 16)) + 7) + 1
        scores[0, at] = 0.95
        boxes[0, at] = torch.tensor([0.5, -0.5, 1.0, 0.0])
        points[0, at, 4:6] = torch.tensor([1.0, 2.0])
        return scores, boxes, points


@pytest.mark.parametrize("size", [(200, 300), (193, 251)])
def test_what_retinaface_says_is_decoded_in_pixels_at_any_size(size):
    finder = RetinaFaceFinder(Seeing(), device=CPU)
    boxes, landmarks = finder.detect(np.zeros((*size, 3), np.uint8))
    # A box of 128 in the middle of the place: 16 * (7.5, 5.5). Corrections count tenths of it, and e^(n/5).
    middle = np.array([120 + 6.4, 88 - 6.4])
    half = np.array([128 * np.exp(0.2), 128]) / 2
    np.testing.assert_allclose(boxes[0, :4], [*(middle - half), *(middle + half)], rtol=1e-5)
    np.testing.assert_allclose(landmarks[0, 2], [120 + 12.8, 88 + 25.6], rtol=1e-5)
    assert boxes[0, 4] == pytest.approx(0.95)


@pytest.mark.parametrize("mobile", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_the_keys_tell_which_retinaface_it_is(mobile):
    with torch.device("meta"):
        net = RetinaFace(mobile=mobile)
    shapes = {key: tuple(value.shape) for key, value in net.state_dict().items()}
    assert len(shapes) == (300 if mobile else 456)
    assert is_mobile(shapes) == mobile
    with pytest.raises(ValueError, match="neither"):
        is_mobile({"weight": (1,)})


def randomised(net):
    """Weights and norms unlike those of a new net, which folding would leave as they are."""
    torch.manual_seed(0)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, std=0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 2)
            torch.nn.init.normal_(module.bias, std=0.1)
    return net.eval()


def test_folding_changes_nothing_but_rounding():
    net = randomised(RetinaFace())
    plain = folded(net)
    assert sum(isinstance(m, torch.nn.BatchNorm2d) for m in plain.modules()) == 0
    x = torch.randn(1, 3, 96, 128)
    with torch.inference_mode():
        for a, b in zip(net(x), plain(x), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.skipif(not can_pack(), reason="this torch has no oneDNN kernels")
@pytest.mark.parametrize("size", [(1, 12, 12), (3, 12, 12), (2, 9, 20)], ids=["as laid out", "more", "other"])
def test_packing_changes_nothing_but_rounding_even_at_other_sizes(size):
    net = torch.nn.Sequential(
        Unit(torch.nn.Conv2d(4, 8, 3, 2, 1), 8),
        Unit(torch.nn.Conv2d(8, 8, 3, 1, 1), 8, residual=True),
        Unit(torch.nn.ConvTranspose2d(8, 6, 3, 2, 1, 1), 6),
        Unit(torch.nn.Conv2d(6, 6, 3, 1, 1), 6, residual=True, prelu=True),
        torch.nn.Conv2d(6, 3, 1),
    )
    net = randomised(net)
    fast = packed(net, (torch.zeros(1, 4, 12, 12),), torch.float32)
    x = torch.randn(size[0], 4, *size[1:])
    with torch.inference_mode():
        torch.testing.assert_close(fast(x), net(x), rtol=1e-4, atol=1e-5)


@needs_bfloat16
def test_s3fd_in_bfloat16_sees_about_what_it_sees_in_float32():
    torch.manual_seed(1)
    net = S3FD().eval()
    image = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    image = cv2.GaussianBlur(image, (0, 0), 2)
    exact = S3fdFinder(net, device=CPU, dtype=torch.float32)
    wanted = exact.maps(network_input(image))
    rough = S3fdFinder(net, device=CPU, dtype=torch.bfloat16).maps(network_input(image))
    for (a, b), (c, d) in zip(wanted, rough, strict=True):
        np.testing.assert_allclose(c, a, atol=0.02 * np.abs(a).max() + 1e-3)
        np.testing.assert_allclose(d, b, atol=0.02 * np.abs(b).max() + 1e-3)


@pytest.mark.parametrize("size", [(16, 16), (33, 65), (200, 40)])
def test_pictures_of_any_size_are_searched_and_what_is_found_has_a_pose(size):
    random = np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)
    net = randomised(RetinaFace())
    for head in net.ClassHead:
        head.conv1x1.bias.data += torch.tensor([0.0, 3.0, 0.0, 3.0])  # sees faces everywhere
    found = RetinaFaceFinder(net, device=CPU).find(random)
    assert found
    assert all(np.isfinite(face_pose(face)).all() for face in found)


@pytest.mark.parametrize(
    ("make", "name"),
    [(S3fdFinder, "s3fd"), (RetinaFaceFinder, "retinaface"), (thorough, "retinaface-resnet50")],
)
def test_without_weights_the_command_that_gets_them_is_told(make, name, monkeypatch, tmp_path):
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(tmp_path))
    with pytest.raises(BadInput, match=f"lipstream models download {name}$"):
        make()
