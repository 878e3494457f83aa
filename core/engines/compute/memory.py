"""Memory of a device: how much is free, how torch says on each kind of device that it ran out, and what
people are told."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from core.engines.compute.graphs import recording_alone
from core.errors import Error

_SIGNS = (
    "out of memory",  # MPS, and CUDA where it is not torch that asks for memory
    "ALLOC_FAILED",  # cuBLAS and cuDNN
    "allocate memory",  # the processor's own
)


def ran_out(error: BaseException) -> bool:
    """Whether `error` says that there was not enough memory."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


@contextmanager
def enough_memory(what: str, remedy: str) -> Iterator[None]:
    """Turn running out of memory into an Error that says for what, and what to do."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error):
            raise
        raise Error(f"there is not enough memory for {what}; {remedy}") from error


def check_free(needed: int, device: torch.device, what: str) -> None:
    """Raises Error if fewer than `needed` bytes are free on `device`, as far as that can be told there."""
    free = _free(device)
    if free is not None and free < needed:
        raise Error(
            f"{what} needs about {needed / 1e9:.1f} GB of memory on {device}, and {free / 1e9:.1f} GB are "
            "free; close what else uses it, or set LIPSTREAM_DEVICE to another device"
        )


def _free(device: torch.device) -> int | None:
    """Bytes free on `device`; None where nobody says."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        told = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:  # not Linux
        return None
    found = re.search(r"^MemAvailable: *(\d+) kB", told, re.MULTILINE)
    return int(found[1]) * 1024 if found and device.type == "cpu" else None


def release() -> None:
    """Give memory that torch keeps and nothing uses back to the devices.

    After an error only once it is gone: it holds on to what the failed call had in memory.
    """
    if torch.cuda.is_available():
        with recording_alone():
            torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
