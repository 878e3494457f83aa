"""The network in memory that is used again and again: the same pictures, and no more of it."""

import copy
import dataclasses

import pytest

torch = pytest.importorskip("torch")

from core.nets.codeformer import quicken  # noqa: E402  # needs torch
from core.nets.codeformer_cpu import Maps, reusing  # noqa: E402
from core.nets.packed import can_pack, packed  # noqa: E402
from tests.support.codeformers import SMALL, small_net  # noqa: E402

pytestmark = [
    pytest.mark.slow,  # torch alone takes seconds to import
    pytest.mark.skipif(not can_pack(), reason="this build of torch cannot pack convolutions"),
]

PARTS = ("encoder", "generator", "fuse_convs_dict")


def pictures(count, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, SMALL.side, SMALL.side, generator=random).clamp(-1, 1)


def lean(net, dtype=torch.float32):
    """`net` packed, and the memory it works in."""
    net = copy.deepcopy(net)
    quicken(net)
    made = packed(net, (pictures(1), 1.0, True), dtype, PARTS)
    return made, reusing(made, dtype)


def drawn(net, faces, codes, fidelity):
    features, seen = net.encoder(faces.contiguous(memory_format=torch.channels_last))
    return net.draw(codes, features, seen, fidelity)


@pytest.mark.parametrize("fused", [("32", "64", "128"), ("32", "64", "128", "256")])
@pytest.mark.parametrize("count", [1, 3])
def test_it_is_the_network_whatever_ran_before_and_however_many_at_once(fused, count):
    plain = small_net(dataclasses.replace(SMALL, fused=fused))
    fast, _ = lean(plain)
    with torch.inference_mode():
        for seed, fidelity in enumerate([0.5, 0.0, 1.0, 0.5]):
            faces = pictures(count, seed)
            wanted, logits, features = plain(faces, fidelity, True)
            codes = logits.argmax(dim=2)
            made = drawn(fast, faces, codes, fidelity)
            assert torch.allclose(fast.encoder(faces)[0], features, atol=1e-4)
            assert torch.allclose(made, wanted, atol=1e-3 * float(wanted.abs().max()))


def test_from_the_second_call_on_it_needs_no_more_memory():
    fast, maps = lean(small_net())
    codes = torch.zeros(1, SMALL.tokens, dtype=torch.long)
    with torch.inference_mode():
        sizes = [maps.size]
        for fidelity in (0.5, 0.5, 0.0, 0.5, 1.0):
            drawn(fast, pictures(1), codes, fidelity)
            sizes.append(maps.size)
    assert 0 == sizes[0] < sizes[1]
    assert len(set(sizes[2:])) == 1
    assert sizes[-1] < 12 * SMALL.width * SMALL.side**2


def test_what_the_encoder_has_seen_is_good_for_many_drawings():
    fast, _ = lean(small_net())
    codes = torch.arange(SMALL.tokens)[None]
    with torch.inference_mode():
        features, seen = fast.encoder(pictures(1))
        first, other, again = (fast.draw(codes, features, seen, w).clone() for w in (0.5, 1.0, 0.5))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_map_that_is_given_back_is_the_next_that_fits():
    maps = Maps(torch.float32)
    large, small = maps.take(1, 4, 8, 8), maps.take(1, 2, 4, 4)
    maps.give(large)
    assert maps.take(1, 2, 4, 4).data_ptr() == large.data_ptr()
    maps.give(small)
    maps.give(torch.zeros(1))
    assert maps.size == 4 * 8 * 8 + 2 * 4 * 4
    maps.take(1, 4, 8, 8)
    assert maps.size == 2 * 4 * 8 * 8 + 2 * 4 * 4
