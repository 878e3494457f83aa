"""GFP-GAN, against numbers of the authors' own network (the package gfpgan 1.3.8, "clean", noise not random).

keys.json        the full network's parameters
overrides.json   [pattern of keys, "mul" or "add", number] on the recipe's weights: styles and scales of
                 about 1, as training begins with, and pictures in about -1..1
gfpgan_*.npz     widths, half: the layout; pixels (n, s, s, 3), enlarged by repeating; of the result
                 out_sample ([3::8, 3::8]), crop (the middle), corner, mean and std a channel
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.nets.gfpgan import Gfpgan, Layout, layout_of
from tests.parity import Check, close, guarded, keys_of, recipe_for


def fits(folder: Path) -> bool:
    return any(key == "stylegan_decoder.constant_input.weight" for key, *_ in keys_of(folder))


def checks(folder: Path) -> Iterator[Check]:
    published = {key: tuple(shape) for key, shape in keys_of(folder)}
    yield Check("keys", float(published != _shapes(layout_of(published))), 0.0)
    for path in sorted(folder.glob("*.npz")):
        yield from guarded(path.stem, _case(folder, path))


def _case(folder: Path, path: Path) -> Iterator[Check]:
    with np.load(path) as file:
        arrays = dict(file)
    layout = Layout(widths=tuple(arrays["widths"].tolist()), half=bool(arrays["half"]))
    net, checksum = net_of(folder, layout)
    yield Check(f"{path.stem}: weights", float(checksum != int(arrays["weights_checksum"])), 0.0)
    with torch.inference_mode():
        made = net(net_input(arrays, layout.side))
    for name, value in described(made).items():
        yield close(f"{path.stem}: {name}", value, arrays[name], 1e-5)


def net_of(folder: Path, layout: Layout) -> tuple[Gfpgan, int]:
    """The network with the recipe's weights, and their checksum."""
    recipe = recipe_for(folder)
    state = recipe.build([[key, shape] for key, shape in _shapes(layout).items()])
    override(folder, state)
    net = Gfpgan(layout)
    net.load_state_dict(state, strict=True)
    return net.eval(), recipe.checksum(state)


def override(folder: Path, state: dict[str, torch.Tensor]) -> None:
    """Make of the recipe's weights what a network like this could have."""
    for pattern, change, number in json.loads((folder / "overrides.json").read_text()):
        for key in [key for key in state if re.search(pattern, key)]:
            getattr(state[key], f"{change}_")(number)


def net_input(arrays: dict[str, Any], side: int) -> torch.Tensor:
    """(n, 3, side, side), RGB in -1..1."""
    times = side // arrays["pixels"].shape[1]
    pixels = torch.from_numpy(arrays["pixels"].repeat(times, 1).repeat(times, 2))
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


def described(made: torch.Tensor) -> dict[str, torch.Tensor]:
    """What is kept of a result."""
    middle = made.shape[2] // 2
    return {
        "out_sample": made[:, :, 3::8, 3::8],
        "crop": made[:, :, middle - 8 : middle + 8, middle - 8 : middle + 8],
        "corner": made[:, :, :8, -8:],
        "mean": made.mean(dim=(2, 3)),
        "std": made.std(dim=(2, 3)),
    }


def _shapes(layout: Layout) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {key: tuple(value.shape) for key, value in Gfpgan(layout).state_dict().items()}
