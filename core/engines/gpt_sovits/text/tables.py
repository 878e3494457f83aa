"""The tables shipped beside the text front end: read on first use, kept for the life of the process.

What each file is, and under which licence it came: `data/SOURCES.md`. Nothing here is ever downloaded.
"""

import io
import lzma
from functools import cache
from importlib import resources
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


def read(name: str) -> bytes:
    """The bytes of one file in `data/`, uncompressed."""
    raw = (resources.files(__package__) / "data" / name).read_bytes()
    return lzma.decompress(raw) if name.endswith(".xz") else raw


def lines(name: str) -> list[str]:
    """The lines of one table, without line ends."""
    return read(name).decode("utf-8").splitlines()


@cache
def pronunciations(name: str) -> MappingProxyType[str, str]:
    """Word -> its sounds, separated by spaces. One string a word: a list each would cost five times the
    memory.
    """
    return MappingProxyType(dict(line.split(" ", 1) for line in lines(name)))


@cache
def simplified() -> MappingProxyType[int, str]:
    """Code point of a traditional character -> simplified character, for `str.translate`."""
    return MappingProxyType({ord(pair[0]): pair[1] for pair in lines("simplified.txt.xz")})


@cache
def spelling_weights() -> MappingProxyType[str, FloatArray]:
    """The letter-to-sound network's arrays, float32."""
    with np.load(io.BytesIO(read("spelling.npz.xz"))) as stored:
        names = [name for name in stored.files if not name.endswith("_scale")]
        return MappingProxyType(
            {name: stored[name].astype(np.float32) * stored[f"{name}_scale"] for name in names}
        )
