"""basicsr and facexlib beside a torchvision of today, and CodeFormer and GFP-GAN where basicsr's users look
for networks.

Nothing here needs them: `core.nets` has these two, ParseNet, RetinaFace and RRDBNet itself. This is the only
place that imports them, because basicsr 1.4.2 is from 2022 and what it imports has moved:

- `torchvision.transforms.functional_tensor` is gone since torchvision 0.17;
- torchvision's compiled half does not load beside a CPU build of torch, and the package fails with it;
- `distutils` is gone since Python 3.12.
"""

import importlib
import importlib.util
import sys
import types
import warnings
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from core.nets import codeformer
from core.nets.codeformer import CodeFormer
from core.nets.gfpgan import Gfpgan, Layout

_MOVED = "torchvision.transforms.functional_tensor"
_COMPILED = "torchvision._meta_registrations"


def registry() -> Any:
    """basicsr's ARCH_REGISTRY, in which "CodeFormer" is `build` below, and "GFPGANv1Clean" `build_gfpgan`
    unless the package gfpgan is installed, which registers its own.

    Raises ImportError where basicsr or torchvision is not installed. Downloads nothing.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of scipy's old names
        _make_importable()
        importlib.import_module("basicsr.archs")  # registers basicsr's own networks
    architectures = importlib.import_module("basicsr.utils.registry").ARCH_REGISTRY
    if "CodeFormer" not in architectures:
        architectures._do_register("CodeFormer", build)
    if "GFPGANv1Clean" not in architectures and importlib.util.find_spec("gfpgan") is None:
        architectures._do_register("GFPGANv1Clean", build_gfpgan)
    return architectures


def facexlib() -> Any:
    """The package facexlib. Raises ImportError where it or torchvision is not installed."""
    _make_importable()
    return importlib.import_module("facexlib")


def build(
    dim_embd: int = 512,
    n_head: int = 8,
    n_layers: int = 9,
    codebook_size: int = 1024,
    latent_size: int = 256,
    connect_list: Sequence[str] = ("32", "64", "128", "256"),
    **unused: Any,  # fix_modules and vqgan_path, which matter to training alone
) -> CodeFormer:
    """CodeFormer by the arguments the authors' scripts give. Raises ValueError for heads it never had."""
    if n_head * 64 != dim_embd:
        raise ValueError(f"{n_head} heads for {dim_embd} channels; {dim_embd // 64} expected")
    return CodeFormer(
        codeformer.Layout(
            tokens=latent_size,
            dim=dim_embd,
            layers=n_layers,
            codes=codebook_size,
            fused=tuple(connect_list),
        )
    )


class _Clean(Gfpgan):
    """Called and answering as the authors' network; the U-Net's pictures, for training, are left out."""

    def forward(self, x: Tensor, **_unused: Any) -> tuple[Tensor, list[Tensor]]:  # type: ignore[override]  # so it is
        return super().forward(x), []


def build_gfpgan(
    out_size: int,
    num_style_feat: int = 512,
    channel_multiplier: int = 1,
    num_mlp: int = 8,
    input_is_latent: bool = False,
    different_w: bool = False,
    narrow: float = 1,
    sft_half: bool = False,
    **unused: Any,  # decoder_load_path and fix_decoder, which matter to training alone
) -> Gfpgan:
    """GFP-GAN by the arguments of the authors' GFPGANer. Raises ValueError for kinds never published."""
    if not (input_is_latent and different_w):
        raise ValueError("no GFP-GAN was published without input_is_latent=True and different_w=True")
    full = [512] * 4 + [size * channel_multiplier for size in (256, 128, 64, 32, 16)]  # from 4 pixels on
    widths = tuple(int(width * narrow) for width in full[: out_size.bit_length() - 2])
    return _Clean(Layout(widths, num_style_feat, num_mlp, sft_half))


def _make_importable() -> None:
    _import_torchvision()
    if _lacks(_MOVED):
        moved = types.ModuleType(_MOVED)
        transforms = importlib.import_module("torchvision.transforms.functional")
        moved.rgb_to_grayscale = transforms.rgb_to_grayscale  # type: ignore[attr-defined]  # all basicsr takes
        sys.modules[_MOVED] = moved
    if _lacks("distutils"):
        packaging = importlib.import_module("packaging.version")
        version = types.ModuleType("distutils.version")
        version.LooseVersion = packaging.Version  # type: ignore[attr-defined]  # all basicsr takes
        sys.modules.setdefault("distutils", types.ModuleType("distutils"))
        sys.modules["distutils.version"] = version


def _lacks(module: str) -> bool:
    return module not in sys.modules and importlib.util.find_spec(module) is None


def _import_torchvision() -> None:
    """Import torchvision; if its compiled half does not fit torch, without its operators."""
    if sys.modules.get("torchvision", sys) is None:  # hidden from transformers, because it fails
        del sys.modules["torchvision"]
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        # What it says about operators that are not there; nothing that basicsr needs to be imported.
        sys.modules[_COMPILED] = types.ModuleType(_COMPILED)
        importlib.import_module("torchvision")
