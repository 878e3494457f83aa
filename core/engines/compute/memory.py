"""Memory of a device that runs out: how torch says so on each kind of device, and what people are told."""

from collections.abc import Iterator
from contextlib import contextmanager

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


def release() -> None:
    """Give memory that torch keeps and nothing uses back to the devices.

    After an error only once it is gone: it holds on to what the failed call had in memory.
    """
    if torch.cuda.is_available():
        with recording_alone():
            torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
