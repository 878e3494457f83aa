"""Colours that a picture tells by the numbers of ITU-T H.273 (CICP). Runs in the child process only.

AVIF and HEIF have them in a box (`colr` of type `nclx`, ISO/IEC 14496-12, 12.1.5), PNG in a chunk (`cICP`,
PNG's third edition); Pillow passes over both. Such a picture may be of high dynamic range.
"""

import struct
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from PIL import Image

from core.sandbox.fit import Colours, to_srgb

_HEAD = 1 << 18
"""Bytes at a file's beginning in which they are looked for: what describes a picture comes before it."""


def coded_colours(path: Path, profile: bytes | None) -> Colours | None:
    """What the file tells by numbers, None if that is nothing, sRGB, or of less weight than its profile."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.startswith(b"\x89PNG"):
        at = head.find(b"cICP", 0, head.find(b"IDAT")) + 4
        found = struct.unpack_from("4B", head, at) if 4 <= at <= len(head) - 4 else None
    else:
        at = -1 if profile else head.find(b"colrnclx") + 8
        found = struct.unpack_from(">3H", head, at) if 8 <= at <= len(head) - 6 else None
    if found is None:
        return None
    told = Colours(found[0], found[1], 0, 2)  # Pillow's decoders give RGB of full range
    return told if told.need_conversion else None


def converted(picture: Image.Image, told: Colours) -> Image.Image:
    """`picture`, RGB or RGBA, in sRGB; what is brighter than its white is brought down."""
    frame = VideoFrame.from_ndarray(np.asarray(picture.convert("RGB")), format="rgb24")
    ours = Image.fromarray(to_srgb(frame, told).to_ndarray())
    if picture.mode == "RGBA":
        ours.putalpha(picture.getchannel("A"))
    return ours
