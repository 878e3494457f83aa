"""Matting by a TorchScript file: a tiny network with RVM's interface stands in for the published one."""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from core.engines.neural import NeuralSettings  # noqa: E402  # after the check for torch
from core.engines.rvm import RobustVideoMatter  # noqa: E402
from core.errors import BadInput  # noqa: E402

pytestmark = pytest.mark.slow  # torch alone takes seconds to import


class Tiny(torch.nn.Module):
    """Takes what is red for person; its memory counts the pictures, and every picture adds 10 levels."""

    def forward(
        self,
        src,
        r1: torch.Tensor | None,
        r2: torch.Tensor | None,
        r3: torch.Tensor | None,
        r4: torch.Tensor | None,
        downsample_ratio: float,
    ):
        seen = torch.zeros(1) if r1 is None else r1
        return src, src[:, :1] + seen * 10 / 255, seen + 1, seen, seen, seen


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "rvm.torchscript"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(Tiny()), str(path))
    return path


def engine(path, folder):
    return RobustVideoMatter(NeuralSettings(data_dir=folder, device="cpu", own_weights={"rvm": path}))


def test_colours_arrive_as_red_green_blue_and_memory_is_handed_on(weights, tmp_path):
    picture = np.zeros((8, 12, 3), np.uint8)
    picture[:, 6:, 2] = 100  # BGR
    matting = engine(weights, tmp_path)
    first, second = matting.mattes([picture] * 2, [np.zeros(4, np.float32)] * 2)
    assert (first.shape, first.dtype) == ((8, 12), np.uint8)
    assert set(first[:, 6:].ravel()) == {100}
    assert set(second[:, :6].ravel()) == {10}
    assert next(matting.mattes([picture], [np.zeros(4, np.float32)])).min() == 0  # another clip begins anew


def test_a_file_that_is_no_network_is_refused(tmp_path):
    path = tmp_path / "rvm.torchscript"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(BadInput, match="not a TorchScript file") as caught:
        engine(path, tmp_path)
    assert caught.value.code == "malformed_weights"
