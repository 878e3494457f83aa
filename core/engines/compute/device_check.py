"""What torch can compute on here, for people: each device, its memory, and whether it counts right."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional

from core.engines.compute.devices import device_of, devices, dtype_name, dtype_of
from core.errors import BadInput


@dataclass(frozen=True, slots=True)
class Checked:
    """A device. about: what it is, its memory and what networks count in. problem: why it cannot be used."""

    name: str
    about: str
    problem: str | None


def checked(wanted: Sequence[str], precision: str) -> list[Checked]:
    """Every device there is, and those of `wanted` (names as in the setting `device`) that are not."""
    found = [_checked(torch.device(name), precision) for name in devices()]
    for name in dict.fromkeys(wanted):
        try:
            device_of(name)
        except BadInput as error:
            found.append(Checked(name, "named in the settings", error.message))
    if not torch.cuda.is_available() and Path("/dev/nvidiactl").exists():
        lacks = "has no code for it" if torch.version.cuda is None else "cannot use it (an old driver?)"
        told = f"there is an NVIDIA GPU, but torch {torch.__version__} {lacks}; see pytorch.org/get-started"
        found.append(Checked("cuda", told, None))
    return found


def _checked(device: torch.device, precision: str) -> Checked:
    about = [_called(device)]
    try:
        dtype = dtype_of(precision, device)
        about.append(f"networks in {dtype_name(dtype)}")
        if device.type == "cuda":
            free, total = torch.cuda.mem_get_info(device)
            about.append(f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB free")
        problem = _miscounts(device, dtype)
    except BadInput as error:
        problem = error.message
    except (RuntimeError, AssertionError) as error:  # torch's, where driver, card or build do not fit
        problem = str(error).strip().partition("\n")[0]
    return Checked(str(device), ", ".join(about), problem)


def _called(device: torch.device) -> str:
    if device.type != "cuda":
        return {"cpu": "this processor", "mps": "Apple's GPU"}.get(device.type, device.type)
    major, minor = torch.cuda.get_device_capability(device)
    return f"{torch.cuda.get_device_name(device)}, capability {major}.{minor}"


def _miscounts(device: torch.device, dtype: torch.dtype) -> str | None:
    """What is wrong with a small convolution there, if anything."""
    random = torch.Generator().manual_seed(0)
    x, kernel = torch.randn(1, 8, 16, 16, generator=random), torch.randn(8, 8, 3, 3, generator=random)
    with torch.inference_mode():
        made = functional.conv2d(x.to(device, dtype), kernel.to(device, dtype)).float().cpu()
        off = float((made - functional.conv2d(x, kernel)).abs().max())
    return None if off < 1 else f"a convolution is off by {off:.2g}; results cannot be trusted"
