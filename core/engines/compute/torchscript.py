"""Read the tensors of a TorchScript archive without running it.

`torch.jit.save` wrote these files (the authors of Wav2Lip publish such); `torch.jit.load` builds the program
inside and is deprecated. Here the archive's pickle is read by an unpickler that knows how to make tensors and
hollow modules and refuses everything else. Format: torch/csrc/jit/docs/serialization.md.
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_TYPES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


def is_torchscript(path: Path) -> bool:
    """Whether `path` is a zip with a program inside; a plain checkpoint has no `constants.pkl`."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def read_torchscript(path: Path) -> dict[str, Tensor]:
    """The tensors of the module in `path`, by the names its state dict would give them.

    Raises pickle.UnpicklingError for content that is no module's, zipfile.BadZipFile for a damaged file.
    """
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
        root = _Reader(archive, name.removesuffix("/data.pkl")).load()
    if not isinstance(root, _Module):
        raise pickle.UnpicklingError(f"{path.name} holds a {type(root).__name__}, not a module")
    tensors: dict[str, Tensor] = {}
    _collect(root, "", tensors)
    return tensors


class _Module:
    """A module of whatever class: its attributes, nothing to call."""

    def __init__(self) -> None:
        self.attributes: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.attributes = state


def _collect(module: _Module, prefix: str, into: dict[str, Tensor]) -> None:
    for name, value in module.attributes.items():
        if isinstance(value, Tensor):
            into[prefix + name] = value
        elif isinstance(value, _Module):
            _collect(value, f"{prefix}{name}.", into)


class _Storage:
    """Stands for a storage class: pickles name it, and its element type is all that matters."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype


def _tensor(
    storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_rest: object
) -> Tensor:
    return storage.as_strided(size, stride, offset).clone()


def _untagged(value: object, *_tag: object) -> object:
    return value


class _Reader(pickle.Unpickler):
    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(io.BytesIO(archive.read(f"{root}/data.pkl")))
        self._archive, self._root = archive, root
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("__torch__"):
            return _Module
        if module == "torch" and name in _TYPES:
            return _Storage(_TYPES[name])
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch.jit._pickle":  # lists and dicts wrapped to keep their type
            return _untagged
        raise pickle.UnpicklingError(f"refused to make a {module}.{name}")

    def persistent_load(self, pid: Any) -> Tensor:
        _, kind, key, _device, count = pid
        if key not in self._storages:
            content = bytearray(self._archive.read(f"{self._root}/data/{key}"))
            whole = (
                torch.frombuffer(content, dtype=kind.dtype) if content else torch.empty(0, dtype=kind.dtype)
            )
            if len(whole) < count:
                raise pickle.UnpicklingError(f"tensor {key} is cut short")
            self._storages[key] = whole
        return self._storages[key]
