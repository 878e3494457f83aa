"""ParseNet and RRDBNet, against numbers of facexlib's and basicsr's own networks.

keys.json   the network's parameters
*.npz       input; of the output out ([1::3, 1::3]), mean a channel, labels (arg-max at [::3, ::3])
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from core.nets import parsenet, rrdbnet
from tests.parity import Check, close, exact, guarded, keys_of, recipe_for

_KNOWN = {"out_mask_conv.conv2d.weight": parsenet, "body.0.rdb1.conv1.weight": rrdbnet}


def fits(folder: Path) -> bool:
    return any(key in _KNOWN for key, *_ in keys_of(folder))


def checks(folder: Path) -> Iterator[Check]:
    for path in sorted(folder.glob("*.npz")):
        yield from guarded(path.stem, _case(folder, path))


def _case(folder: Path, path: Path) -> Iterator[Check]:
    with np.load(path) as file:
        arrays = dict(file)
    recipe = recipe_for(folder)
    state = recipe.build(keys_of(folder), gain=float(arrays["gain"]))
    right = recipe.checksum(state) == int(arrays["weights_checksum"])
    yield Check(f"{path.stem}: weights", 0.0 if right else 1.0, 0.0)
    with torch.inference_mode():
        out = _net(state)(torch.from_numpy(arrays["input"]))
    size = float(np.abs(arrays["out"]).max())
    yield close(f"{path.stem}: out", out[:, :, 1::3, 1::3], arrays["out"], 1e-5 * size, 1e-5)
    yield close(f"{path.stem}: mean", out.mean(dim=(0, 2, 3)), arrays["mean"], 1e-5 * size)
    yield exact(f"{path.stem}: labels", out.argmax(dim=1)[:, ::3, ::3], arrays["labels"])


def _net(state: dict[str, torch.Tensor]) -> nn.Module:
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    net: nn.Module
    if "conv_first.weight" in shapes:
        net = rrdbnet.RRDBNet(rrdbnet.layout_of(shapes))
    else:
        net = parsenet.ParseNet(parsenet.layout_of(shapes))
    net.load_state_dict(state, strict=True)
    return net.eval()
