"""CodeFormer: network at several fidelities, and the face helper around it.

keys.json, overrides.json   the network's parameters; [key, "mul", factor] on the recipe's weights
codeformer*.npz             image_small_bgr (a quarter of the size) and, of it, input_sample, top_idx,
                            logits_*, lq_feat_sample, out_<tag>, crop_<tag>, mean_<tag>, std_<tag>, u8_<tag>
align_paste*.npz            image_small_bgr, landmarks, parse_labels; affine, inv_affine_*, crops,
                            pasted_*, grey
"""

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from core.engines.restoration import ffhq
from core.nets.codeformer import CodeFormer, layout_of
from tests.parity import Check, close, exact, guarded, keys_of, recipe_for
from tests.parity import _codeformer_reference as reference


def fits(folder: Path) -> bool:
    return any(key == "position_emb" for key, *_ in keys_of(folder))


def checks(folder: Path) -> Iterator[Check]:
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as file:
            arrays = dict(file)
        if path.stem.startswith("codeformer"):
            yield from guarded(path.stem, _network(folder, path.stem, arrays))
        elif path.stem.startswith("align_paste"):
            yield from guarded(path.stem, _helper(path.stem, arrays))


@functools.lru_cache(maxsize=1)
def net_of(folder: Path, gain: float) -> tuple[CodeFormer, int]:
    """The network with the recipe's weights for `folder`, and their checksum."""
    recipe = recipe_for(folder)
    state = recipe.build(keys_of(folder), gain=gain)
    for key, change, factor in json.loads((folder / "overrides.json").read_text()):
        assert change == "mul", change
        state[key].mul_(factor)
    net = CodeFormer(layout_of({key: tuple(value.shape) for key, value in state.items()}))
    net.load_state_dict(state, strict=True)
    return net.eval(), recipe.checksum(state)


def net_input(arrays: dict[str, Any]) -> torch.Tensor:
    """(1, 3, 512, 512), RGB in -1..1."""
    image = arrays["image_small_bgr"].repeat(4, 0).repeat(4, 1)
    rgb = torch.from_numpy(np.ascontiguousarray(image[:, :, ::-1].transpose(2, 0, 1)[None]))
    return (rgb.float() / 255 - 0.5) / 0.5


def _network(folder: Path, stem: str, arrays: dict[str, Any]) -> Iterator[Check]:
    net, checksum = net_of(folder, float(arrays["gain"]))
    yield Check(f"{stem}: weights", float(checksum != int(arrays["weights_checksum"])), 0.0)
    x = net_input(arrays)
    yield close(f"{stem}: input_sample", x[:, :, 3::8, 3::8], arrays["input_sample"], 1e-6)
    with torch.inference_mode():
        features, seen = net.encoder(x)
        logits = net.predict(features)
        codes = logits.argmax(dim=2)
        yield exact(f"{stem}: top_idx", codes[0], arrays["top_idx"])
        yield close(f"{stem}: logits_sample", logits[:, ::8, ::16], arrays["logits_sample"], 2e-4)
        spread = [float(logits.mean()), float(logits.std())]
        yield close(f"{stem}: logits_mean_std", spread, arrays["logits_mean_std"], 2e-4)
        yield close(f"{stem}: lq_feat_sample", features[:, ::8, ::2, ::2], arrays["lq_feat_sample"], 2e-4)
        for tag in [name.removeprefix("out_") for name in arrays if name.startswith("out_")]:
            fidelity, _, adain = tag.removeprefix("w").partition("_adain")
            out = net.draw(codes, features, seen, int(fidelity) / 100, adain == "1")
            yield from _picture(stem, tag, out, arrays)


