"""S3FD: raw maps, candidates, and faces as the detector's API returns them.

overrides.json   [key, "fill" | "mul" | "set", value], applied to the recipe's weights in order
raw*.npz         image_bgr, net_input (every 16th pixel), cls1 ... reg6, candidates, kept
detect*.npz      images_bgr, boxes_<i>, rects
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.engines.face.s3fd import S3fdFinder, candidates, network_input, rectangle
from core.nets.s3fd import S3FD
from tests.parity import Check, close, exact, guarded, keys_of, recipe_for


def fits(folder: Path) -> bool:
    return any(key == "conv3_3_norm.weight" for key, *_ in keys_of(folder))


def checks(folder: Path) -> Iterator[Check]:
    recipe = recipe_for(folder)
    state = recipe.build(keys_of(folder))
    path = folder / "overrides.json"
    for key, change, value in json.loads(path.read_text()) if path.is_file() else []:
        if change == "fill":
            state[key].fill_(value)
        elif change == "mul":
            state[key].mul_(value)
        else:
            state[key].copy_(torch.tensor(value))
    net = S3FD().eval()
    net.load_state_dict(state, strict=True)
    finder = S3fdFinder(net, device=torch.device("cpu"), dtype=torch.float32)
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as file:
            arrays = dict(file)
        right = recipe.checksum(state) == int(arrays.get("weights_checksum", -1))
        yield Check(f"{path.stem}: weights", 0.0 if right else 1.0, 0.0)
        check = _raw if path.stem.startswith("raw") else _detect
        yield from guarded(path.stem, check(finder, path.stem, arrays))


def _raw(finder: S3fdFinder, stem: str, arrays: dict[str, Any]) -> Iterator[Check]:
    picture = network_input(arrays["image_bgr"])
    yield close(f"{stem}: net_input", picture[:, :, ::16, ::16], arrays["net_input"], 1e-5)
    levels = finder.maps(picture)
    for k, (scores, corrections) in enumerate(levels, 1):
        yield close(f"{stem}: cls{k}", scores, arrays[f"cls{k}"], 2e-4, 1e-4)
        yield close(f"{stem}: reg{k}", corrections, arrays[f"reg{k}"], 2e-4, 1e-4)
    yield from _boxes(f"{stem}: candidates", candidates(levels), arrays["candidates"])
    yield from _boxes(f"{stem}: kept", finder.boxes(arrays["image_bgr"]), arrays["kept"])


def _detect(finder: S3fdFinder, stem: str, arrays: dict[str, Any]) -> Iterator[Check]:
    rectangles = []
    for k, image in enumerate(arrays["images_bgr"]):
        boxes = finder.boxes(image)
        yield from _boxes(f"{stem}: boxes_{k}", boxes, arrays[f"boxes_{k}"])
        rectangles.append(rectangle(boxes) or (-1, -1, -1, -1))
    yield exact(f"{stem}: rects", rectangles, arrays["rects"])


def _boxes(name: str, got: Any, wanted: Any) -> Iterator[Check]:
    yield close(f"{name}, px", got[:, :4], wanted[:, :4], 1e-2)
    yield close(f"{name}, scores", got[:, 4], wanted[:, 4], 1e-4)
