"""The files that grow while they are watched, told by their bytes: fragmented MP4, or WebM with alpha."""

import os
from array import array

from core.media.fmp4 import codec_names
from core.media.webm import CLUSTER

_EBML = b"\x1a\x45\xdf\xa3"
_LONGEST_HEAD = 1 << 20


def media_type(head: bytes) -> str:
    """Of a file that begins like this, or is nothing yet."""
    return "video/webm" if head.startswith(_EBML) else "video/mp4"


def mime(init: bytes) -> str:
    """The media type of a file with this head, with its codecs, as players want it."""
    kind = media_type(init)
    codecs = "vp9,opus" if kind == "video/webm" else codec_names(init)
    return f'{kind}; codecs="{codecs}"'


def fragment_ends(file: int) -> "array[int]":
    """Where the fragments of an open file of ours end, the first of them its head; one cut off is none."""
    size = os.fstat(file).st_size
    if media_type(os.pread(file, 4, 0)) == "video/webm":
        return _clusters(file, size)
    ends, offset = array("Q"), 0
    while offset + 8 <= size:
        header = os.pread(file, 8, offset)
        offset += max(int.from_bytes(header[:4], "big"), 8)
        if header[4:] in (b"moov", b"mdat") and offset <= size:
            ends.append(offset)
    return ends


def _clusters(file: int, size: int) -> "array[int]":
    ends = array("Q")
    offset = os.pread(file, _LONGEST_HEAD, 0).find(CLUSTER)
    while 0 < offset <= size:
        ends.append(offset)
        header = os.pread(file, 12, offset)
        if len(header) < 12:
            break
        offset += 12 + (int.from_bytes(header[4:], "big") & ~(1 << 56))
    return ends
