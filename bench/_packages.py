"""The networks of basicsr and facexlib, as users of those packages run them: what ours are measured against.

They are built without weights, which changes no time. Where they are not installed (docs/codeformer.md
says how) ours stand in for facexlib in the flow, and the rest is not measured.
"""

import importlib
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from bench import Figure
from bench._timing import side_by_side
from core.engines.face.network import as_input
from core.engines.restoration.parsing import Parser
from core.nets import basicsr
from core.nets.packed import folded, laid_out
from core.nets.parsenet import ParseNet
from core.nets.retinaface import RetinaFace
from core.nets.rrdbnet import RRDBNet
from core.types import Image

_ROUNDS = 3
_CPU = torch.device("cpu")


def finder_and_parser() -> tuple[nn.Module, nn.Module, str]:
    """RetinaFace-R50, ParseNet, and whose they are: facexlib's where it is installed, else ours."""
    try:
        basicsr.facexlib()
    except ImportError:
        return RetinaFace(mobile=False).eval(), ParseNet().eval(), "our networks: facexlib is not installed"
    finding: Any = importlib.import_module("facexlib.detection.retinaface")
    parsing: Any = importlib.import_module("facexlib.parsing.parsenet")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of torchvision's old arguments
        finder = finding.RetinaFace("resnet50")
    return finder.eval(), parsing.ParseNet(512, 512).eval(), "facexlib's networks"


def figures(face: Image) -> Iterator[Figure]:
    """Ours against theirs, float32, on the processor. face: uint8 (512, 512, 3)."""
    try:
        registry, _ = basicsr.registry(), basicsr.facexlib()
    except ImportError:
        return
    finder, parser, _ = finder_and_parser()
    our_parser, our_finder = Parser(ParseNet().eval(), _CPU, torch.float32), _as_run(RetinaFace(mobile=False))
    x = as_input(face[None], _CPU, torch.float32)
    plain = x.contiguous()
    yield _beside("facexlib's ParseNet, a face", lambda: our_parser(face), lambda: parser(plain))
    yield _beside("facexlib's RetinaFace-R50, 512x512", lambda: our_finder(x), lambda: finder(plain))
    small = plain[:, :, :64, :64].contiguous()
    enlarger, theirs = _as_run(RRDBNet()), registry.get("RRDBNet")(3, 3, scale=2).eval()
    yield _beside("basicsr's RRDBNet, 64x64 to 128x128", lambda: enlarger(small), lambda: theirs(small))


def _as_run(net: nn.Module) -> nn.Module:
    return laid_out(folded(net.eval()), _CPU, torch.float32)


def _beside(name: str, ours: Callable[[], object], theirs: Callable[[], object]) -> Figure:
    """Seconds of all threads, ours against theirs."""
    with torch.inference_mode():
        mine, baseline, _ = side_by_side(ours, theirs, _ROUNDS, time.process_time)
    return Figure(f"beside {name}, CPU time", mine, "s", higher=False, baseline=baseline)