def _picture(stem: str, tag: str, out: torch.Tensor, arrays: dict[str, Any]) -> Iterator[Check]:
    # The numbers' own tolerance is 5e-4; two float32 implementations agree much better.
    yield close(f"{stem}: out_{tag}", out[:, :, 3::8, 3::8], arrays[f"out_{tag}"], 1e-4)
    yield close(f"{stem}: crop_{tag}", out[:, :, 224:256, 240:272], arrays[f"crop_{tag}"], 1e-4)
    for what, value in (("mean", out.mean(dim=(0, 2, 3))), ("std", out.std(dim=(0, 2, 3)))):
        yield close(f"{stem}: {what}_{tag}", value, arrays[f"{what}_{tag}"], 1e-5, 1e-3)
    bgr = ((out[0].clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()[:, :, ::-1]
    yield close(f"{stem}: u8_{tag}, levels", bgr[5::16, 5::16].astype(int), arrays[f"u8_{tag}"], 1)


def _helper(stem: str, arrays: dict[str, Any]) -> Iterator[Check]:
    image = arrays["image_small_bgr"].repeat(4, 0).repeat(4, 1)
    matrices = [reference.affine(points) for points in arrays["landmarks"]]
    yield close(f"{stem}: affine", matrices, arrays["affine"], 1e-3)
    crops = [reference.aligned(image, matrix) for matrix in matrices]
    small = np.stack(crops)[:, 3::8, 3::8].astype(int)
    yield close(f"{stem}: crops, levels", small, arrays["crops"], 2)
    labels = arrays["parse_labels"].repeat(8, 0).repeat(8, 1)
    for upscale, sampled in ((1, np.s_[1::4, 1::4]), (2, np.s_[2::8, 2::8])):
        backs = [reference.inverse(matrix, upscale) for matrix in matrices]
        yield close(f"{stem}: inv_affine_up{upscale}", backs, arrays[f"inv_affine_up{upscale}"], 1e-3)
        for parse in (0, 1):
            made = reference.pasted(
                image,
                [255 - crop for crop in crops],
                matrices,
                upscale,
                (lambda _: labels) if parse else None,
            )
            wanted = arrays[f"pasted_up{upscale}_parse{parse}"].astype(int)
            off = np.abs(made[sampled] - wanted) > 2
            name = f"{stem}: pasted_up{upscale}_parse{parse}, share off by more than 2"
            yield Check(name, float(off.mean()), 0.005)
    yield exact(f"{stem}: is_gray", reference.is_grey(image), arrays["is_gray"])
    yield from _grey(stem, arrays, image)


def _grey(stem: str, arrays: dict[str, Any], image: Any) -> Iterator[Check]:
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    yield exact(f"{stem}: gray_is_gray", reference.is_grey(grey), arrays["gray_is_gray"])
    face = _finely_aligned(grey, arrays["affine"][0])
    restored = reference.greyed(255 - face, face)[3::8, 3::8]
    yield close(f"{stem}: gray_restored, levels", restored, arrays["gray_restored"], 0.5)
    shape = tuple(int(n) for n in arrays["small_in_shape"])
    yield exact(
        f"{stem}: small_read_shape",
        reference.enlarged(np.zeros(shape, np.uint8)).shape,
        arrays["small_read_shape"],
    )


def _finely_aligned(image: Any, matrix: Any) -> Any:
    """`reference.aligned` as the numbers were made: OpenCV 4 samples at 1/32 of a pixel, which is a level off
    here and there, newer ones wherever a pixel lies.
    """
    back = cv2.invertAffineTransform(matrix).astype(np.float32)
    x, y = np.meshgrid(*[np.arange(ffhq.SIDE, dtype=np.float32)] * 2)
    across = back[0, 0] * x + back[0, 1] * y + back[0, 2]
    down = back[1, 0] * x + back[1, 1] * y + back[1, 2]
    left, top = np.floor(across).astype(int), np.floor(down).astype(int)
    right, low = (across - left)[:, :, None], (down - top)[:, :, None]
    framed = np.pad(image, ((1, 1), (1, 1), (0, 0))).astype(np.float32)
    framed[[0, -1]] = framed[:, [0, -1]] = ffhq.BORDER

    def at(rows: Any, columns: Any) -> Any:
        height, width = image.shape[:2]
        return framed[(rows + 1).clip(0, height + 1), (columns + 1).clip(0, width + 1)]

    above = at(top, left) * (1 - right) + at(top, left + 1) * right
    below = at(top + 1, left) * (1 - right) + at(top + 1, left + 1) * right
    return np.rint(above * (1 - low) + below * low).astype(np.uint8)
