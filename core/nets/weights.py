"""From published state dicts to modules: weight norm folded, then a strict load."""

from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

Module = TypeVar("Module", bound=nn.Module)
Weights = Mapping[str, Tensor]


def fold_weight_norm(weights: Weights) -> dict[str, Tensor]:
    """float32 weights with each pair `x_g`, `x_v` replaced by `x` = g * v / |v|.

    The norm runs over the axes where g has size 1 (Salimans and Kingma 2016, arXiv:1602.07868).
    """
    folded: dict[str, Tensor] = {}
    for key, value in weights.items():
        if key.endswith("weight_v"):
            gain = weights[key[:-1] + "g"].float()
            axes = [k for k in range(value.ndim) if gain.shape[k] == 1]
            direction = value.float()
            folded[key[:-2]] = direction * (gain / direction.norm(dim=axes, keepdim=True))
        elif not key.endswith("weight_g"):
            folded[key] = value.float() if value.is_floating_point() else value
    return folded


def load_strict(module: Module, weights: Weights) -> Module:
    """`module` in eval mode, holding `weights`, which may neither lack a key nor have one too many.

    Raises RuntimeError that names keys and shapes if they do not fit.
    """
    module.load_state_dict(dict(weights), strict=True, assign=True)
    return module.eval().requires_grad_(False)


def with_prefix(weights: Weights, prefix: str) -> dict[str, Tensor]:
    """The entries under `prefix`, which is cut off their names."""
    return {key[len(prefix) :]: value for key, value in weights.items() if key.startswith(prefix)}


def count(weights: Mapping[str, object], pattern: str) -> int:
    """How many numbers k, from 0, have an entry that begins with `pattern.format(k)`."""
    k = 0
    while any(key.startswith(pattern.format(k)) for key in weights):
        k += 1
    return k


def on_meta() -> torch.device:
    """Where modules are made before their weights are known: no memory, no initialisation."""
    return torch.device("meta")
