"""Load published checkpoints into networks: every form they come in, and no pickle ever executed.

Forms: a bare state dict; one under "state_dict", "params_ema" ...; either with the `module.` of data-parallel
training before every key; a TorchScript archive. A file that does not fit is named for what it is.
"""

import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from core.engines.compute.torchscript import is_torchscript, read_torchscript
from core.errors import BadInput

Net = TypeVar("Net", bound=nn.Module)
Shapes = Mapping[str, tuple[int, ...]]

_WRAPPERS = ("state_dict", "params_ema", "params", "model", "generator", "net", "weight")
# What readers of zips and pickles raise when the bytes make no sense.
_DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    StopIteration,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
)
_FORMATS = [
    (b"PK\x03\x04", "a zip file"),
    (b"<", "a web page, as download links give when a login or a confirmation is asked for"),
    (b"{", "a JSON text"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8", "a JPEG picture"),
    (b"RIFF", "a WAV or AVI file"),
    (b"\x08", "an ONNX model"),
]
# A key that only this network has, and what to call it.
_NETWORKS = [
    ("face_encoder_blocks.0.0.conv_block.0.weight", "a Wav2Lip generator"),
    ("face_encoder.0.conv_block.0.weight", "Wav2Lip's SyncNet expert (lipsync_expert), not the generator"),
    ("binary_pred.0.weight", "Wav2Lip's visual quality discriminator, not the generator"),
    ("conv3_3_norm.weight", "an S3FD face detector"),
    ("body.stage1.0.0.weight", "a RetinaFace face detector (MobileNet)"),
    ("body.layer4.2.conv3.weight", "a RetinaFace face detector (ResNet-50)"),
    ("feat_emb.weight", "a CodeFormer"),
    ("stylegan_decoder.constant_input.weight", "a GFP-GAN"),
    ("conv_body_first.0.weight", "the GFP-GAN of the paper (v1), not v1.4"),
    ("quantize.embedding.weight", "CodeFormer's VQGAN, a codebook without the transformer"),
    ("encoder.0.conv2d.weight", "the ParseNet face parser"),
    ("body.0.rdb1.conv1.weight", "an RRDBNet (Real-ESRGAN, ESRGAN)"),
    ("time_embedding.linear_1.weight", "a Stable Diffusion UNet"),
    ("post_quant_conv.weight", "a Stable Diffusion autoencoder (VAE)"),
    ("model.encoder.embed_positions.weight", "a Whisper"),
    ("encoder.embed_positions.weight", "a Whisper"),
    ("enc_p.ssl_proj.weight", "a GPT-SoVITS SoVITS model"),
    ("model.ar_text_embedding.word_embeddings.weight", "a GPT-SoVITS GPT model"),
]


def load_net(
    path: Path,
    what: str,
    build: Callable[[Shapes], Net],
    part: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] = dict,
) -> Net:
    """The network of the checkpoint at `path`, every tensor in its place, in eval mode.

    what: what the file should be, for people ("a Wav2Lip generator"). build: makes the empty network for
        tensors of these names and shapes; raises ValueError if they are not of the kind. On "meta", it gets
        the tensors of the file themselves, which stay there until they are used. part: the tensors that are
        the network's, under its names.
    Raises BadInput `weights_missing`, `weights_damaged`, `weights_unsafe` or `weights_wrong`.
    """
    tensors = load_tensors(path)
    wanted = part(tensors)
    try:
        net = build({key: tuple(value.shape) for key, value in wanted.items()})
        net.load_state_dict(wanted, strict=True, assign=next(net.parameters()).is_meta)
    except (ValueError, RuntimeError, LookupError, ArithmeticError, TypeError) as error:
        why = f"it has no {error.args[0]}" if isinstance(error, KeyError) else _short(error)
        raise BadInput(
            "weights_wrong",
            f"{path} should be {what}, but it is {_network(tensors)}: {why}; "
            "give the right file or download it again",
        ) from error
    # Files of half precision, too: what is quick on the device is chosen when it is laid out there.
    return net.float().eval()


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name, without wrappers, prefixes and optimizer state, on the CPU.

    Raises BadInput like `load_net`, but for `weights_wrong` only if there are no tensors in the file at all.
    """
    if not path.is_file():
        raise BadInput("weights_missing", f"there is no file {path}; download it or give its right place")
    content = _read(path)
    for wrapper in _WRAPPERS:
        inner = content.get(wrapper) if isinstance(content, Mapping) else None
        if isinstance(inner, Mapping):
            content = inner
            break
    tensors = _tensors(content)
    if not tensors:
        raise BadInput(
            "weights_wrong", f"{path} holds no tensors by name but {_described(content)}; give a checkpoint"
        )
    return tensors


def _read(path: Path) -> object:
    try:
        if is_torchscript(path):
            return read_torchscript(path)
        # A mapped file costs memory only for what is copied out: a checkpoint may be two thirds optimizer.
        mapped = zipfile.is_zipfile(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # foreign pickles are refused below, not commented on
            content: object = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        if _is_pickle(path):
            raise BadInput(
                "weights_unsafe",
                # Not what torch says: it advises to read the file all the same.
                f"{path} would run code when read, or holds more than tensors; it was not read further; get "
                "the checkpoint from its publisher",
            ) from error
        raise BadInput("weights_wrong", f"{path} is {format_of(path)}, not a checkpoint") from error
    except _DAMAGE as error:
        raise BadInput(
            "weights_damaged",
            f"{path} ({path.stat().st_size} bytes) is {format_of(path)} and cannot be read: {_short(error)}; "
            "it may have been cut short: download it again",
        ) from error
    return content


def _tensors(content: object) -> dict[str, Tensor]:
    if not isinstance(content, Mapping):
        return {}
    found = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    if found and all(key.startswith("module.") for key in found):
        return {key.removeprefix("module."): value for key, value in found.items()}
    return found


def _is_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(2)
    return start[:1] == b"\x80" or start == b"PK"


def _network(tensors: Mapping[str, Tensor]) -> str:
    for key, name in _NETWORKS:
        if key in tensors:
            return name
    some = ", ".join(list(tensors)[:3])
    return f"something unknown ({len(tensors)} tensors: {some}, ...)"


def format_of(path: Path) -> str:
    """What a file is, for people, by its first bytes: "a WAV or AVI file", "empty" ..."""
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        return "empty"
    for magic, name in _FORMATS:
        if start.lstrip()[: len(magic)] == magic:
            return name
    return "a pickle" if start[:1] == b"\x80" else f"of unknown format (it begins {start[:8].hex(' ')})"


def _described(content: object) -> str:
    if isinstance(content, Mapping):
        return f"a dict of {', '.join(map(str, list(content)[:5])) or 'nothing'}"
    return f"a {type(content).__name__}"


def _short(error: BaseException) -> str:
    """The first line of what torch has to say, which may be hundreds."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = " ".join(lines[:2]) or type(error).__name__
    return text if len(text) <= 240 else text[:237] + "..."
