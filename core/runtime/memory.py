"""How much memory the process keeps that it has freed.

glibc gives each thread an arena of its own to allocate from, keeps there what is freed, and hands back only
what lies at an arena's end: tens of MB each, and more with every kind of job that a thread has seen. Two
arenas are enough for threads that mostly compute. Elsewhere (musl, macOS) nothing here does anything.
"""

import ctypes
import sys

ARENAS = 2

_M_ARENA_MAX = -8  # malloc.h


def keep_little() -> None:
    """Allocate from few arenas, from now on: to be called before there are threads."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            libc.mallopt(_M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Let the system have what is free, wherever it lies. Blocks for milliseconds."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "malloc_trim"):
            libc.malloc_trim(0)
