"""Where results go: names that can be written, and never those of what they are made from.

A link leads to where it points, and stays a link. What is not yet whole lies beside it, under another name.
"""

import errno
import mimetypes
import os
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path

from core.errors import BadInput

VIDEO, SOUND, PICTURE, ALPHA = (".mp4", ".m4v"), (".wav",), (".jpg", ".jpeg", ".png"), (".webm", ".mov")
"""How names of results may end; the first is added to a name that ends in nothing known."""

_LONGEST_NAME = 255
"""Bytes of a name that every usual file system takes."""

_MORE_TYPES = (
    "avi",
    "flv",
    "m2ts",
    "mkv",
    "mts",
    "ogv",
    "opus",
    "rm",
    "rmvb",
    "srt",
    "ts",
    "vob",
    "vtt",
    "wmv",
)
_KNOWN = {*mimetypes.MimeTypes(filenames=()).types_map[True], *(f".{ending}" for ending in _MORE_TYPES)}
"""Ends of names that say what a file is, on every machine alike; any other is a part of the name."""


def result(
    name: str | Path, endings: Sequence[str], reads: Iterable[Path | None] = (), kept: Iterable[Path] = ()
) -> Path:
    """Where a result called `name` goes: `name` itself, with the first of `endings` if it has no ending.

    reads: what the result is made from. kept: folders where others keep things. Raises BadInput
    `unwritable_output`, or `output_is_input` if it is one of those or in one, by whatever name, or would be.
    """
    path = Path(name)
    if path.name in ("", "..") or str(name).endswith(os.sep):
        raise _unwritable(name, "that is no name of a file")
    try:
        if not path.exists() or path.is_file():
            path = _with_ending(path, endings)
        if not path.parent.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"there is no folder {path.parent}")
        check_not_read(path, reads)
        for folder in kept:
            if real(path).is_relative_to(real(folder)):
                raise _is_input(path)
        _check_room(real(path))
    except (OSError, ValueError) as error:
        raise _unwritable(path, getattr(error, "strerror", None) or str(error)) from error
    return path


def real(path: Path) -> Path:
    """Where links lead; `Path.resolve` raises for those that lead in a circle, on some Pythons."""
    return Path(os.path.realpath(path))


def check_not_read(path: Path, reads: Iterable[Path | None]) -> None:
    """Raises BadInput `output_is_input` if to write `path` would overwrite one of `reads`."""
    for read in reads:
        if read is None:
            continue
        same = path.samefile(read) if path.exists() and read.exists() else real(path) == real(read)
        if same:
            raise _is_input(path)


def write_whole(path: Path, data: bytes) -> None:
    """Write a small file, which appears when it is whole. Raises OSError."""
    place = real(path)
    draft = beside(place, ".part")
    try:
        draft.write_bytes(data)
        draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)


def beside(path: Path, end: str) -> Path:
    """A new name in the folder of `path`, for what is to become it; no longer than names may be."""
    stem = os.fsencode(path.with_suffix("").name)
    mark = f".{uuid.uuid4().hex[:8]}{end}"
    short = stem[: _LONGEST_NAME - len(mark)]
    while len(short) < len(stem) and short and stem[len(short)] & 0xC0 == 0x80:
        short = short[:-1]  # not amid a character
    return path.with_name(os.fsdecode(short) + mark)


def _with_ending(path: Path, endings: Sequence[str]) -> Path:
    ending = path.suffix.lower()
    if ending in endings:
        return path
    if ending in _KNOWN:
        raise _unwritable(path, f"it is written as {_what(endings)}; let the name end in {endings[0]}")
    return path.with_name(path.name + endings[0])


def _what(endings: Sequence[str]) -> str:
    return " or ".join(sorted({ending[1:].upper().replace("JPEG", "JPG") for ending in endings}))


def _check_room(path: Path) -> None:
    """Raises OSError or BadInput for what cannot be written; `path` is where links lead."""
    if path.is_symlink():
        raise OSError(errno.ELOOP, "its links lead round in a circle")
    if path.exists() and not path.is_file():
        raise FileExistsError(errno.EEXIST, "it exists and is not a file")
    if not path.parent.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, f"there is no folder {path.parent}")
    if len(os.fsencode(path.name)) > _LONGEST_NAME:
        raise OSError(errno.ENAMETOOLONG, "the name is too long")
    for needed in (path, path.parent):
        if needed.exists() and not os.access(needed, os.W_OK):
            raise PermissionError(errno.EACCES, f"Permission denied: {needed}")


def _is_input(path: Path) -> BadInput:
    message = f"{path} is an input; give another output, so that nothing of it is lost"
    return BadInput("output_is_input", message, "output")


def _unwritable(name: str | Path, why: str) -> BadInput:
    message = f"{str(name) or repr(name)} cannot be written ({why}); choose another place"
    return BadInput("unwritable_output", message, "output")
