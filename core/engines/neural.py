"""What engines that run networks share: their settings, the device they run on, and the numbers they use."""

from functools import cache
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field

from core.config import Settings
from core.errors import BadInput


class NeuralSettings(Settings):
    """The settings that only matter where networks run; read like all others (`LIPSTREAM_DEVICE` ...)."""

    device: str = "auto"
    """auto, cpu, mps, cuda or cuda:N. auto is the first of cuda, mps, cpu that is there."""

    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """What networks count in. auto is the fastest that the device does in hardware; float32 is exact."""

    compile: bool = False
    """Compile networks with torch.compile. The first start takes a minute and needs a C++ compiler; later
    ones find the result in `data_dir`/compiled."""

    own_weights: dict[str, Path] = Field(default_factory=dict)
    """The user's own checkpoints by the name of the published one they stand in for, as JSON:
    {"wav2lip": "/data/checkpoint_step000200000.pth"}."""

    wav2lip_offset: int = -1
    """Frames by which the sound Wav2Lip hears for a picture is later than the picture. -1 is how it was
    trained, and 40 ms sooner to the first picture; 0 is what the authors' inference.py does."""

    @property
    def weights_dir(self) -> Path:
        """Where downloaded checkpoints lie."""
        return self.data_dir / "weights"


def device_of(wanted: str) -> torch.device:
    """The device that `wanted` (as in `NeuralSettings.device`) names.

    Raises BadInput `unknown_device` if this machine has no such device.
    """
    there = ["cpu"]
    if torch.backends.mps.is_available():
        there.insert(0, "mps")
    if torch.cuda.is_available():
        there[:0] = [f"cuda:{k}" for k in range(torch.cuda.device_count())]
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
