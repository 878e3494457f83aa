"""The device that networks run on here, and the numbers it is quickest with."""

from functools import cache
from pathlib import Path

import torch

from core.errors import BadInput


def device_of(wanted: str) -> torch.device:
    """The device that `wanted` (as in `NeuralSettings.device`) names; the first of several.

    On CUDA devices float32 is float32 from then on: torch's own choice for convolutions is TensorFloat-32.
    Raises BadInput `unknown_device` if this machine has no such device.
    """
    there = devices()
    torch.backends.cudnn.allow_tf32 = False
    wanted = wanted.partition(",")[0].strip()
    if wanted == "auto":
        return torch.device(there[0])
    name = "cuda:0" if wanted == "cuda" else wanted
    if name not in there:
        raise BadInput(
            "unknown_device",
            f"there is no device {wanted!r} here; there are: auto, {', '.join(there)}",
            "device",
        )
    return torch.device(name)


def devices() -> list[str]:
    """The names of this machine's devices, the best one first."""
    there = ["cpu"]
    if torch.backends.mps.is_available():
        there.insert(0, "mps")
    if torch.cuda.is_available():
        there[:0] = [f"cuda:{k}" for k in range(torch.cuda.device_count())]
    return there


def dtype_of(precision: str, device: torch.device) -> torch.dtype:
    """The number format for networks on `device`."""
    if precision != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[precision]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float16
    if device.type == "mps":
        return torch.float16
    return torch.bfloat16 if cpu_has_bfloat16() else torch.float32


@cache
def cpu_has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware; where it does not, float32 is faster."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
