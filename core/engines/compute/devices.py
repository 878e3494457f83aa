"""The device that networks run on here, and the numbers it is quickest with."""

from functools import cache
from pathlib import Path

import torch

from core.errors import BadInput
from core.nets.packed import can_pack


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
    """The number format for networks on `device`; `precision` as in `NeuralSettings.precision`.

    Raises BadInput `precision_unavailable` if the processor has no kernels for what is asked of it.
    """
    if precision != "auto":
        dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[precision]
        # Where nothing can be packed, networks run as torch's plain layers, which do every format, slowly.
        if device.type == "cpu" and can_pack() and not can_pack(dtype):
            raise BadInput(
                "precision_unavailable",
                f"this processor has no instructions for networks in {precision}; set LIPSTREAM_PRECISION to "
                f"auto, the fastest that it has ({dtype_name(dtype_of('auto', device))}), or to float32",
                "precision",
            )
        return dtype
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float16
    if device.type == "mps":
        return torch.float16
    return torch.bfloat16 if cpu_has_bfloat16() else torch.float32


def dtype_name(dtype: torch.dtype) -> str:
    """`float32`, as people and settings write it."""
    return str(dtype).removeprefix("torch.")


@cache
def cpu_has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware; where it does not, float32 is faster.

    AVX-512 without bfloat16 packs it, too, and is slow at it, hence the processor's flags.
    """
    if not can_pack(torch.bfloat16):
        return False
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
