"""Named arrays in one file, as numpy's savez writes them; large ones stay in it and are read where needed.

So what an engine keeps of every frame of a template costs disk, not memory.
"""

import mmap
import uuid
import zipfile
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from core.types import Arrays

_LARGE = 1 << 20
"""Bytes from which on an array stays in its file."""
_ROWS = 256
"""Rows of a large array that are copied at once."""


def save(path: Path, arrays: Arrays) -> None:
    """Write `arrays` so that the file is there whole or not at all."""
    draft = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}.npz")
    with zipfile.ZipFile(draft, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                if array.nbytes < _LARGE:
                    npy.write_array(file, np.asarray(array))
                    continue
                kind = npy.dtype_to_descr(array.dtype)
                header = {"descr": kind, "fortran_order": False, "shape": array.shape}
                kind = npy.dtype_to_descr(array.dtype)
                header = {"descr": kind, "fortran_order": False, "shape": array.shape}
                npy.write_array_header_1_0(file, header)
                for first in range(0, len(array), _ROWS):
                    file.write(rows(array, slice(first, first + _ROWS)).tobytes())
    draft.replace(path)


def load(path: Path) -> Arrays:
    """The arrays in the file; large ones are read from it whenever they are looked at: use `rows`."""
    arrays: dict[str, NDArray[np.generic]] = {}
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        for entry in archive.infolist():
            name = entry.filename.removesuffix(".npy")
            if entry.file_size < _LARGE or entry.compress_type != zipfile.ZIP_STORED:
                with archive.open(entry) as packed:
                    arrays[name] = npy.read_array(packed)
                continue
            # Its name and one more field of lengths told here stand before what the entry holds.
            file.seek(entry.header_offset + 26)
            lengths = int.from_bytes(file.read(2), "little") + int.from_bytes(file.read(2), "little")
            file.seek(entry.header_offset + 30 + lengths)
            npy.read_magic(file)
            shape, by_columns, dtype = npy.read_array_header_1_0(file)
            order: Literal["F", "C"] = "F" if by_columns else "C"
            arrays[name] = np.memmap(path, dtype, "r", file.tell(), shape, order)
    return arrays


def rows(array: NDArray[np.generic], which: int | slice) -> NDArray[np.generic]:
    """A copy of `array[which]`. If the array is in a file, what was read of that is not kept in memory."""
    copied = np.array(array[which])
    base: object = array.base  # not an array, as numpy's stub has it
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)
    return copied
