"""Networks in ONNX files: checked against their sha256, and with a value from inside as one more output."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from core.errors import DamagedFile


def checked(paths: Iterable[Path], sha256: str) -> bytes:
    """What is in the files, one after the other. Raises DamagedFile if that is not what `sha256` says."""
    paths = list(paths)
    try:
        content = b"".join(path.read_bytes() for path in paths)
    except OSError as error:
        raise DamagedFile(
            f"{error.filename} cannot be read ({error.strerror}); reinstall its package"
        ) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DamagedFile(
            f"{paths[0]} is not the file expected (sha256 {sha256[:12]}...); reinstall its package"
        )
    return content


def with_output(model: bytes, name: str) -> bytes:
    """`model` with the value called `name` as its last output.

    Parsers of protobuf merge a field that comes twice, so a second `graph` that holds nothing but an output
    (ModelProto.graph = 7, GraphProto.output = 12, ValueInfoProto.name = 1) is added to the first.
    """
    return model + _field(7, _field(12, _field(1, name.encode())))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
