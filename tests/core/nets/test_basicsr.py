"""basicsr and facexlib, where they are installed: importable beside the newest torchvision, quietly and
offline; and our networks against theirs."""

import importlib.util
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")
for package in ("torchvision", "basicsr", "facexlib"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed", allow_module_level=True)

from core.nets import gfpgan  # noqa: E402  # needs torch
from core.nets.basicsr import build, build_gfpgan, facexlib, registry  # noqa: E402
from core.nets.codeformer import Layout  # noqa: E402
from tests.support import ROOT  # noqa: E402

pytestmark = pytest.mark.slow  # torch alone takes seconds to import

OFFLINE = """
import socket
def refuse(*_, **__): raise AssertionError("it wanted the network")
socket.socket.connect = socket.getaddrinfo = refuse
from core.nets.basicsr import facexlib, registry
assert registry() is registry()
assert "CodeFormer" in registry()
assert "GFPGANv1Clean" in registry()
from basicsr.archs.rrdbnet_arch import RRDBNet
facexlib()
from facexlib.utils.face_restoration_helper import FaceRestoreHelper
"""
FRESH = [sys.executable, "-W", "error", "-c"]


def test_a_fresh_process_imports_both_without_warnings_or_the_network():
    subprocess.run([*FRESH, OFFLINE], check=True, cwd=ROOT, timeout=100)


def test_our_networks_import_neither():
    code = (
        "import core.nets.codeformer, core.nets.gfpgan, core.nets.parsenet, core.nets.rrdbnet, sys;"
        "assert not {'basicsr', 'facexlib', 'torchvision'} & set(sys.modules)"
    )
    subprocess.run([*FRESH, code], check=True, cwd=ROOT, timeout=100)


def test_codeformer_is_found_in_basicsrs_registry_by_the_arguments_of_the_authors_script():
    made = registry().get("CodeFormer")
    with torch.device("meta"):
        net = made(
            dim_embd=512,
            codebook_size=1024,
            n_head=8,
            n_layers=9,
            connect_list=["32", "64", "128", "256"],
        )
    assert net.layout == Layout()


def test_gfpgan_is_found_in_basicsrs_registry_by_the_arguments_of_the_authors_script():
    made = registry().get("GFPGANv1Clean")
    given = {"num_style_feat": 512, "input_is_latent": True, "different_w": True, "sft_half": True}
    with torch.device("meta"):
        net = made(out_size=512, channel_multiplier=2, narrow=1, fix_decoder=False, num_mlp=8, **given)
    assert net.layout == gfpgan.Layout()
    small = made(out_size=32, narrow=0.125, **given)
    with torch.inference_mode():
        picture = small(torch.zeros(1, 3, 32, 32), return_rgb=False, weight=0.5)[0]
    assert picture.shape == (1, 3, 32, 32)
    with pytest.raises(ValueError, match="different_w"):
        build_gfpgan(512)


def test_heads_that_no_checkpoint_has_are_refused():
    with pytest.raises(ValueError, match="8 expected"):
        build(n_head=4)


def test_parsenet_and_rrdbnet_give_what_the_packages_give():
    from core.nets import parsenet, rrdbnet

    registry()
    facexlib()
    from basicsr.archs.rrdbnet_arch import RRDBNet
    from facexlib.parsing.parsenet import ParseNet

    torch.manual_seed(0)
    pairs = [
        (
            ParseNet(in_size=128, out_size=128, min_feat_size=32, res_depth=2, parsing_ch=19),
            parsenet.ParseNet,
        ),
        *((RRDBNet(3, 3, scale=k, num_block=1), rrdbnet.RRDBNet) for k in (1, 2, 4)),
    ]
    for theirs, kind in pairs:
        state = theirs.eval().state_dict()
        module = parsenet if kind is parsenet.ParseNet else rrdbnet
        ours = kind(module.layout_of({key: tuple(value.shape) for key, value in state.items()})).eval()
        ours.load_state_dict(state, strict=True)
        x = torch.rand(2, 3, 64, 64)
        with torch.inference_mode():
            wanted = theirs(x)
            wanted = wanted[0] if isinstance(wanted, tuple) else wanted
            assert torch.allclose(ours(x), wanted, rtol=1e-4, atol=1e-5)
