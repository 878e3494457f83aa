"""A network run on batches of any size, against the network itself."""

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from core.engines.compute.batches import SIZES, Batches, pieces  # noqa: E402  # needs torch
from core.engines.compute.devices import cpu_has_bfloat16, device_of, dtype_of  # noqa: E402
from core.errors import BadInput  # noqa: E402
from core.nets.wav2lip import Unit  # noqa: E402
from tests.parity.wav2lip import net_of  # noqa: E402
from tests.support.bfloat16 import needs_bfloat16  # noqa: E402

pytestmark = pytest.mark.slow  # torch alone takes seconds to import

CPU = torch.device("cpu")


class Small(torch.nn.Module):
    """Two inputs joined, as in Wav2Lip, a down and an up."""

    def __init__(self) -> None:
        super().__init__()
        self.down = Unit(torch.nn.Conv2d(3, 8, 3, 2, 1), 8)
        self.up = Unit(torch.nn.ConvTranspose2d(9, 4, 3, 2, 1, 1), 4)
        self.same = Unit(torch.nn.Conv2d(4, 4, 3, 1, 1), 4, residual=True)

    def forward(self, sound, faces):
        return self.same(self.up(torch.cat([self.down(faces), sound], dim=1)))


EXAMPLE = torch.zeros(1, 1, 8, 8), torch.zeros(1, 3, 16, 16)


def inputs(count):
    random = torch.Generator().manual_seed(count)
    return tuple(torch.randn(count, *x.shape[1:], generator=random) for x in EXAMPLE)


def test_pieces_cover_every_count_without_waste():
    for count in range(1, 100):
        cut = list(pieces(count))
        assert cut[0][0] == 0
        assert cut[-1][1] == count
        assert all(a[1] == b[0] for a, b in itertools.pairwise(cut))
        assert all(0 < stop - start <= size for start, stop, size in cut)
        assert sum(size for *_, size in cut) - count <= 3
        assert {size for *_, size in cut} <= set(SIZES)


@pytest.mark.parametrize("fixed", [False, True], ids=["as it comes", "in fixed sizes"])
def test_batches_of_every_size_come_out_as_from_the_network_itself(fixed):
    net = Small().eval()
    fast = Batches(net, EXAMPLE, CPU, torch.float32)
    if fixed:  # what a GPU or a compiler asks for
        fast._fixed = True
        fast._runs = {size: net for size in SIZES}
    for count in (1, 2, 5, 16, 37):
        given = inputs(count)
        with torch.inference_mode():
            wanted = net(*given)
        torch.testing.assert_close(fast(*given), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.timeout(600)
def test_the_compiled_network_is_the_network_and_is_found_again_on_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("TORCHINDUCTOR_COMPILE_THREADS", "1")  # no processes that stay behind
    from torch._dynamo.utils import counters  # takes a second

    counters.clear()
    net = Small().eval()
    fast = Batches(net, EXAMPLE, CPU, torch.float32, tmp_path, sizes=(1,))
    given = inputs(1)
    with torch.inference_mode():
        torch.testing.assert_close(fast(*given), net(*given), rtol=1e-4, atol=1e-5)
    assert any(tmp_path.rglob("*.so"))
    done = counters["inductor"]
    assert done["mkldnn_conv_weight_pack_matcher_count"] == 3  # or it is not compiled for speed
    assert (
        done["mkldnn_unary_fusion_matcher_count"] + done["mkldnn_conv_binary_unary_fusion_matcher_count"] == 3
    )


@needs_bfloat16
def test_bfloat16_is_off_by_less_than_a_level_on_average_and_eight_at_most(pytestconfig):
    folder = pytestconfig.rootpath / "tests" / "fixtures" / "wav2lip"
    net, _ = net_of(folder, 1.1)
    example = torch.zeros(1, 1, 80, 16), torch.zeros(1, 6, 96, 96)
    rough = Batches(net, example, CPU, torch.bfloat16)
    with np.load(folder / "generator.npz") as arrays:
        for batch in (0, 1):
            faces = torch.from_numpy(arrays[f"faces_bgr_{batch}"]).permute(0, 3, 1, 2).float() / 255
            masked = faces.clone()
            masked[:, :, 48:] = 0
            made = rough(torch.from_numpy(arrays[f"mel_{batch}"]), torch.cat([masked, faces], dim=1))
            off = 255 * np.abs(made.numpy() - arrays[f"out_{batch}"])
            assert off.mean() < 1
            assert off.max() < 8


def test_a_device_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(BadInput, match=r"there are: auto, .*cpu") as unknown:
        device_of("cuda:99")
    assert unknown.value.code == "unknown_device"
    assert device_of("cpu") == CPU
    assert dtype_of("float32", CPU) == torch.float32
    assert dtype_of("auto", CPU) == (torch.bfloat16 if cpu_has_bfloat16() else torch.float32)
