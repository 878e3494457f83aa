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
    if device.type != "cpu":
        return None
    told = _number(Path("/proc/meminfo"), r"^MemAvailable: *(\d+)")  # in kB; nothing, where it is not Linux
    free = [] if told is None else [1024 * told]
    return min([*free, *_left_to_container(Path("/sys/fs/cgroup"))], default=None)


_GROUPS = (("", "memory.max", "memory.current"), ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes"))
"""Where Linux says what a container may have, and has: by folder and files of its control groups."""


def _left_to_container(groups: Path) -> Iterator[int]:
    """Bytes that a container's limit leaves; files in memory give way. None without a limit."""
    for folder, limit, used in _GROUPS:
        most, now = _number(groups / folder / limit), _number(groups / folder / used)
        if most is not None and now is not None:
            kept = _number(groups / folder / "memory.stat", r"^(?:total_)?inactive_file (\d+)") or 0
            yield max(0, most - now + kept)


def _number(file: Path, pattern: str = r"^(\d+)$") -> int | None:
    """The first number that a file of the system has like that."""
    try:
        found = re.search(pattern, file.read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) if found else None


def release() -> None:
    """Give memory that torch keeps and nothing uses back to the devices.

    After an error only once it is gone: it holds on to what the failed call had in memory.
    """
    if torch.cuda.is_available():
        with recording_alone():
            torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
