"""Read GPT-SoVITS checkpoints as people have them; nothing in them is ever executed.

`.ckpt` (T2S) and `.pth` (SoVITS) are pickles. They are read with torch's restricted unpickler, which knows
tensors and plain containers; the one class it is told of besides is a stand-in for `utils.HParams`, a bag of
attributes that fine-tuned files hold their config in. Newer `.pth` files carry two digits in place of the
"PK" that a zip begins with.
"""

import io
import pickle
import struct
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from core.engines.compute.checkpoints import format_of
from core.errors import BadInput

_VERSIONS = {b"00": "v1", b"01": "v2", b"02": "v3", b"03": "v3 LoRA", b"04": "v4 LoRA", b"05": "v2Pro"}
_VERSIONS[b"06"] = "v2ProPlus"
_DAMAGE = (
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
)
_T2S = "model.ar_text_embedding.word_embeddings.weight"
_SOVITS = "enc_p.text_embedding.weight"
# A key that only this net has, and what to call it.
_OTHERS = (
    ("feature_extractor.conv_layers.0.conv.weight", "a HuBERT model"),
    ("bert.embeddings.word_embeddings.weight", "a BERT model"),
    ("embeddings.word_embeddings.weight", "a BERT model"),
    ("seg_1.weight", "a speaker net (ERes2NetV2)"),
    ("face_encoder_blocks.0.0.conv_block.0.weight", "a Wav2Lip model"),
)


class _Attributes:
    """Stands in for `utils.HParams` of the training code: holds what was pickled, does nothing."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that was read.

    weights: by published key, on the CPU, as stored (often float16). config: plain dicts.
    version: "v1", "v2", "v2Pro" or "v2ProPlus" of a SoVITS model; "v1" or "v2" of a T2S model, where "v2"
        serves every later version too.
    """

    path: Path
    weights: Mapping[str, Tensor]
    config: Mapping[str, Any]
    version: str


def read_t2s(path: Path) -> Checkpoint:
    """Read a T2S `.ckpt`.

    Raises BadInput `weights_missing`, `weights_damaged`, `weights_unsafe`, or `weights_wrong` for another
    kind of file, which says what it is.
    """
    content = _read(path)
    weights = _weights(content)
    if _T2S not in weights:
        raise _wrong(path, content, 'a T2S .ckpt ("GPT")')
    # v1 keeps room for 512 symbols and uses 322; later versions have their 732.
    version = "v1" if weights[_T2S].shape[0] < 732 else "v2"
    return Checkpoint(path, weights, _config(content), version)


def read_sovits(path: Path) -> Checkpoint:
    """Read a SoVITS `.pth` of v1, v2, v2Pro or v2ProPlus. Raises BadInput like `read_t2s`."""
    content = _read(path)
    weights = _weights(content)
    version = _sovits_version(content)
    if version not in ("v1", "v2", "v2Pro", "v2ProPlus"):
        raise _wrong(path, content, "a SoVITS .pth of v1, v2, v2Pro or v2ProPlus")
    return Checkpoint(path, weights, _config(content), version)


def check_pair(t2s: Checkpoint, sovits: Checkpoint) -> None:
    """Raise BadInput `weights_wrong` unless the two speak of the same symbols."""
    wanted = "v1" if sovits.version == "v1" else "v2"
    if t2s.version != wanted:
        raise BadInput(
            "weights_wrong",
            f"{t2s.path.name} is a T2S model of {t2s.version}, {sovits.path.name} a SoVITS model of "
            f"{sovits.version}, which have different phoneme tables; give two of the same version",
        )


def _read(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        raise BadInput("weights_missing", f"there is no file {path}; download it or give its right place")
    with path.open("rb") as file:
        start = file.read(2)
    if start not in (b"PK", *_VERSIONS) and start[:1] != b"\x80":
        raise BadInput("weights_wrong", f"{path} is {format_of(path)}, not a checkpoint; give the right file")
    known = torch.serialization.safe_globals([(_Attributes, "utils.HParams")])
    try:
        with path.open("rb") as file, warnings.catch_warnings(), known:
            warnings.simplefilter("ignore")  # foreign pickles are refused below, not commented on
            content: object = torch.load(_mended(file), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _refused(path, error) from error
    except _DAMAGE as error:
        raise BadInput(
            "weights_damaged",
            f"{path} ({path.stat().st_size} bytes) cannot be read: {_line(error)}; it may have been "
            "cut short: download or copy it again",
        ) from error
    if not isinstance(content, Mapping):
        raise BadInput("weights_wrong", f"{path} holds a {type(content).__name__}, not a checkpoint")
    return content


def _mended(file: BinaryIO) -> BinaryIO:
    """`file` with "PK" in front again, where a version stands in its place."""
    head = file.read(2)
    file.seek(0)
    if head not in _VERSIONS:
        return file
    whole = io.BytesIO(file.read())
    whole.write(b"PK")
    whole.seek(0)
    return whole


def _refused(path: Path, error: Exception) -> BadInput:
    with path.open("rb") as file:
        head = file.read(2)
    if head[:1] != b"\x80" and head != b"PK" and head not in _VERSIONS:
        return BadInput(
            "weights_wrong", f"{path} is not a checkpoint: it begins with {head.hex(' ') or 'nothing'}"
        )
    return BadInput(
        "weights_unsafe",
        f"{path} would run code when read, or holds more than tensors ({_line(error)}); it was not read "
        "further; get the checkpoint from its publisher",
    )


def _weights(content: Mapping[str, Any]) -> dict[str, Tensor]:
    inner = content.get("weight")
    found = inner if isinstance(inner, Mapping) else content
    return {str(key): value for key, value in found.items() if isinstance(value, Tensor)}


def _config(content: Mapping[str, Any]) -> Mapping[str, Any]:
    plain = _plain(content.get("config", {}))
    return plain if isinstance(plain, Mapping) else {}


def _plain(value: object) -> object:
    """Stand-ins and mappings as dicts, all the way down."""
    if isinstance(value, _Attributes):
        value = vars(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _sovits_version(content: Mapping[str, Any]) -> str:
    """What kind of SoVITS model it is, or "" if it is none."""
    weights = _weights(content)
    lora = any("lora_" in key for key in weights) or "lora_rank" in content
    if lora or any(key.startswith("cfm.") for key in weights):
        return "v3 or v4" + (" (LoRA)" if lora else "")
    if _SOVITS not in weights or "dec.conv_pre.weight" not in weights:
        return ""
    if "sv_emb.weight" in weights:
        return "v2Pro" if weights["dec.conv_pre.weight"].shape[0] == 512 else "v2ProPlus"
    return "v1" if weights[_SOVITS].shape[0] == 322 else "v2"


def _wrong(path: Path, content: Mapping[str, Any], needed: str) -> BadInput:
    return BadInput("weights_wrong", f"{path} is {_kind(content)}; {needed} is needed")


def _kind(content: Mapping[str, Any]) -> str:
    weights = _weights(content)
    if version := _sovits_version(content):
        return f"a SoVITS {version} .pth"
    if _T2S in weights:
        return 'a T2S .ckpt ("GPT")'
    for key, name in _OTHERS:
        if key in weights:
            return name
    if "optimizer" in content:
        return "a training checkpoint, which holds what training needs; export it for inference"
    some = ", ".join(list(weights or content)[:3])
    return f"something unknown ({len(weights)} tensors: {some} ...)"


def _line(error: BaseException) -> str:
    """The first line of what torch has to say, which may be hundreds."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return text if len(text) <= 200 else text[:197] + "..."
