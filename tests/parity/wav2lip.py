"""Wav2Lip: front end, windows, generator, box smoothing and the whole run.

mel*.npz             <name>_pcm16 and, of it, <name>_mel and <name>_mel_zeropad
mel_chunks*.npz      fps, starts_len<L>_fps<j>
generator*.npz       faces_bgr_<b>, mel_<b>, out_<b>, audio_emb_<b>, face_bottleneck_<b>, input_corner_<b>
box_smoothing*.npz   in_<n>, out_<n>
end_to_end*.npz      frames_bgr, rects, pcm16, out_<name> and value_<name>, its frames a second
"""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.engines.wav2lip.engine import generator_input
from core.engines.wav2lip.mel import mel, window_starts
from core.nets.wav2lip import Wav2Lip, layout_of
from tests.parity import Check, close, exact, guarded, keys_of, recipe_for
from tests.parity._wav2lip_reference import lipsync, smoothed


def fits(folder: Path) -> bool:
    return any(key.startswith("face_encoder_blocks.") for key, *_ in keys_of(folder))


def checks(folder: Path) -> Iterator[Check]:
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as file:
            arrays = dict(file)
        for kind, check in KINDS.items():
            if path.stem.startswith(kind):
                yield from guarded(path.stem, check(folder, path.stem, arrays))
                break


def _chunks(_folder: Path, stem: str, arrays: dict[str, Any]) -> Iterator[Check]:
    wrong = 0
    cases = [name for name in arrays if name.startswith("starts_len")]
    for name in cases:
        columns, _, rate = name.removeprefix("starts_len").partition("_fps")
        starts = window_starts(int(columns), float(arrays["fps"][int(rate)]))
        wrong += starts != arrays[name].tolist()
    yield Check(f"{stem}: starts", wrong, 0, f"of {len(cases)} cases wrong")


def _mel(_folder: Path, stem: str, arrays: dict[str, Any]) -> Iterator[Check]:
    for name in arrays:
        if name.endswith("_pcm16"):
            samples = arrays[name].astype(np.float32) / 32768
            for padding, suffix in (("reflect", "mel"), ("zeros", "mel_zeropad")):
                wanted = name.replace("pcm16", suffix)
                if wanted in arrays:
                    yield close(f"{stem}: {wanted}", mel(samples, padding), arrays[wanted], 1e-4)  # type: ignore[arg-type]  # both are paddings


def _generator(folder: Path, stem: str, arrays: dict[str, Any]) -> Iterator[Check]:
    net, weights = _net(folder, arrays)
    yield weights
    for name in arrays:
        if not name.startswith("faces_bgr_"):
            continue
        batch = name.removeprefix("faces_bgr_")
        sound = torch.from_numpy(arrays[f"mel_{batch}"])
        with torch.inference_mode():
            faces = generator_input(torch.from_numpy(arrays[name]).permute(0, 3, 1, 2).float())
            found = {
                "out": net(sound, faces),
                "audio_emb": net.audio_encoder(sound),
                "face_bottleneck": net.encode_faces(faces)[-1],
                "input_corner": faces[:, :, 44:52, :8],
            }
        bounds = {"out": (2e-5, 0.0), "input_corner": (1e-7, 0.0)}
        for what, tensor in found.items():
            if f"{what}_{batch}" in arrays:
                # An embedding is off by 1e-4 of its size; a value near zero by 1e-4 of a typical one.
                wanted = arrays[f"{what}_{batch}"]
                absolute, relative = bounds.get(what, (1e-4 * float(np.abs(wanted).mean()), 1e-4))
                yield close(f"{stem}: {what}_{batch}", tensor.numpy(), wanted, absolute, relative)


def _smoothing(_folder: Path, stem: str, arrays: dict[str, Any]) -> Iterator[Check]:
    for name in arrays:
        if name.startswith("in_"):
            yield exact(f"{stem}: {name}", smoothed(arrays[name]), arrays[name.replace("in", "out", 1)])


def _end_to_end(folder: Path, stem: str, arrays: dict[str, Any]) -> Iterator[Check]:
    net, weights = _net(folder, arrays)
    yield weights
    for name in arrays:
        if name.startswith("out_"):
            wanted = arrays[name].astype(int)
            got = np.stack(
                list(
                    lipsync(
                        lambda sound, faces: _run(net, sound, faces),
                        list(arrays["frames_bgr"]),
                        arrays["rects"],
                        arrays["pcm16"].astype(np.float32) / 32768,
                        float(arrays[name.replace("out", "value", 1)]),
                        side=net.layout.side,
                    )
                )
            )
            yield close(f"{stem}: {name}, levels", got, wanted, 2)
            share = float((np.abs(got - wanted) > 1).mean()) if got.shape == wanted.shape else 1.0
            yield Check(f"{stem}: {name}, share off by more than 1", share, 0.005)


def _run(net: Wav2Lip, sound: Any, faces: Any) -> Any:
    with torch.inference_mode():
        return net(torch.from_numpy(sound), torch.from_numpy(faces)).numpy()


@functools.lru_cache(maxsize=1)
def net_of(folder: Path, gain: float) -> tuple[Wav2Lip, int]:
    """The network with the recipe's weights for `folder`, and their checksum."""
    recipe = recipe_for(folder)
    state = recipe.build(keys_of(folder), gain=gain)
    net = Wav2Lip(layout_of({key: tuple(value.shape) for key, value in state.items()}))
    net.load_state_dict(state, strict=True)
    net.eval()
    return net, recipe.checksum(state)


def _net(folder: Path, arrays: dict[str, Any]) -> tuple[Wav2Lip, Check]:
    net, checksum = net_of(folder, float(arrays.get("gain", 1.1)))
    return net, Check("weights", float(checksum != int(arrays["weights_checksum"])), 0.0)


KINDS = {
    "mel_chunks": _chunks,
    "mel": _mel,
    "generator": _generator,
    "box_smoothing": _smoothing,
    "end_to_end": _end_to_end,
}
