"""The network by itself; its numbers are held against the reference in test_parity.py."""

import copy
import dataclasses
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from core.engines.compute.checkpoints import load_net  # noqa: E402  # needs torch
from core.errors import BadInput  # noqa: E402
from core.nets.gfpgan import Gfpgan, Layout, layout_of  # noqa: E402
from core.nets.gfpgan_quick import Doubling, mapped, quicken  # noqa: E402
from core.nets.packed import can_pack, packed  # noqa: E402
from tests.support import FIXTURES  # noqa: E402
from tests.support.codeformers import small_net  # noqa: E402
from tests.support.gfpgans import SMALL, small_gfpgan  # noqa: E402

pytestmark = pytest.mark.slow  # torch alone takes seconds to import

KEYS = FIXTURES / "gfpgan" / "keys.json"
WHOLE = dataclasses.replace(SMALL, half=False, mapping=1)


def shapes(layout):
    with torch.device("meta"):
        return {key: tuple(value.shape) for key, value in Gfpgan(layout).state_dict().items()}


def pictures(count=1, seed=0):
    side = SMALL.side
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed)).clamp(-1, 1)


def load(path):
    return load_net(path, "a GFP-GAN", lambda s: Gfpgan(layout_of(s)))


def test_the_default_layout_has_every_published_key_in_its_shape_and_no_other():
    published = {key: tuple(shape) for key, shape in json.loads(KEYS.read_text())}
    assert shapes(Layout()) == published
    assert layout_of(published) == Layout()
    assert (Layout().side, Layout().styles) == (512, 16)


@pytest.mark.parametrize("layout", [SMALL, WHOLE])
def test_a_layout_is_known_by_its_shapes_and_loads_strictly_from_under_params_ema(tmp_path, layout):
    assert layout_of(shapes(layout)) == layout
    net = small_gfpgan(layout)
    torch.save({"params_ema": net.state_dict()}, tmp_path / "gfpgan.pth")
    with torch.inference_mode():
        assert torch.equal(load(tmp_path / "gfpgan.pth")(pictures()), net(pictures()))


@pytest.mark.parametrize(
    ("lost", "says"),
    [
        ("conv_body_first.weight", "no U-Net"),
        ("final_linear.weight", "no styles"),
        ("stylegan_decoder.style_conv1.modulated_conv.weight", "no StyleGAN2"),
        ("condition_scale.0.2.weight", "no conditions"),
        ("stylegan_decoder.noises.noise3", "stylegan_decoder.noises.noise3"),
    ],
)
def test_a_checkpoint_that_lacks_a_part_is_refused_by_that_parts_name(tmp_path, lost, says):
    state = small_gfpgan().state_dict()
    del state[lost]
    torch.save({"params_ema": state}, tmp_path / "gfpgan.pth")
    with pytest.raises(BadInput, match=says) as refused:
        load(tmp_path / "gfpgan.pth")
    assert refused.value.code == "weights_wrong"


def test_each_of_two_networks_is_called_by_its_name_where_the_other_is_expected(tmp_path):
    torch.save({"params_ema": small_net().state_dict()}, tmp_path / "codeformer.pth")
    with pytest.raises(BadInput, match="should be a GFP-GAN, but it is a CodeFormer"):
        load(tmp_path / "codeformer.pth")
    torch.save({"params_ema": small_gfpgan().state_dict()}, tmp_path / "gfpgan.pth")
    with pytest.raises(BadInput, match="but it is a GFP-GAN"):
        load_net(tmp_path / "gfpgan.pth", "a CodeFormer", lambda _: small_net())


def test_one_style_for_all_sizes_is_none_of_the_published_networks():
    given = {**shapes(SMALL), "final_linear.weight": (SMALL.style, 128)}
    with pytest.raises(ValueError, match="16 numbers of styles; 160 expected"):
        layout_of(given)


def test_the_same_face_comes_out_the_same_and_alone_as_in_a_batch():
    net = small_gfpgan()
    both = pictures(2)
    with torch.inference_mode():
        whole = net(both)
        assert torch.equal(net(both), whole)
        alone = torch.cat([net(x[None]) for x in both])
    assert torch.allclose(whole, alone, atol=1e-5)


def test_the_noise_of_the_checkpoint_shows_and_so_does_what_the_encoder_saw():
    net = small_gfpgan()
    with torch.inference_mode():
        before = net(pictures())
        other = net(pictures(seed=1))
        net.stylegan_decoder.noises.noise7.add_(1)
        after = net(pictures())
    assert (before - other).abs().mean() > 0.02
    assert (before - after).abs().mean() > 0.002


@pytest.mark.parametrize("side", [4, 16, 17])
def test_convolved_before_it_is_doubled_a_map_is_the_same_up_to_its_borders(side):
    torch.manual_seed(side)
    plain = torch.nn.Conv2d(5, 7, 3, padding=1)
    x = torch.randn(2, 5, side, side + 3)
    with torch.inference_mode():
        twice = torch.nn.functional.interpolate(x, scale_factor=2, mode="bilinear")
        assert torch.allclose(Doubling(plain)(x), plain(twice), atol=1e-5)


@pytest.mark.parametrize("layout", [SMALL, WHOLE])
def test_quickened_it_draws_the_same_and_packed_in_bfloat16_nearly(layout):
    plain = small_gfpgan(layout)
    quick = copy.deepcopy(plain)
    quicken(quick)
    with torch.inference_mode():
        wanted = plain(pictures())
        assert torch.allclose(quick(pictures()), wanted, atol=1e-4)
        assert torch.equal(quick(pictures()), quick(pictures()))  # nothing of the network was overwritten
    half = torch.bfloat16
    if not can_pack(half):
        pytest.skip("drawn the same; this processor packs no bfloat16")
    fast = packed(quick, (torch.zeros(1, 3, layout.side, layout.side),), half, mapped(quick))
    with torch.inference_mode():
        made = fast(pictures().to(half, memory_format=torch.channels_last))
    assert made.dtype == torch.float32
    off = (made - wanted).numpy()
    assert 10 * np.log10(4 / np.mean(off**2)) > 38
