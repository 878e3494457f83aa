"""Read a foreign picture's pixels. Runs in the child process (`core.sandbox`) only."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from core.errors import BadInput
from core.media.info import Limits
from core.sandbox.reader import malformed, open_picture, signature

_LEAST = 16


def read_pixels(path: Path, most: int, limits: Limits) -> NDArray[np.uint8]:
    """See `core.media.foreign.read_picture`."""
    if signature(path) == "heif":
        raise BadInput("unsupported", f"{path.name} is a HEIF or AVIF picture; save it as JPEG or PNG")
    if signature(path) != "picture":
        raise BadInput(
            "not_a_picture", f"{path.name} is not a picture; expected PNG, JPEG, WebP, BMP or GIF", "image"
        )
    picture = open_picture(path, limits)
    if min(picture.size) < _LEAST:
        width, height = picture.size
        raise BadInput(
            "image_too_small",
            f"{path.name} is {width}x{height}; a background is at least {_LEAST}x{_LEAST}",
            "image",
        )
    try:
        picture.draft("RGB", (most, most))  # a large JPEG is decoded at half or a quarter its size
        upright = ImageOps.exif_transpose(picture)
        upright.thumbnail((most, most), Image.Resampling.LANCZOS)
        return _pixels(upright)
    except (OSError, ValueError, SyntaxError) as error:  # what Pillow's decoders raise for broken files
        raise malformed(path, error) from error


def _pixels(picture: Image.Image) -> NDArray[np.uint8]:
    if picture.has_transparency_data:
        return np.ascontiguousarray(np.asarray(picture.convert("RGBA"))[..., [2, 1, 0, 3]])
    if picture.mode.startswith("I"):  # 16 bits of grey; Pillow would cut them off at 255
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    rgb = np.asarray(picture.convert("RGB"))
    return np.dstack([rgb[..., ::-1], np.full(rgb.shape[:2], 255, np.uint8)])
