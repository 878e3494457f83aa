"""The network by itself; its numbers are held against the reference in test_parity.py."""

import dataclasses
import json

import pytest

torch = pytest.importorskip("torch")

from core.engines.compute.checkpoints import load_net  # noqa: E402  # needs torch
from core.errors import BadInput  # noqa: E402
from core.nets.codeformer import CodeFormer, Layout, Up, layout_of, quicken, with_statistics_of  # noqa: E402
from tests.support import FIXTURES  # noqa: E402
from tests.support.codeformers import SMALL, small_net  # noqa: E402

pytestmark = pytest.mark.slow  # torch alone takes seconds to import

KEYS = FIXTURES / "codeformer" / "keys.json"


def shapes(layout):
    with torch.device("meta"):
        return {key: tuple(value.shape) for key, value in CodeFormer(layout).state_dict().items()}


def picture(layout=SMALL, seed=0):
    side = layout.side
    return torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(seed)).clamp(-1, 1)


def test_the_default_layout_has_every_published_key_in_its_shape_and_no_other():
    published = {key: tuple(shape) for key, shape in json.loads(KEYS.read_text())}
    assert shapes(Layout()) == published
    assert layout_of(published) == Layout()
    assert Layout().side == 512


@pytest.mark.parametrize(
    ("layout", "purpose"),
    [
        (Layout(), "restoration"),
        (Layout(codes=512, fused=("32", "64", "128")), "inpainting"),
        (Layout(fused=("32", "64", "128")), "colourisation"),
        (SMALL, "restoration"),
    ],
)
def test_a_layout_is_known_by_its_shapes(layout, purpose):
    assert layout_of(shapes(layout)) == layout
    assert layout.purpose == purpose


@pytest.mark.parametrize("fused", [("32", "64", "128"), ("32", "64", "128", "256")])
def test_every_published_variant_loads_strictly_from_under_params_ema_and_draws(tmp_path, fused):
    layout = dataclasses.replace(SMALL, fused=fused)
    net = small_net(layout)
    torch.save({"params_ema": net.state_dict()}, tmp_path / "codeformer.pth")
    again = load_net(tmp_path / "codeformer.pth", "a CodeFormer", lambda s: CodeFormer(layout_of(s)))
    with torch.inference_mode():
        assert torch.equal(again(picture(), 0.5, True)[0], net(picture(), 0.5, True)[0])


@pytest.mark.parametrize(
    ("lost", "says"),
    [
        ("quantize.embedding.weight", "no codebook"),
        ("encoder.blocks.0.weight", "no encoder"),
        ("feat_emb.weight", "no transformer"),
        ("generator.blocks.3.norm1.bias", "generator.blocks.3.norm1.bias"),
    ],
)
def test_a_checkpoint_that_lacks_a_part_is_refused_by_that_parts_name(tmp_path, lost, says):
    state = small_net().state_dict()
    del state[lost]
    torch.save({"params_ema": state}, tmp_path / "codeformer.pth")
    with pytest.raises(BadInput, match=says) as refused:
        load_net(tmp_path / "codeformer.pth", "a CodeFormer", lambda s: CodeFormer(layout_of(s)))
    assert refused.value.code == "weights_wrong"


def test_at_fidelity_zero_the_fusion_branch_is_not_run():
    net = small_net()
    calls = []
    for fuse in net.fuse_convs_dict.values():
        fuse.register_forward_hook(lambda *_: calls.append(1))
    with torch.inference_mode():
        none, _, _ = net(picture(), 0.0, True)
        assert not calls
        little, _, _ = net(picture(), 1e-4, True)
        full, _, _ = net(picture(), 1.0, True)
    assert len(calls) == 2 * len(SMALL.fused)
    assert (none - little).abs().max() < 0.01 < (none - full).abs().max()


def test_each_picture_of_a_batch_is_restored_alone():
    net = small_net()
    both = torch.cat([picture(seed=1), picture(seed=2)])
    with torch.inference_mode():
        whole = net(both, 0.6, True)[0]
        alone = torch.cat([net(x[None], 0.6, True)[0] for x in both])
    assert torch.allclose(whole, alone, atol=1e-4)


def test_codes_take_on_the_colours_of_the_features():
    random = torch.Generator().manual_seed(3)
    style, content = (torch.randn(2, 5, 8, 8, generator=random) * s + s for s in (3.0, 0.2))
    made = with_statistics_of(style, content)
    assert torch.allclose(made.mean(dim=(2, 3)), style.mean(dim=(2, 3)), atol=1e-4)
    assert torch.allclose(made.std(dim=(2, 3)), style.std(dim=(2, 3)), rtol=2e-3)


def test_quickened_it_draws_the_same_with_less_work():
    plain, quick = small_net(), small_net()
    quicken(quick)
    assert not [module for module in quick.modules() if isinstance(module, Up)]
    with torch.inference_mode():
        assert torch.allclose(plain(picture(), 0.5, True)[0], quick(picture(), 0.5, True)[0], atol=2e-4)
